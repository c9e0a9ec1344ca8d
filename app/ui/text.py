"""Texts and numbers as they are shown: pure functions, no Streamlit.

Everything that a candidate, an interviewer or a stored record says goes through ``escape`` (into
HTML) or ``plain`` (into Streamlit's Markdown), so nothing in it is ever interpreted.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from agent.records import InterviewRecord, Source
from app.export.parts import KINDS, STATUS_WORDS, Span, safe_url, score_words, segments
from app.times import clock

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=@'\"])")

STAGE_NAMES = {
    "framing": "Framing",
    "metrics": "Metrics",
    "data": "Data",
    "modeling": "Modeling",
    "serving": "Serving",
    "validation": "Validation",
    "operations": "Operations",
    "wrap_up": "Closing",
    "design": "Opening and sketch",
}


def escape(text: str) -> str:
    """Text for HTML."""
    return html.escape(text, quote=True)


def plain(text: str) -> str:
    """Text for a Streamlit label or message, with every Markdown sign taken literally."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def name(dimension: str) -> str:
    """A dimension or stage as a heading."""
    return STAGE_NAMES.get(dimension, dimension.replace("_", " ").capitalize())


def verdict(status: str, score: float | None) -> str:
    """What stands where a score would: a 0 is never mistaken for "nothing to go by"."""
    if status == "graded" and score is not None:
        return score_words(score)
    return STATUS_WORDS.get(status, status.replace("_", " "))


def sentence(text: str) -> str:
    """A statement as a sentence: capital first, full stop last."""
    text = text.strip()
    if not text:
        return text
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else f"{text}."


def cut(text: str, chars: int = 90) -> str:
    """One line, shortened at a word."""
    line = " ".join(text.split())
    if len(line) <= chars:
        return line
    return line[:chars].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"


def where(source: Source) -> str:
    """Who said it and where, without a link."""
    parts = [source.speaker, source.title, source.episode]
    if source.start is not None:
        parts.append(clock(source.start))
    return ", ".join(p for p in parts if p)


def source_link(source: Source) -> str:
    """``where`` as an HTML link, or as text where there is no address."""
    url = safe_url(source.url)
    said = escape(where(source))
    return f'<a href="{escape(url)}" target="_blank" rel="noopener">{said}</a>' if url else said


def facts_of(record: InterviewRecord) -> str:
    """Level, length and style in one line."""
    kind = f", {name(record.stage).lower()} only" if record.stage else ""
    return f"{record.level.capitalize()}, {record.minutes} minutes, {record.style}{kind}"


def marked(text: str, spans: Sequence[Span]) -> str:
    """Text as HTML with stretches marked by kind."""
    return "".join(
        f'<mark class="{kind}" title="{KINDS.get(kind, "")}">{escape(piece)}</mark>'
        if kind in KINDS
        else escape(piece)
        for piece, kind in segments(text, spans)
    )
