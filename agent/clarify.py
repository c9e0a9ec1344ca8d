"""Answering clarifying questions and assumptions from the hidden fact sheet.

A fact is told only where it very likely answers the question, so that a neighbouring fact is never
revealed. Where it may, the candidate is asked whether it is meant; below that, and where the
question is more like one that the fact does not answer, the candidate decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agent.matching import Matcher, Parameters, packaged_parameters
from agent.numbers import comparable, holds
from agent.prototypes import Floats, Phrases
from agent.questions import Ask
from agent.types import Fact
from knowledge.encoder import Encoder

MAX_ANSWERED: Final = 6
ELSEWHERE: Final = 0.72
RELATED: Final = 0.4
# An assumption is recognised by its number beside the right unit; likeness only has to fit.
ASSUMED: Final = 0.3

Outcome = Literal["told", "confirmed", "corrected", "which", "yours"]


@dataclass(frozen=True)
class Answer:
    """What the sheet says to one ask; ``facts`` are the ids told or, for ``which``, offered."""

    ask: Ask
    outcome: Outcome
    facts: tuple[str, ...]
    say: str
    topics: tuple[str, ...] = ()


class FactSheet:
    """The facts of one variant of a case, ready to be asked."""

    def __init__(
        self,
        facts: Sequence[Fact],
        variant: str,
        encoder: Encoder,
        phrases: Phrases,
        parameters: Parameters | None = None,
    ) -> None:
        self._facts = tuple(facts)
        self._variant = variant
        self._encoder = encoder
        self._matcher = Matcher(self._facts, phrases)
        self._parameters = parameters or packaged_parameters()

    def answer(self, asks: Sequence[Ask]) -> list[Answer]:
        """One answer for each ask, in order, at most MAX_ANSWERED."""
        asks = asks[:MAX_ANSWERED]
        if not asks or not self._facts:
            return [Answer(a, "yours", (), "") for a in asks]
        vectors = self._encoder.encode([a.span.text for a in asks])
        return [self._one(ask, vector) for ask, vector in zip(asks, vectors, strict=True)]

    def _one(self, ask: Ask, vector: Floats) -> Answer:
        text = ask.span.text
        features = self._matcher.features(text, vector)
        if ask.assumption and (judged := self._judged(ask, features)) is not None:
            return judged
        likely = [self._parameters.probability(row) for row in features]
        order = sorted(range(len(likely)), key=lambda i: (-likely[i], i))
        best = order[0]
        other = self._matcher.elsewhere(best, vector)
        unrelated = features[best][0] < RELATED and not self._matcher.named(best, text)
        if unrelated or (other >= ELSEWHERE and other > features[best][0]):
            return Answer(ask, "yours", (), "")
        if likely[best] >= self._parameters.tell:
            return Answer(ask, "told", (self._facts[best].id,), self.say(self._facts[best].id))
        if likely[best] >= self._parameters.offer:
            offered = [i for i in order[:2] if likely[i] >= self._parameters.offer]
            chosen = [self._facts[i] for i in offered]
            ids, topics = tuple(f.id for f in chosen), tuple(f.topic for f in chosen)
            return Answer(ask, "which", ids, "", topics)
        return Answer(ask, "yours", (), "")

    def _judged(self, ask: Ask, features: Sequence[tuple[float, ...]]) -> Answer | None:
        """An assumption held against the number it is about; None where there is none."""
        text = ask.span.text
        fitting = [
            i
            for i, fact in enumerate(self._facts)
            if features[i][0] >= ASSUMED and comparable(text, fact.told(self._variant).values)
        ]
        named = [i for i in fitting if self._matcher.named(i, text)]
        chosen = sorted(named or fitting, key=lambda i: (-features[i][0], i))[:1]
        if not chosen:
            return None
        fact = self._facts[chosen[0]]
        told = fact.told(self._variant)
        outcome: Outcome = "confirmed" if holds(text, told.values) else "corrected"
        return Answer(ask, outcome, (fact.id,), told.say)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every fact on the sheet."""
        return tuple(f.id for f in self._facts)

    def texts(self, told: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the sheet says, in two: the facts told and those not told. Variants apart, other
        versions of an untold fact are as secret as this one's."""
        known = tuple(f.told(self._variant).say for f in self._facts if f.id in told)
        hidden = tuple(f.told(self._variant).say for f in self._facts if f.id not in told)
        return known, hidden

    def topic(self, fact_id: str) -> str:
        """What a fact is about."""
        return next((f.topic for f in self._facts if f.id == fact_id), "")

    def say(self, fact_id: str) -> str:
        """What is said of a fact in this variant; nothing of one that is not on the sheet."""
        return next((f.told(self._variant).say for f in self._facts if f.id == fact_id), "")
