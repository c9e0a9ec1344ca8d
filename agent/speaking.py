"""The graph's nodes that speak. Each composes one turn, commits it under (interview, seq), streams
it and returns the counters it changed.

If the row is already there (a crash after the commit, another tab), what stands in it is what was
said: it is never said twice in other words.
"""

from __future__ import annotations

from agent.deps import Deps, NodeRuntime, Update
from agent.hygiene import content_words
from agent.lines import (
    closes,
    hinted,
    leading,
    line_for,
    own_phrase,
    probe_wording,
    reply_lines,
    twist_line,
    twist_of,
)
from agent.nodes import decision_of, gaps, span_text
from agent.plans import Plan, leads
from agent.questions import Ask
from agent.records import Source
from agent.sentences import Span, sentences
from agent.state import Place, State
from agent.turns import commit, speak
from agent.types import Criterion
from agent.wording import Wording, choose, quote

GROUNDED_WORDS = 40
GROUNDED_SHARED = 2


def brief(state: State, runtime: NodeRuntime) -> Update:
    """Set the problem."""
    deps = runtime.context
    text = deps.interview.prompt
    if len(text.split()) < 60 and not text.rstrip().endswith("?"):
        text = f"{text} {own_phrase(deps, 'invite_questions').text}"
    return speak(state, runtime, Wording("", text), "brief")


def ask(state: State, runtime: NodeRuntime) -> Update:
    """Ask for more, hand over, repeat or open the stage."""
    deps = runtime.context
    decision = decision_of(state)
    match decision.why:
        case "repeat":
            last = _last_line(state, deps)
            return speak(state, runtime, Wording("", last), "repeat", keep_target=True)
        case "language":
            return speak(state, runtime, own_phrase(deps, "language"), "ask", keep_target=True)
        case "more_questions":
            return speak(state, runtime, own_phrase(deps, "clarify_more"), "reply")
        case "listen":
            return speak(state, runtime, Wording("", ""), "reply", keep_target=True)
        case "carry_on":
            said = speak(state, runtime, own_phrase(deps, "carry_on"), "ask")
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
        answers = [a for a in answers if a.outcome != "yours" or closes(a, text)]
    settled = state["notes"].get("settled", [])
    if settled:
        answers = [a for a in answers if a.outcome != "yours" and not set(a.facts) & set(settled)]
    lines, which = reply_lines(deps, answers)
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
        said = speak(state, runtime, own_phrase(deps, "ramble"), "probe", keep_target=True)
        return said | {"rambled": [*state["rambled"], state["stage"]]}
    criterion = deps.playbook.by_id[decision.target or ""]
    wording = probe_wording(state, deps, criterion, decision.why)
    source = _behind(state, deps, criterion, wording.text)
    update = speak(state, runtime, wording, "probe", criterion=criterion, source=source)
    return update | _counted(state, criterion, deps.plan, dive=decision.why == "dive")


def challenge(state: State, runtime: NodeRuntime) -> Update:
    """The consequence of what was said, a contradiction, or a changed number."""
    deps = runtime.context
    decision = decision_of(state)
    criterion = deps.playbook.by_id[decision.target or ""]
    if decision.why == "disagreement":
        wording = Wording(f"{criterion.id}.defence#0", criterion.defence or "")
        said = speak(state, runtime, wording, "challenge", criterion=criterion)
        return said | {"tested": [*state["tested"], criterion.id]}
    wording = choose(criterion.id, criterion.probes, deps.store.wordings(), deps.interview.seed)
    if decision.why == "contradiction":
        first, second = (
            quote(span_text(state, deps, state["sides"][f"{criterion.id}#{side}"]))
            for side in ("first", "second")
        )
        both = own_phrase(deps, "contradiction", first=first, second=second, question=wording.text)
        wording = Wording(wording.key, both.text)
    source = _behind(state, deps, criterion, wording.text)
    update = speak(state, runtime, wording, "challenge", criterion=criterion, source=source)
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
        return speak(state, runtime, own_phrase(deps, "hint_where"), "hint", keep_target=True)
    taken = state["hints"].get(criterion.id, 0)
    if taken >= len(criterion.hints):
        return speak(state, runtime, own_phrase(deps, "no_hint"), "hint", criterion=criterion)
    wording = Wording(f"{criterion.id}.hint#{taken}", criterion.hints[taken])
    said = speak(state, runtime, wording, "hint", criterion=criterion)
    return said | {"hints": {**state["hints"], criterion.id: taken + 1}}


def move_on(state: State, runtime: NodeRuntime) -> Update:
    """Change the stage or the phase; what is said about it is the ask node's."""
    decision = decision_of(state)
    update: Update = {"target": "", "dive_turns": 0, "stalls": 0}
    if decision.why == "sketch":
        return update | {"phase": "sketch"}
    deps = runtime.context
    prefix = state["prefix"]
    if decision.why == "defended":
        prefix = f"{prefix} {own_phrase(deps, 'defended').text}".strip()
    stage = decision.stage or state["stage"]
    led = leads(deps.interview.level) and leading(state, decision.why)
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
    chosen = twist_of(deps)
    wording = Wording(f"twist.{chosen.id}#0", twist_line(deps))
    said = speak(state, runtime, wording, "twist", target=chosen.targets[0], stage=chosen.stage)
    return said | {
        "twist": chosen.id,
        "phase": "twist",
        "stage": chosen.stage,
        "asked": {**state["asked"], **{t: state["asked"].get(t, 0) + 1 for t in chosen.targets}},
    }


def wrap_up(state: State, runtime: NodeRuntime) -> Update:
    """The closing question."""
    said = speak(state, runtime, own_phrase(runtime.context, "wrap_up"), "wrap_up", stage="wrap_up")
    return said | {"phase": "wrap_up", "stage": "wrap_up"}


def _open_stage(state: State, runtime: NodeRuntime) -> Update:
    """The invitation to sketch, a handover to a leading candidate, or the stage's question."""
    deps = runtime.context
    if state["phase"] == "sketch":
        return speak(state, runtime, own_phrase(deps, "sketch"), "ask")
    if state["handovers"]:
        return speak(state, runtime, own_phrase(deps, "handover"), "move_on")
    stage = state["stage"]
    parked = state["parked"].get(stage)
    open_here = gaps(state, deps, (stage,))
    if parked is not None and open_here:
        criterion = deps.playbook.by_id[open_here[0]]
        chosen = choose(criterion.id, criterion.probes, deps.store.wordings(), deps.interview.seed)
        said = quote(span_text(state, deps, parked))
        text = own_phrase(deps, "parked", quote=said, question=chosen.text).text
        source = _behind(state, deps, criterion, chosen.text)
        update = speak(
            state, runtime, Wording(chosen.key, text), "probe", criterion=criterion, source=source
        )
        return update | {"asked": {**state["asked"], criterion.id: 1}}
    wording = choose(
        f"open.{stage}", deps.playbook.openings(stage), deps.store.wordings(), deps.interview.seed
    )
    return speak(state, runtime, wording, "ask")


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


def _last_line(state: State, deps: Deps) -> str:
    rows = [t for t in deps.store.turns(state["interview"]) if t.speaker == "interviewer"]
    return rows[-1].text if rows else ""


__all__ = [
    "Place",
    "ask",
    "brief",
    "challenge",
    "commit",
    "hint",
    "hinted",
    "line_for",
    "move_on",
    "probe",
    "reply",
    "twist",
    "wrap_up",
]
