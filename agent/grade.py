"""The grade document: the contract's shape as values. It holds no time and no random value."""

from __future__ import annotations

from typing import Any, Literal

from agent.scale import DIMENSIONS, Dimension, Level, Polarity, Signal, Verdict
from agent.types import Value

Status = Literal["graded", "not_assessed", "unscored"]


class Quote(Value):
    """Verbatim words of the candidate; ``turn`` is the 0-based index into ``turns``."""

    turn: int
    text: str


class CriterionGrade(Value):
    """One verdict. ``met`` on a negative criterion means that the error was made."""

    id: str
    polarity: Polarity
    points: int
    verdict: Verdict
    prompted: bool | None
    quotes: tuple[Quote, ...] = ()
    reason: str


class DimensionGrade(Value):
    """One dimension; ``score`` and ``band`` are null unless ``graded``."""

    score: float | None
    band: tuple[float, float] | None
    status: Status
    reason: str
    criteria: tuple[CriterionGrade, ...] = ()


class Overall(Value):
    """Null throughout with fewer than six dimensions graded."""

    score: float | None
    signal: Signal | None
    by_level: dict[Level, Signal | None]


class Flag(Value):
    """Something in the candidate's text that is no evidence."""

    kind: str
    turn: int
    text: str


class Grade(Value):
    """A whole grade."""

    id: str
    engine: str
    model: str | None
    rubric_version: str
    prompt_version: str | None
    level: Level
    scores: dict[Dimension, DimensionGrade]
    overall: Overall | None
    flags: tuple[Flag, ...] = ()

    def document(self) -> dict[str, Any]:
        """Plain JSON in the contract's order of keys and dimensions."""
        found = self.model_dump(mode="json")
        order = [d for d in DIMENSIONS if d in self.scores]
        found["scores"] = {d: found["scores"][d] for d in order}
        return found
