"""Content as values: criteria, facts, twists, cases and the rubric.

Everything here is frozen and compared by content. Files are read by ``agent.content``; the
checks that need more than one field (three probes, existing references) live here, so that a
broken file is refused with the file's name and the field's path.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from agent.scale import Dimension, Level, Polarity, Stage

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.\-]*$", max_length=80)]
Pattern = Annotated[str, StringConstraints(min_length=2, max_length=800)]

WORDINGS_PER_PROBE = 3
PACKAGED = "packaged"
STEPS_PER_HINT = 3


class Value(BaseModel):
    """Frozen base: no unknown fields, so that a misspelt one is reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contradiction(Value):
    """Two statements that cannot both stand; each side is found like a criterion is."""

    first: tuple[Line, ...] = Field(min_length=2)
    first_cues: tuple[tuple[Pattern, ...], ...] = Field(min_length=1)
    second: tuple[Line, ...] = Field(min_length=2)
    second_cues: tuple[tuple[Pattern, ...], ...] = Field(min_length=1)


class Criterion(Value):
    """One atomic, checkable statement.

    ``cues`` is a list of concept groups, each a list of alternative regular expressions
    (case-insensitive, searched in one or two neighbouring sentences). Every group must be
    present before a sentence can count as fully meeting the criterion: they are the content the
    statement cannot do without, not a keyword list to be matched by itself.
    ``corrected_by`` names positive criteria: a misconception is not charged to, nor put to, a
    candidate who meets one of them.
    ``points`` is 1 to 3, negative for a named misconception ("met" then means it was made).
    """

    id: Slug
    dimension: Dimension
    stage: Stage | None = None
    polarity: Polarity = "positive"
    points: int
    level: Level
    statement: Text
    subject: Line
    meets: tuple[Line, ...] = Field(min_length=2)
    near_misses: tuple[Line, ...] = Field(min_length=2)
    cues: tuple[tuple[Pattern, ...], ...] = Field(default=())
    deeper: Line | None = None
    probes: tuple[Line, ...] = ()
    hints: tuple[Line, ...] = ()
    strong: Text
    sources: tuple[Slug, ...] = ()
    variants: tuple[Slug, ...] = ()
    refines: Slug | None = None
    risk: bool = False
    harder: Line | None = None
    defence: Line | None = None
    contradiction: Contradiction | None = None
    corrected_by: tuple[Slug, ...] = ()
    behaviour: Slug | None = None

    @field_validator("cues")
    @classmethod
    def _cues_compile(
        cls, groups: tuple[tuple[str, ...], ...], info: ValidationInfo
    ) -> tuple[tuple[str, ...], ...]:
        for group in groups:
            if not group:
                raise ValueError("a cue group is empty")
            # Packaged files are checked by the tests: thousands of patterns cost a second.
            for pattern in () if (info.context or {}).get(PACKAGED) else group:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"cue {pattern!r} is no regular expression: {error}") from None
        return groups

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.polarity == "positive" and not 1 <= self.points <= 3:
            raise ValueError("points of a positive criterion run from 1 to 3")
        if self.polarity == "negative" and not -3 <= self.points <= -1:
            raise ValueError("points of a negative criterion run from -3 to -1")
        if self.behaviour is None and self.contradiction is None and not self.cues:
            raise ValueError("cues are missing")
        if self.behaviour is None and len(self.probes) != WORDINGS_PER_PROBE:
            raise ValueError(f"{WORDINGS_PER_PROBE} probes are needed, {len(self.probes)} given")
        if self.polarity == "positive" and self.behaviour is None:
            if len(self.hints) != STEPS_PER_HINT:
                raise ValueError(f"{STEPS_PER_HINT} hints are needed, {len(self.hints)} given")
            if self.deeper is None:
                raise ValueError("deeper is missing: what to ask after quoting the candidate")
        if self.risk and self.harder is None:
            raise ValueError("harder is missing: the question for a risk raised unprompted")
        if self.contradiction is not None and self.polarity != "negative":
            raise ValueError("a contradiction is a negative criterion")
        return self

    @property
    def asked_in(self) -> Stage:
        """The stage whose time this criterion is probed in."""
        if self.stage is not None:
            return self.stage
        return "wrap_up" if self.dimension == "communication" else self.dimension


