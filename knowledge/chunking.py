"""Cutting a document into passages: whole turns, a question with its answer, chapters apart.

Where nobody is named as speaking, as in subtitles, a passage is also bounded by time, so that its
start is near to whatever is found in it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from knowledge.documents import Document, Turn

TARGET_WORDS = 220
TARGET_SECONDS = 90.0
SHORT_WORDS = 30
QUESTION_WORDS = 80
_SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))\s+(?=[\"'(\[]?[A-Z0-9])")


@dataclass(frozen=True)
class Chunk:
    """Turns that are found together. ``start`` and ``end`` in seconds where they are known."""

    turns: tuple[Turn, ...]
    end: float | None = None

    @property
    def text(self) -> str:
        """What is said, a line a turn, with the speaker where there is one."""
        return "\n".join(f"{t.speaker}: {t.text}" if t.speaker else t.text for t in self.turns)

    @property
    def speaker(self) -> str | None:
        """Whoever speaks most."""
        words: Counter[str] = Counter()
        for turn in self.turns:
            if turn.speaker:
                words[turn.speaker] += turn.words
        return words.most_common(1)[0][0] if words else None

    @property
    def question(self) -> str | None:
        """What is asked before it is answered here: the last question of the first speaker."""
        first = self.turns[0]
        if first.speaker is None or len({t.speaker for t in self.turns}) == 1:
            return None
        asked = [s for s in _SENTENCE.split(first.text) if s.rstrip("\"')] ").endswith("?")]
        return " ".join(asked[-2:]) or None


def chunks(document: Document, target: int = TARGET_WORDS) -> list[Chunk]:
    """The document's chunks in order; every word of it is in exactly one of them."""
    found: list[Chunk] = []
    turns = list(_with_ends(document.turns))
    seconds = math.inf if document.speakers else TARGET_SECONDS
    for _, chapter in groupby(turns, key=lambda pair: pair[0].section):
        found.extend(_packed(_pieces(list(chapter), target), target, seconds))
    return found


def _with_ends(turns: Sequence[Turn]) -> Iterator[tuple[Turn, float | None]]:
    """Each turn with the time at which it ends, or the next one starts."""
    for turn, after in pairwise([*turns, Turn("")]):
        ends = [e for e in (turn.end, after.start) if e is not None]
        later = [e for e in ends if turn.start is not None and e >= turn.start]
        yield turn, min(later, default=None)


def _pieces(
    turns: Sequence[tuple[Turn, float | None]], target: int
) -> list[tuple[Turn, float | None]]:
    """Turns, the long ones cut at sentences into even pieces with estimated times."""
    found: list[tuple[Turn, float | None]] = []
    for turn, end in turns:
        # The question before a long answer takes part of the first piece's room.
        room = target - QUESTION_WORDS // 2
        if turn.words <= target:
            found.append((turn, end))
            continue
        texts = _even(_sentences(turn.text, room), turn.words, room)
        starts = _starts(turn, end, texts)
        for n, (text, start) in enumerate(zip(texts, starts, strict=True)):
            piece = replace(turn, text=text, start=start, approximate=turn.approximate or n > 0)
            found.append((piece, starts[n + 1] if n + 1 < len(texts) else end))
    return found


def _starts(turn: Turn, end: float | None, texts: Sequence[str]) -> list[float | None]:
    """When each piece of a turn is said, by its share of the words."""
    found: list[float | None] = []
    said = 0
    for text in texts:
        start = turn.start
        if start is not None and end is not None and said:
            share = said / turn.words
            start = min(end, max(start, round(start + share * (end - start), 1)))
        found.append(start)
        said += len(text.split())
    return found


def _sentences(text: str, longest: int) -> list[str]:
    """Sentences; one that is longer than a piece is cut at its words."""
    found = []
    for sentence in _SENTENCE.split(text):
        words = sentence.split()
        found += [" ".join(words[i : i + longest]) for i in range(0, len(words), longest)]
    return found


def _even(sentences: Sequence[str], words: int, target: int) -> list[str]:
    """Sentences joined to pieces of about the same length, none much over the target."""
    count = -(-words // target)
    share = words / count
    pieces: list[list[str]] = [[]]
    said = 0
    for sentence in sentences:
        length = len(sentence.split())
        if pieces[-1] and said + length / 2 > share * len(pieces):
            pieces.append([])
        pieces[-1].append(sentence)
        said += length
    return [" ".join(piece) for piece in pieces]


def _packed(
    turns: Sequence[tuple[Turn, float | None]], target: int, seconds: float
) -> Iterator[Chunk]:
    """Whole turns up to the target; a question at the end moves on to its answer."""
    kept: list[tuple[Turn, float | None]] = []
    for turn, end in turns:
        if kept and _lasts(kept[0][0], turn, end) > seconds:
            yield _chunk(kept)
            kept = []
        words = sum(t.words for t, _ in kept)
        if kept and words + turn.words > target and words > SHORT_WORDS:
            asked = _asked(kept, turn)
            if kept[: len(kept) - len(asked)]:
                yield _chunk(kept[: len(kept) - len(asked)])
                kept = asked
            elif words >= target:
                yield _chunk(kept)
                kept = []
        kept.append((turn, end))
    if kept:
        yield _chunk(kept)


def _lasts(first: Turn, last: Turn, end: float | None) -> float:
    """Seconds from the start of one turn to the end of another, as far as they are known."""
    until = end if end is not None else last.start
    return until - first.start if until is not None and first.start is not None else 0.0


def _asked(
    kept: Sequence[tuple[Turn, float | None]], answer: Turn
) -> list[tuple[Turn, float | None]]:
    """The turns at the end that ask what comes next."""
    last = kept[-1][0]
    asks = (
        last.speaker is not None
        and last.speaker != answer.speaker
        and "?" in last.text
        and last.words <= QUESTION_WORDS
    )
    return [kept[-1]] if asks else []


def _chunk(turns: Sequence[tuple[Turn, float | None]]) -> Chunk:
    return Chunk(tuple(t for t, _ in turns), turns[-1][1])
