"""What is kept of an interview: values that the store reads and writes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from agent.llm.types import CallRecord
from agent.scale import Dimension, Level, Role, Speaker, Stage, Style, Verdict
from agent.types import Value

Kind = Literal["case", "portfolio", "stage"]
Status = Literal["open", "ended", "graded"]
Act = Literal["say", "answer", "hint", "skip", "repeat", "done"]
Move = Literal[
    "brief",
    "ask",
    "reply",
    "probe",
    "hint",
    "challenge",
    "move_on",
    "twist",
    "wrap_up",
    "repeat",
    "close",
]


class Source(Value):
    """One passage's claim, as it was when the turn was spoken."""

    id: str
    text: str
    title: str
    section: str | None = None
    episode: str | None = None
    speaker: str | None = None
    start: float | None = None
    url: str | None = None


class InterviewRecord(Value):
    """One interview. ``variant`` is the case's hidden version chosen by ``seed``; ``parent`` and
    ``fork_seq`` are set on a redo (the rows up to ``fork_seq`` are the parent's); ``weights`` say
    which stages get more time and questions (1 is usual), ``remembered`` which points earlier
    interviews left open; ``extra`` holds what an imported transcript had beyond the known keys."""

    id: str
    owner: str
    kind: Kind
    stage: Stage | None = None
    case_id: str | None
    title: str
    prompt: str
    level: Level
    style: Style
    minutes: int
    variant: str
    seed: int
    engine: str
    role: Role | None = None
    weights: dict[Stage, float] = Field(default_factory=dict)
    remembered: tuple[str, ...] = ()
    status: Status
    created_at: datetime
    ended_at: datetime | None = None
    parent: str | None = None
    fork_seq: int | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class TurnRecord(Value):
    """One row, keyed (interview, seq). ``act`` is ``say`` for the interviewer, else what the
    candidate did. ``seconds`` run from question shown to answer accepted; ``typing_seconds`` from
    the first keystroke, where the front end knows it. ``snapshot`` is the graph's small state
    after an interviewer turn, from which the interview resumes or is forked; ``call`` says what a
    model was asked for it."""

    interview: str
    seq: int
    speaker: Speaker
    act: Act
    text: str
    stage: Stage | None = None
    move: str | None = None
    target: str | None = None
    wording: str | None = None
    sources: tuple[Source, ...] = ()
    engine: str | None = None
    fallback_reason: str | None = None
    at: datetime
    seconds: float | None = None
    typing_seconds: float | None = None
    snapshot: dict[str, Any] | None = None
    call: CallRecord | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class Remembered(Value):
    """The verdict on a point, for the interviews that follow; ``subject`` completes "no sentence
    about"."""

    point: str
    verdict: Verdict
    points: int
    level: Level
    subject: str


class Improvement(Value):
    """What became of a point that earlier interviews left open."""

    point: str
    subject: str
    verdict: Verdict


class GradeRecord(Value):
    """One grading of an interview: the contract's document, kept as it was given, its verdicts
    by point and the model calls behind it."""

    id: str
    interview: str
    created_at: datetime
    engine: str
    document: dict[str, Any]
    memory: tuple[Remembered, ...] = ()
    calls: dict[Dimension, CallRecord] = Field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether any dimension has a score."""
        return "graded" in self._statuses

    @property
    def whole(self) -> bool:
        """Whether nothing is left that could be graded again."""
        return "unscored" not in self._statuses

    @property
    def _statuses(self) -> frozenset[str]:
        return frozenset(s["status"] for s in self.document["scores"].values())


Rating = Annotated[float, Field(ge=0, le=4)]


class SelfRating(Value):
    """What the candidate thought of each dimension before seeing the scores."""

    interview: str
    ratings: dict[Dimension, Rating]
    weakest: Dimension | None = None


class Appeal(Value):
    """ "I did say this": the sentence pointed at, and both verdicts."""

    id: str
    interview: str
    grade: str
    criterion: str
    turn: int
    text: str
    before: str
    after: str
    reason: str
    created_at: datetime
