"""Subtitles (.srt, .vtt): cues joined to stretches of speech; they name no speakers."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from knowledge.documents import Document, Turn, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAUSE_SECONDS = 4.0
_STRETCH_WORDS = 45
_STRETCH_SECONDS = 30.0
_LONGEST_WORDS = 110
_LONGEST_SECONDS = 90.0
_ROLLING_WORDS = 40
_TAG = re.compile(r"</?[a-zA-Z\d][^<>]{0,80}>|\{\\[^}]*\}")
_WORD_TIME = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d+>")
_EMPTY_LINES = re.compile(r"\n{2,}")


def read(path: Path, text: str) -> Document:
    """The spoken stretches with the time of their first cue."""
    import pysubs2

    if path.suffix.lower() == ".vtt":
        text = _cues_only(text)
    try:
        kept = pysubs2.SSAFile.from_string(text, format_=path.suffix.lower().lstrip("."))
    except (pysubs2.exceptions.Pysubs2Error, ValueError, IndexError) as error:
        raise UnreadableError(f"it is no valid {path.suffix[1:]} file ({error})") from error
    cues = sorted(
        ((e.start / 1000, e.end / 1000, _plain(e.plaintext)) for e in kept if not e.is_comment),
        key=lambda cue: cue[0],
    )
    return Document("subtitles", path.stem, tuple(_stretches(cues)))


def _cues_only(text: str) -> str:
    """WebVTT without the times within a line, its notes and styles, and the names of its cues."""
    cues = []
    for block in _EMPTY_LINES.split(_WORD_TIME.sub("", text)):
        lines = block.split("\n")
        first = next((n for n, line in enumerate(lines) if "-->" in line), len(lines))
        cues.append("\n".join(lines[first:]))
    return "\n\n".join(cues)


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


class _Said(NamedTuple):
    """Words and when they were said, in seconds."""

    words: list[str]
    start: float
    end: float

    def reaches(self, words: int, seconds: float) -> bool:
        """Whether there are so many words, or it takes so long."""
        return len(self.words) >= words or self.end - self.start >= seconds

    @property
    def turn(self) -> Turn:
        """As a turn of nobody's."""
        return Turn(" ".join(self.words), start=self.start, end=self.end)


def _stretches(cues: Iterable[tuple[float, float, str]]) -> Iterator[Turn]:
    """Sentences joined to stretches that are neither very short nor long, pauses apart."""
    kept: _Said | None = None
    for said in _sentences(cues):
        if kept is not None:
            joined = _Said(kept.words + said.words, kept.start, said.end)
            apart = said.start - kept.end > _PAUSE_SECONDS
            if not (
                apart
                or kept.reaches(_STRETCH_WORDS, _STRETCH_SECONDS)
                or joined.reaches(_LONGEST_WORDS, _LONGEST_SECONDS)
            ):
                kept = joined
                continue
            yield kept.turn
        kept = said
    if kept is not None:
        yield kept.turn


def _sentences(cues: Iterable[tuple[float, float, str]]) -> Iterator[_Said]:
    """Whole cues up to one that ends a sentence, a pause, or the longest stretch; rolling captions
    say every line once."""
    words: list[str] = []
    said: list[str] = []  # the last words, also of the sentence before
    start = end = 0.0
    for cue_start, cue_end, text in cues:
        if cue_start - end > _PAUSE_SECONDS:
            if words:
                yield _Said(words, start, end)
            words, said = [], []
        fresh = text.split()[_overlap(said, text.split()) :]
        if not words:
            start = cue_start
        words = words + fresh
        said = [*said, *fresh][-_ROLLING_WORDS:]
        end = cue_end
        closed = bool(fresh) and fresh[-1].endswith((".", "?", "!"))
        now = _Said(words, start, end)
        if closed or (words and now.reaches(_LONGEST_WORDS, _LONGEST_SECONDS)):
            yield now
            words = []
    if words:
        yield _Said(words, start, end)


def _overlap(said: list[str], cue: list[str]) -> int:
    """How many words at the start of a cue repeat the end of what was said (two at least)."""
    for length in range(min(len(said), len(cue)), 1, -1):
        if said[-length:] == cue[:length]:
            return length
    return 0
