"""PDF files that hold text, page by page."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

from knowledge.documents import Document, Turn, UnreadableError

MAX_PAGES = 3_000
_HYPHEN = re.compile(r"(\w)-\n(?=[a-z])")
_BLANK_LINES = re.compile(r"\n\s*\n")


def read(path: Path, data: bytes) -> Document:
    """The paragraphs of every page; the page is the section. A file that is encrypted only to keep
    people from printing it has an empty password."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("it is protected by a password")
        if len(reader.pages) > MAX_PAGES:
            raise UnreadableError(f"it has more than {MAX_PAGES:,} pages")
        pages = [_storable(page.extract_text() or "") for page in reader.pages]
        named = reader.metadata.title if reader.metadata is not None else None
    except UnreadableError:
        raise
    except Exception as error:  # pypdf raises many kinds for broken files
        raise UnreadableError(f"it is no readable PDF ({type(error).__name__})") from error
    turns = [
        Turn(words, section=f"page {number}")
        for number, page in enumerate(pages, start=1)
        for part in _BLANK_LINES.split(_HYPHEN.sub(r"\1", page))
        if (words := " ".join(part.split()))
    ]
    if not turns:
        raise UnreadableError("it holds no text (a scan?)")
    title = " ".join(_storable(str(named)).split()) if named else ""
    return Document("pdf", title or path.stem, tuple(turns))


def _storable(text: str) -> str:
    # A broken character map yields lone surrogates, which cannot be written as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")
