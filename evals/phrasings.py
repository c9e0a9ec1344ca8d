"""The labelled phrasings: short answers written to meet, half meet or miss one criterion.

They were written from the criteria's statements alone, by writers who had not seen the authored
phrasings. ``*.dev.jsonl`` may be looked at and fitted on; ``*.test.jsonl`` is only measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from agent.casebook import packaged
from agent.content import load_case, load_rubric
from agent.evidence import Detector, Unit, units_of
from agent.hygiene import Heard
from agent.judging import FEATURES, Target
from agent.prototypes import Phrases
from agent.scale import Verdict
from agent.types import Criterion
from knowledge.encoder import Encoder

DATASETS: Final = Path(__file__).parent / "datasets"
Label = Literal["met", "partial", "unmet", "other"]
Part = Literal["dev", "test"]
SOURCES: Final = {"any": None, "fraud": "fraud-checkout"}
COMPLETE: Final = FEATURES.index("complete")
SIMILAR: Final = FEATURES.index("similar")
CONCEPTS: Final = FEATURES.index("concepts")
Features = list[list[tuple[float, ...] | None]]


@dataclass(frozen=True)
class Phrasing:
    """One labelled answer."""

    criterion: str
    text: str
    label: Label


@dataclass(frozen=True)
class Row:
    """Best unit of one answer against one criterion. ``other``: a criterion of another dimension
    whose concepts all stand in an answer to its own, presumed not met."""

    criterion: str
    label: Label
    negative: bool
    features: tuple[float, ...]
    verdict: str
    blocked: bool


def load(name: str, part: Part) -> list[Phrasing]:
    """The phrasings of one set: ``any`` (case-independent) or ``fraud``."""
    path = DATASETS / f"phrasings-{name}.{part}.jsonl"
    return [Phrasing(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def criteria_for(name: str) -> tuple[Criterion, ...]:
    """The criteria that an answer of this set is read against."""
    general = load_rubric().criteria
    case_id = SOURCES[name]
    if case_id is None:
        return tuple(c for c in general if c.behaviour is None)
    special = load_case(case_id).criteria
    refined = {c.refines for c in special}
    return (*special, *(c for c in general if c.id not in refined and c.behaviour is None))


def rows(name: str, part: Part, encoder: Encoder) -> Iterator[Row]:
    """Feature rows of every phrasing against its own criterion and those it might be taken for."""
    criteria = criteria_for(name)
    detector = Detector(criteria, encoder, Phrases(encoder, packaged().tables(SOURCES[name])))
    column = {t.name: i for i, t in enumerate(detector.targets)}
    dimension = {c.id: c.dimension for c in criteria}
    for phrasing in load(name, part):
        if phrasing.criterion not in column:
            continue
        units = units_of(phrasing.text, 0, Heard())
        features = detector.features(units)
        own = column[phrasing.criterion]
        found = {f.criterion: f.verdict for f in reversed(detector.read(units))}
        yield _row(detector.targets[own], units, features, own, phrasing.label, found)
        if phrasing.label == "met" and units:
            for other in _tempting(detector, features, own, dimension):
                target = detector.targets[other]
                yield _row(target, units, features, other, "other", found)


def _tempting(
    detector: Detector,
    features: Features,
    own: int,
    dimension: Mapping[str, str],
) -> list[int]:
    """Targets of other dimensions whose every concept stands in the answer: the false credit that
    whole transcripts tempt to."""
    names = [t.name for t in detector.targets]
    found = []
    for index, name in enumerate(names):
        if "#" in name or dimension[name] == dimension[names[own]]:
            continue
        if any(f[COMPLETE] == 1.0 for row in features if (f := row[index]) is not None):
            found.append(index)
    return found


def _row(
    target: Target,
    units: list[Unit],
    features: Features,
    index: int,
    label: Label,
    found: dict[str, Verdict],
) -> Row:
    usable = [
        (u, f)
        for u, row in zip(units, features, strict=True)
        if (f := row[index]) is not None and u.flag is None and not target.denied(u.span.text)
    ]
    verdict = found.get(target.name, "unmet")
    if not usable:
        empty = (0.0,) * len(FEATURES)
        return Row(target.name, label, target.negative, empty, verdict, blocked=True)
    best = max(usable, key=lambda pair: pair[1][CONCEPTS] + pair[1][SIMILAR])
    return Row(target.name, label, target.negative, best[1], verdict, blocked=False)
