"""Plain text with times: ``[m:ss] Speaker: what is said``, one line or more a turn."""

from __future__ import annotations

import re
from pathlib import Path

from knowledge.documents import Document, Turn
from knowledge.reading.podcast import seconds_of, settled

_START = re.compile(
    r"^\s*[\[(](?P<time>(?:\d{1,2}:)?\d{1,3}:\d{2}(?:\.\d+)?)[\])]\s*"
    r"(?:(?P<speaker>[^\W\d_][^:\n]{0,48}?):(?=\s|$))?\s*(?P<text>.*)$"
)
_HEADING = re.compile(r"^\s*#{1,6}\s+(?P<text>\S.*)$")
_ENOUGH = 2
_SHARE = 0.2


def is_timed(text: str) -> bool:
    """Whether enough lines open with a time in brackets."""
    lines = [line for line in text.splitlines() if line.strip()]
    stamped = sum(1 for line in lines if _START.match(line))
    return stamped >= _ENOUGH and stamped >= _SHARE * len(lines)


def read(path: Path, text: str) -> Document:
    """The turns; lines without a time belong to the turn before them, headings open a chapter."""
    title: str | None = None
    section: str | None = None
    opened: list[tuple[float | None, str | None, str | None, list[str]]] = []
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            words = heading["text"].rstrip().rstrip("#").rstrip()
            if title is None and not opened:
                title = words
            else:
                section = words or None
        elif match := _START.match(line):
            speaker = match["speaker"].strip() if match["speaker"] else None
            opened.append((seconds_of(match["time"]), speaker, section, [match["text"]]))
        elif line.strip() and opened:
            opened[-1][3].append(line)
        elif line.strip() and title is None:
            title = line.strip()
        elif line.strip():
            opened.append((None, None, section, [line]))
    turns = []
    starts = settled([stamp for stamp, *_ in opened])
    for (_, speaker, chapter, lines), (start, approximate) in zip(opened, starts, strict=True):
        words = " ".join(" ".join(lines).split())
        if words:
            turns.append(Turn(words, speaker, start, approximate, chapter))
    doubtful = sum(1 for t in turns if t.approximate)
    warnings = (f"{doubtful} of {len(turns)} turns have no reliable time.",) if doubtful else ()
    return Document("timed text", title or path.stem, tuple(turns), warnings=warnings)
