"""The candidate's own rating, asked once before the scores are shown."""

from __future__ import annotations

from typing import cast

import streamlit as st

from agent.records import SelfRating
from agent.scale import DIMENSIONS, Dimension
from app.ui.frame import services
from app.ui.text import name

NOT_COVERED = "not covered"
STEPS: tuple[str, ...] = (NOT_COVERED, *(f"{n / 2:g}" for n in range(9)))


def show(interview: str, about: dict[Dimension, str]) -> None:
    """Ask for eight ratings and the weakest point; either button opens the report for good."""
    st.title("Before the scores")
    st.write("How did it go? Rate yourself first; the report shows both side by side.")
    st.caption("0 missing, 1 vague, 2 partial, 3 solid, 4 outstanding.")
    with st.form(f"rating-{interview}", border=False):
        columns = st.columns(2, gap="large")
        for number, dimension in enumerate(DIMENSIONS):
            columns[number * 2 // len(DIMENSIONS)].select_slider(
                name(dimension),
                STEPS,
                value=NOT_COVERED,
                key=f"rate-{interview}-{dimension}",
                help=about.get(dimension),
            )
        st.selectbox(
            "Weakest point",
            DIMENSIONS,
            index=None,
            format_func=name,
            placeholder="Choose one",
            key=f"weakest-{interview}",
        )
        with st.container(horizontal=True, key="rating-buttons"):
            given = st.form_submit_button("See the scores", type="primary", key="rate")
            skipped = st.form_submit_button("Skip", type="tertiary", key="rate-skip")
    if given or skipped:
        _keep(interview, given=given)
        st.rerun()


def _keep(interview: str, *, given: bool) -> None:
    """A skip is kept as an empty rating, so that it is not asked again."""
    ratings: dict[Dimension, float] = {}
    weakest: Dimension | None = None
    if given:
        for dimension in DIMENSIONS:
            chosen = st.session_state.get(f"rate-{interview}-{dimension}", NOT_COVERED)
            if chosen != NOT_COVERED:
                ratings[dimension] = float(chosen)
        weakest = cast("Dimension | None", st.session_state.get(f"weakest-{interview}"))
    services().interviews.rate(SelfRating(interview=interview, ratings=ratings, weakest=weakest))
