"""The graph's nodes that speak. Each composes one turn, commits it under (interview, seq), streams
it and returns the counters it changed.

If the row is already there (a crash after the commit, another tab), what stands in it is what was
said: it is never said twice in other words.
"""

from __future__ import annotations

import re
from typing import Any

from agent.clarify import Answer
from agent.deps import Deps, NodeRuntime, Update
from agent.errors import ConflictError
from agent.hygiene import content_words
from agent.nodes import decision_of, gaps, span_text
from agent.plans import Plan, leads
from agent.questions import Ask
from agent.records import Move, Source, TurnRecord
from agent.scale import Stage
from agent.sentences import Span, sentences
from agent.state import Place, State, snapshot
from agent.types import Criterion
from agent.wording import Wording, choose, phrase, quote

HANDOVERS_IN_A_ROW = 3
LEADING_WORDS = 35
JOINED = 3
GROUNDED_WORDS = 40
GROUNDED_SHARED = 2


def brief(state: State, runtime: NodeRuntime) -> Update:
    """Set the problem."""
    deps = runtime.context
    text = deps.interview.prompt
    if len(text.split()) < 60 and not text.rstrip().endswith("?"):
        text = f"{text} {_phrase(deps, 'invite_questions').text}"
    return _speak(state, runtime, Wording("", text), "brief")


def ask(state: State, runtime: NodeRuntime) -> Update:
    """Ask for more, hand over, repeat or open the stage."""
    deps = runtime.context
    decision = decision_of(state)
    match decision.why:
        case "repeat":
            last = _last_line(state, deps)
            return _speak(state, runtime, Wording("", last), "repeat", keep_target=True)
        case "language":
            return _speak(state, runtime, _phrase(deps, "language"), "ask", keep_target=True)
        case "more_questions":
            return _speak(state, runtime, _phrase(deps, "clarify_more"), "reply")
        case "listen":
            return _speak(state, runtime, Wording("", ""), "reply", keep_target=True)
        case "carry_on":
            said = _speak(state, runtime, _phrase(deps, "carry_on"), "ask")
            return said | {"carried_on": True}
    return _open_stage(state, runtime)


def reply(state: State, runtime: NodeRuntime) -> Update:
    """Answer the questions and assumptions in order; the follow-up comes in the same turn."""
    deps = runtime.context
    row = deps.store.turn(state["interview"], state["seq"])
    text = row.text if row is not None else ""
    asks = [
        Ask(Span(state["seq"], start, end, text[start:end], 0, 0), bool(assumption))
        for start, end, assumption in state["notes"]["asks"]
    ]
    answers = deps.playbook.facts.answer(asks)
    if state["phase"] != "clarify":
        # Inside an answer a question the sheet knows nothing of is mostly the candidate's own.
        answers = [a for a in answers if a.outcome != "yours" or _closes(a, text)]
    settled = state["notes"].get("settled", [])
    if settled:
        answers = [a for a in answers if a.outcome != "yours" and not set(a.facts) & set(settled)]
    lines, which = _reply_lines(deps, answers)
    lines = [*(deps.playbook.facts.say(f) for f in settled), *lines]
    told = [*settled, *(f for a in answers for f in a.facts if a.outcome != "which")]
    offered = next((list(a.facts) for a in answers if a.outcome == "which"), [])
    return {
        "offered": offered,
        "prefix": " ".join(lines),
        "told": [*state["told"], *(f for f in told if f not in state["told"])],
        "notes": {**state["notes"], "replied": True, "which": which},
    }


def probe(state: State, runtime: NodeRuntime) -> Update:
    """One question: on a gap, one level deeper on a half-covered point, harder on a risk."""
    deps = runtime.context
    decision = decision_of(state)
    if decision.why == "ramble":
        said = _speak(state, runtime, _phrase(deps, "ramble"), "probe", keep_target=True)
        return said | {"rambled": [*state["rambled"], state["stage"]]}
    criterion = deps.playbook.by_id[decision.target or ""]
    wording = _probe_wording(state, deps, criterion, decision.why)
    source = _behind(state, deps, criterion, wording.text)
    update = _speak(state, runtime, wording, "probe", criterion=criterion, source=source)
    return update | _counted(state, criterion, deps.plan, dive=decision.why == "dive")


