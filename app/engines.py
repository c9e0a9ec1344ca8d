"""Which engines this version can run; imports nothing heavy, so that a wrong one fails at once."""

from __future__ import annotations

from typing import Final

from agent.errors import EngineError

ENGINES: Final = ("offline", "openai")


def check_engine(name: str | None) -> str:
    """The engine to use; EngineError in one sentence for one that cannot run."""
    if name in (None, "offline"):
        return "offline"
    if name == "openai":
        raise EngineError(
            "The openai engine is not part of this version; the offline engine needs no key."
        )
    raise EngineError(f"There is no engine {name!r}; the engines are {' and '.join(ENGINES)}.")
