"""Finding, in the candidate's own sentences, what meets a criterion.

A sentence (or two neighbouring ones) is compared with each criterion in three ways: similarity to
phrasings that meet it, similarity to near misses that do not, and the presence of every concept the
statement cannot do without. A small logistic model over these features (``detector.json``) gives
the strength of the evidence; hard rules in code keep out rejections ("no need for a baseline"),
questions, mere naming and, for misconceptions, sentences that warn of the error.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from agent.hygiene import Flag, Heard, flag_of
from agent.scale import Verdict
from agent.sentences import Span, pairs, sentences
from agent.types import Criterion
from knowledge.encoder import Encoder

Floats = NDArray[np.float32]
VECTORS: Final = Path(__file__).parent / "data" / "vectors.npz"
PARAMETERS: Final = Path(__file__).parent / "data" / "detector.json"
FEATURES: Final = ("similar", "margin", "concepts", "complete", "specific", "vague", "short")

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
class Unit:
    """A stretch of a candidate turn that may be evidence."""

    span: Span
    flag: Flag | None
    question: bool


@dataclass(frozen=True)
class Found:
    """How strongly one stretch of words meets one criterion: ``strength`` is 0..1."""

    criterion: str
    span: Span
    strength: float
    verdict: Verdict


class Phrases:
    """Vectors of the authored phrasings, from the packaged table; what is missing there (a user's
    own case) is encoded and kept for the process."""

    def __init__(self, encoder: Encoder, table: Mapping[str, Floats] | None = None) -> None:
        self._encoder = encoder
        self._table = dict(table) if table is not None else dict(packaged_vectors())

    def vectors(self, texts: Sequence[str]) -> Floats:
        """(len(texts), 384) unit vectors."""
        keys = [phrase_key(t) for t in texts]
        missing = sorted({t for t, k in zip(texts, keys, strict=True) if k not in self._table})
        if missing:
            for text, vector in zip(missing, self._encoder.encode(missing), strict=True):
                self._table[phrase_key(text)] = vector
        return np.asarray([self._table[k] for k in keys], dtype=np.float32)


def phrase_key(text: str) -> str:
    """The key of a phrasing in the packaged table."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def packaged_vectors() -> Mapping[str, Floats]:
    """Phrasing key -> vector, built by ``python -m evals.build``; empty where it was not built."""
    if not VECTORS.is_file():
        return {}
    with np.load(VECTORS) as stored:
        vectors = stored["vectors"].astype(np.float32)
        return dict(zip(stored["keys"].tolist(), vectors, strict=True))


@dataclass(frozen=True)
class Parameters:
    """Weights of the strength model and the two cut-offs."""

    bias: float
    weights: tuple[float, ...]
    met: float
    partial: float


@cache
def packaged_parameters() -> Parameters:
    """The fitted weights in ``detector.json`` (see evals/fit_detector.py)."""
    data = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    weights = tuple(float(data["weights"][name]) for name in FEATURES)
    return Parameters(float(data["bias"]), weights, float(data["met"]), float(data["partial"]))


def units_of(text: str, turn: int, heard: Heard) -> list[Unit]:
    """Sentences and neighbouring pairs of one candidate turn, flagged where they are no evidence.

    A pair is evidence only if both of its sentences are.
    """
    singles = sentences(text, turn)
    flags = [flag_of(s.text, heard) for s in singles]
    found = [Unit(s, f, _is_question(s.text)) for s, f in zip(singles, flags, strict=True)]
    for pair in pairs(singles, text):
        flag = flags[pair.first] or flags[pair.last]
        asks = found[pair.first].question and found[pair.last].question
        found.append(Unit(pair, flag, asks))
    return found


class _Side:
    """One thing to look for: its phrasings and its concepts."""

    def __init__(
        self,
        meets: Sequence[str],
        near: Sequence[str],
        cues: Sequence[Sequence[str]],
        *,
        negative: bool,
    ) -> None:
        self.meets = tuple(meets)
        self.near = tuple(near)
        self.negative = negative
        self.groups = tuple(
            re.compile("|".join(f"(?:{p})" for p in group), re.IGNORECASE) for group in cues
        )
        self.any = re.compile("|".join(f"(?:{p})" for g in cues for p in g), re.IGNORECASE)
        self.may_reject = not any(_REJECTS.search(m) for m in meets)

    def concepts(self, text: str) -> float:
        return sum(1 for g in self.groups if g.search(text)) / len(self.groups)

    def denied(self, text: str) -> bool:
        """A warning against the error (negative), or a rejection of the idea (positive)."""
        if not self.negative:
            return self.may_reject and self._in_clause(_REJECTS, text)
        return self._in_clause(_WARNS, text)

    def _in_clause(self, pattern: re.Pattern[str], text: str) -> bool:
        clauses = [c for c in _CLAUSE.split(text) if c and self.any.search(c)]
        return any(pattern.search(c) for c in clauses)