def challenge(state: State, runtime: NodeRuntime) -> Update:
    """The consequence of what was said, a contradiction, or a changed number."""
    deps = runtime.context
    decision = decision_of(state)
    criterion = deps.playbook.by_id[decision.target or ""]
    if decision.why == "disagreement":
        wording = Wording(f"{criterion.id}.defence#0", criterion.defence or "")
        said = _speak(state, runtime, wording, "challenge", criterion=criterion)
        return said | {"tested": [*state["tested"], criterion.id]}
    wording = choose(criterion.id, criterion.probes, deps.store.wordings(), deps.interview.seed)
    if decision.why == "contradiction":
        first, second = (
            quote(span_text(state, deps, state["sides"][f"{criterion.id}#{side}"]))
            for side in ("first", "second")
        )
        both = _phrase(deps, "contradiction", first=first, second=second, question=wording.text)
        wording = Wording(wording.key, both.text)
    source = _behind(state, deps, criterion, wording.text)
    update = _speak(state, runtime, wording, "challenge", criterion=criterion, source=source)
    update["challenged"] = [*state["challenged"], criterion.id]
    fresh = state["phase"] != "dive" or state["dive_turns"] >= deps.plan.stage_followups
    return update | _counted(state, criterion, deps.plan, dive=fresh)


def _behind(state: State, deps: Deps, criterion: Criterion, question: str) -> Source | None:
    """The passage behind a question: looked up by the question, the criterion and the sentence of
    the last answer that comes nearest to it."""
    row = deps.store.turn(state["interview"], state["seq"])
    said = row.text if row is not None and row.speaker == "candidate" else ""
    about = set(content_words(f"{criterion.subject} {criterion.statement} {question}"))
    spans = [s.text for s in sentences(said) if s.words <= GROUNDED_WORDS]
    near = max(spans, key=lambda text: len(about & set(content_words(text))), default="")
    shared = about & set(content_words(near))
    asked = f"{question} {near}" if len(shared) >= GROUNDED_SHARED else question
    return deps.grounding.source(criterion, asked, state["shown"])


def hint(state: State, runtime: NodeRuntime) -> Update:
    """The next step of the current criterion's ladder."""
    deps = runtime.context
    criterion = hinted(state, deps)
    if criterion is None:
        return _speak(state, runtime, _phrase(deps, "hint_where"), "hint", keep_target=True)
    taken = state["hints"].get(criterion.id, 0)
    if taken >= len(criterion.hints):
        return _speak(state, runtime, _phrase(deps, "no_hint"), "hint", criterion=criterion)
    wording = Wording(f"{criterion.id}.hint#{taken}", criterion.hints[taken])
    said = _speak(state, runtime, wording, "hint", criterion=criterion)
    return said | {"hints": {**state["hints"], criterion.id: taken + 1}}


def hinted(state: State, deps: Deps) -> Criterion | None:
    """The criterion a hint would be about: the one asked for, else the stage's largest gap."""
    target = deps.playbook.by_id.get(state["target"])
    if target is not None and target.hints:
        return target
    if target is not None:
        right = [deps.playbook.by_id[c] for c in target.corrected_by if c in deps.playbook.by_id]
        return right[0] if right else None
    if state["phase"] not in ("stage", "twist"):
        return None
    open_here = gaps(state, deps, (state["stage"],))
    return deps.playbook.by_id[open_here[0]] if open_here else None


def move_on(state: State, runtime: NodeRuntime) -> Update:
    """Change the stage or the phase; what is said about it is the ask node's."""
    decision = decision_of(state)
    update: Update = {"target": "", "dive_turns": 0, "stalls": 0}
    if decision.why == "sketch":
        return update | {"phase": "sketch"}
    deps = runtime.context
    prefix = state["prefix"]
    if decision.why == "defended":
        prefix = f"{prefix} {_phrase(deps, 'defended').text}".strip()
    stage = decision.stage or state["stage"]
    led = leads(deps.interview.level) and _leading(state, decision.why)
    if led:
        return update | {
            "phase": "stage",
            "handovers": state["handovers"] + 1,
            "stage": stage,
            "prefix": prefix,
        }
    return update | {
        "phase": "stage",
        "handovers": 0,
        "stage": stage,
        "visited": [*state["visited"], *([stage] if stage not in state["visited"] else [])],
        "prefix": prefix,
    }


