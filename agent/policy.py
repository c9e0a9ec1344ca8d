"""What the interviewer does next: pure policy over coverage, follow-ups, clock, level and style.

``decide`` sees one immutable View and returns one Decision; it looks nothing up and says nothing.
The order of its rules is the interviewer's order of precedence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agent.plans import Plan, leads
from agent.records import Act
from agent.scale import TECHNICAL, Level, Stage, Style

Phase = Literal["clarify", "sketch", "dive", "stage", "twist", "wrap_up", "over"]
Go = Literal["ask", "reply", "probe", "hint", "challenge", "move_on", "twist", "wrap_up", "grade"]
Why = Literal[
    "asked",
    "more_questions",
    "listen",
    "carry_on",
    "handover",
    "gap",
    "possible",
    "stall",
    "risk",
    "error",
    "contradiction",
    "disagreement",
    "ramble",
    "defended",
    "stage_done",
    "dive",
    "sketch",
    "start",
    "repeat",
    "language",
    "clock",
    "skip",
    "hint",
    "twist",
    "end",
]

RAMBLE_WORDS: Final = 230
STALL_WORDS: Final = 7
SKETCH_WORDS: Final = 110
SKETCH_POINTS: Final = 4
READY_WORDS: Final = 30
SHORT_SKETCH_WORDS: Final = 45
MAX_STALLS: Final = 2
DIVE_SECONDS: Final = 120
MAX_DIVES: Final = 4
MAX_OPTIONS: Final = 4


@dataclass(frozen=True)
class View:
    """All that routing may look at, after one candidate turn was noted.

    Criterion ids come best first: ``errors`` and ``contradictions`` not yet challenged,
    ``possible`` half covered in this answer, ``risks`` raised unasked in it, ``gaps`` of the
    current stage still worth a question, ``all_gaps`` of every stage.
    """

    act: Act
    plan: Plan
    level: Level
    style: Style
    phase: Phase
    stage: Stage
    clock: float
    stage_clock: float
    turns: int
    words: int
    points: int = 0
    stages: int = 0
    asks: int = 0
    which: bool = False
    replied: bool = False
    language: bool = False
    ready: bool = False
    errors: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    all_gaps: tuple[str, ...] = ()
    target: str | None = None
    target_open: bool = False
    disagrees: bool = False
    can_test: bool = False
    clarify_turns: int = 0
    followups: int = 0
    followups_total: int = 0
    dive: int = 0
    dive_turns: int = 0
    stalls: int = 0
    rambled: bool = False
    carried_on: bool = False
    untouched: tuple[Stage, ...] = ()
    twisted: bool = False
    twists: int = 0


@dataclass(frozen=True)
class Decision:
    """The next node, what it is about and why."""

    go: Go
    why: Why
    target: str | None = None
    stage: Stage | None = None


def decide(view: View) -> Decision:
    """The next move; see the module's docstring."""
    for rule in (_ending, _command, _language, _questions, _phase):
        decision = rule(view)
        if decision is not None:
            return decision
    return Decision("wrap_up", "end")


def options(view: View) -> tuple[Decision, ...]:
    """The moves an interviewer of judgement may choose from: ``decide``'s first, then others on the
    same footing. Where policy leaves no choice there is one."""
    first = decide(view)
    others: list[Decision] = []
    if first.go == "probe":
        pools = {
            "possible": (*view.possible, *view.gaps),
            "risk": (*view.risks, *view.possible),
            "gap": (*view.gaps, *view.all_gaps),
            "dive": view.all_gaps,
        }
        others = [Decision("probe", first.why, t) for t in pools.get(first.why, ())]
    elif first.go == "challenge" and first.why == "error":
        others = [Decision("challenge", "error", t) for t in view.errors]
    fresh = {d.target: d for d in (first, *others)}
    return tuple(fresh.values())[:MAX_OPTIONS]


def _ending(view: View) -> Decision | None:
    if view.act == "done" or view.phase in ("wrap_up", "over"):
        return Decision("grade", "end")
    if view.turns >= view.plan.max_turns - 2:
        return Decision("wrap_up", "end")
    if view.clock >= view.plan.closing_at:
        return Decision("wrap_up", "clock")
    return None


def _command(view: View) -> Decision | None:
    if view.act == "repeat":
        return Decision("ask", "repeat")
    if view.act == "hint":
        return Decision("hint", "hint", view.target)
    if view.act == "skip":
        return _advance(view, "skip")
    return None


def _language(view: View) -> Decision | None:
    return Decision("ask", "language") if view.language else None


def _questions(view: View) -> Decision | None:
    if view.asks and not view.replied:
        return Decision("reply", "asked")
    if view.which:
        return Decision("ask", "listen")
    return None


def _phase(view: View) -> Decision | None:
    match view.phase:
        case "clarify":
            return _clarify(view)
        case "sketch":
            return _sketch(view)
        case "dive":
            return _intervene(view) or _dive(view)
        case "stage" | "twist":
            return _intervene(view) or _stage(view)
    return None


