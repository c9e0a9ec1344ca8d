"""The report as one HTML file: styles inline, no script, nothing fetched."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from agent.debrief import QUESTIONS, Question, debrief
from agent.report import DimensionReview, Report, highlights
from agent.scale import LEVELS
from app.export import parts
from app.export.chart import chart_svg
from app.times import clock


@cache
def _template() -> Template:
    env = Environment(
        loader=PackageLoader("app.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "band": parts.band_words,
        "capital": parts.capital,
        "clock": clock,
        "credit": parts.credit_words,
        "found": parts.found_words,
        "gap": parts.gap_words,
        "mistake": parts.mistake_words,
        "safe_url": parts.safe_url,
        "score": parts.score_words,
        "source": parts.source_words,
        "status": parts.status_words,
        "words": parts.words,
    }
    env.globals |= {
        "FLAGS": parts.FLAGS,
        "KINDS": parts.KINDS,
        "LEVELS": LEVELS,
        "MOVES": parts.MOVES,
        "linked": parts.linked,
        "told_below": parts.told_below,
        "segments": parts.segments,
        "turn_extra": parts.turn_extra,
        "turn_sources": parts.turn_sources,
    }
    return env.get_template("report.html")


def to_html(report: Report) -> str:
    """One self-contained page, for reading, for a phone and for printing to PDF."""
    context: dict[str, Any] = {
        "report": report,
        "turns": report.transcript.turns,
        "setting": parts.setting_words(report),
        "chart": chart_svg(report.dimensions),
        "answers": {r.dimension: _answers(report, r) for r in report.dimensions},
        "changes": [
            (parts.change_words(report, c), parts.effect_words(report, c))
            for c in parts.telling_changes(report)
        ],
        "changes_lead": parts.changes_lead(report),
        "own": parts.own_ratings(report),
        "guess": parts.guess_words(report),
        "marks": highlights(report),
        "progress": parts.progress_words(report),
        "longest": max(report.stage_seconds.values(), default=0.0),
    }
    return _template().render(context).replace("\x00", "\ufffd")


def _answers(report: Report, review: DimensionReview) -> list[tuple[str, str]]:
    """The fixed questions of the debrief; nothing where nothing was graded."""
    if review.status != "graded":
        return []
    asked: tuple[Question, ...] = ("why_not_higher", "what_would_change_it")
    return [(QUESTIONS[q], debrief(report, review.dimension, q)) for q in asked]
