"""Readers of the formats people keep their podcasts and guides in.

``read_document`` chooses the reader by the file's name and content. Every reader raises
UnreadableError with its reason for a file it cannot use, and mends what can be mended.
"""

from __future__ import annotations

from pathlib import Path

from knowledge.documents import Document, UnreadableError
from knowledge.reading import pdf, podcast, prose, subtitles, timed

SUFFIXES = (".md", ".markdown", ".txt", ".srt", ".vtt", ".pdf")


def read_document(path: Path, data: bytes, *, beside_episodes: bool = False) -> Document:
    """The content of a file.

    ``beside_episodes`` says that the folder holds podcast files: Markdown without front matter is
    then a template or a stray file, not a source.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UnreadableError(f"{suffix or 'no suffix'} is not a format Spar reads")
    if suffix == ".pdf":
        return _checked(pdf.read(path, data))
    text = _text(data)
    if suffix in (".srt", ".vtt"):
        return _checked(subtitles.read(path, text))
    if podcast.has_front_matter(text):
        return _checked(podcast.read(path, text) or prose.read_markdown(path, text))
    if beside_episodes and suffix in (".md", ".markdown"):
        raise UnreadableError("no front matter, unlike the episodes beside it")
    if timed.is_timed(text):
        return _checked(timed.read(path, text))
    if suffix in (".md", ".markdown"):
        return _checked(prose.read_markdown(path, text))
    return _checked(prose.read_text(path, text))


def _text(data: bytes) -> str:
    if b"\x00" in data[:8192]:
        raise UnreadableError("it is binary, not text")
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def _checked(document: Document) -> Document:
    if not document.turns:
        raise UnreadableError("it holds no text")
    return document