def twist(state: State, runtime: NodeRuntime) -> Update:
    """A changed constraint or an incident, once."""
    deps = runtime.context
    twists = deps.playbook.twists
    chosen = twists[deps.interview.seed % len(twists)]
    text = chosen.say if chosen.say.rstrip().endswith("?") else f"{chosen.say} {chosen.follow}"
    wording = Wording(f"twist.{chosen.id}#0", text)
    said = _speak(state, runtime, wording, "twist", target=chosen.targets[0], stage=chosen.stage)
    return said | {
        "twist": chosen.id,
        "phase": "twist",
        "stage": chosen.stage,
        "asked": {**state["asked"], **{t: state["asked"].get(t, 0) + 1 for t in chosen.targets}},
    }


def wrap_up(state: State, runtime: NodeRuntime) -> Update:
    """The closing question."""
    said = _speak(state, runtime, _phrase(runtime.context, "wrap_up"), "wrap_up", stage="wrap_up")
    return said | {"phase": "wrap_up", "stage": "wrap_up"}


def _open_stage(state: State, runtime: NodeRuntime) -> Update:
    """The invitation to sketch, a handover to a leading candidate, or the stage's question."""
    deps = runtime.context
    if state["phase"] == "sketch":
        return _speak(state, runtime, _phrase(deps, "sketch"), "ask")
    if state["handovers"]:
        return _speak(state, runtime, _phrase(deps, "handover"), "move_on")
    stage = state["stage"]
    parked = state["parked"].get(stage)
    open_here = gaps(state, deps, (stage,))
    if parked is not None and open_here:
        criterion = deps.playbook.by_id[open_here[0]]
        chosen = choose(criterion.id, criterion.probes, deps.store.wordings(), deps.interview.seed)
        said = quote(span_text(state, deps, parked))
        text = _phrase(deps, "parked", quote=said, question=chosen.text).text
        source = _behind(state, deps, criterion, chosen.text)
        update = _speak(
            state, runtime, Wording(chosen.key, text), "probe", criterion=criterion, source=source
        )
        return update | {"asked": {**state["asked"], criterion.id: 1}}
    wording = choose(
        f"open.{stage}", deps.playbook.openings(stage), deps.store.wordings(), deps.interview.seed
    )
    return _speak(state, runtime, wording, "ask")


def _leading(state: State, why: str) -> bool:
    """The candidate leads as long as what they say goes somewhere new."""
    if why in ("skip", "defended") or state["handovers"] >= HANDOVERS_IN_A_ROW:
        return False
    if why == "start":
        return False
    return int(state["notes"].get("words", 0)) >= LEADING_WORDS and bool(
        state["notes"].get("stages")
    )


def _probe_wording(state: State, deps: Deps, criterion: Criterion, why: str) -> Wording:
    seen = deps.store.wordings()
    seed = deps.interview.seed
    if why == "risk" and criterion.harder is not None:
        return Wording(f"{criterion.id}.harder#0", criterion.harder)
    place = state["half"].get(criterion.id)
    if place is not None and why == "possible" and criterion.deeper is not None:
        options = [criterion.deeper, *criterion.probes]
        keys = [f"{criterion.id}.deeper#0", *(f"{criterion.id}#{i}" for i in range(3))]
        best = min(range(len(options)), key=lambda i: (seen.get(keys[i], 0), i))
        said = quote(span_text(state, deps, place), _cue_pattern(criterion))
        join = ": " if best == 0 else ". "
        return Wording(keys[best], f"'{said}'{join}{options[best]}")
    chosen = choose(criterion.id, criterion.probes, seen, seed)
    if why == "stall":
        return Wording(chosen.key, _phrase(deps, "stall", question=chosen.text).text)
    if deps.interview.style == "challenging" and why == "gap":
        return Wording(chosen.key, f"{chosen.text} {_phrase(deps, 'press').text}")
    return chosen


