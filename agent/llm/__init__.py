"""The model-backed engine: one OpenAI-compatible endpoint, asked once a turn.

Everything here stands on ``agent.llm.types``; nothing imports openai before a call is made.
"""
