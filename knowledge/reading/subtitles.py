"""Subtitles (.srt, .vtt): cues joined to stretches of speech; they name no speakers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.documents import Document, Turn, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAUSE_SECONDS = 4.0
_STRETCH_WORDS = 45
_LONGEST_WORDS = 110
_TAG = re.compile(r"</?[^>]{1,80}>|\{\\[^}]*\}")


def read(path: Path, text: str) -> Document:
    """The spoken stretches with the time of their first cue."""
    import pysubs2

    try:
        kept = pysubs2.SSAFile.from_string(text, format_=path.suffix.lower().lstrip("."))
    except (pysubs2.exceptions.Pysubs2Error, ValueError, IndexError) as error:
        raise UnreadableError(f"it is no valid {path.suffix[1:]} file ({error})") from error
    cues = sorted(
        ((e.start / 1000, e.end / 1000, _plain(e.plaintext)) for e in kept if not e.is_comment),
        key=lambda cue: cue[0],
    )
    return Document("subtitles", path.stem, tuple(_stretches(cues)))


def _plain(text: str) -> str:
    return " ".join(_TAG.sub(" ", text).split())


def _stretches(cues: Iterable[tuple[float, float, str]]) -> Iterator[Turn]:
    """Cues joined up to the end of a sentence; rolling captions say every line once."""
    words: list[str] = []
    start = end = 0.0
    for cue_start, cue_end, text in cues:
        if words and cue_start - end > _PAUSE_SECONDS:
            yield Turn(" ".join(words), start=start)
            words = []
        fresh = text.split()[_overlap(words, text.split()) :]
        if not words:
            start = cue_start
        words += fresh
        end = cue_end
        closed = bool(fresh) and fresh[-1].endswith((".", "?", "!"))
        if (closed and len(words) >= _STRETCH_WORDS) or len(words) >= _LONGEST_WORDS:
            yield Turn(" ".join(words), start=start)
            words = []
    if words:
        yield Turn(" ".join(words), start=start)


def _overlap(said: list[str], cue: list[str]) -> int:
    """How many words at the start of a cue repeat the end of what was said (two at least)."""
    for length in range(min(len(said), len(cue)), 1, -1):
        if said[-length:] == cue[:length]:
            return length
    return 0
