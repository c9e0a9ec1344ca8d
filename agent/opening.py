"""The opening turn, spoken by the graph's own first nodes without loading LangGraph.

Importing LangGraph takes about as long as everything else that stands before the first question;
``preload`` does it in the background while the question is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agent.deps import Deps
from agent.speaking import brief
from agent.state import State, new_state
from agent.turns import commit


@dataclass(frozen=True)
class _Opening:
    """The runtime of the two nodes; keeps what they stream."""

    context: Deps
    said: list[str] = field(default_factory=list)

    def stream_writer(self, piece: Any) -> None:
        self.said.append(str(piece))


def begin(deps: Deps) -> Iterator[str]:
    """Run ``brief`` and ``commit``; yields the first question in pieces, after its row was
    committed."""
    runtime = _Opening(deps)
    state: State = new_state(deps.interview.id)
    for node in (brief, commit):
        state = State(**{**state, **node(state, runtime)})  # type: ignore[typeddict-item]
    yield from runtime.said


def preload() -> None:
    """Import the state machine, for the turns that follow."""
    importlib.import_module("agent.graph")
