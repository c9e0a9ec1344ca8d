"""How strongly a stretch of words meets a criterion: features, a small fitted model, hard rules.

Features separate applying an idea from naming it: similarity to the statement and to phrasings that
meet it against near misses, whether the words are more about this criterion than about the others,
the concepts it cannot do without, specifics (a number, a reason, a consequence) and vague words.
Weights keep the sign of their feature's meaning (LOWERS never raise). They are fitted by
``evals.fit_detector`` on labelled phrasings and kept in ``detector.json``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Protocol

import re2

from agent.types import Criterion

PARAMETERS: Final = Path(__file__).parent / "data" / "detector.json"
FEATURES: Final = (
    "similar",
    "margin",
    "rank",
    "statement",
    "concepts",
    "complete",
    "specific",
    "vague",
)
LOWERS: Final = ("rank", "vague")
MODELS: Final = ("met", "part", "error")
NEUTRAL_MARGIN: Final = 0.1

_SPECIFIC = re.compile(
    r"\d|->|→|=>|\b(?:because|since|so that|so|therefore|otherwise|unless|until|which means|"
    r"that way|"
    r"if|when|instead of|rather than|e\.g|for example|per)\b",
    re.I,
)
_VAGUE = re.compile(
    r"\b(?:important|crucial|key (?:aspect|factor|part|challenge)|challeng\w*|robust|scalable|"
    r"leverage|"
    r"state.of.the.art|best practices?|holistic|seamless|high.quality|appropriate(?:ly)?|carefully|"
    r"various|consider|think about|take into account|ensure|make sure|proper(?:ly)?|optimal|"
    r"and so on|etc)\b",
    re.I,
)
_REJECTS = re.compile(
    r"\b(?:no need|not needed|don'?t need|do not need|needn'?t|doesn'?t need|won'?t need|"
    r"skip(?:ping)?|"
    r"don'?t bother|won'?t bother|not necessary|unnecessary|don'?t care|not (?:important|relevant)|"
    r"don'?t know|no idea|not sure|can'?t think|overkill|pass on|is useless|waste of time)\b",
    re.I,
)
_WARNS = re.compile(
    r"\b(?:not|never|no|n't|avoid\w*|instead of|rather than|without|wrong|bad idea|mislead\w*|"
    r"mistake|"
    r"danger\w*|careful|beware|problem|trap|useless|naive\w*|except|unless|leak\w*|drop\w*|exclud\w*|"
    r"optimistic|inflat\w*|too good|only for a quick|sanity|wouldn'?t|shouldn'?t|can'?t|won'?t|"
    r"don'?t|"
    r"doesn'?t|isn'?t|aren'?t|wasn'?t)\b",
    re.I,
)
_CLAUSE = re.compile(r"[,;:()—–]|\bbut\b|\band then\b|->|→|\bbecause\b|\bsince\b", re.I)


@dataclass(frozen=True)
class Parameters:
    """Per model a bias and one weight per feature; ``cut`` is the strength that counts.

    ``met``: the statement is met; ``part``: at least half of it; ``error``: a misconception is
    voiced.
    """

    bias: Mapping[str, float]
    weights: Mapping[str, tuple[float, ...]]
    cut: Mapping[str, float]

    def strength(self, model: str, features: Sequence[float]) -> float:
        """The model's probability, 0..1, to four digits."""
        pairs = zip(self.weights[model], features, strict=True)
        total = self.bias[model] + sum(w * f for w, f in pairs)
        return round(1.0 / (1.0 + math.exp(-total)), 4)

    def passes(self, model: str, strength: float) -> bool:
        """Whether a strength counts."""
        return strength >= self.cut[model]


@cache
def packaged_parameters() -> Parameters:
    """The fitted weights."""
    data = json.loads(PARAMETERS.read_text(encoding="utf-8"))["models"]
    return Parameters(
        bias={m: float(data[m]["bias"]) for m in MODELS},
        weights={m: tuple(float(data[m]["weights"][f]) for f in FEATURES) for m in MODELS},
        cut={m: float(data[m]["cut"]) for m in MODELS},
    )


