"""The eight dimensions as one picture: score, likely range, own rating."""

from __future__ import annotations

from typing import Any, cast

import altair as alt

from agent.report import Report
from app.export.parts import band_words, score_words
from app.ui.text import name, verdict

ACCENT = "#2f5d7c"
INK = "#1f2a30"
GREY = "#5b6870"


def rows(report: Report) -> list[dict[str, Any]]:
    """One row a dimension; what has no score has none here either."""
    return [
        {
            "dimension": name(r.dimension),
            "score": r.score,
            "low": r.band[0] if r.band else None,
            "high": r.band[1] if r.band else None,
            "own": r.own_rating,
            "label": verdict(r.status, r.score),
            "at": 4.12 if r.score is not None else 0.0,
            "graded": r.score is not None,
        }
        for r in report.dimensions
    ]


def describe(report: Report) -> str:
    """The chart in words, for those who cannot see it."""
    parts = [
        f"{name(r.dimension)} {score_words(r.score)} (likely {band_words(r.band)})"
        if r.score is not None
        else f"{name(r.dimension)} {verdict(r.status, r.score)}"
        for r in report.dimensions
    ]
    return "Scores from 0 to 4: " + ", ".join(parts) + "."


def chart(report: Report) -> alt.LayerChart:
    """Bars for scores, a line for the likely range, a tick for the candidate's own rating."""
    data = alt.InlineData(values=rows(report))
    order = [name(r.dimension) for r in report.dimensions]
    label_axis = alt.Axis(ticks=False, labelPadding=8, labelColor=INK, labelFontSize=13)
    y = alt.Y("dimension:N", sort=order, title=None, axis=label_axis)
    scale = alt.Scale(domain=[0, 4.5])
    axis = alt.Axis(
        values=[0, 1, 2, 3, 4], format="d", title=None, labelColor=GREY, gridColor="#e4e6e1"
    )
    x = alt.X("score:Q", scale=scale, axis=axis)
    base = alt.Chart(data)
    graded = base.transform_filter("datum.graded")
    bars = graded.mark_bar(color=ACCENT, opacity=0.55, height=13).encode(x=x, y=y)
    zero = graded.mark_tick(color=ACCENT, thickness=3, height=13).encode(
        x=alt.X("score:Q", scale=scale, axis=axis), y=y
    )
    band = graded.mark_rule(color=INK, strokeWidth=1.6).encode(
        x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", y=y
    )
    own = (
        base.transform_filter("isValid(datum.own)")
        .mark_point(shape="diamond", fill=INK, stroke="white", strokeWidth=1.5, size=95, opacity=1)
        .encode(x=alt.X("own:Q", scale=scale, axis=axis), y=y)
    )
    label = graded.mark_text(align="left", color=INK, fontSize=13).encode(
        x=alt.X("at:Q", scale=scale, axis=axis), y=y, text="label:N"
    )
    none = (
        base.transform_filter("!datum.graded")
        .mark_text(align="left", dx=4, color=GREY, fontSize=12, fontStyle="italic")
        .encode(x=alt.X("at:Q", scale=scale, axis=axis), y=y, text="label:N")
    )
    layers = alt.layer(bars, zero, band, own, label, none)
    framed = layers.properties(height=33 * len(order)).configure_view(stroke=None)
    return cast(alt.LayerChart, framed)
