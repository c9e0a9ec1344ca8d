"""Everything the interviewer and the grader know about one interview's subject.

Built once per interview from the case (if any), its variant and the case-independent rubric; a
case criterion that refines a case-independent one replaces it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from agent.casebook import CaseBook, packaged
from agent.clarify import FactSheet
from agent.content import Stamp, load_rubric
from agent.evidence import Detector
from agent.prototypes import Phrases
from agent.scale import LEVELS, TECHNICAL, Level, Stage
from agent.transcript import Transcript
from agent.types import Case, Criterion, Rubric, StageText, Twist
from knowledge.encoder import Encoder

if TYPE_CHECKING:
    from agent.llm.secrets import Secrets


def choose_variant(case: Case | None, seed: int) -> str:
    """The case's hidden version for this seed; the same seed gives the same one."""
    if case is None:
        return "none"
    return random.Random(seed).choice(case.variants).id  # noqa: S311 - not a secret


@dataclass(frozen=True)
class Playbook:
    """Case, variant and rubric as one; everything derived is computed once and kept."""

    rubric: Rubric
    case: Case | None
    variant: str
    encoder: Encoder
    phrases: Phrases
    scope: tuple[Stage, ...] = field(default=TECHNICAL)

    @classmethod
    def load(
        cls,
        case_id: str | None,
        encoder: Encoder,
        *,
        variant: str | None = None,
        seed: int = 0,
        stage: Stage | None = None,
        cases: CaseBook | None = None,
    ) -> Playbook:
        """The case ``case_id`` of ``cases`` (None: the case-independent rubric alone)."""
        book = cases or packaged()
        case = book.load(case_id) if case_id is not None else None
        return cls(
            rubric=load_rubric(),
            case=case,
            variant=variant or choose_variant(case, seed),
            encoder=encoder,
            phrases=Phrases(encoder, book.tables(case_id)),
            scope=(stage,) if stage is not None else TECHNICAL,
        )

    @cached_property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria that apply, case-specific first."""
        special: tuple[Criterion, ...] = ()
        if self.case is not None:
            special = tuple(
                c for c in self.case.criteria if not c.variants or self.variant in c.variants
            )
        refined = {c.refines for c in special}
        return special + tuple(c for c in self.rubric.criteria if c.id not in refined)

    @cached_property
    def by_id(self) -> Mapping[str, Criterion]:
        """Criterion by id."""
        return {c.id: c for c in self.criteria}

    @cached_property
    def detector(self) -> Detector:
        """The reader of answers for these criteria."""
        return Detector(self.criteria, self.encoder, self.phrases)

    @cached_property
    def version(self) -> str:
        """A hash over the criteria that apply."""
        digest = hashlib.sha256(self.rubric.version.encode())
        digest.update(self.variant.encode())
        for criterion in self.criteria:
            digest.update(criterion.model_dump_json().encode())
        return digest.hexdigest()[:12]

    @cached_property
    def secrets(self) -> Secrets:
        """What a model may not say of the criteria: statements, phrasings, strong answers."""
        from agent.llm.secrets import Secrets

        return Secrets.of(text for c in self.criteria for text in (c.statement, c.strong, *c.meets))

    @cached_property
    def facts(self) -> FactSheet:
        """The hidden fact sheet of this variant; without a case it holds nothing."""
        facts = self.case.facts if self.case is not None else ()
        return FactSheet(facts, self.variant, self.encoder, self.phrases)

    @property
    def twists(self) -> tuple[Twist, ...]:
        """The case's twists."""
        return self.case.twists if self.case is not None else ()

    def openings(self, stage: Stage) -> Sequence[str]:
        """Wordings that open a stage: the case's own where it has them."""
        special = self.case.stages if self.case is not None else ()
        return _stage_text(special, self.rubric.stages, stage).openings

    def worth(self, criterion: Criterion, level: Level) -> float:
        """What asking about a criterion is worth at this level, in points."""
        above = LEVELS.index(criterion.level) - LEVELS.index(level)
        fit = 1.0 if above <= 0 else 0.5 if above == 1 else 0.2
        own = 1.25 if self.case is not None and not criterion.id.startswith("any.") else 1.0
        return criterion.points * fit * own

    def askable(self) -> tuple[Criterion, ...]:
        """Positive criteria that are probed with a question."""
        return tuple(
            c
            for c in self.criteria
            if c.polarity == "positive" and c.behaviour is None and c.asked_in in self.scope
        )


def _stage_text(
    special: Sequence[StageText], general: Sequence[StageText], stage: Stage
) -> StageText:
    for texts in (special, general):
        for text in texts:
            if text.stage == stage:
                return text
    raise KeyError(stage)


def playbook_for(
    transcript: Transcript,
    encoder: Encoder,
    stage: Stage | None = None,
    cases: CaseBook | None = None,
) -> Playbook:
    """The case a transcript names where it is known, else the case-independent rubric."""
    book = cases or packaged()
    known = transcript.case if book.has(transcript.case) else None
    variant = _variant(transcript, book.load(known)) if known is not None else "none"
    return kept_playbook(known, variant, stage, encoder, book)


def kept_playbook(
    case_id: str | None, variant: str, stage: Stage | None, encoder: Encoder, cases: CaseBook
) -> Playbook:
    """The playbook of a case as its files are now, or of none where it is gone; kept until they
    change: building one takes half a second."""
    known = case_id if cases.has(case_id) else None
    version = cases.stamp(known) if known is not None else ()
    return _kept_playbook(known, variant, stage, encoder, cases, version)


@lru_cache(maxsize=8)
def _kept_playbook(
    case_id: str | None,
    variant: str,
    stage: Stage | None,
    encoder: Encoder,
    cases: CaseBook,
    _: Stamp,
) -> Playbook:
    return Playbook.load(case_id, encoder, variant=variant, stage=stage, cases=cases)


def _variant(transcript: Transcript, case: Case) -> str:
    """The version of the facts that the transcript names. Imported ones name none of the case's:
    the last one, whose labels take longest, asks for no criterion that only fast labels make
    sensible."""
    variants = [v.id for v in case.variants]
    named = getattr(transcript, "variant", None)
    return named if named in variants else variants[-1]
