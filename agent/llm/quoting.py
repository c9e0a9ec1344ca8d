"""Finding quoted words in the candidate's turns: verbatim, or they are no evidence.

Only white space, typographic quotes and the brackets that the prompt neutralised are tolerated;
what is kept is the original substring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.grading import MAX_TURN_CHARS
from agent.llm.fencing import Exhibit
from agent.llm.neutral import BRACKETS, OPENED, visible
from agent.sentences import Span, sentences

MIN_WORDS: Final = 3
MIN_CHARS: Final = 4
LONGEST: Final = 300
_SAME: Final = str.maketrans({**dict.fromkeys("‘’‚‛`´", "'"), **dict.fromkeys("“”„‟″«»", '"')})
_WRAPPED: Final = ('""', "''")


@dataclass(frozen=True)
class _Folded:
    """A turn's text as it is compared; ``places[i]`` is where its i-th character stands."""

    text: str
    places: tuple[int, ...]


class Locator:
    """Quotes of one interview."""

    def __init__(self, exhibit: Exhibit) -> None:
        self._exhibit = exhibit
        self._folded = {
            i: _fold(t.text[:MAX_TURN_CHARS])
            for i, t in enumerate(exhibit.transcript.turns)
            if t.speaker == "candidate"
        }

    def find(self, text: str, turn: int) -> Span | None:
        """Where the candidate says this: in the turn named, else in another of theirs; None where
        nowhere, or only in words that are no evidence."""
        wanted = _fold(text).text.strip()
        options = [wanted]
        if len(wanted) > 2 and wanted[0] + wanted[-1] in _WRAPPED:
            options.append(wanted[1:-1].strip())
        for option in options:
            if len(option) < MIN_CHARS:
                continue
            for index in sorted(self._folded, key=lambda i: (i != turn, i)):
                for start, end in self._places(option, index):
                    if not self._flagged(index, start, end):
                        return self._span(index, start, end)
        return None

    def _places(self, wanted: str, index: int) -> Iterator[tuple[int, int]]:
        """Every place where the words stand by themselves, not inside other words."""
        folded = self._folded[index]
        at = folded.text.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            if _whole_words(folded.text, at, end):
                yield folded.places[at], folded.places[end - 1] + 1
            at = folded.text.find(wanted, at + 1)

    def _flagged(self, index: int, start: int, end: int) -> bool:
        pieces = self._exhibit.flagged.get(index, ())
        return any(p.start < end and start < p.end for p in pieces)

    def _span(self, index: int, start: int, end: int) -> Span:
        """The words, with their sentence where they are too few to say anything by themselves."""
        text = self._exhibit.transcript.turns[index].text
        if text[start:end].isascii() and len(text[start:end].split()) < MIN_WORDS:
            around = [s for s in sentences(text, index) if s.start <= start and end <= s.end]
            if around and len(around[0].text) <= LONGEST:
                start, end = around[0].start, around[0].end
        return Span(index, start, end, text[start:end], 0, 0)


def _whole_words(text: str, start: int, end: int) -> bool:
    """Whether the stretch cuts through no word (scripts without spaces have none to cut)."""
    return not any(
        0 < i < len(text) and _joins(text[i - 1]) and _joins(text[i]) for i in (start, end)
    )


def _joins(char: str) -> bool:
    return char.isalnum() and ord(char) < 0x2E80


def _fold(text: str) -> _Folded:
    """White space runs as one blank, typographic quotes as plain ones, unseen characters gone."""
    found: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if not visible(char):
            continue
        if char.isspace():
            if not found or found[-1] != " ":
                found.append(" ")
                places.append(place)
            continue
        for part in _plain(char):
            found.append(part)
            places.append(place)
    return _Folded("".join(found), tuple(places))


def _plain(char: str) -> str:
    if char in BRACKETS:
        return OPENED
    if char == "…":
        return "..."
    return char.translate(_SAME)
