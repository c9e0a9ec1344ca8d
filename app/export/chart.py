"""The chart of the eight dimensions: a self-contained SVG and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from agent.report import DimensionReview
from agent.scale import MAX_SCORE
from app.export.parts import band_words, capital, score_words, status_words

WIDTH: Final = 360
LEFT: Final = 116
RIGHT: Final = 322
ROW: Final = 27
TOP: Final = 6


def chart_text(reviews: Sequence[DimensionReview]) -> str:
    """The chart in words, one clause a dimension."""
    return "; ".join(_clause(r) for r in reviews) + "."


def _clause(review: DimensionReview) -> str:
    if review.score is None:
        text = f"{capital(review.dimension)} {status_words(review)}"
    else:
        text = f"{capital(review.dimension)} {score_words(review.score)}"
        if review.band is not None:
            text += f", likely {band_words(review.band)}"
    if review.own_rating is not None:
        text += f", own rating {score_words(review.own_rating)}"
    return text


def chart_svg(reviews: Sequence[DimensionReview]) -> Markup:
    """Scores from 0 to 4 with the likely band and the candidate's own rating as a tick.

    Colours come from the page's CSS classes. A dimension without a score has a dashed line and
    words, never a mark at zero.
    """
    height = TOP + ROW * len(reviews) + 20
    rows = Markup("").join(_row(r, TOP + ROW * i + ROW / 2) for i, r in enumerate(reviews))
    head = Markup(
        '<svg class="chart" role="img" viewBox="0 0 {w} {h}" '
        'xmlns="http://www.w3.org/2000/svg" aria-labelledby="chart-title chart-desc">'
        '<title id="chart-title">Scores by dimension, 0 to 4</title>'
        '<desc id="chart-desc">{desc}</desc>'
    ).format(w=WIDTH, h=height, desc=chart_text(reviews))
    return head + _axis(len(reviews)) + rows + Markup("</svg>")


def _x(value: float) -> float:
    share = min(max(value / MAX_SCORE, 0.0), 1.0)
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _axis(rows: int) -> Markup:
    bottom = TOP + ROW * rows
    line = Markup(
        '<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
        '<text class="axis" x="{x}" y="{label}" text-anchor="middle">{value}</text>'
    )
    return Markup("").join(
        line.format(x=_x(value), top=TOP, bottom=bottom, label=bottom + 15, value=value)
        for value in range(int(MAX_SCORE) + 1)
    )


def _row(review: DimensionReview, y: float) -> Markup:
    label = Markup('<text class="label" x="{x}" y="{y}" text-anchor="end">{name}</text>').format(
        x=LEFT - 12, y=y + 4, name=capital(review.dimension)
    )
    body = _unscored(review, y) if review.score is None else _scored(review, review.score, y)
    return label + body + _tick(review, y)


def _unscored(review: DimensionReview, y: float) -> Markup:
    # The words stand clear of the candidate's own tick.
    own = review.own_rating
    middle = _x(MAX_SCORE / 2 if own is None else 1.0 if own >= MAX_SCORE / 2 else 3.0)
    return Markup(
        '<line class="none" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>'
        '<rect class="blank" x="{bx}" y="{by}" width="84" height="18"/>'
        '<text class="status" x="{mid}" y="{ty}" text-anchor="middle">{status}</text>'
    ).format(
        x1=LEFT,
        x2=RIGHT,
        y=y,
        bx=middle - 42,
        by=y - 9,
        mid=middle,
        ty=y + 4,
        status=status_words(review),
    )


def _scored(review: DimensionReview, score: float, y: float) -> Markup:
    track = Markup('<line class="track" x1="{a}" x2="{b}" y1="{y}" y2="{y}"/>').format(
        a=LEFT, b=_x(score), y=y
    )
    band = Markup("")
    if review.band is not None:
        low, high = (_x(v) for v in review.band)
        band = Markup('<rect class="band" x="{x}" y="{y}" width="{w}" height="14" rx="7"/>').format(
            x=round(low - 7, 1), y=y - 7, w=round(high - low + 14, 1)
        )
    dot = Markup('<circle class="dot" cx="{x}" cy="{y}" r="5"/>').format(x=_x(score), y=y)
    value = Markup('<text class="value" x="{x}" y="{y}" text-anchor="end">{score}</text>').format(
        x=WIDTH - 4, y=y + 4, score=score_words(score)
    )
    return track + band + dot + value


def _tick(review: DimensionReview, y: float) -> Markup:
    if review.own_rating is None:
        return Markup("")
    return Markup('<line class="own" x1="{x}" x2="{x}" y1="{a}" y2="{b}"/>').format(
        x=_x(review.own_rating), a=y - 10, b=y + 10
    )
