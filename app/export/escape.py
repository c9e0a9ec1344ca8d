"""Text of the candidate as literal Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from app.export.parts import Span, printable, segments

SIGNS: Final = {"met": "✓", "partial": "½", "error": "✗"}
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_INLINE: Final = re.compile(r"[\\`*_{}\[\]|~$&<>#@]|(?<=\w):(?=//)|(?i:(?<=www)\.)")
_BLOCK: Final = re.compile(r"(?m)^([ \t]*)(?:([+\-=])|(\d{1,9})([.)]))")


def escape(text: str) -> str:
    """The text with everything that Markdown or HTML would read as markup made literal."""
    text = printable(text)
    text = _INLINE.sub(lambda m: _ENTITIES.get(m[0], "\\" + m[0]), text)
    return _BLOCK.sub(
        lambda m: m[1] + ("\\" + m[2] if m[2] else f"{m[3]}\\{m[4]}"),
        text,
    )


def inline(text: str) -> str:
    """Escaped text on one line."""
    return escape(" ".join(printable(text).split()))


def marked(text: str, spans: Sequence[Span]) -> list[str]:
    """Escaped lines with breaks and indentation kept; each span bold, signed ✓, ½ or ✗ after it."""
    out = [""]
    for piece, kind in segments(text, spans):
        chunks = printable(piece).split("\n")
        signed = max((n for n, chunk in enumerate(chunks) if chunk.strip()), default=-1)
        for number, chunk in enumerate(chunks):
            if number:
                out.append("")
            shown = _piece(chunk, at_start=not out[-1])
            if kind and chunk.strip():
                # HTML's own tag: Markdown's asterisks fail next to letters and punctuation.
                sign = f"&nbsp;{SIGNS[kind]}" if number == signed else ""
                shown = f"<b>{shown}</b>{sign}"
            out[-1] += shown
    return ["" if not line.replace("&nbsp;", "").strip() else line.rstrip() for line in out]


def _piece(chunk: str, *, at_start: bool) -> str:
    """Part of a line; indentation is kept only where it would be read as code."""
    if not at_start:
        return escape(chunk)
    body = chunk.lstrip(" \t")
    lead = chunk[: len(chunk) - len(body)].replace("\t", "    ")
    return "&nbsp;" * len(lead) + escape(body)
