"""The first page: start, or see what comes out of it."""

from __future__ import annotations

import streamlit as st

from agent.scale import LEVELS, STYLES
from agent.service import FIRST_CASE, Setup
from app.ui.frame import PRACTICE, REVIEW, SAMPLE, go, services
from app.ui.text import escape, facts_of

LENGTHS = {
    12: "12 minutes: sketch the design, then two deep dives",
    25: "25 minutes: every stage",
    45: "45 minutes: every stage in depth, with a turn of events",
}
STYLE_NOTES = {
    "quiet": "quiet: listens, asks little",
    "neutral": "neutral: a question at a time",
    "supportive": "supportive: points to what is missing",
    "challenging": "challenging: presses on weak spots",
}
USUAL = "as usual at this level"
SHOWN = 3


def show() -> None:
    """Draw the page."""
    services()
    st.title("Practise an ML system design interview")
    st.write(
        "Spar asks as an interviewer would, listens, follows up on what you said, and grades you "
        "in your own words."
    )
    with st.container(horizontal=True, key="choices"):
        if st.button("Start 12 minutes", type="primary", key="start"):
            _start(Setup(case_id=FIRST_CASE, level="senior", minutes=12))
        if st.button("Read a graded interview", key="sample"):
            go(REVIEW, SAMPLE)
    st.caption(
        "Fraud at checkout, senior level. Offline engine: no key, nothing leaves this machine."
    )
    _unfinished()
    with st.expander("Other lengths and levels", key="other"):
        _form()


def _unfinished() -> None:
    kept = services()
    open_ones = [r for r in kept.store.interviews() if r.status == "open"]
    if not open_ones:
        return
    st.subheader("Not finished")
    for record in open_ones[:SHOWN]:
        with st.container(
            horizontal=True,
            key=f"open-{record.id}",
            horizontal_alignment="distribute",
            vertical_alignment="center",
        ):
            started = f"{record.created_at.astimezone():%d %b, %H:%M}"
            st.html(
                f"<div>{escape(record.title)}</div>"
                f'<div class="small quiet">{escape(facts_of(record))}, {started}</div>',
                width="content",
            )
            if st.button("Continue", key=f"continue-{record.id}"):
                go(PRACTICE, record.id)
    if len(open_ones) > SHOWN:
        st.caption(f"{len(open_ones) - SHOWN} more under Past interviews.")


def _form() -> None:
    book = services().interviews.cases
    cases = book.ids()
    case_id = FIRST_CASE
    if len(cases) > 1:
        first = cases.index(FIRST_CASE) if FIRST_CASE in cases else 0
        case_id = st.selectbox(
            "Case",
            cases,
            index=first,
            format_func=lambda c: book.head(c).title,
            key="case",
        )
    minutes = st.radio("Length", list(LENGTHS), format_func=LENGTHS.__getitem__, key="minutes")
    level = st.segmented_control(
        "Level", LEVELS, default="senior", required=True, format_func=str.capitalize, key="level"
    )
    style = st.selectbox(
        "Interviewer",
        [USUAL, *STYLES],
        format_func=lambda s: STYLE_NOTES.get(s, USUAL),
        key="style",
    )
    seed = st.number_input(
        "Seed",
        min_value=0,
        max_value=999_999,
        value=None,
        step=1,
        key="seed",
        placeholder="any",
        help="The same seed gives the same hidden facts and wordings.",
    )
    if st.button("Start", key="start-other"):
        _start(
            Setup(
                case_id=case_id,
                level=level,
                style=next((s for s in STYLES if s == style), None),
                minutes=int(minutes or 12),
                seed=int(seed) if seed is not None else None,
            )
        )


def _start(setup: Setup) -> None:
    record = services().interviews.create(setup)
    go(PRACTICE, record.id)
