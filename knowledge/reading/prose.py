"""Guides and notes: Markdown by its headings, plain text by its paragraphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.documents import Document, Turn
from knowledge.reading.podcast import front_matter, has_front_matter, without_front_matter

if TYPE_CHECKING:
    from markdown_it.token import Token

_BLANK_LINES = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?:;,][\"')\]]*$")
_HEADING_WORDS = 10
_SPOKEN = ("text", "code_inline")


def read_markdown(path: Path, text: str) -> Document:
    """Paragraphs, list items and table rows under their headings; code blocks are left out."""
    from markdown_it import MarkdownIt

    outline = _Outline(_title(text))
    for token in MarkdownIt("commonmark").enable("table").parse(without_front_matter(text)):
        outline.take(token)
    return Document("markdown", outline.title or path.stem, tuple(outline.turns))


def read_text(path: Path, text: str) -> Document:
    """Paragraphs, parted by blank lines; a short line by itself that ends no sentence is a
    heading."""
    turns = []
    section: str | None = None
    for part in _BLANK_LINES.split(text):
        words = " ".join(part.split())
        if not words:
            continue
        if len(words.split()) <= _HEADING_WORDS and _SENTENCE_END.search(words) is None:
            section = words
        else:
            turns.append(Turn(words, section=section))
    return Document("text", path.stem, tuple(turns))


class _Outline:
    """Collects paragraphs while headings go by. The first top heading is the title."""

    def __init__(self, title: str | None) -> None:
        self.title = title
        self.turns: list[Turn] = []
        self._headings: dict[int, str] = {}
        self._level = 0
        self._row: list[str] | None = None

    def take(self, token: Token) -> None:
        """One token of the parsed text."""
        if token.type == "heading_open":
            self._level = int(token.tag[1:])
        elif token.type == "heading_close":
            self._level = 0
        elif token.type == "tr_open":
            self._row = []
        elif token.type == "tr_close":
            self._add(" | ".join(self._row or ()))
            self._row = None
        elif token.type == "inline":
            self._words(" ".join(_spoken(token.children or ()).split()))

    def _words(self, words: str) -> None:
        if self._row is not None:
            self._row.append(words)
        elif not self._level:
            self._add(words)
        elif self._level == 1 and self.title is None:
            self.title = words
        elif words:
            above = {n: text for n, text in self._headings.items() if n < self._level}
            self._headings = above | {self._level: words}

    def _add(self, words: str) -> None:
        if words:
            section = " > ".join(text for _, text in sorted(self._headings.items()))
            self.turns.append(Turn(words, section=section or None))


def _spoken(children: Sequence[Token]) -> str:
    """The words of a line without its marks; pictures and links keep their words only."""
    parts = []
    for child in children:
        if child.type in _SPOKEN:
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return "".join(parts)


def _title(text: str) -> str | None:
    if not has_front_matter(text):
        return None
    named = front_matter(text).get("title")
    return " ".join(str(named).split()) or None if named is not None else None
