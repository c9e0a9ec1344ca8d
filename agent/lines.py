"""The authored words: which line a decision comes to, and what is replied to questions."""

from __future__ import annotations

import re

from agent.clarify import Answer
from agent.deps import Deps
from agent.nodes import gaps, span_text
from agent.plans import leads
from agent.policy import Decision
from agent.state import State
from agent.types import Criterion, Twist
from agent.wording import Wording, choose, phrase, quote

HANDOVERS_IN_A_ROW = 3
LEADING_WORDS = 35
JOINED = 3


def line_for(state: State, deps: Deps, decision: Decision) -> str:
    """The authored line of a decision: what the offline engine would say, without its quotes of
    contradictions and of what was parked."""
    criterion = deps.playbook.by_id.get(decision.target or "")
    if decision.go == "probe":
        if criterion is None:
            return own_phrase(deps, "ramble").text
        return probe_wording(state, deps, criterion, decision.why).text
    if decision.go == "challenge" and criterion is not None:
        if decision.why == "disagreement":
            return criterion.defence or ""
        seen, seed = deps.store.wordings(), deps.interview.seed
        return choose(criterion.id, criterion.probes, seen, seed).text
    if decision.go == "move_on":
        return _onward(state, deps, decision)
    if decision.go == "twist":
        return twist_line(deps)
    if decision.go == "hint" and (aided := hinted(state, deps)) is not None:
        taken = state["hints"].get(aided.id, 0)
        return aided.hints[min(taken, len(aided.hints) - 1)]
    return own_phrase(deps, "wrap_up" if decision.go == "wrap_up" else "carry_on").text


def twist_line(deps: Deps) -> str:
    """The twist of this interview's seed, with the question that follows it."""
    chosen = twist_of(deps)
    return chosen.say if chosen.say.rstrip().endswith("?") else f"{chosen.say} {chosen.follow}"


def twist_of(deps: Deps) -> Twist:
    """The twist of this interview's seed."""
    return deps.playbook.twists[deps.interview.seed % len(deps.playbook.twists)]


def _onward(state: State, deps: Deps, decision: Decision) -> str:
    """The invitation to sketch, a handover to a leading candidate, or a stage's first question."""
    if decision.why == "sketch":
        return own_phrase(deps, "sketch").text
    if leads(deps.interview.level) and leading(state, decision.why):
        return own_phrase(deps, "handover").text
    return deps.playbook.openings(decision.stage or state["stage"])[0]


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


def leading(state: State, why: str) -> bool:
    """The candidate leads as long as what they say goes somewhere new."""
    if why in ("skip", "defended") or state["handovers"] >= HANDOVERS_IN_A_ROW:
        return False
    if why == "start":
        return False
    return int(state["notes"].get("words", 0)) >= LEADING_WORDS and bool(
        state["notes"].get("stages")
    )


def probe_wording(state: State, deps: Deps, criterion: Criterion, why: str) -> Wording:
    """A probe on a criterion: harder on a risk, one level deeper on words half covering it."""
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
        return Wording(chosen.key, own_phrase(deps, "stall", question=chosen.text).text)
    if deps.interview.style == "challenging" and why == "gap":
        return Wording(chosen.key, f"{chosen.text} {own_phrase(deps, 'press').text}")
    return chosen


def _cue_pattern(criterion: Criterion) -> re.Pattern[str] | None:
    patterns = [p for group in criterion.cues for p in group]
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.I) if patterns else None


def reply_lines(deps: Deps, answers: list[Answer]) -> tuple[list[str], bool]:
    """What is said to the asks, in order, and whether it ends by asking which fact is meant."""
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
                lines.append(own_phrase(deps, answer.outcome, say=answer.say).text)
            case "which" if not meant:
                meant.append(_meant(deps, answer.topics))
            case "which":
                lines.append(own_phrase(deps, "later", quote=quote(answer.ask.span.text)).text)
            case "yours" if answer.ask.assumption:
                continue
            case "yours" if len(answers) > 1:
                lines.append(
                    own_phrase(deps, "yours_named", quote=quote(answer.ask.span.text)).text
                )
            case "yours":
                lines.append(own_phrase(deps, "yours").text)
    return [*dict.fromkeys(lines), *meant], bool(meant)


def _meant(deps: Deps, topics: tuple[str, ...]) -> str:
    if len(topics) == 1:
        return own_phrase(deps, "meant", topic=topics[0]).text
    return own_phrase(deps, "which", first=topics[0], second=topics[1]).text


def closes(answer: Answer, text: str) -> bool:
    """Whether the question is the last thing the candidate wrote."""
    return text.rstrip().endswith(answer.ask.span.text.rstrip())


def own_phrase(deps: Deps, name: str, **parts: str) -> Wording:
    """A phrase in the wording this user has seen least."""
    return phrase(name, deps.store.wordings(), deps.interview.seed, **parts)