def _clarify(view: View) -> Decision:
    """Questions first; the clock and the number of rounds end them."""
    over = (
        view.clarify_turns >= view.plan.clarify_turns
        or view.clock >= view.plan.clarify_seconds * 1.5
    )
    if view.plan.sketch:
        terse = view.asks <= 1 and view.points >= SKETCH_POINTS and view.stages >= 2
        designed = terse or view.words >= SKETCH_WORDS
    else:
        designed = view.words >= READY_WORDS
    if designed and view.plan.sketch:
        return _next_dive(view)
    if view.asks and not designed and not over and not view.ready:
        return Decision("ask", "more_questions")
    if view.plan.sketch:
        return Decision("move_on", "sketch", stage="framing")
    if designed:
        return _intervene(view) or _stage(view)
    return Decision("move_on", "start", stage=view.untouched[0] if view.untouched else "framing")


def _sketch(view: View) -> Decision:
    short = view.words < SHORT_SKETCH_WORDS and view.points < SKETCH_POINTS
    if short and not view.carried_on and not view.ready:
        return Decision("ask", "carry_on")
    return _next_dive(view)


def _intervene(view: View) -> Decision | None:
    """What an interviewer cannot let pass, whoever leads."""
    if view.disagrees:
        if view.can_test:
            return Decision("challenge", "disagreement", view.target)
        return _advance(view, "defended")
    if view.followups_total >= view.plan.total_followups:
        return None
    if view.errors and view.followups <= view.plan.stage_followups:
        return Decision("challenge", "error", view.errors[0])
    if view.contradictions:
        return Decision("challenge", "contradiction", view.contradictions[0])
    if view.words > RAMBLE_WORDS and not view.rambled and view.style != "quiet":
        return Decision("probe", "ramble", view.target)
    return None


def _dive(view: View) -> Decision:
    """Two turns a dive at most: the question, and one level deeper."""
    if (
        view.dive_turns < view.plan.stage_followups
        and view.followups_total < view.plan.total_followups
    ):
        if view.risks and view.style != "supportive":
            return Decision("probe", "risk", view.risks[0])
        if view.possible:
            return Decision("probe", "possible", view.possible[0])
        if view.gaps and view.words >= STALL_WORDS:
            return Decision("probe", "gap", view.gaps[0])
        if view.target_open and view.stalls < MAX_STALLS and view.target is not None:
            return Decision("probe", "stall", view.target)
    return _next_dive(view)


def _next_dive(view: View) -> Decision:
    """The highest-value place: an error first, then a contradiction, then the largest gap."""
    spare = view.clock > 0 and _time_left(view) > DIVE_SECONDS and view.dive < MAX_DIVES
    spent = view.followups_total >= view.plan.total_followups
    if spent or (view.dive >= view.plan.dives and not spare):
        return Decision("wrap_up", "end")
    if view.errors:
        return Decision("challenge", "error", view.errors[0])
    if view.contradictions:
        return Decision("challenge", "contradiction", view.contradictions[0])
    if view.all_gaps:
        return Decision("probe", "dive", view.all_gaps[0])
    return Decision("wrap_up", "end")


def _stage(view: View) -> Decision:
    """Follow up while it is worth it, then hand over or move on."""
    late = view.stage_clock > _stage_seconds(view) * 1.4
    may_follow = (
        view.followups < view.plan.stage_followups
        and view.followups_total < view.plan.total_followups
        and not late
    )
    if view.words < STALL_WORDS:
        if view.stalls <= 1 and view.gaps and may_follow:
            return Decision("probe", "stall", view.gaps[0])
        return _advance(view, "stage_done")
    if may_follow:
        if view.risks and view.style != "supportive":
            return Decision("probe", "risk", view.risks[0])
        if view.possible:
            return Decision("probe", "possible", view.possible[0])
        if view.gaps and _asks_gaps(view):
            return Decision("probe", "gap", view.gaps[0])
    return _advance(view, "stage_done")


def _asks_gaps(view: View) -> bool:
    """A quiet interviewer lets a leading candidate run as long as stages are left to lead to."""
    return not (leads(view.level) and view.style == "quiet" and len(view.untouched) > 2)


def _advance(view: View, why: Why) -> Decision:
    """On to the next part; at the end the twist, then the closing question."""
    if view.phase == "clarify":
        stage: Stage = view.untouched[0] if view.untouched else "framing"
        return Decision("move_on", "sketch" if view.plan.sketch else "start", stage=stage)
    if view.phase in ("sketch", "dive"):
        return _next_dive(view)
    if view.plan.twist and not view.twisted and view.twists and _twist_due(view):
        return Decision("twist", "twist")
    if not view.untouched:
        if view.plan.twist and not view.twisted and view.twists:
            return Decision("twist", "twist")
        spare = view.followups_total < view.plan.total_followups and _time_left(view) > 120
        if view.all_gaps and spare and view.clock > 0 and why != "skip":
            return Decision("probe", "gap", view.all_gaps[0])
        return Decision("wrap_up", "end")
    return Decision("move_on", why, stage=view.untouched[0])


def _twist_due(view: View) -> bool:
    """The twist comes when little is left to open, or when the clock leaves room for no more."""
    return len(view.untouched) <= 1 or _time_left(view) < view.plan.total_seconds * 0.2


def _time_left(view: View) -> float:
    return view.plan.closing_at - view.clock


def _stage_seconds(view: View) -> float:
    middle = view.plan.closing_at - view.plan.clarify_seconds
    return middle * view.plan.shares.get(view.stage, 1 / len(TECHNICAL))
