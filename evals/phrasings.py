"""The labelled phrasings: short answers written to meet, half meet or miss one criterion.

They were written from the criteria's statements alone, by independent language-model writers who
had not seen the authored phrasings. ``*.dev.jsonl`` may be looked at and fitted on;
``*.test.jsonl`` is only measured. The lines of each criterion and label were dealt to the two parts
in turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from agent.casebook import packaged
from agent.content import load_case, load_rubric
from agent.evidence import Detector, Found, Unit, units_of
from agent.hygiene import Heard
from agent.judging import FEATURES, Target
from agent.prototypes import Phrases
from agent.scale import Verdict
from agent.types import Criterion
from knowledge.encoder import Encoder

DATASETS: Final = Path(__file__).parent / "datasets"
Label = Literal["met", "partial", "unmet", "other"]
Part = Literal["dev", "test"]
SOURCES: Final = {
    "any": None,
    "fraud": "fraud-checkout",
    **{
        case: case
        for case in (
            "ads-click",
            "backoffice-agent",
            "churn-list",
            "content-moderation",
            "delivery-eta",
            "demand-forecast",
            "llm-eval-platform",
            "marketplace-search",
            "nearby-places",
            "personal-feed",
            "predictive-maintenance",
            "support-assistant",
        )
    },
}
COMPLETE: Final = FEATURES.index("complete")
SIMILAR: Final = FEATURES.index("similar")
CONCEPTS: Final = FEATURES.index("concepts")
Kind = Literal["positive", "misconception", "contradiction"]
Features = list[list[tuple[float, ...] | None]]


@dataclass(frozen=True)
class Phrasing:
    """One labelled answer."""

    criterion: str
    text: str
    label: Label


@dataclass(frozen=True)
class Row:
    """One answer (``answer`` numbers it within its set and part) against one criterion.

    ``features`` of its best stretch; None where no stretch is in the running, and for a
    contradiction, which two stretches make. ``other``: a criterion of another dimension in an
    answer that meets its own, presumed not met, whose concepts all stand there (``tempting``) or
    that was credited without them.
    """

    source: str
    answer: int
    criterion: str
    kind: Kind
    label: Label
    features: tuple[float, ...] | None
    verdict: str
    tempting: bool = False


def load(name: str, part: Part) -> list[Phrasing]:
    """The phrasings of one set: ``any`` (case-independent), ``fraud`` or a case."""
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
    """Every phrasing against its own criterion and those of other dimensions."""
    criteria = criteria_for(name)
    detector = Detector(criteria, encoder, Phrases(encoder, packaged().tables(SOURCES[name])))
    by_id = {c.id: c for c in criteria}
    column = {t.name: i for i, t in enumerate(detector.targets)}
    for number, phrasing in enumerate(load(name, part)):
        criterion = by_id.get(phrasing.criterion)
        if criterion is None:
            continue
        units = units_of(phrasing.text, number, Heard())
        features = detector.features(units)
        found = detector.read(units)
        label = phrasing.label
        if criterion.contradiction is not None:
            verdict = "met" if _contradicts(found, criterion.id) else "unmet"
            yield Row(name, number, criterion.id, "contradiction", label, None, verdict)
            continue
        best = {f.criterion: f.verdict for f in reversed(found)}
        own = column[criterion.id]
        yield _row(name, number, detector.targets[own], units, features, own, label, best)
        for index, target in enumerate(detector.targets if label == "met" else ()):
            if "#" in target.name or by_id[target.name].dimension == criterion.dimension:
                continue
            row = _row(name, number, target, units, features, index, "other", best)
            if row.tempting or row.verdict != "unmet":
                yield row


def _contradicts(found: Sequence[Found], criterion: str) -> bool:
    """Whether both sides are heard, in different words."""
    first, second = (
        [f.span for f in found if f.criterion == f"{criterion}#{side}"]
        for side in ("first", "second")
    )
    return any(a.end <= b.start or b.end <= a.start for a in first for b in second)


def _row(
    name: str,
    number: int,
    target: Target,
    units: Sequence[Unit],
    features: Features,
    index: int,
    label: Label,
    best: Mapping[str, Verdict],
) -> Row:
    known = [(u, f) for u, row in zip(units, features, strict=True) if (f := row[index])]
    usable = [f for u, f in known if u.flag is None and not target.denied(u.span.text)]
    return Row(
        source=name,
        answer=number,
        criterion=target.name,
        kind="misconception" if target.negative else "positive",
        label=label,
        features=max(usable, key=lambda f: f[CONCEPTS] + f[SIMILAR], default=None),
        verdict=best.get(target.name, "unmet"),
        tempting=label == "other" and any(f[COMPLETE] == 1.0 for _, f in known),
    )
