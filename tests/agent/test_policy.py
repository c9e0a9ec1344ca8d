"""The policy as a pure function: every view has a next move, and every interview ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import InputError
from agent.plans import MAX_MINUTES, MIN_MINUTES, default_style, plan_for
from agent.policy import (
    MAX_STALLS,
    RAMBLE_WORDS,
    Decision,
    Go,
    Phase,
    View,
    Why,
    decide,
)
from agent.records import Act
from agent.scale import LEVELS, STYLES, TECHNICAL, Level, Stage, Style

ACTS = [a for a in get_args(Act) if a != "say"]
IDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True).map(tuple)
PLANS = st.builds(plan_for, st.integers(MIN_MINUTES, MAX_MINUTES), st.sampled_from(STYLES))
SECONDS = st.floats(0, 8000, allow_nan=False)
SMALL = st.integers(0, 60)

VIEWS = st.builds(
    View,
    act=st.sampled_from(ACTS),
    plan=PLANS,
    level=st.sampled_from(LEVELS),
    style=st.sampled_from(STYLES),
    phase=st.sampled_from(get_args(Phase)),
    stage=st.sampled_from(TECHNICAL),
    clock=SECONDS,
    stage_clock=SECONDS,
    turns=SMALL,
    words=st.integers(-5, 600),
    asks=st.integers(0, 4),
    which=st.booleans(),
    replied=st.booleans(),
    language=st.booleans(),
    ready=st.booleans(),
    errors=IDS,
    contradictions=IDS,
    possible=IDS,
    risks=IDS,
    gaps=IDS,
    all_gaps=IDS,
    target=st.sampled_from([None, "a", "t"]),
    target_open=st.booleans(),
    disagrees=st.booleans(),
    can_test=st.booleans(),
    clarify_turns=SMALL,
    followups=SMALL,
    followups_total=SMALL,
    dive=st.integers(0, 3),
    dive_turns=st.integers(0, 4),
    stalls=st.integers(0, 4),
    rambled=st.booleans(),
    carried_on=st.booleans(),
    untouched=st.lists(st.sampled_from(TECHNICAL), unique=True).map(
        lambda found: tuple(s for s in TECHNICAL if s in found)
    ),
    twisted=st.booleans(),
    twists=st.integers(0, 2),
)


def view(**changes) -> View:
    base = View(
        act="answer",
        plan=plan_for(25),
        level="mid",
        style="neutral",
        phase="stage",
        stage="data",
        clock=300.0,
        stage_clock=30.0,
        turns=5,
        words=50,
        gaps=("gap",),
        all_gaps=("gap",),
        untouched=("modeling", "serving"),
    )
    return replace(base, **changes)


@given(VIEWS)
@settings(max_examples=150)
def test_every_view_has_a_valid_next_move(seen):
    decision = decide(seen)
    assert isinstance(decision, Decision)
    assert decision.go in get_args(Go)
    assert decision.why in get_args(Why)
    if decision.go == "move_on":
        assert decision.stage is not None
    # A node that speaks about a criterion is given one.
    if decision.go == "challenge" and decision.why in ("error", "contradiction"):
        assert decision.target in (*seen.errors, *seen.contradictions)
    if decision.go == "probe" and decision.why != "ramble":
        known = (*seen.possible, *seen.risks, *seen.gaps, *seen.all_gaps, seen.target)
        assert decision.target is not None
        assert decision.target in known


@given(VIEWS)
@settings(max_examples=80)
def test_done_and_the_end_are_graded(seen):
    assert decide(replace(seen, act="done")).go == "grade"
    assert decide(replace(seen, phase="wrap_up")).go == "grade"
    assert decide(replace(seen, phase="over")).go == "grade"


@given(VIEWS, st.sampled_from(["clarify", "sketch", "dive", "stage", "twist"]))
@settings(max_examples=80)
def test_the_clock_and_the_turns_end_it(seen, phase):
    seen = replace(seen, act="answer", phase=phase)
    assert decide(replace(seen, clock=float(seen.plan.closing_at))).go == "wrap_up"
    assert decide(replace(seen, turns=seen.plan.max_turns)).go == "wrap_up"


@given(VIEWS)
@settings(max_examples=80)
def test_quiet_never_interrupts_a_ramble(seen):
    assert decide(replace(seen, style="quiet")).why != "ramble"


@given(VIEWS)
@settings(max_examples=80)
def test_a_ramble_is_interrupted_once_a_stage(seen):
    assert decide(replace(seen, rambled=True)).why != "ramble"


@given(VIEWS)
@settings(max_examples=80)
def test_the_twist_needs_a_long_interview_and_comes_once(seen):
    if decide(seen).go == "twist":
        assert seen.plan.minutes >= 35
        assert seen.plan.twist
        assert not seen.twisted
        assert seen.twists


@given(VIEWS)
@settings(max_examples=80)
def test_moving_on_goes_to_an_untouched_stage(seen):
    decision = decide(seen)
    if decision.go == "move_on" and seen.phase != "clarify":
        assert decision.stage in seen.untouched


@given(VIEWS)
@settings(max_examples=80)
def test_dives_are_bounded(seen):
    full = replace(seen, act="answer", phase="sketch", words=200, dive=seen.plan.dives)
    decision = decide(full)
    assert not (decision.go == "probe" and decision.why == "dive")


@given(st.sampled_from(LEVELS), st.integers(0, 1000))
@settings(max_examples=20)
def test_the_decision_depends_on_the_view_alone(level, words):
    seen = view(level=level, words=words)
    assert decide(seen) == decide(replace(seen))


@pytest.mark.parametrize("minutes", [0, MIN_MINUTES - 1, MAX_MINUTES + 1])
def test_a_length_out_of_range_is_refused(minutes):
    with pytest.raises(InputError, match=r"5 to 120 minutes\.$"):
        plan_for(minutes)


def test_the_default_style_follows_the_level():
    assert [default_style(level) for level in LEVELS] == ["neutral", "quiet", "neutral"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Commands come before everything that was said.
        ({"act": "repeat", "errors": ("e",)}, Decision("ask", "repeat")),
        ({"act": "hint", "target": "t"}, Decision("hint", "hint", "t")),
        ({"act": "skip"}, Decision("move_on", "skip", stage="modeling")),
        # Another language is said plainly before anything is asked.
        ({"language": True, "errors": ("e",)}, Decision("ask", "language")),
        # Questions are answered first, then the same view is routed again.
        ({"asks": 1, "errors": ("e",)}, Decision("reply", "asked")),
        ({"asks": 1, "replied": True, "errors": ("e",)}, Decision("challenge", "error", "e")),
        ({"which": True, "replied": True, "asks": 1}, Decision("ask", "listen")),
        # An error, then a contradiction, then a ramble.
        ({"errors": ("e",), "contradictions": ("c",)}, Decision("challenge", "error", "e")),
        (
            {"contradictions": ("c",), "words": RAMBLE_WORDS + 1},
            Decision("challenge", "contradiction", "c"),
        ),
        ({"words": RAMBLE_WORDS + 1}, Decision("probe", "ramble", None)),
        # A disagreement is tested once, then it stands.
        (
            {"disagrees": True, "can_test": True, "target": "t"},
            Decision("challenge", "disagreement", "t"),
        ),
        ({"disagrees": True, "target": "t"}, Decision("move_on", "defended", stage="modeling")),
        # Risk before half a point before a gap; a supportive one does not make it harder.
        ({"risks": ("r",), "possible": ("p",)}, Decision("probe", "risk", "r")),
        (
            {"risks": ("r",), "possible": ("p",), "style": "supportive"},
            Decision("probe", "possible", "p"),
        ),
        ({}, Decision("probe", "gap", "gap")),
        # A quiet interviewer lets a leading candidate run while stages are left to lead to.
        (
            {"style": "quiet", "level": "senior", "untouched": ("metrics", "data", "serving")},
            Decision("move_on", "stage_done", stage="metrics"),
        ),
        # Stalls: one example, then on.
        ({"words": 3, "stalls": 1}, Decision("probe", "stall", "gap")),
        ({"words": 3, "stalls": MAX_STALLS}, Decision("move_on", "stage_done", stage="modeling")),
        # The stage's time is up.
        ({"stage_clock": 900.0}, Decision("move_on", "stage_done", stage="modeling")),
        # The clarifying part.
        (
            {"phase": "clarify", "asks": 1, "replied": True, "words": 0, "clock": 60.0},
            Decision("ask", "more_questions"),
        ),
        ({"phase": "clarify", "words": 5}, Decision("move_on", "start", stage="modeling")),
        (
            {"phase": "clarify", "words": 5, "plan": plan_for(12)},
            Decision("move_on", "sketch", stage="framing"),
        ),
        # A short sketch is carried on once.
        ({"phase": "sketch", "words": 20, "plan": plan_for(12)}, Decision("ask", "carry_on")),
        (
            {"phase": "sketch", "words": 20, "plan": plan_for(12), "carried_on": True},
            Decision("probe", "dive", "gap"),
        ),
    ],
)
def test_precedence(changes, expected):
    assert decide(view(**changes)) == expected


@dataclass
class Answer:
    """What one random answer brings."""

    act: Act
    words: int
    seconds: float
    asks: int
    met: int
    possible: bool
    risk: bool
    error: bool
    disagrees: bool
    ready: bool
    language: bool
    leads_to: int


ANSWERS = st.builds(
    Answer,
    act=st.sampled_from(["answer"] * 12 + ["hint", "skip", "repeat"]),
    words=st.integers(0, 500),
    seconds=st.floats(0, 240, allow_nan=False),
    asks=st.integers(0, 2),
    met=st.integers(0, 6),
    possible=st.booleans(),
    risk=st.booleans(),
    error=st.booleans(),
    disagrees=st.booleans(),
    ready=st.booleans(),
    language=st.booleans(),
    leads_to=st.integers(0, 10),
)


@dataclass
class Room:
    """The counters that the graph keeps, as the nodes change them, over 8 points a stage."""

    minutes: int
    level: Level
    style: Style
    phase: Phase = "clarify"
    stage: Stage = "framing"
    clock: float = 0.0
    turns: int = 1
    open: dict[str, list[str]] = field(
        default_factory=lambda: {s: [f"{s}.{i}" for i in range(8)] for s in TECHNICAL}
    )
    visited: list[str] = field(default_factory=list)
    stage_clock: dict[str, float] = field(default_factory=dict)
    followups: dict[str, int] = field(default_factory=dict)
    clarify_turns: int = 0
    stalls: int = 0
    dive: int = 0
    dive_turns: int = 0
    errors: int = 0
    carried_on: bool = False
    rambled: set[str] = field(default_factory=set)
    challenged: bool = False
    tested: bool = False
    target: str | None = None
    twisted: int = 0
    sketches: int = 0
    asked: list[str] = field(default_factory=list)
    interrupted: int = 0

    def step(self, answer: Answer) -> Decision:
        self.clock += answer.seconds
        self.stage_clock[self.stage] = self.stage_clock.get(self.stage, 0.0) + answer.seconds
        spoke = answer.act == "answer"
        if spoke:
            self.clarify_turns += self.phase == "clarify"
            self.stalls = self.stalls + 1 if answer.words < 8 and not answer.asks else 0
            for stage in TECHNICAL[answer.leads_to : answer.leads_to + 1]:
                self.open[stage] = self.open[stage][answer.met :]
                if stage not in self.visited:
                    self.visited.append(stage)
        seen = self.view(answer, spoke)
        decision = decide(seen)
        if decision.go == "reply":
            decision = decide(replace(seen, replied=True))
            assert decision.go != "reply"
        self.apply(decision)
        return decision

    def view(self, answer: Answer, spoke: bool) -> View:
        here = tuple(self.open[self.stage]) if self.stage in self.open else ()
        everything = tuple(c for s in TECHNICAL for c in self.open[s])
        mistake = (f"error.{self.errors}",) if spoke and answer.error else ()
        return View(
            act=answer.act,
            plan=plan_for(self.minutes, self.style),
            level=self.level,
            style=self.style,
            phase=self.phase,
            stage=self.stage,
            clock=self.clock,
            stage_clock=self.stage_clock.get(self.stage, 0.0),
            turns=self.turns,
            words=answer.words if spoke else 0,
            asks=answer.asks if spoke else 0,
            language=spoke and answer.language,
            ready=answer.ready,
            errors=mistake,
            possible=here[:1] if answer.possible else (),
            risks=everything[-1:] if answer.risk else (),
            gaps=here,
            all_gaps=everything,
            target=self.target,
            target_open=self.target is not None and self.target in everything,
            disagrees=spoke and self.challenged and answer.disagrees,
            can_test=not self.tested,
            clarify_turns=self.clarify_turns,
            followups=self.followups.get(self.stage, 0),
            followups_total=sum(self.followups.values()),
            dive=self.dive,
            dive_turns=self.dive_turns,
            stalls=self.stalls,
            rambled=self.stage in self.rambled,
            carried_on=self.carried_on,
            untouched=tuple(s for s in TECHNICAL if s not in self.visited),
            twisted=self.twisted > 0,
            twists=2,
        )

    def apply(self, decision: Decision) -> None:  # noqa: C901, PLR0912 - one case a move
        self.turns += decision.go != "grade"
        self.challenged = decision.go == "challenge"
        match decision.go:
            case "probe" if decision.why == "ramble":
                assert self.stage not in self.rambled
                self.rambled.add(self.stage)
                self.interrupted += 1
            case "probe" | "challenge" if decision.why != "disagreement":
                stage = (decision.target or "").split(".")[0]
                stage = stage if stage in TECHNICAL else self.stage
                self.followups[stage] = self.followups.get(stage, 0) + 1
                for names in self.open.values():
                    if decision.target in names:
                        names.remove(decision.target)
                self.target = decision.target
                self.asked.append(decision.target or "")
                self.errors += decision.go == "challenge"
                self.tested = False
                if not plan_for(self.minutes, self.style).sketch:
                    self.phase = "stage" if self.phase == "clarify" else self.phase
                elif decision.why == "dive" or self.phase in ("sketch", "clarify"):
                    self.phase, self.dive, self.dive_turns = "dive", self.dive + 1, 1
                elif self.phase == "dive":
                    self.dive_turns += 1
            case "challenge":
                assert not self.tested
                self.tested = True
            case "move_on":
                self.target, self.dive_turns, self.stalls = None, 0, 0
                if decision.why == "sketch":
                    assert not self.sketches
                    self.sketches += 1
                    self.phase = "sketch"
                else:
                    assert decision.stage not in self.visited
                    self.phase, self.stage = "stage", decision.stage or "framing"
                    self.visited.append(self.stage)
            case "twist":
                self.twisted += 1
                self.phase = "twist"
            case "wrap_up":
                self.phase = "wrap_up"
            case "ask" if decision.why == "carry_on":
                self.carried_on = True


@given(
    minutes=st.sampled_from([5, 12, 17, 18, 25, 34, 35, 45, 60, 120]),
    level=st.sampled_from(LEVELS),
    style=st.sampled_from(STYLES),
    answers=st.lists(ANSWERS, min_size=1, max_size=8),
)
@settings(max_examples=120)
def test_every_interview_ends(minutes, level, style, answers):
    """The answers are given round and round until the grade."""
    room = Room(minutes, level, style)
    plan = plan_for(minutes, style)
    for number in range(plan.max_turns + 2):
        decision = room.step(answers[number % len(answers)])
        if decision.go == "grade":
            break
    else:
        raise AssertionError("no end")
    assert room.turns <= plan.max_turns
    assert room.twisted <= int(minutes >= 35)
    assert room.sketches <= int(plan.sketch)
    assert room.interrupted == 0 or style != "quiet"
    assert sum(room.followups.values()) <= plan.total_followups + plan.dives + len(TECHNICAL)
