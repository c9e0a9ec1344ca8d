"""The graph's node that asks a model for the turn: allowed moves in, a spoken turn out.

Policy has decided what may be done; the model chooses among it and says it. Without a model, and
for turns that are authored word for word (the opening, a repeat, a hint), the node does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from agent.deps import Deps, NodeRuntime, Update
from agent.hygiene import Heard, flag_of
from agent.lines import line_for
from agent.llm.briefing import system, task, with_task
from agent.llm.guard import Guard
from agent.llm.history import Shelf, conversation
from agent.llm.voice import Occasion, Option, Spoken
from agent.nodes import decisions_of, heard_before, kept_decision
from agent.policy import Decision
from agent.records import Source, TurnRecord
from agent.sentences import Span, sentences
from agent.state import State
from agent.tokens import count_tokens

AUTHORED: Final = frozenset(["repeat", "hint", "listen", "more_questions", "language", "twist"])
NOTICED_FROM: Final = 8
QUOTED_WORDS: Final = 4


def consult(state: State, runtime: NodeRuntime) -> Update:
    """Let the model choose and speak; nothing where it has no part in this turn."""
    deps = runtime.context
    foreign = not state["notes"].get("english", True)
    if state["decision"]["why"] in AUTHORED and not foreign:
        return {}
    if deps.voice is None:
        return {"spoken": {"shown": "", "fault": deps.voiceless}} if deps.voiceless else {}
    rows = deps.store.turns(state["interview"])
    if fault := deps.over_limit(rows):
        return {"spoken": {"shown": "", "fault": fault}}
    decisions = decisions_of(state)
    occasion = _occasion(state, deps, rows, decisions)
    shown: list[str] = []

    def emit(piece: str) -> None:
        shown.append(piece)
        runtime.stream_writer(piece)

    if state["prefix"]:
        emit(f"{state['prefix']} ")
    spoken = deps.voice.speak(occasion, emit)
    return _after(state, deps, spoken, decisions, "".join(shown))


def _occasion(
    state: State, deps: Deps, rows: list[TurnRecord], decisions: tuple[Decision, ...]
) -> Occasion:
    choices = _choices(state, deps, decisions)
    notices = _notices(state, deps, decisions)
    text = task(
        choices,
        {name: deps.playbook.by_id[name].statement for name in notices},
        stage=state["stage"],
        minutes=(state["clock"] / 60, deps.interview.minutes),
        spoken=state["prefix"],
    )
    told, untold = deps.playbook.facts.texts(state["told"])
    said = conversation(Shelf(rows, state["met"], told), count_tokens)
    last = next(r for r in reversed(rows) if r.speaker == "candidate")
    guard = Guard(
        said=tuple(r.text for r in rows if r.speaker == "interviewer"),
        untold=untold,
        secrets=deps.playbook.secrets,
        allowed=(
            deps.interview.prompt,
            state["prefix"],
            *(r.text for r in rows if r.speaker == "candidate"),
            *told,
            *(o.line for o in choices),
            *(s.text for o in choices for s in o.passages.values()),
        ),
    )
    return Occasion(
        messages=(system(deps.interview), *with_task(said, text)),
        options=choices,
        noticeable=frozenset(notices),
        check=guard.check,
        locate=lambda words: locate(words, last, heard_before(deps, rows, last.seq)),
        seed=deps.interview.seed,
    )


def _choices(state: State, deps: Deps, decisions: tuple[Decision, ...]) -> tuple[Option, ...]:
    found: list[Option] = []
    for number, decision in enumerate(decisions, start=1):
        criterion = deps.playbook.by_id.get(decision.target or "")
        passages: dict[str, Source] = {}
        about = ""
        if criterion is not None:
            about = criterion.statement
            source = deps.grounding.behind(criterion, state["shown"])
            if source is not None and source.id not in {
                s.id for o in found for s in o.passages.values()
            }:
                passages = {f"p{number}": source}
        target = criterion.id if criterion is not None else decision.stage or ""
        line = line_for(state, deps, decision)
        found.append(Option(decision.go, target, about, line, passages))
    return tuple(found)


def _notices(state: State, deps: Deps, decisions: tuple[Decision, ...]) -> tuple[str, ...]:
    """Criteria the last answer may have met without the detector seeing it: what it came nearest
    to, and what might be asked next."""
    near = [*state["notes"].get("near", []), *(d.target for d in decisions if d.target)]
    by_id = deps.playbook.by_id
    open_ones = [
        n
        for n in dict.fromkeys(near)
        if n in by_id and n not in state["met"] and by_id[n].contradiction is None
    ]
    return tuple(open_ones[:NOTICED_FROM])


def locate(words: str, row: TurnRecord, heard: Heard) -> Span | None:
    """Where quoted words stand in the candidate's row; None where they do not, are too few, or lie
    in a sentence that is no evidence."""
    parts = words.split()
    if len(parts) < QUOTED_WORDS:
        return None
    found = re.search(r"\s+".join(re.escape(p) for p in parts), row.text)
    if found is None:
        return None
    for sentence in sentences(row.text, row.seq):
        overlaps = sentence.start < found.end() and found.start() < sentence.end
        if overlaps and flag_of(sentence.text, heard) not in (None, "language"):
            return None
    return Span(row.seq, found.start(), found.end(), found[0], 0, 0)


def _after(
    state: State,
    deps: Deps,
    spoken: Spoken,
    decisions: tuple[Decision, ...],
    shown: str,
) -> Update:
    decision = decisions[spoken.option or 0]
    fault = f"{spoken.fault}" if spoken.fault is not None else ""
    update: Update = {
        "decision": kept_decision(decision),
        "spoken": {
            "shown": shown,
            "text": spoken.text,
            "fault": fault,
            "passages": [p.model_dump(mode="json", exclude_none=True) for p in spoken.passages],
            "call": spoken.call.model_dump(mode="json", exclude_defaults=True),
        },
    }
    # What is asked about now is not settled by what was noticed.
    noticed = {n: s for n, s in spoken.noticed.items() if n != decision.target}
    return update | _refined(state, deps, noticed)


def _refined(state: State, deps: Deps, noticed: Mapping[str, Span]) -> Update:
    """Coverage with what the model noticed and code has found in the candidate's words."""
    met, errors = dict(state["met"]), dict(state["errors"])
    for name, span in noticed.items():
        side = met if deps.playbook.by_id[name].polarity == "positive" else errors
        side.setdefault(name, [span.turn, span.start, span.end])
    return {
        "met": met,
        "errors": errors,
        "half": {k: v for k, v in state["half"].items() if k not in met},
    }