class FactValue(Value):
    """A number an assumption can be held against; ``unit`` is matched as a regular expression
    beside the candidate's number, ``tolerance`` is relative (0.25 accepts 75-125%)."""

    number: float
    unit: Pattern
    tolerance: float = Field(default=0.25, ge=0, le=1)


class FactText(Value):
    """What the interviewer says when this one fact is asked for, and the numbers in it."""

    say: Line
    values: tuple[FactValue, ...] = ()


class Fact(Value):
    """One line of the hidden fact sheet.

    ``asks`` are questions this fact answers, in varied words; ``terms`` are regular expressions
    at least one of which must stand in a question before this fact may answer it. ``near_asks``
    are questions that sound alike but ask for something else, which this fact does not answer.
    ``variants`` overrides ``say``/``values`` for a variant of the case.
    """

    id: Slug
    topic: Line
    stage: Stage
    asks: tuple[Line, ...] = Field(min_length=3)
    terms: tuple[Pattern, ...] = Field(min_length=1)
    near_asks: tuple[Line, ...] = ()
    say: Line
    values: tuple[FactValue, ...] = ()
    variants: dict[Slug, FactText] = Field(default_factory=dict)

    def told(self, variant: str) -> FactText:
        """The wording and numbers of this fact in ``variant``."""
        return self.variants.get(variant) or FactText(say=self.say, values=self.values)


class Variant(Value):
    """One version of the case's hidden facts; the seed chooses it."""

    id: Slug
    title: Line


class Twist(Value):
    """A changed constraint or an incident, put once in a long interview."""

    id: Slug
    kind: Annotated[str, StringConstraints(pattern="^(constraint|incident)$")]
    stage: Stage
    say: Text
    follow: Line
    targets: tuple[Slug, ...] = Field(min_length=1)


class StageText(Value):
    """How a stage is opened (when the interviewer leads), and its strong worked answer, which is
    shown only after the interview."""

    stage: Stage
    openings: tuple[Line, ...] = Field(min_length=3)
    strong_answer: Text | None = None


class DimensionText(Value):
    """A dimension's scope and its five anchors (0 to 4), after the scoring scale."""

    dimension: Dimension
    about: Text
    anchors: tuple[Line, Line, Line, Line, Line]


class CaseHead(Value):
    """What a list of cases shows."""

    id: Slug
    title: Line
    summary: Text


class Case(Value):
    """A case file set: openings by level, facts, criteria, twists, stage texts."""

    id: Slug
    title: Line
    summary: Text
    openings: dict[Level, Text]
    variants: tuple[Variant, ...] = Field(min_length=1)
    facts: tuple[Fact, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    twists: tuple[Twist, ...] = ()
    stages: tuple[StageText, ...] = ()

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        variants = {v.id for v in self.variants}
        ids = (
            [c.id for c in self.criteria] + [f.id for f in self.facts] + [t.id for t in self.twists]
        )
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} is used twice")
        if set(self.openings) != {"mid", "senior", "staff"}:
            raise ValueError("openings need exactly mid, senior and staff")
        for criterion in self.criteria:
            if unknown := set(criterion.variants) - variants:
                raise ValueError(f"{criterion.id}: unknown variant {min(unknown)!r}")
        for fact in self.facts:
            if unknown := set(fact.variants) - variants:
                raise ValueError(f"{fact.id}: unknown variant {min(unknown)!r}")
        known = {c.id for c in self.criteria}
        for twist in self.twists:
            if missing := set(twist.targets) - known:
                raise ValueError(f"{twist.id}: unknown criterion {min(missing)!r}")
        return self


class Rubric(Value):
    """The case-independent rubric: dimensions with anchors, criteria, stage openings."""

    version: Line
    dimensions: tuple[DimensionText, ...]
    criteria: tuple[Criterion, ...]
    stages: tuple[StageText, ...]
