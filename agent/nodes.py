"""The graph's nodes that listen and decide: note, route, grade, report.

Nodes that speak are in ``agent.speaking``. Each node is thin: it reads rows, calls a pure function
and returns an update of plain values. Every row is keyed (interview, seq), so a node that runs
again after a crash writes nothing twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Literal, cast

from agent.deps import Deps, NodeRuntime, Update
from agent.errors import ConflictError, StoreError
from agent.hygiene import Heard
from agent.noting import Notes, note_answer
from agent.plans import leads
from agent.policy import Decision, View, decide, options
from agent.questions import chosen_of
from agent.records import TurnRecord
from agent.scale import LEVELS, OFFLINE, TECHNICAL, Stage
from agent.sentences import Span
from agent.state import Place, State
from agent.types import Criterion

SKIPPED = 9


def note(state: State, runtime: NodeRuntime) -> Update:
    """Read the committed row: coverage, errors, questions, the clock."""
    deps = runtime.context
    row = deps.store.turn(state["interview"], state["seq"])
    if row is None:
        raise StoreError(f"Row {state['seq']} of this interview is missing.")
    seconds = row.seconds or 0.0
    stage = state["stage"]
    update: Update = {
        "clock": round(state["clock"] + seconds, 1),
        "stage_clock": {
            **state["stage_clock"],
            stage: round(state["stage_clock"].get(stage, 0.0) + seconds, 1),
        },
        "prefix": "",
        "decision": {},
        "notes": {"act": row.act, "words": 0, "replied": False},
    }
    if row.act == "answer":
        update |= _noted_answer(state, deps, row)
    elif row.act == "skip" and state["target"]:
        update["asked"] = {**state["asked"], state["target"]: SKIPPED}
    return update


def _noted_answer(state: State, deps: Deps, row: TurnRecord) -> Update:
    heard = heard_before(deps, deps.store.turns(state["interview"]), row.seq)
    clarifying = state["phase"] == "clarify"
    notes = note_answer(
        row.text, row.seq, heard, deps.playbook, clarifying=clarifying, near=deps.voice is not None
    )
    settled = _settled(state, deps, row.text)
    met = {**{k: _place(s) for k, s in notes.met.items()}, **state["met"]}
    half = {**state["half"], **{k: _place(s) for k, s in notes.half.items()}}
    return {
        "met": met,
        "half": {k: v for k, v in half.items() if k not in met},
        "errors": {**{k: _place(s) for k, s in notes.errors.items()}, **state["errors"]},
        "sides": {**{k: _place(s) for k, s in notes.sides.items()}, **state["sides"]},
        "parked": _parked(state, deps, notes),
        "visited": _visited(state, deps, notes),
        "stage": _stage_after(state, notes),
        "unprompted": _unprompted(state, deps, notes),
        "stalls": state["stalls"] + 1 if _stalled(notes) else 0,
        "clarify_turns": state["clarify_turns"] + int(clarifying),
        "offered": [],
        "notes": {
            "act": "answer",
            "words": notes.words,
            "english": notes.english,
            "ready": notes.ready and not settled,
            "settled": settled,
            "disagrees": notes.disagrees,
            "new_met": sorted(notes.met),
            "new_half": sorted(notes.half),
            "asks": [[a.span.start, a.span.end, int(a.assumption)] for a in notes.asks],
            "question_words": notes.words
            if settled
            else sum(a.span.words for a in notes.asks if not a.assumption),
            "stages": list(notes.stages),
            "near": list(notes.near),
            "points": len(notes.met),
            "replied": False,
            "which": False,
        },
    }


def route(state: State, runtime: NodeRuntime) -> Update:
    """Decide the next move; pure policy over what was noted."""
    deps = runtime.context
    view = view_of(state, deps)
    # Others than the first are a model's to choose from.
    first, *others = options(view) if deps.voice is not None else (decide(view),)
    return {"decision": kept_decision(first) | {"others": [kept_decision(d) for d in others]}}


Next = Literal["ask", "probe", "hint", "challenge", "move_on", "twist", "wrap_up"]


def needs_words(state: State) -> Literal["reply", "consult", "grade"]:
    """Whether the decision is to be spoken, and so may be put to a model first."""
    go = state["decision"]["go"]
    return go if go in ("reply", "grade") else "consult"


def next_node(state: State) -> Next:
    """The node that the decision names."""
    return cast(Next, state["decision"]["go"])


def grade(state: State, runtime: NodeRuntime) -> Update:
    """Grade once; a grade that is already kept stays the grade of this interview."""
    deps = runtime.context
    kept = deps.store.grades(state["interview"])
    if not kept or (kept[-1].engine != OFFLINE and not kept[-1].scored):
        with contextlib.suppress(ConflictError):
            for record in deps.grade(deps.interview):
                deps.store.add_grade(record)
    return {"phase": "over"}


def report(state: State, runtime: NodeRuntime) -> Update:
    """Close the interview: from here on its review is open."""
    deps = runtime.context
    current = deps.store.interview(state["interview"])
    if current.status != "graded":
        ended = current.ended_at or deps.now()
        deps.store.update_interview(
            current.model_copy(update={"status": "graded", "ended_at": ended})
        )
    return {}


def view_of(state: State, deps: Deps) -> View:
    """What routing may look at."""
    notes = state["notes"]
    playbook = deps.playbook
    level = deps.interview.level
    target = playbook.by_id.get(state["target"])
    new = [*notes.get("new_met", []), *notes.get("new_half", [])]
    return View(
        act=notes["act"],
        plan=deps.plan,
        level=level,
        style=deps.interview.style,
        phase=state["phase"],
        stage=state["stage"],
        clock=state["clock"],
        stage_clock=state["stage_clock"].get(state["stage"], 0.0),
        turns=state["turns"],
        words=notes["words"] - _question_words(state),
        points=int(notes.get("points", 0)),
        stages=len(notes.get("stages", [])),
        asks=len(notes.get("asks", [])) + len(notes.get("settled", [])),
        which=bool(notes.get("which")),
        replied=bool(notes.get("replied")),
        language=not notes.get("english", True) and deps.voice is None,
        ready=bool(notes.get("ready")),
        errors=_open_errors(state, playbook.by_id),
        contradictions=_open_contradictions(state, playbook.by_id),
        possible=_possible(state, deps),
        risks=tuple(
            c
            for c in new
            if c in state["unprompted"]
            and playbook.by_id[c].risk
            and c not in state["asked"]
            and (leads(level) or playbook.by_id[c].asked_in == state["stage"])
        ),
        gaps=gaps(state, deps, (state["stage"],)),
        all_gaps=gaps(state, deps, playbook.scope),
        target=state["target"] or None,
        target_open=target is not None
        and target.polarity == "positive"
        and state["target"] not in state["met"]
        and state["asked"].get(state["target"], 0) < 2,
        disagrees=state["move"] == "challenge"
        and bool(notes.get("disagrees"))
        and notes["words"] >= 4,
        can_test=target is not None
        and target.defence is not None
        and state["target"] not in state["tested"],
        clarify_turns=state["clarify_turns"],
        followups=state["followups"].get(state["stage"], 0),
        followups_total=sum(state["followups"].values()),
        dive=state["dive"],
        dive_turns=state["dive_turns"],
        stalls=state["stalls"],
        rambled=state["stage"] in state["rambled"],
        carried_on=state["carried_on"],
        untouched=_untouched(state, deps),
        twisted=bool(state["twist"]),
        twists=len(playbook.twists),
    )


def _untouched(state: State, deps: Deps) -> tuple[Stage, ...]:
    """Stages still to be opened. A leading candidate opens one by talking about it; where the
    interviewer leads, one is passed over only when nothing expected is left to ask there."""
    left = [s for s in deps.playbook.scope if s not in state["visited"]]
    level = deps.interview.level
    if leads(level):
        return tuple(left)
    expected = {
        c.asked_in
        for c in deps.playbook.askable()
        if LEVELS.index(c.level) <= LEVELS.index(level) and c.id not in state["met"]
    }
    return tuple(s for s in left if s in expected)


def gaps(state: State, deps: Deps, stages: tuple[Stage, ...]) -> tuple[str, ...]:
    """Criteria not met and not asked for yet in ``stages``, the most valuable first.

    A stage of which little was heard makes its gaps more valuable when stages compete.
    """
    askable = [c for c in deps.playbook.askable() if c.asked_in in stages]
    missing = _missing_share(askable, state)
    ranked = []
    for criterion in askable:
        if criterion.id in state["met"] or state["asked"].get(criterion.id, 0):
            continue
        value = deps.worth(criterion)
        if len(stages) > 1:
            value *= 0.5 + missing[criterion.asked_in]
            value /= 1 + state["followups"].get(criterion.asked_in, 0)
        if criterion.id in state["half"]:
            value *= 1.1
        ranked.append((-value, deps.playbook.criteria.index(criterion), criterion.id))
    return tuple(name for _, _, name in sorted(ranked))


def _missing_share(askable: list[Criterion], state: State) -> dict[Stage, float]:
    shares: dict[Stage, float] = {}
    for stage in {c.asked_in for c in askable}:
        own = [c for c in askable if c.asked_in == stage]
        total = sum(c.points for c in own)
        shares[stage] = sum(c.points for c in own if c.id not in state["met"]) / total
    return shares


def _possible(state: State, deps: Deps) -> tuple[str, ...]:
    """Half covered in this answer and expected at this level, best first."""
    level = LEVELS.index(deps.interview.level)
    new = []
    for name in state["notes"].get("new_half", []):
        criterion = deps.playbook.by_id[name]
        fits = criterion.asked_in == state["stage"] or deps.plan.sketch
        if (
            name not in state["met"]
            and fits
            and not state["asked"].get(name, 0)
            and LEVELS.index(criterion.level) <= level
            and criterion.behaviour is None
        ):
            new.append(name)
    return tuple(
        sorted(
            new,
            key=lambda n: (-deps.worth(deps.playbook.by_id[n]), n),
        )
    )


def _open_errors(state: State, by_id: Any) -> tuple[str, ...]:
    names = [
        n
        for n in state["errors"]
        if n in by_id and n not in state["challenged"] and not _corrected(state, by_id[n])
    ]
    return tuple(sorted(names, key=lambda n: (by_id[n].points, n)))


def _open_contradictions(state: State, by_id: Any) -> tuple[str, ...]:
    sides = state["sides"]
    firsts = [n.removesuffix("#first") for n in sides if n.endswith("#first")]
    # A criterion may be gone: a user's own case can be edited while an interview is under way.
    names = [n for n in firsts if f"{n}#second" in sides and n in by_id]
    apart = [n for n in names if state["sides"][f"{n}#first"] != state["sides"][f"{n}#second"]]
    fresh = [n for n in apart if n not in state["challenged"] and not _corrected(state, by_id[n])]
    return tuple(sorted(fresh, key=lambda n: (by_id[n].points, n)))


def _corrected(state: State, criterion: Criterion) -> bool:
    """The candidate has said what sets the error right."""
    return any(c in state["met"] for c in criterion.corrected_by)


def _question_words(state: State) -> int:
    return int(state["notes"].get("question_words", 0)) if state["notes"].get("replied") else 0


def _settled(state: State, deps: Deps, text: str) -> list[str]:
    """The facts that a short reply to "do you mean ..." asks for."""
    offered = state["offered"]
    facts = deps.playbook.facts
    return [offered[i] for i in chosen_of(text, [facts.topic(f) for f in offered])]


def _place(span: Span) -> Place:
    return [span.turn, span.start, span.end]


def _stalled(notes: Notes) -> bool:
    return notes.words < 8 and not notes.asks and not notes.ready


def _visited(state: State, deps: Deps, notes: Notes) -> list[str]:
    if not leads(deps.interview.level) or (state["phase"] == "clarify" and notes.words < 60):
        return state["visited"]
    return [*state["visited"], *(s for s in notes.stages if s not in state["visited"])]


def _stage_after(state: State, notes: Notes) -> Stage:
    """Where a leading candidate has gone: the stage this answer spoke to most."""
    led = state["move"] in ("move_on", "ask") and state["handovers"] > 0 and not state["target"]
    if state["phase"] == "stage" and led and notes.stages:
        fresh = [s for s in notes.stages if s not in state["visited"]]
        return fresh[0] if fresh else notes.stages[0]
    return state["stage"]


def _parked(state: State, deps: Deps, notes: Notes) -> dict[str, Place]:
    """The first thing said about a stage that is not being talked about yet."""
    parked = dict(state["parked"])
    for name in sorted(notes.quotable & notes.met.keys()):
        span = notes.met[name]
        stage = deps.playbook.by_id[name].asked_in
        ahead = stage in TECHNICAL and stage not in state["visited"] and stage != state["stage"]
        if ahead and stage not in parked:
            parked[stage] = _place(span)
    return parked


def _unprompted(state: State, deps: Deps, notes: Notes) -> list[str]:
    """Risks raised before any question named them."""
    new = [
        n
        for n in notes.met
        if deps.playbook.by_id[n].risk
        and n not in state["asked"]
        and n not in state["hints"]
        and n not in state["unprompted"]
    ]
    return [*state["unprompted"], *sorted(new)]


def span_text(state: State, deps: Deps, place: Place) -> str:
    """The words at a place in the transcript."""
    row = deps.store.turn(state["interview"], place[0])
    return row.text[place[1] : place[2]] if row is not None else ""


def kept_decision(decision: Decision) -> dict[str, Any]:
    """A decision as the state keeps it."""
    return {
        "go": decision.go,
        "why": decision.why,
        "target": decision.target or "",
        "stage": decision.stage or "",
    }


def decision_of(state: State) -> Decision:
    """The decision as a value again."""
    return _decision(state["decision"])


def decisions_of(state: State) -> tuple[Decision, ...]:
    """The decision, and what else policy allows in its place."""
    return (decision_of(state), *(_decision(kept) for kept in state["decision"]["others"]))


def _decision(kept: dict[str, Any]) -> Decision:
    return Decision(kept["go"], kept["why"], kept["target"] or None, kept["stage"] or None)


def heard_before(deps: Deps, rows: Iterable[TurnRecord], seq: int) -> Heard:
    """What the interviewer had said before the row ``seq``, the problem included."""
    heard = Heard([deps.interview.prompt])
    for row in rows:
        if row.seq < seq and row.speaker == "interviewer":
            heard.add(row.text)
    return heard
