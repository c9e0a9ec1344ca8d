"""Finding what a candidate asks and assumes, as verbatim spans in the order in which they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.hygiene import content_words
from agent.sentences import Span, sentences

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
# Said with a number and in a clarifying message, these are assumptions too.
_GUESSES = re.compile(
    r"\b(?:i(?:'d| would)? (?:think|count on|bet|say|estimate|expect)|presumably|probably|maybe|"
    r"i(?:'m| am) (?:going|working|counting) (?:with|on)|sounds like|it(?:'s| is) about)\b",
    re.I,
)
_COUNTED = re.compile(
    r"\d|\b(?:half|third|quarter|fifth|tenth|one|two|three|four|five|six|seven|eight|nine|ten|"
    r"eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|hundred|thousand|million)\b",
    re.I,
)
_BOTH = re.compile(r"\b(?:both|all of (?:them|it)|the two)\b", re.I)
_FIRST = re.compile(r"\b(?:first|former)\b|^\W*1\b", re.I)
_SECOND = re.compile(r"\b(?:second|latter|last)\b|^\W*2\b", re.I)
_AGREES = re.compile(
    r"^\W*(?:y|ye[sp]|yeah|sure|right|correct|exactly|indeed|that(?:'s| is)? (?:it|one|right)|"
    r"i do|please)\b",
    re.I,
)
_DENIES = re.compile(r"\b(?:no|not|neither|other)\b", re.I)
_SHORT_REPLY = 14
_OPENING = 40
_OPENS = re.compile(rf"^(?:{_OPENERS})\b", re.I)
_NEEDS = re.compile(
    r"^(?:i(?:'d)? )?(?:(?:need|questions?|figures?|numbers?|ask)\s*:|"
    r"(?:need to know|would like to know|like to know|want to know|give me|tell me)\b:?)\s*",
    re.I,
)


@dataclass(frozen=True)
class Ask:
    """A question or an assumption in an answer, as the candidate wrote it."""

    span: Span
    assumption: bool


def asks_in(text: str, turn: int = 0, *, loose: bool = True) -> list[Ask]:
    """Questions and assumptions in the order in which they stand; ``loose`` also takes a guess at a
    number for an assumption."""
    found = []
    for span in sentences(text, turn):
        said = span.text.strip()
        if _NEEDS.match(said) and "," in said:
            found.extend(_listed(span))
        elif _ASSUMES.search(said) or (loose and _guessed(said)):
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
    for ask in asks_in(text, turn, loose=False):
        near_end = ask.span.first >= last - 1 and ask.span.text.rstrip().endswith("?")
        addressed = re.search(
            r"\b(?:you|your|do we have|is there|are there|can (?:i|we)|may i|should i)\b",
            ask.span.text,
            re.I,
        )
        if ask.assumption or near_end or (addressed and ask.span.text.rstrip().endswith("?")):
            kept.append(ask)
    return kept


def chosen_of(text: str, topics: Sequence[str]) -> list[int]:
    """Which of the offered topics a short reply means: by agreement, by place or by its words."""
    if len(topics) == 1 and _AGREES.match(text) and not _DENIES.search(text[:_OPENING]):
        return [0]
    if not topics or len(text.split()) > _SHORT_REPLY:
        return []
    if _BOTH.search(text):
        return list(range(len(topics)))
    for index, pattern in enumerate((_FIRST, _SECOND)[: len(topics)]):
        if pattern.search(text):
            return [index]
    words = set(content_words(text))
    shared = [len(words & set(content_words(topic))) for topic in topics]
    best = max(shared)
    if best and shared.count(best) == 1:
        return [shared.index(best)]
    return []


def _guessed(text: str) -> bool:
    """A guess at a number, not a question for one."""
    return (
        _GUESSES.search(text) is not None
        and _COUNTED.search(text) is not None
        and _OPENS.match(text) is None
    )


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