def _cue_pattern(criterion: Criterion) -> re.Pattern[str] | None:
    patterns = [p for group in criterion.cues for p in group]
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.I) if patterns else None


def _reply_lines(deps: Deps, answers: list[Answer]) -> tuple[list[str], bool]:
    lines: list[str] = []
    meant: list[str] = []
    told_to: int | None = None
    for answer in answers:
        if answer.outcome == "told":
            told_to = answer.ask.span.end
        joined = told_to is not None and answer.ask.span.start - told_to <= JOINED
        if answer.outcome == "yours" and joined:
            continue  # the other half of a question that was answered
        match answer.outcome:
            case "told":
                lines.append(answer.say)
            case "confirmed" | "corrected":
                lines.append(_phrase(deps, answer.outcome, say=answer.say).text)
            case "which" if not meant:
                meant.append(_meant(deps, answer.topics))
            case "which":
                lines.append(_phrase(deps, "later", quote=quote(answer.ask.span.text)).text)
            case "yours" if answer.ask.assumption:
                continue
            case "yours" if len(answers) > 1:
                lines.append(_phrase(deps, "yours_named", quote=quote(answer.ask.span.text)).text)
            case "yours":
                lines.append(_phrase(deps, "yours").text)
    return [*dict.fromkeys(lines), *meant], bool(meant)


def _meant(deps: Deps, topics: tuple[str, ...]) -> str:
    if len(topics) == 1:
        return _phrase(deps, "meant", topic=topics[0]).text
    return _phrase(deps, "which", first=topics[0], second=topics[1]).text


def _closes(answer: Answer, text: str) -> bool:
    """Whether the question is the last thing the candidate wrote."""
    return text.rstrip().endswith(answer.ask.span.text.rstrip())


def _counted(state: State, criterion: Criterion, plan: Plan, *, dive: bool) -> Update:
    stage = criterion.asked_in if plan.sketch else state["stage"]
    update: Update = {
        "asked": {**state["asked"], criterion.id: state["asked"].get(criterion.id, 0) + 1},
        "followups": {**state["followups"], stage: state["followups"].get(stage, 0) + 1},
    }
    if not plan.sketch:
        opened = [*state["visited"], *([stage] if stage not in state["visited"] else [])]
        return update | (
            {"phase": "stage", "visited": opened} if state["phase"] == "clarify" else {}
        )
    if dive:
        update |= {"phase": "dive", "dive": state["dive"] + 1, "dive_turns": 1, "stage": stage}
    elif state["phase"] == "dive":
        update["dive_turns"] = state["dive_turns"] + 1
    return update


def _phrase(deps: Deps, name: str, **parts: str) -> Wording:
    return phrase(name, deps.store.wordings(), deps.interview.seed, **parts)


def _last_line(state: State, deps: Deps) -> str:
    rows = [t for t in deps.store.turns(state["interview"]) if t.speaker == "interviewer"]
    return rows[-1].text if rows else ""


def _speak(
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
    text = f"{state['prefix']} {wording.text}".strip()
    update: Update = {
        "seq": state["seq"] + 1,
        "turns": state["turns"] + 1,
        "move": move,
        "target": new_target,
        "prefix": "",
        "notes": {},
        "decision": {},
        "shown": [*state["shown"], *([source.id] if source else [])],
    }
    row = TurnRecord(
        interview=state["interview"],
        seq=state["seq"] + 1,
        speaker="interviewer",
        act="say",
        text=text,
        stage=stage or _spoken_stage(state, criterion),
        move=move,
        target=new_target or None,
        wording=wording.key or None,
        sources=(source,) if source else (),
        engine="offline",
        at=deps.now(),
    )
    update["pending"] = row.model_dump(mode="json", exclude_defaults=True)
    return update


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
    for piece in re.findall(r"\S+\s*", row.text):
        runtime.stream_writer(piece)
    return {"pending": {}}


__all__ = [
    "Place",
    "ask",
    "brief",
    "challenge",
    "commit",
    "hint",
    "hinted",
    "move_on",
    "probe",
    "reply",
    "twist",
    "wrap_up",
]
