"""A source as it was read: turns of speech or paragraphs, before it is cut to passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowledge.errors import KnowledgeError

Kind = Literal["podcast", "timed text", "subtitles", "markdown", "text", "pdf"]


class UnreadableError(KnowledgeError):
    """A file cannot be used as a source; the text is the reason, without the file's name."""


@dataclass(frozen=True)
class Turn:
    """A stretch of one speaker, or a paragraph where nobody speaks.

    ``start`` is in seconds; ``approximate`` marks one that was inherited or estimated. ``end`` is
    known where the file tells it.
    """

    text: str
    speaker: str | None = None
    start: float | None = None
    approximate: bool = False
    section: str | None = None
    end: float | None = None

    @property
    def words(self) -> int:
        """Number of whitespace-separated words."""
        return len(self.text.split())


@dataclass(frozen=True)
class Document:
    """What one file holds; ``guests`` are as the file names them, ``warnings`` are sentences."""

    kind: Kind
    title: str
    turns: tuple[Turn, ...]
    episode: str | None = None
    youtube: str | None = None
    guests: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def words(self) -> int:
        """Words in all turns."""
        return sum(t.words for t in self.turns)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who speaks, in order of appearance."""
        return tuple(dict.fromkeys(t.speaker for t in self.turns if t.speaker))
