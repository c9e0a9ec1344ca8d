"""What an interview dwells on: the role that is interviewed for, and a pasted job description.

Emphasis moves minutes between stages and decides which gaps are asked about first. It never touches
a score: the rubric is the same for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.casebook import CaseBook
from agent.errors import InputError
from agent.scale import TECHNICAL, Role, Stage
from agent.types import Rubric
from knowledge.encoder import Encoder

LEAST: Final = 0.7
MOST: Final = 1.4
MAX_JOB_CHARS: Final = 20_000
FITS: Final = 0.18
_MIN_WORDS: Final = 8
_BEST: Final = 3

ROLES: Final[Mapping[Role, Mapping[Stage, float]]] = {
    "ml-engineer": {
        "framing": 0.9,
        "metrics": 0.85,
        "data": 1.0,
        "modeling": 0.9,
        "serving": 1.35,
        "validation": 0.9,
        "operations": 1.25,
    },
    "data-scientist": {
        "framing": 1.1,
        "metrics": 1.3,
        "data": 1.1,
        "modeling": 1.1,
        "serving": 0.7,
        "validation": 1.25,
        "operations": 0.75,
    },
}
_LINE = re.compile(r"\n+|(?<=[.!?;])\s+")


@dataclass(frozen=True)
class JobFit:
    """What a job description asks for: weights by stage (1 is usual), cases best first; no case
    where it points to none."""

    weights: Mapping[Stage, float]
    cases: tuple[str, ...]


def weights_of(role: Role | None, job: Mapping[Stage, float] | None = None) -> dict[Stage, float]:
    """The weight of every stage; 1 where nothing is emphasised."""
    chosen = ROLES[role] if role is not None else {}
    both = {s: chosen.get(s, 1.0) * (job or {}).get(s, 1.0) for s in TECHNICAL}
    return {s: round(min(MOST, max(LEAST, w)), 2) for s, w in both.items()}


def read_job(text: str, cases: CaseBook, rubric: Rubric, encoder: Encoder) -> JobFit:
    """Compare a job description with the stages' subjects and with the cases' summaries."""
    if len(text) > MAX_JOB_CHARS:
        raise InputError(f"The job description is longer than {MAX_JOB_CHARS:,} characters.")
    if len(text.split()) < _MIN_WORDS:
        raise InputError("The job description is too short to choose anything by.")
    lines = [line.strip(" -*•\t") for line in _LINE.split(text)]
    said = [line for line in lines if len(line.split()) > 1]
    vectors = encoder.encode(said or [" ".join(lines)])
    about: dict[str, str] = {d.dimension: d.about for d in rubric.dimensions}
    nearness = _nearness(vectors, encoder.encode([about[s] for s in TECHNICAL]))
    # Compared with each other: a stage the text speaks of more than of the others gets more.
    spread = nearness - nearness.mean()
    scale = max(float(np.abs(spread).max()), 1e-6)
    weights = {
        stage: round(float(1 + 0.3 * value / scale), 2)
        for stage, value in zip(TECHNICAL, spread, strict=True)
    }
    heads = cases.heads()
    ids = list(heads)
    fit = _nearness(vectors, encoder.encode([f"{heads[i].title}. {heads[i].summary}" for i in ids]))
    if float(fit.max()) < FITS:
        return JobFit(weights, ())
    order = sorted(range(len(ids)), key=lambda i: (-float(fit[i]), ids[i]))
    return JobFit(weights, tuple(ids[i] for i in order))


def _nearness(
    lines: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    subjects: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Per subject the mean cosine of its best few lines."""
    scores = np.sort(lines @ subjects.T, axis=0)[::-1]
    best: np.ndarray[tuple[int], np.dtype[np.float32]] = scores[:_BEST].mean(axis=0)
    return best


def shares(weights: Mapping[Stage, float], usual: Mapping[Stage, float]) -> dict[Stage, float]:
    """The usual shares of the time, weighted, again adding up to one."""
    weighted = {s: share * weights.get(s, 1.0) for s, share in usual.items()}
    total = sum(weighted.values())
    return {s: value / total for s, value in weighted.items()}
