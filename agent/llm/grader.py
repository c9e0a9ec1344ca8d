"""Grading by a model: one call for each dimension, all at once, then arithmetic as offline.

The model rules on statements with verbatim quotes (``agent.llm.marking``); code checks the quotes,
has the borderline ones read again (``agent.llm.asking``) and adds the points. A dimension whose
call fails is ``unscored`` with its reason; ``before`` asks only for those again. The offline
engine's reading decides no verdict: its encoder only chooses which sentences of a long interview a
call is shown, and its hygiene which sentences are no evidence.

Communication is ruled on like the rest. Length and structure, which no quote can show by itself,
are read from the tags (every turn's length in words) and quoted by the sentence where they show. As
offline, manner earns nothing without substance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agent.coverage import Coverage
from agent.grade import CriterionGrade, DimensionGrade, Grade, Quote
from agent.grading import (
    ONE_STAGE,
    SUBSTANCE,
    Judged,
    empty,
    flags_of,
    overall,
    own,
    practised_in,
    rubric_version,
    scored,
    taken_back,
)
from agent.levels import ANSWER_SHARE, SOLID_SHARE
from agent.llm.asking import Answered, Panel, ask_all
from agent.llm.fencing import Exhibit
from agent.llm.marking import Ruling
from agent.llm.prompts import load_prompt
from agent.llm.regrading import Changed, Difference, Stamp, difference, kept_of, restored, weighed
from agent.llm.types import CallRecord, Completes
from agent.playbook import Playbook
from agent.scale import DIMENSIONS, OPENAI, Dimension, Level
from agent.transcript import Transcript, hints_taken

__all__ = ["Changed", "Difference", "ModelGraded", "difference", "grade_with_model"]

PROMPT: Final = "grade.1"
NOTHING_SAID: Final = "You said nothing that could show it."
NO_SUBSTANCE: Final = (
    "Manner counts only beside content, and fewer than two technical statements were met."
)


@dataclass(frozen=True)
class ModelGraded:
    """A grade and, for each dimension answered now, what its calls took."""

    grade: Grade
    calls: Mapping[Dimension, CallRecord] = field(default_factory=dict)


def grade_with_model(
    transcript: Transcript,
    playbook: Playbook,
    model: Completes,
    *,
    level: Level | None = None,
    only: Dimension | None = None,
    seed: int = 0,
    before: Mapping[str, Any] | None = None,
    workers: int = 4,
) -> ModelGraded:
    """Grade a transcript with ``model``; ``only``: one answer in one dimension, without overall.

    ``before``: an earlier grade document. What it graded is kept and only its ``unscored``
    dimensions are asked again, if it is of the same transcript, model, prompt and rubric; any other
    is not used. InputError where it is no grade document. Never raises ModelError.
    """
    prompt = load_prompt(PROMPT)
    rubric = rubric_version(playbook)
    stamp = Stamp(transcript.id, OPENAI, model.model, rubric, prompt.version)
    exhibit = Exhibit(transcript, seed)
    wanted: Sequence[Dimension] = DIMENSIONS if only is None else (only,)
    practised = practised_in(playbook) if only is None else frozenset({only})
    kept = {d: g for d, g in kept_of(before, stamp, transcript, playbook).items() if d in wanted}
    asked = [d for d in wanted if d in practised and d not in kept]
    panel = Panel(playbook, model, prompt, exhibit, rubric, seed)
    answered = ask_all(panel, asked, workers) if exhibit.usable else {}
    sheet = _Sheet(transcript, playbook, wanted, answered, kept)
    scores = sheet.scores(practised, only)
    level = level or transcript.level
    grade = Grade(
        id=transcript.id,
        engine=OPENAI,
        model=model.model,
        rubric_version=rubric,
        prompt_version=stamp.prompt,
        level=level,
        scores=scores,
        overall=overall(scores, level) if only is None else None,
        flags=flags_of(exhibit.units),
    )
    return ModelGraded(grade, {d: a.call for d, a in answered.items() if a.call is not None})


@dataclass(frozen=True)
class _Sheet:
    """All verdicts of a grade, new and kept, before they are scored."""

    transcript: Transcript
    playbook: Playbook
    wanted: Sequence[Dimension]
    answered: Mapping[Dimension, Answered]
    kept: Mapping[Dimension, DimensionGrade]

    def scores(
        self, practised: frozenset[Dimension], only: Dimension | None
    ) -> dict[Dimension, DimensionGrade]:
        """Score every dimension; what holds between dimensions is applied to kept ones too."""
        judged = self._judged()
        judged = {name: taken_back(item, self.playbook, judged) for name, item in judged.items()}
        if only is None and not self._open():
            judged = _with_substance(judged, self.playbook)
        coverage = Coverage(self.transcript.turns, self.playbook)
        judged = {name: self._prompted(item, coverage) for name, item in judged.items()}
        reached = coverage.reached() if only is None else frozenset({only})
        share = SOLID_SHARE if only is None else ANSWER_SHARE
        found: dict[Dimension, DimensionGrade] = {}
        for dimension in self.wanted:
            rows = own(dimension, self.playbook, judged)
            kept = self.kept.get(dimension)
            fault = self.answered[dimension].fault if dimension in self.answered else None
            if dimension not in practised:
                found[dimension] = empty(rows, "not_assessed", ONE_STAGE)
            elif fault is not None:
                found[dimension] = empty(rows, "unscored", fault)
            elif kept is not None and kept.status != "graded":
                found[dimension] = kept
            else:
                found[dimension] = scored(rows, share, reached=dimension in reached)
        return found

    def _open(self) -> bool:
        """Whether a technical dimension is unscored, so that substance cannot be told yet."""
        faults = (a.fault for d, a in self.answered.items() if d != "communication")
        return any(f is not None for f in faults)

    def _judged(self) -> dict[str, Judged]:
        """Every verdict by criterion; a dimension that failed earns and costs nothing elsewhere."""
        hints = hints_taken(self.transcript.turns)
        judged: dict[str, Judged] = {}
        for dimension in self.wanted:
            if dimension in self.kept:
                for row in self.kept[dimension].criteria:
                    judged[row.id] = restored(row, self.playbook, hints.get(row.id, 0))
                continue
            answered = self.answered.get(dimension)
            rulings = answered.rulings() if answered and answered.fault is None else {}
            for criterion in (c for c in self.playbook.criteria if c.dimension == dimension):
                ruled = rulings.get(criterion.id) or Ruling("unmet", (), NOTHING_SAID)
                row = CriterionGrade(
                    id=criterion.id,
                    polarity=criterion.polarity,
                    points=criterion.points,
                    verdict=ruled.verdict,
                    prompted=None,
                    quotes=tuple(Quote(turn=s.turn, text=s.text) for s in ruled.spans),
                    reason=ruled.reason,
                )
                taken = hints.get(criterion.id, 0)
                judged[row.id] = weighed(row, self.playbook, taken, fragile=ruled.fragile)
        return judged

    def _prompted(self, item: Judged, coverage: Coverage) -> Judged:
        """Whether the interviewer had named the idea before it was said."""
        row = item.grade
        for quote in row.quotes:
            if quote.text not in self.transcript.turns[quote.turn].text:
                raise AssertionError(f"quote of {row.id} is not verbatim")
        criterion = self.playbook.by_id[row.id]
        told: bool | None = None
        if row.verdict in ("met", "partial") and criterion.behaviour is None:
            told = coverage.prompted(criterion, min(q.turn for q in row.quotes))
        return replace(item, grade=row.model_copy(update={"prompted": told}))


def _with_substance(judged: Mapping[str, Judged], playbook: Playbook) -> dict[str, Judged]:
    """Manner earns nothing beside fewer than SUBSTANCE technical statements met, as offline."""
    by_id = playbook.by_id
    met = [
        j for j in judged.values() if j.grade.polarity == "positive" and j.grade.verdict == "met"
    ]
    if sum(by_id[j.grade.id].behaviour is None for j in met) >= SUBSTANCE:
        return dict(judged)
    return {name: _unearned(item, playbook) for name, item in judged.items()}


def _unearned(item: Judged, playbook: Playbook) -> Judged:
    row = item.grade
    credited = row.polarity == "positive" and row.verdict in ("met", "partial")
    if playbook.by_id[row.id].behaviour is None or not credited:
        return item
    row = row.model_copy(update={"verdict": "unmet", "quotes": (), "reason": NO_SUBSTANCE})
    return Judged(row, replace(item.weighed, verdict="unmet", fragile=False))
