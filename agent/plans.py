"""How the minutes are spent: one value per length, over the same graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from agent.errors import InputError
from agent.scale import Level, Stage, Style

MIN_MINUTES: Final = 5
MAX_MINUTES: Final = 120
STAGE_FOLLOWUPS: Final = 5
STAGE_SHARE: Final[Mapping[Stage, float]] = {
    "framing": 0.16,
    "metrics": 0.13,
    "data": 0.18,
    "modeling": 0.15,
    "serving": 0.13,
    "validation": 0.13,
    "operations": 0.12,
}


@dataclass(frozen=True)
class Plan:
    """Seconds and budgets of one interview.

    ``sketch`` is the uninterrupted design talk of a short interview, followed by ``dives`` deep
    dives; longer ones open every stage. ``shares`` are the parts of the middle of a long interview
    that a stage may take before the clock moves it on. ``max_turns`` bounds the interviewer's
    turns whatever happens, so that an interview always ends.
    """

    minutes: int
    clarify_seconds: int
    closing_seconds: int
    clarify_turns: int
    sketch: bool
    dives: int
    stage_followups: int
    total_followups: int
    twist: bool
    max_turns: int
    shares: Mapping[Stage, float] = field(default_factory=lambda: STAGE_SHARE)

    @property
    def total_seconds(self) -> int:
        """The whole clock."""
        return self.minutes * 60

    @property
    def closing_at(self) -> int:
        """The second at which the closing question is due."""
        return self.total_seconds - self.closing_seconds


def plan_for(minutes: int, style: Style = "neutral") -> Plan:
    """The plan for a length: 12 minutes sketch and dive, 25 opens every stage, 45 goes deep."""
    if not MIN_MINUTES <= minutes <= MAX_MINUTES:
        raise InputError(f"An interview takes {MIN_MINUTES} to {MAX_MINUTES} minutes.")
    if minutes < 18:
        return Plan(minutes, minutes * 10, minutes * 5, 3, True, 2, 2, 8, False, 18)
    if minutes < 35:
        followups = 1 if style == "quiet" else 2
        return Plan(minutes, 180, 90, 4, False, 0, followups, 12, False, 34)
    return Plan(minutes, 300, 150, 5, False, 0, 3, 24, True, 56)


def stage_practice(plan: Plan) -> Plan:
    """The plan for one stage alone: no sketch of the whole and no twist, more follow-ups."""
    return replace(
        plan, sketch=False, dives=0, twist=False, stage_followups=STAGE_FOLLOWUPS, clarify_turns=2
    )


def leads(level: Level) -> bool:
    """Whether the candidate is expected to lead: at senior and staff."""
    return level != "mid"


def default_style(level: Level) -> Style:
    """Quiet at senior (the round is close to a solo talk), neutral elsewhere."""
    return "quiet" if level == "senior" else "neutral"
