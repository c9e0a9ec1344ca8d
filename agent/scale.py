"""The fixed vocabulary: dimensions, stages, levels, styles, signals.

The eight dimensions and their 0-4 anchors are data in ``agent/data/rubric``; the names are
code because every module routes on them.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Dimension = Literal[
    "framing",
    "metrics",
    "data",
    "modeling",
    "serving",
    "validation",
    "operations",
    "communication",
]
Stage = Literal[
    "framing",
    "metrics",
    "data",
    "modeling",
    "serving",
    "validation",
    "operations",
    "wrap_up",
]
Level = Literal["mid", "senior", "staff"]
Style = Literal["quiet", "neutral", "supportive", "challenging"]
Role = Literal["ml-engineer", "data-scientist"]
Signal = Literal["strong_no", "no", "lean_no", "lean_yes", "yes", "strong_yes"]
Polarity = Literal["positive", "negative"]
Verdict = Literal["met", "partial", "unmet", "cannot_assess"]
Engine = Literal["offline", "openai"]
Speaker = Literal["interviewer", "candidate"]

DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
TECHNICAL: Final[tuple[Stage, ...]] = tuple(s for s in STAGES if s != "wrap_up")
OFFLINE: Final[Engine] = "offline"
OPENAI: Final[Engine] = "openai"
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
STYLES: Final[tuple[Style, ...]] = get_args(Style)
ROLE_NAMES: Final[tuple[Role, ...]] = get_args(Role)
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)

MAX_SCORE: Final = 4.0
