"""The interview as a LangGraph state machine.

``brief`` sets the problem; every speaking node goes through ``commit`` (the row is written, then
streamed) to ``await_answer``, which only interrupts; ``note`` reads the answer and ``route``
chooses the next move by pure policy; ``consult`` lets a model, where there is one, choose among
what policy allows and say it.

The turn rows are the only durable truth. Each interviewer row keeps a snapshot of the graph's small
state, so a step restores it into a fresh in-memory thread, lets it reach its interrupt and resumes
it with the committed answer: nothing has to be recovered after a kill, and a redo is a new thread
seeded from an earlier row. The opening turn needs no routing: ``agent.opening`` runs its two nodes
before this module, and LangGraph with it, is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from agent import nodes, speaking, turns
from agent.consulting import consult
from agent.deps import Deps, Update
from agent.state import State, restore

MAX_STEPS = 40


def await_answer(state: State) -> Update:
    """Wait for the candidate; resumed with the seq of the committed row."""
    seq = interrupt({"after": state["seq"]})
    return {"seq": int(seq)}


def build_graph() -> StateGraph[State, Deps, State, State]:
    """The uncompiled graph; callers supply the checkpointer."""
    graph: StateGraph[State, Deps, State, State] = StateGraph(State, context_schema=Deps)
    graph.add_node("await_answer", await_answer)
    graph.add_node("note", nodes.note)
    graph.add_node("route", nodes.route)
    graph.add_node("consult", consult)
    graph.add_node("reply", speaking.reply)
    graph.add_node("move_on", speaking.move_on)
    graph.add_node("commit", turns.commit)
    graph.add_node("grade", nodes.grade)
    graph.add_node("report", nodes.report)
    for name in ("brief", "ask", "probe", "hint", "challenge", "twist", "wrap_up"):
        graph.add_node(name, getattr(speaking, name))
        graph.add_edge(name, "commit")
    graph.add_edge(START, "brief")
    graph.add_edge("commit", "await_answer")
    graph.add_edge("await_answer", "note")
    graph.add_edge("note", "route")
    graph.add_conditional_edges("route", nodes.needs_words)
    graph.add_conditional_edges("consult", nodes.next_node)
    graph.add_edge("reply", "route")
    graph.add_edge("move_on", "ask")
    graph.add_edge("grade", "report")
    graph.add_edge("report", END)
    return graph


@cache
def _compiled() -> CompiledStateGraph[State, Deps, State, State]:
    return build_graph().compile(checkpointer=InMemorySaver())


def resume(deps: Deps, kept: dict[str, Any], seq: int) -> Iterator[str]:
    """Deliver the committed row ``seq`` to the state kept with the question before it."""
    state = restore(deps.interview.id, kept)
    graph = _compiled()
    saver = graph.checkpointer
    thread = f"{state['interview']}:{id(state)}"
    config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": MAX_STEPS}
    try:
        graph.update_state(config, state, as_node="commit")
        graph.invoke(None, config, context=deps)
        step: Any = Command(resume=seq)
        # Named, so that it is still open where nobody listens any more: closing it waits for the
        # node at work, and that one for the model.
        pieces = graph.stream(step, config, context=deps, stream_mode="custom")
        try:
            for piece in pieces:
                yield str(piece)
        except GeneratorExit:
            if deps.voice is not None:
                deps.voice.stop()
            raise
    finally:
        if isinstance(saver, InMemorySaver):
            saver.delete_thread(thread)
