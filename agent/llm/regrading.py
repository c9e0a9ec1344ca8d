"""Grading again: what of an earlier grade stands, and what a new one says differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent.errors import InputError
from agent.grade import CriterionGrade, DimensionGrade, Grade
from agent.grading import Judged
from agent.levels import Weighed
from agent.llm.marking import was_fragile
from agent.playbook import Playbook
from agent.scale import DIMENSIONS, Dimension, Verdict
from agent.transcript import Transcript


@dataclass(frozen=True)
class Stamp:
    """What two grades must have in common for one to go on from the other."""

    id: str
    engine: str
    model: str | None
    rubric: str
    prompt: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Stamp:
        """The stamp of a grade document."""
        keys = ("id", "engine", "model", "rubric_version", "prompt_version")
        return cls(*(document[k] for k in keys))


def kept_of(
    before: Mapping[str, Any] | None, stamp: Stamp, transcript: Transcript, playbook: Playbook
) -> dict[Dimension, DimensionGrade]:
    """The dimensions of an earlier grade that need not be asked again.

    None where it was made otherwise, nor where its statements or its quotes are no longer those of
    today. InputError where it is no grade document.
    """
    if before is None:
        return {}
    try:
        old = Grade.model_validate(dict(before))
    except ValidationError as error:
        raise InputError("The earlier grade cannot be read.") from error
    if Stamp.of(before) != stamp:
        return {}
    return {
        d: graded
        for d, graded in old.scores.items()
        if graded.status != "unscored" and _stands(d, graded, transcript, playbook)
    }


def _stands(
    dimension: Dimension, graded: DimensionGrade, transcript: Transcript, playbook: Playbook
) -> bool:
    turns = transcript.turns
    quotes = [q for row in graded.criteria for q in row.quotes]
    said = all(
        0 <= q.turn < len(turns)
        and turns[q.turn].speaker == "candidate"
        and q.text in turns[q.turn].text
        for q in quotes
    )
    own = [c.id for c in playbook.criteria if c.dimension == dimension]
    return said and [row.id for row in graded.criteria] == own


def restored(row: CriterionGrade, playbook: Playbook, hints: int) -> Judged:
    """A stored verdict as it was weighed; its reason says whether it was uncertain."""
    return weighed(row, playbook, hints, fragile=was_fragile(row.reason))


def weighed(row: CriterionGrade, playbook: Playbook, hints: int, *, fragile: bool) -> Judged:
    """A verdict with what the arithmetic needs."""
    item = Weighed(
        criterion=row.id,
        points=row.points,
        level=playbook.by_id[row.id].level,
        verdict=row.verdict,
        strength=0.5 if fragile else 1.0,
        hints=hints,
        fragile=fragile,
    )
    return Judged(row, item)


@dataclass(frozen=True)
class Changed:
    """One statement that two grades rule on differently; None where a grade does not have it."""

    id: str
    old: Verdict | None
    new: Verdict | None


@dataclass(frozen=True)
class Difference:
    """One dimension in two grades side by side; None where a grade has no score."""

    dimension: Dimension
    old: float | None
    new: float | None
    criteria: tuple[Changed, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.old == self.new and not self.criteria


def difference(
    old_document: Mapping[str, Any], new_document: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """Every dimension of either grade document, in order, with what differs."""
    old, new = old_document["scores"], new_document["scores"]
    found = []
    for dimension in (d for d in DIMENSIONS if d in old or d in new):
        first, second = old.get(dimension) or {}, new.get(dimension) or {}
        verdicts = [{r["id"]: r["verdict"] for r in s.get("criteria", ())} for s in (first, second)]
        ids = dict.fromkeys([*verdicts[0], *verdicts[1]])
        changed = tuple(
            Changed(i, verdicts[0].get(i), verdicts[1].get(i))
            for i in ids
            if verdicts[0].get(i) != verdicts[1].get(i)
        )
        found.append(Difference(dimension, first.get("score"), second.get("score"), changed))
    return tuple(found)
