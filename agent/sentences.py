"""Cutting answers into sentences and neighbouring pairs, as verbatim spans with offsets.

Chat answers come as prose, bullets, arrows and unpunctuated rambles; every span is a substring of
the turn, so that a quote can be checked by code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

MAX_SENTENCE_WORDS = 60
MAX_PAIR_WORDS = 70

_BREAK = re.compile(
    r"(?:\r?\n)+"
    r"|(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\betc\.)(?<!\bapprox\.)(?<!\bca\.)"
    r"(?<=[.!?])[\"')\]]*\s+(?=\S)"
    r"|(?<=;)\s+"
)
_BULLET = re.compile(r"^[\s>*•–\-]*(?:\(?\d{1,2}[.)]\s+)?[\s*_#]*")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Span:
    """``text == turns[turn].text[start:end]``; ``first``/``last`` number the sentences it holds."""

    turn: int
    start: int
    end: int
    text: str
    first: int
    last: int

    @property
    def words(self) -> int:
        """Number of whitespace-separated words."""
        return len(self.text.split())


def sentences(text: str, turn: int = 0) -> list[Span]:
    """The sentences of one turn in order, without bullets and surrounding white space."""
    found: list[Span] = []
    position = 0
    for match in [*_BREAK.finditer(text), None]:
        end = match.start() if match else len(text)
        for start, stop in _bounded(text, position, end):
            found.append(Span(turn, start, stop, text[start:stop], len(found), len(found)))
        position = match.end() if match else end
    return found


def pairs(spans: list[Span], text: str) -> list[Span]:
    """Neighbouring sentences joined, where together they are short enough to be one statement."""
    found = []
    for left, right in pairwise(spans):
        joined = text[left.start : right.end]
        if left.words + right.words <= MAX_PAIR_WORDS and joined.count("\n\n") == 0:
            found.append(Span(left.turn, left.start, right.end, joined, left.first, right.last))
    return found


def _bounded(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Trim the stretch and cut what is too long to be read as one sentence."""
    lead = _BULLET.match(text[start:end])
    start += lead.end() if lead else 0
    while end > start and text[end - 1].isspace():
        end -= 1
    if end - start < 2 or not any(c.isalpha() for c in text[start:end]):
        return []
    words = list(_WORD.finditer(text, start, end))
    if len(words) <= MAX_SENTENCE_WORDS:
        return [(start, end)]
    cuts = []
    first = 0
    while first < len(words):
        last = min(first + MAX_SENTENCE_WORDS, len(words)) - 1
        if last < len(words) - 1:
            for index in range(last, first + MAX_SENTENCE_WORDS // 2, -1):
                if words[index].group().endswith((",", ":", ")")):
                    last = index
                    break
        cuts.append((words[first].start(), words[last].end()))
        first = last + 1
    return cuts
