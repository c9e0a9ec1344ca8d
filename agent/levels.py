"""From verdicts to scores, bands and signals: all arithmetic in one place, pure.

A dimension's score follows the points earned as a saturating curve: ``4 (1 - 2^(-2 x))`` where
``x`` is points earned over the points of a solid answer, so x = 1 gives 3 (solid), and what goes
beyond the essentials approaches 4. Negative criteria take points away. Scores never depend on the
level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.scale import MAX_SCORE, SIGNALS, Level, Signal, Verdict

PARTIAL_CREDIT: Final = 0.4
SOLID_SHARE: Final = 0.75
ANSWER_SHARE: Final = 0.45
HINT_COST: Final = (0.0, 0.25, 0.5, 0.75)
MIN_GRADED: Final = 6
CUTS: Final[Mapping[Level, tuple[float, float, float, float, float]]] = {
    "mid": (0.7, 1.2, 1.7, 2.2, 2.9),
    "senior": (1.0, 1.6, 2.2, 2.7, 3.3),
    "staff": (1.5, 2.2, 2.7, 3.2, 3.6),
}


@dataclass(frozen=True)
class Weighed:
    """One verdict with what the arithmetic needs. ``strength`` is the detector's, 0..1."""

    criterion: str
    points: int
    level: Level
    verdict: Verdict
    strength: float = 0.0
    hints: int = 0
    fragile: bool = False


def solid_points(criteria: Sequence[Weighed], share: float = SOLID_SHARE) -> float:
    """Points of a solid performance: a share of what mid and senior criteria can earn.

    A whole interview is held to SOLID_SHARE, a single answer to one question to ANSWER_SHARE.
    """
    expected = sum(c.points for c in criteria if c.points > 0 and c.level != "staff")
    return max(1.0, share * expected)


def credit(item: Weighed) -> float:
    """Points a verdict earns or costs; each hint taken leaves less to earn."""
    share = {"met": 1.0, "partial": PARTIAL_CREDIT}.get(item.verdict, 0.0)
    if item.points < 0:
        return item.points * float(item.verdict == "met")
    cost = HINT_COST[min(item.hints, len(HINT_COST) - 1)]
    return item.points * share * (1.0 - cost)


def raw_score(criteria: Sequence[Weighed], share: float = SOLID_SHARE) -> float:
    """Unrounded 0..4."""
    earned = max(0.0, sum(credit(c) for c in criteria))
    return MAX_SCORE * (1.0 - math.pow(2.0, -2.0 * earned / solid_points(criteria, share)))


def on_grid(score: float) -> float:
    """The nearest half point (ties go up)."""
    return min(MAX_SCORE, max(0.0, int(score * 2 + 0.5) / 2))


def band(criteria: Sequence[Weighed], share: float = SOLID_SHARE) -> tuple[float, float]:
    """The scores if every uncertain verdict fell the other way: fragile credit lost, partial
    credit completed. Always holds the score itself."""
    score = on_grid(raw_score(criteria, share))
    low = on_grid(raw_score([_shifted(c, up=False) for c in criteria], share))
    high = on_grid(raw_score([_shifted(c, up=True) for c in criteria], share))
    return min(low, score), max(high, score)


def _shifted(item: Weighed, *, up: bool) -> Weighed:
    """A verdict moved one step where it is uncertain."""
    better: Verdict
    if item.points < 0:
        if not item.fragile:
            return item
        better = "unmet" if up else item.verdict
        return Weighed(item.criterion, item.points, item.level, better, item.strength)
    if item.verdict == "partial":
        better = "met" if up else "unmet"
    elif item.verdict == "met" and item.fragile and not up:
        better = "partial"
    else:
        return item
    return Weighed(
        item.criterion, item.points, item.level, better, item.strength, item.hints, item.fragile
    )


def signal(score: float, level: Level) -> Signal:
    """The hiring signal that an overall score gives at a level."""
    return SIGNALS[sum(score >= cut for cut in CUTS[level])]


def capped(found: Signal, ceiling: Signal) -> Signal:
    """The lower of two signals."""
    return SIGNALS[min(SIGNALS.index(found), SIGNALS.index(ceiling))]


def level_signal(scores: Mapping[str, float], level: Level) -> Signal:
    """Signal from the dimension scores: their mean, held back by a dimension that failed.

    A technical dimension below 1 keeps senior and staff from a yes; at staff, any below 2 keeps
    from a strong yes.
    """
    overall = sum(scores.values()) / len(scores)
    found = signal(overall, level)
    lowest = min((s for d, s in scores.items() if d != "communication"), default=MAX_SCORE)
    if lowest < 1.0 and level != "mid":
        found = capped(found, "lean_yes" if level == "senior" else "lean_no")
    if lowest < 2.0 and level == "staff":
        found = capped(found, "yes")
    return found
