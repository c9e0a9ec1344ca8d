"""One interviewer turn: composed from authored words or a model's, committed, streamed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agent.deps import NodeRuntime, Update
from agent.errors import ConflictError
from agent.llm.types import CallRecord
from agent.records import Move, Source, TurnRecord
from agent.scale import OFFLINE, OPENAI, Stage
from agent.state import State, snapshot
from agent.types import Criterion
from agent.wording import Wording


def speak(
    state: State,
    runtime: NodeRuntime,
    wording: Wording,
    move: Move,
    *,
    criterion: Criterion | None = None,
    target: str | None = None,
    source: Source | None = None,
    stage: Stage | None = None,
    keep_target: bool = False,
) -> Update:
    """Commit and stream one interviewer turn; the update every speaking node returns."""
    deps = runtime.context
    new_target = criterion.id if criterion is not None else target or ""
    if keep_target:
        new_target = state["target"]
    said = _said(state, wording, source)
    update: Update = {
        "seq": state["seq"] + 1,
        "turns": state["turns"] + 1,
        "move": move,
        "target": new_target,
        "prefix": "",
        "notes": {},
        "decision": {},
        "shown": [*state["shown"], *(s.id for s in said.sources)],
    }
    row = TurnRecord(
        interview=state["interview"],
        seq=state["seq"] + 1,
        speaker="interviewer",
        act="say",
        text=said.text,
        stage=stage or _spoken_stage(state, criterion),
        move=move,
        target=new_target or None,
        wording=wording.key or None if said.engine == OFFLINE else None,
        sources=said.sources,
        engine=said.engine,
        fallback_reason=said.fault or None,
        call=said.call,
        at=deps.now(),
    )
    update["pending"] = row.model_dump(mode="json", exclude_defaults=True)
    return update


@dataclass(frozen=True)
class _Said:
    """What a turn comes to say, and who said it."""

    text: str
    sources: tuple[Source, ...]
    engine: str
    fault: str = ""
    call: CallRecord | None = None


def _said(state: State, wording: Wording, source: Source | None) -> _Said:
    """The authored line, or what a model has said instead. Where the model broke off, the authored
    line follows, unless a question was already put."""
    spoken = state["spoken"]
    line = f"{state['prefix']} {wording.text}".strip()
    behind = (source,) if source is not None else ()
    if not spoken:
        return _Said(line, behind, OFFLINE)
    call = CallRecord.model_validate(spoken["call"]) if spoken.get("call") else None
    words, fault, shown = spoken.get("text", ""), spoken["fault"], spoken["shown"]
    if not words:
        return _Said(line, behind, OFFLINE, fault, call)
    cited = tuple(Source.model_validate(s) for s in spoken["passages"])
    if not fault or "?" in words:
        return _Said(shown.strip(), cited, OPENAI, fault, call)
    return _Said(f"{shown.rstrip()} {wording.text}", cited or behind, OPENAI, fault, call)


def _spoken_stage(state: State, criterion: Criterion | None) -> Stage | None:
    if criterion is not None:
        return criterion.asked_in
    return None if state["phase"] in ("clarify", "sketch") else state["stage"]


def commit(state: State, runtime: NodeRuntime) -> Update:
    """Write the composed turn with the state after it, then stream it."""
    deps = runtime.context
    pending: dict[str, Any] = state["pending"]
    kept: dict[str, Any] = snapshot(state)
    row = TurnRecord.model_validate({**pending, "snapshot": kept})
    try:
        deps.store.add_turn(row)
    except ConflictError:
        standing = deps.store.turn(row.interview, row.seq)
        if standing is None or standing.speaker != "interviewer":
            raise
        row = standing
    for piece in re.findall(r"\S+\s*|\s+", _unheard(row.text, state["spoken"].get("shown", ""))):
        runtime.stream_writer(piece)
    return {"pending": {}, "spoken": {}}


def _unheard(text: str, shown: str) -> str:
    """What is left to stream of a turn of which ``shown`` was streamed already."""
    if text.startswith(shown.rstrip()):
        rest = text[len(shown.rstrip()) :]
        return rest.lstrip() if shown != shown.rstrip() else rest
    return f"\n{text}"
