"""Answering clarifying questions and assumptions from the hidden fact sheet.

Each question is matched against the ways candidates ask for a fact; a fact is told only when its
own terms stand in the question and it is clearly the best match, so that a neighbouring fact is
never revealed. Between two it asks which is meant; below the threshold, and where the question is
more like one that the fact does not answer, the candidate decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agent.prototypes import Floats, Phrases, PhraseTable
from agent.sentences import Span, sentences
from agent.types import Fact, FactValue
from knowledge.encoder import Encoder

SURE: Final = 0.25
LIKELY: Final = 0.25
APART: Final = 0.05
ELSEWHERE: Final = 0.72
MAX_ANSWERED: Final = 6

_OPENERS = (
    r"how|what(?:'s)?|when|where|who|which|why|do|does|did|is|are|can|could|should|would|will|may|"
    r"have|has|any"
)
_ASKS = re.compile(
    rf"^(?:and|but|so|also|then|ok(?:ay)?|first|second|one more)?[\s,:]*(?:{_OPENERS})\b", re.I
)
_INDIRECT = re.compile(
    r"\b(?:i(?:'d| would) (?:like|want|need) to (?:know|ask|understand|clarify)|can you tell me|"
    r"could you tell|"
    r"tell me|i(?:'m| am) wondering|wondering (?:if|whether|how|what)|may i ask|my question is|"
    r"not sure (?:how|what|whether) (?:you|we|the)|want to (?:check|confirm|clarify))\b",
    re.I,
)
_ASSUMES = re.compile(
    r"\b(?:i(?:'ll| will|'d| would| am|'m)? ?(?:going to )?(?:assum\w+|suppose|presume|guess)|"
    r"assum(?:e|ing|ption)\b|let(?:'s| us) (?:say|assume|take)|"
    r"i(?:'ll| will) take (?:it )?(?:that|as)|^i take it|^say\b|my guess|"
    r"is it (?:fair|safe|ok(?:ay)?) to (?:say|assume)|"
    r"suppose)\b",
    re.I,
)
_NEEDS = re.compile(
    r"^(?:i(?:'d)? )?(?:(?:need|questions?|figures?|numbers?|ask)\s*:|"
    r"(?:need to know|would like to know|like to know|want to know|give me|tell me)\b:?)\s*",
    re.I,
)
_NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:[,\s]\d{3})+|\d+(?:\.\d+)?)\s*(k\b|m\b|mn\b|bn\b|thousand|million|billion|%|percent)?",
    re.I,
)
_SCALE: Final = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "bn": 1e9,
    "billion": 1e9,
}
_WORD_NUMBERS: Final = {
    "a dozen": "12",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "twelve": "12",
    "twenty": "20",
    "thirty": "30",
    "fifty": "50",
    "hundred": "100",
}

Outcome = Literal["told", "confirmed", "corrected", "which", "yours"]


@dataclass(frozen=True)
class Ask:
    """A question or an assumption in an answer, as the candidate wrote it."""

    span: Span
    assumption: bool


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
        self, facts: Sequence[Fact], variant: str, encoder: Encoder, phrases: Phrases
    ) -> None:
        self._facts = tuple(facts)
        self._variant = variant
        self._encoder = encoder
        self._asks = PhraseTable(phrases, [f.asks for f in self._facts])
        self._near = PhraseTable(phrases, [f.near_asks for f in self._facts])
        self._terms = [re.compile("|".join(f.terms), re.I) for f in self._facts]

    def answer(self, asks: Sequence[Ask]) -> list[Answer]:
        """One answer for each ask, in order, at most MAX_ANSWERED."""
        asks = asks[:MAX_ANSWERED]
        if not asks:
            return []
        if not self._facts:
            return [Answer(a, "yours", (), "") for a in asks]
        vectors = self._encoder.encode([a.span.text for a in asks])
        rows = zip(asks, self._asks.best(vectors), self._near.best(vectors), strict=True)
        return [self._one(ask, scores, near) for ask, scores, near in rows]

    def _one(self, ask: Ask, scores: Floats, near: Floats) -> Answer:
        text = ask.span.text
        named = [
            i
            for i, t in enumerate(self._terms)
            if t.search(text) and not (near[i] >= ELSEWHERE and near[i] > scores[i])
        ]
        ranked = sorted(named, key=lambda i: (-float(scores[i]), i))
        if not ranked or scores[ranked[0]] < LIKELY:
            return Answer(ask, "yours", (), "")
        best = ranked[0]
        rival = ranked[1] if len(ranked) > 1 else None
        close = rival is not None and scores[best] - scores[rival] < APART
        if close and rival is not None and scores[rival] >= LIKELY and scores[best] < _CERTAIN:
            pair = (self._facts[best], self._facts[rival])
            return Answer(ask, "which", tuple(f.id for f in pair), "", tuple(f.topic for f in pair))
        if scores[best] < SURE and not (ask.assumption and _numbers(text)):
            return Answer(ask, "yours", (), "")
        fact = self._facts[best]
        told = fact.told(self._variant)
        outcome: Outcome = "told"
        if ask.assumption and comparable(text, told.values):
            outcome = "confirmed" if holds(text, told.values) else "corrected"
        return Answer(ask, outcome, (fact.id,), told.say)


_CERTAIN: Final = 0.8


def asks_in(text: str, turn: int = 0) -> list[Ask]:
    """Questions and assumptions in the order in which they stand."""
    found = []
    for span in sentences(text, turn):
        said = span.text.strip()
        if _NEEDS.match(said) and "," in said:
            found.extend(_listed(span))
        elif _ASSUMES.search(said):
            found.append(Ask(span, assumption=True))
        elif said.rstrip("\"')] ").endswith("?") or _INDIRECT.search(said) or _short_ask(said):
            found.extend(_split(span))
    return found


def open_asks(text: str, turn: int = 0) -> list[Ask]:
    """The asks that are meant for the interviewer when they come inside a longer answer.

    A question the candidate goes on to answer is rhetorical; what is left are questions in the last
    two sentences, questions that address the interviewer, and assumptions.
    """
    everything = sentences(text, turn)
    if not everything:
        return []
    last = everything[-1].first
    kept = []
    for ask in asks_in(text, turn):
        near_end = ask.span.first >= last - 1 and ask.span.text.rstrip().endswith("?")
        addressed = re.search(
            r"\b(?:you|your|do we have|is there|are there|can (?:i|we)|may i|should i)\b",
            ask.span.text,
            re.I,
        )
        if ask.assumption or near_end or (addressed and ask.span.text.rstrip().endswith("?")):
            kept.append(ask)
    return kept


def comparable(text: str, values: Sequence[FactValue]) -> bool:
    """Whether the assumption holds a number that one of the values can be held against."""
    return any(re.search(v.unit, around, re.I) for _, around in _numbers(text) for v in values)


def holds(text: str, values: Sequence[FactValue]) -> bool:
    """Whether the numbers of an assumption agree with the sheet's.

    Every number that stands beside a unit of the fact must be close to one of the values in that
    unit; without a comparable number nothing can be confirmed.
    """
    agreed = False
    for number, around in _numbers(text):
        meant = [v for v in values if re.search(v.unit, around, re.I)]
        if meant and not any(_close(number, v) for v in meant):
            return False
        agreed = agreed or bool(meant)
    return agreed


def _close(number: float, value: FactValue) -> bool:
    if value.number == 0:
        return number == 0
    return abs(number - value.number) <= value.tolerance * abs(value.number) + 1e-9


def _numbers(text: str) -> list[tuple[float, str]]:
    """Numbers in the text with the words around them, for the unit."""
    for word, digits in _WORD_NUMBERS.items():
        text = re.sub(rf"\b{word}\b", digits, text, flags=re.I)
    found = []
    for match in _NUMBER.finditer(text):
        number = float(re.sub(r"[,\s]", "", match[1]))
        number *= _SCALE.get((match[2] or "").lower(), 1.0)
        found.append((number, text[max(0, match.start() - 40) : match.end() + 40]))
    return found


def _listed(span: Span) -> list[Ask]:
    """What is asked for as a list: "need: volume, latency budget, label delay"."""
    start = match.end() if (match := _NEEDS.match(span.text)) else 0
    found = []
    for item in re.finditer(r"[^,;]+", span.text[start:]):
        text = item.group().strip()
        if any(c.isalpha() for c in text):
            at = span.start + start + item.start() + len(item.group()) - len(item.group().lstrip())
            part = Span(span.turn, at, at + len(text), text, span.first, span.last)
            found.append(Ask(part, assumption=False))
    return found


def _short_ask(text: str) -> bool:
    """A question typed without its mark: "how many reviewers", "do we have device data"."""
    return len(text.split()) <= 14 and _ASKS.match(text) is not None and not text.endswith(".")


def _split(span: Span) -> list[Ask]:
    """Several questions run together ("how many a day, and when do labels arrive?")."""
    cuts = [0]
    pattern = re.compile(
        rf"(?:,\s*|\s)(?:and|also)\s+(?=(?:{_OPENERS})\b)|,\s*(?=(?:how|what|when|where|who|which)\b)",
        re.I,
    )
    for match in pattern.finditer(span.text):
        head = span.text[cuts[-1] : match.start()]
        if (
            len(head.split()) >= 3
            and (_ASKS.match(head.rpartition(":")[2].strip()) or _INDIRECT.search(head))
            and len(span.text[match.end() :].split()) >= 3
        ):
            cuts.append(match.end())
    ends = [*cuts[1:], len(span.text)]
    return [
        Ask(
            Span(span.turn, span.start + a, span.start + b, span.text[a:b], span.first, span.last),
            assumption=False,
        )
        for a, b in zip(cuts, ends, strict=True)
    ]