class Detector:
    """Reads units against a fixed set of criteria. Encode once, read as often as needed."""

    def __init__(
        self,
        criteria: Iterable[Criterion],
        encoder: Encoder,
        phrases: Phrases,
        parameters: Parameters | None = None,
    ) -> None:
        self._encoder = encoder
        self._parameters = parameters or packaged_parameters()
        self._sides: list[tuple[str, _Side]] = []
        for criterion in criteria:
            self._sides.extend(_sides(criterion))
        self._phrases = phrases
        meets = [t for _, s in self._sides for t in s.meets]
        near = [t for _, s in self._sides for t in s.near]
        self._meets = phrases.vectors(meets) if meets else np.zeros((0, 384), np.float32)
        self._near = phrases.vectors(near) if near else np.zeros((0, 384), np.float32)
        self._meet_cuts = _starts(len(s.meets) for _, s in self._sides)
        self._near_cuts = _starts(len(s.near) for _, s in self._sides)

    def vectors(self, units: Sequence[Unit]) -> Floats:
        """Unit vectors of the stretches, (n, 384)."""
        return self._encoder.encode([u.span.text for u in units])

    def read(self, units: Sequence[Unit]) -> list[Found]:
        """Every stretch that meets a criterion at least in part, strongest first.

        The name of a contradiction's sides is the criterion's id with ``#first`` or ``#second``.
        """
        usable = [u for u in units if u.flag is None]
        if not usable or not self._sides:
            return []
        vectors = self.vectors(usable)
        similar = _grouped_max(vectors @ self._meets.T, self._meet_cuts)
        near = _grouped_max(vectors @ self._near.T, self._near_cuts)
        found = []
        for row, unit in enumerate(usable):
            for column, (name, side) in enumerate(self._sides):
                value = float(similar[row, column])
                if value < _FLOOR:
                    continue
                features = self.features(unit, side, value, float(near[row, column]))
                found.append(self._judged(name, side, unit, features))
        kept = [f for f in found if f is not None]
        return sorted(kept, key=lambda f: (-f.strength, f.span.turn, f.span.start, f.span.end))

    def touched(self, units: Sequence[Unit]) -> dict[str, Span]:
        """Criteria a sentence comes near to without meeting them (a near miss, a bare mention):
        no credit, but worth quoting back. Criterion id -> the sentence."""
        singles = [
            u
            for u in units
            if u.flag is None and u.span.first == u.span.last and 4 <= u.span.words <= 40
        ]
        if not singles or not self._sides:
            return {}
        vectors = self.vectors(singles)
        near = _grouped_max(vectors @ self._near.T, self._near_cuts)
        similar = _grouped_max(vectors @ self._meets.T, self._meet_cuts)
        best = np.maximum(near, similar)
        found = {}
        for column, (name, side) in enumerate(self._sides):
            row = int(best[:, column].argmax())
            text = singles[row].span.text
            if not side.negative and best[row, column] >= _TOUCH_FLOOR and side.any.search(text):
                found[name] = singles[row].span
        return found

    def nearest_all(self, units: Sequence[Unit], count: int = 2) -> dict[str, tuple[Span, ...]]:
        """Per criterion the single sentences most like what would meet it, best first."""
        singles = [u for u in units if u.span.first == u.span.last and u.span.words >= 3]
        if not singles or not self._sides:
            return {}
        scores = _grouped_max(self.vectors(singles) @ self._meets.T, self._meet_cuts)
        found = {}
        for column, (name, _) in enumerate(self._sides):
            order = np.argsort(-scores[:, column], kind="stable")[:count]
            found[name] = tuple(
                singles[i].span for i in order if scores[i, column] >= _NEAREST_FLOOR
            )
        return found

    @property
    def met_at(self) -> float:
        """The strength from which a verdict is met."""
        return self._parameters.met

    @staticmethod
    def features(unit: Unit, side: _Side, similar: float, near: float) -> tuple[float, ...]:
        """The model's inputs, in the order of FEATURES."""
        text = unit.span.text
        concepts = side.concepts(text)
        return (
            similar,
            similar - near,
            concepts,
            float(concepts == 1.0),
            float(_SPECIFIC.search(text) is not None),
            float(_VAGUE.search(text) is not None),
            float(unit.span.words < 6),
        )

    def _judged(
        self, name: str, side: _Side, unit: Unit, features: tuple[float, ...]
    ) -> Found | None:
        strength = self.strength(features)
        verdict = self.verdict(strength)
        if verdict == "unmet" or side.denied(unit.span.text):
            return None
        if side.negative:
            if verdict != "met" or unit.question or features[3] < 1.0:
                return None
        elif verdict == "met" and (unit.question or features[3] < 1.0):
            verdict = "partial"
        return Found(name, unit.span, strength, verdict)

    def strength(self, features: Sequence[float]) -> float:
        """Strength of evidence, 0..1."""
        p = self._parameters
        total = p.bias + sum(w * f for w, f in zip(p.weights, features, strict=True))
        return round(1.0 / (1.0 + math.exp(-total)), 4)

    def verdict(self, strength: float) -> Verdict:
        """The verdict that a strength amounts to."""
        if strength >= self._parameters.met:
            return "met"
        return "partial" if strength >= self._parameters.partial else "unmet"


_FLOOR: Final = 0.25
_NEAREST_FLOOR: Final = 0.2
_TOUCH_FLOOR: Final = 0.5


def _sides(criterion: Criterion) -> list[tuple[str, _Side]]:
    if criterion.behaviour is not None:
        return []
    pair = criterion.contradiction
    if pair is None:
        side = _Side(
            criterion.meets,
            criterion.near_misses,
            criterion.cues,
            negative=criterion.polarity == "negative",
        )
        return [(criterion.id, side)]
    none = ("this is about something else entirely",)
    return [
        (f"{criterion.id}#first", _Side(pair.first, none, pair.first_cues, negative=True)),
        (f"{criterion.id}#second", _Side(pair.second, none, pair.second_cues, negative=True)),
    ]


def _starts(lengths: Iterable[int]) -> list[int]:
    cuts, total = [], 0
    for length in lengths:
        cuts.append(total)
        total += length
    return cuts


def _grouped_max(values: Floats, cuts: Sequence[int]) -> Floats:
    return cast(Floats, np.maximum.reduceat(values, cuts, axis=1))


def _is_question(text: str) -> bool:
    return text.rstrip("\"')] ").endswith("?")
