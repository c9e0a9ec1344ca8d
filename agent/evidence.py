"""Finding, in the candidate's own sentences, what meets a criterion.

Every sentence and every two neighbouring ones are compared with every criterion (see
``agent.judging``). Hard rules keep out what is flagged as no evidence, rejections ("no need for a
baseline"), questions, and for misconceptions sentences that warn of the error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.hygiene import Flag, Heard, flag_of
from agent.judging import FEATURES, Parameters, Target, packaged_parameters, targets_of
from agent.prototypes import Floats, Phrases, PhraseTable
from agent.scale import Verdict
from agent.sentences import Span, pairs, sentences
from agent.types import Criterion
from knowledge.encoder import Encoder

_FLOOR: Final = 0.2
_NEAREST_FLOOR: Final = 0.2
_TOUCH_FLOOR: Final = 0.6
_COMPLETE: Final = FEATURES.index("complete")
_SIMILAR: Final = FEATURES.index("similar")
_RANK: Final = FEATURES.index("rank")
# What a stretch is about: only the criteria it is most similar to, of all, can be met by it.
_MET_RANK: Final = 0.15
_HALF_RANK: Final = 0.06
_ERROR_RANK: Final = 0.08
_ERROR_SIMILAR: Final = 0.4
_SIDE_SIMILAR: Final = 0.5
MAX_POINTS: Final = 2
MAX_HALVES: Final = 1


@dataclass(frozen=True)
class Unit:
    """A stretch of a candidate turn that may be evidence."""

    span: Span
    flag: Flag | None
    question: bool


@dataclass(frozen=True)
class Found:
    """How strongly one stretch of words meets one criterion: ``strength`` is 0..1, ``similar``
    its likeness to the phrasings that meet it."""

    criterion: str
    span: Span
    strength: float
    verdict: Verdict
    similar: float
    negative: bool = False


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
        self.targets: list[Target] = [t for c in criteria for t in targets_of(c)]
        self._meets = PhraseTable(phrases, [t.meets for t in self.targets])
        self._near = PhraseTable(phrases, [t.near for t in self.targets])
        self._statements = phrases.vectors([t.statement for t in self.targets])

    def vectors(self, units: Sequence[Unit]) -> Floats:
        """Unit vectors of the stretches, (n, 384)."""
        return self._encoder.encode([u.span.text for u in units])

    def features(self, units: Sequence[Unit]) -> list[list[tuple[float, ...] | None]]:
        """The model's inputs per unit and target; None where the words are about other things."""
        if not units or not self.targets:
            return [[] for _ in units]
        vectors = self.vectors(units)
        similar = self._meets.best(vectors)
        near = self._near.best(vectors)
        statement = vectors @ self._statements.T
        rank = (-similar).argsort(axis=1, kind="stable").argsort(axis=1) / len(self.targets)
        rows: list[list[tuple[float, ...] | None]] = []
        for row, unit in enumerate(units):
            found: list[tuple[float, ...] | None] = []
            for column, target in enumerate(self.targets):
                like = float(similar[row, column])
                place = float(rank[row, column])
                if place > _MET_RANK or like < _FLOOR:
                    found.append(None)
                    continue
                miss = float(near[row, column]) if target.near else None
                about = float(statement[row, column])
                found.append(target.features(unit.span.text, like, miss, about, place))
            rows.append(found)
        return rows

    def read(self, units: Sequence[Unit]) -> list[Found]:
        """Every stretch that meets a criterion at least in part, strongest first.

        The name of a contradiction's sides is the criterion's id with ``#first`` or ``#second``.
        """
        usable = [u for u in units if u.flag is None]
        found = []
        for unit, row in zip(usable, self.features(usable), strict=True):
            items = [
                item
                for target, features in zip(self.targets, row, strict=True)
                if features is not None
                and (item := self._judged(target, unit, features)) is not None
            ]
            found.extend(_strongest(items, unit))
        rank = {"met": 0, "partial": 1}
        return sorted(
            found,
            key=lambda f: (rank[f.verdict], -f.strength, f.span.turn, f.span.start, f.span.end),
        )

    def touched(self, units: Sequence[Unit]) -> dict[str, Span]:
        """Criteria a sentence comes near to without meeting them (a near miss, a bare mention):
        no credit, but worth quoting back. Criterion id -> the sentence."""
        singles = [
            u
            for u in units
            if u.flag is None and u.span.first == u.span.last and 4 <= u.span.words <= 40
        ]
        if not singles or not self.targets:
            return {}
        vectors = self.vectors(singles)
        best = np.maximum(self._near.best(vectors), self._meets.best(vectors))
        found = {}
        for column, target in enumerate(self.targets):
            row = int(best[:, column].argmax())
            span = singles[row].span
            close = best[row, column] >= _TOUCH_FLOOR
            if close and not target.negative and target.mentioned(span.text):
                found[target.name] = span
        return found

    def closest(self, units: Sequence[Unit], count: int) -> tuple[str, ...]:
        """Criteria whose phrasings the units come nearest to, the nearest first."""
        usable = [u for u in units if u.flag is None]
        if not usable or not self.targets:
            return ()
        best = self._meets.best(self.vectors(usable)).max(axis=0)
        order = np.argsort(-best, kind="stable")
        names = [self.targets[i].name for i in order if "#" not in self.targets[i].name]
        return tuple(names[:count])

    def nearest_all(self, units: Sequence[Unit], count: int = 2) -> dict[str, tuple[Span, ...]]:
        """Per criterion the single sentences most like what would meet it, best first."""
        singles = [u for u in units if u.span.first == u.span.last and u.span.words >= 3]
        if not singles or not self.targets:
            return {}
        scores = self._meets.best(self.vectors(singles))
        found = {}
        for column, target in enumerate(self.targets):
            order = np.argsort(-scores[:, column], kind="stable")[:count]
            close = [i for i in order if scores[i, column] >= _NEAREST_FLOOR]
            found[target.name] = tuple(singles[i].span for i in close)
        return found

    @property
    def met_at(self) -> float:
        """The strength from which a verdict is met."""
        return self._parameters.cut["met"]

    def _judged(self, target: Target, unit: Unit, features: tuple[float, ...]) -> Found | None:
        found = self._verdict(target, unit, features)
        return None if found is None or target.denied(unit.span.text) else found

    def _verdict(self, target: Target, unit: Unit, features: tuple[float, ...]) -> Found | None:
        complete = features[_COMPLETE] == 1.0
        similar = features[_SIMILAR]
        p = self._parameters
        if target.negative:
            strength = p.strength("error", features)
            floor = _SIDE_SIMILAR if "#" in target.name else _ERROR_SIMILAR
            about = features[_RANK] <= _ERROR_RANK and similar >= floor
            # One sentence has to make the error: two joined ones are too easily misread.
            alone = unit.span.first == unit.span.last and not unit.question
            made = alone and about and complete and p.passes("error", strength)
            if not made:
                return None
            return Found(target.name, unit.span, strength, "met", similar, negative=True)
        if unit.question:
            return None
        strength = p.strength("met", features)
        if complete and p.passes("met", strength):
            return Found(target.name, unit.span, strength, "met", similar)
        half = p.strength("part", features)
        if features[_RANK] <= _HALF_RANK and p.passes("part", half):
            return Found(target.name, unit.span, half, "partial", similar)
        return None


def _strongest(items: list[Found], unit: Unit) -> list[Found]:
    """What one stretch may count for: a few points at most, the strongest; errors all stay."""
    most = MAX_POINTS if unit.span.first == unit.span.last else MAX_POINTS + 1
    kept = []
    for verdict, limit in (("met", most), ("partial", MAX_HALVES)):
        own = [f for f in items if f.verdict == verdict and not f.negative]
        kept += sorted(own, key=lambda f: (-f.strength, f.criterion))[:limit]
    return kept + [f for f in items if f.negative]


def _is_question(text: str) -> bool:
    return text.rstrip("\"')] ").endswith("?")
