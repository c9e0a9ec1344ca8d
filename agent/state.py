"""The graph's state: ids and counters only, plain values with a version.

What was said stands in the turn rows; places in it are ``[seq, start, end]``. The state is small
(about a kilobyte) and is kept with every interviewer turn, from where an interview resumes or
forks.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict

from agent.errors import StoreError
from agent.policy import Phase
from agent.scale import Stage

VERSION: Final = 1
Place = list[int]


class State(TypedDict):
    """See the field comments; every value is plain JSON."""

    version: int
    interview: str
    seq: int  # the last row this state knows
    phase: Phase
    stage: Stage
    visited: list[str]  # stages opened or led to
    met: dict[str, Place]
    half: dict[str, Place]  # possibly covered
    errors: dict[str, Place]  # misconceptions heard
    sides: dict[str, Place]  # halves of contradictions heard
    challenged: list[str]
    tested: list[str]  # positions tested with a changed number
    asked: dict[str, int]
    hints: dict[str, int]
    followups: dict[str, int]  # by stage
    stage_clock: dict[str, float]
    parked: dict[str, Place]  # by stage: said before its time
    told: list[str]  # facts told
    offered: list[str]  # facts of which the candidate was asked whether they are meant
    unprompted: list[str]  # risks raised unasked
    clock: float
    turns: int  # interviewer turns
    clarify_turns: int
    dive: int
    dive_turns: int
    stalls: int
    rambled: list[str]
    carried_on: bool
    handovers: int
    twist: str
    target: str
    move: str
    prefix: str  # reply lines that open the next turn
    shown: list[str]  # passages shown as sources
    notes: dict[str, Any]  # what the last answer brought, for routing
    decision: dict[str, Any]
    spoken: dict[str, Any]  # what a model has said of the turn, until it is composed
    pending: dict[str, Any]  # the composed turn, until it is committed


def new_state(interview: str) -> State:
    """The state before the first turn."""
    return State(
        version=VERSION,
        interview=interview,
        seq=-1,
        phase="clarify",
        stage="framing",
        visited=[],
        met={},
        half={},
        errors={},
        sides={},
        challenged=[],
        tested=[],
        asked={},
        hints={},
        followups={},
        stage_clock={},
        parked={},
        told=[],
        offered=[],
        unprompted=[],
        clock=0.0,
        turns=0,
        clarify_turns=0,
        dive=0,
        dive_turns=0,
        stalls=0,
        rambled=[],
        carried_on=False,
        handovers=0,
        twist="",
        target="",
        move="",
        prefix="",
        shown=[],
        notes={},
        decision={},
        spoken={},
        pending={},
    )


def snapshot(state: State) -> dict[str, Any]:
    """What is kept with an interviewer turn: the state without what its defaults restore."""
    empty = new_state(state["interview"])
    return {
        key: value
        for key, value in state.items()
        if key not in ("interview", "notes", "decision", "spoken", "pending")
        and value != empty[key]  # type: ignore[literal-required]
    }


def restore(interview: str, kept: dict[str, Any]) -> State:
    """The state of a kept snapshot, for this interview (a fork has another id than its source)."""
    if kept.get("version", VERSION) != VERSION:
        raise StoreError(
            f"This interview was saved by another version of Spar (state {kept['version']})."
        )
    state = new_state(interview)
    unknown = set(kept) - set(state)
    if unknown:
        raise StoreError(f"This interview's saved state has an unknown field {min(unknown)!r}.")
    state.update(kept)  # type: ignore[typeddict-item]
    return state