class Searches(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None:
        """Something where the pattern stands in the text."""
        ...


def _any_of(patterns: Sequence[str]) -> Searches:
    """Any of the patterns, whatever the case. RE2 searches long alternations many times faster;
    what it does not know (looking ahead) is left to ``re``."""
    joined = "|".join(f"(?:{p})" for p in patterns)
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    try:
        return _Fast(re2.compile(joined, options))
    except re2.error:
        return re.compile(joined, re.IGNORECASE)


class _Fast:
    """An RE2 pattern; half a surrogate pair, which is no text to RE2, is searched as a mark."""

    def __init__(self, pattern: Searches) -> None:
        self._pattern = pattern

    def search(self, text: str) -> object | None:
        """Something where the pattern stands in the text."""
        try:
            return self._pattern.search(text)
        except UnicodeEncodeError:
            return self._pattern.search(text.encode("utf-8", "replace").decode())


@lru_cache(maxsize=4096)
def _marks(text: str) -> tuple[float, float]:
    """Whether the words are specific, and whether they are vague."""
    return float(_SPECIFIC.search(text) is not None), float(_VAGUE.search(text) is not None)


class Target:
    """One thing to look for: a criterion, or one side of a contradiction."""

    def __init__(
        self,
        name: str,
        statement: str,
        meets: Sequence[str],
        near: Sequence[str],
        cues: Sequence[Sequence[str]],
        *,
        negative: bool,
    ) -> None:
        self.name = name
        self.statement = statement
        self.meets = tuple(meets)
        self.near = tuple(near)
        self.negative = negative
        self._groups = tuple(_any_of(group) for group in cues)
        self._any = _any_of([p for group in cues for p in group])
        self._may_reject = not any(_REJECTS.search(m) for m in meets)

    def concepts(self, text: str) -> float:
        """Share of the needed concepts that stand in the text."""
        return sum(1 for g in self._groups if g.search(text)) / len(self._groups)

    def mentioned(self, text: str) -> bool:
        """Whether any concept stands in the text."""
        return self._any.search(text) is not None

    def denied(self, text: str) -> bool:
        """A warning against the error (negative), or a rejection of the idea (positive)."""
        pattern = _WARNS if self.negative else _REJECTS
        if (not self.negative and not self._may_reject) or pattern.search(text) is None:
            return False
        clauses = [c for c in _CLAUSE.split(text) if c and self._any.search(c)]
        return any(pattern.search(c) for c in clauses)

    def features(
        self, text: str, similar: float, near: float | None, statement: float, rank: float
    ) -> tuple[float, ...] | None:
        """The model's inputs in the order of FEATURES; None where no concept stands in the text.

        ``near`` None: no near misses known. ``rank`` is this target's place among all by
        ``similar``, from 0 (the most similar) to 1.
        """
        concepts = self.concepts(text)
        if concepts == 0.0:
            return None
        return (
            similar,
            similar - near if near is not None else NEUTRAL_MARGIN,
            rank,
            statement,
            concepts,
            float(concepts == 1.0),
            *_marks(text),
        )


def targets_of(criterion: Criterion) -> list[Target]:
    """What to look for: nothing for a behaviour, two sides for a contradiction."""
    if criterion.behaviour is not None:
        return []
    pair = criterion.contradiction
    if pair is None:
        negative = criterion.polarity == "negative"
        return [
            Target(
                criterion.id,
                criterion.statement,
                criterion.meets,
                criterion.near_misses,
                criterion.cues,
                negative=negative,
            )
        ]
    sides = (
        ("first", pair.first, pair.first_cues),
        ("second", pair.second, pair.second_cues),
    )
    return [
        Target(f"{criterion.id}#{side}", phrases[0], phrases, (), cues, negative=True)
        for side, phrases, cues in sides
    ]
