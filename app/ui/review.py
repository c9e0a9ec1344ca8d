"""The review of one interview: the candidate's own rating first, then the report."""

from __future__ import annotations

import streamlit as st

from agent.content import load_rubric
from agent.report import Report
from agent.scale import LEVELS, OFFLINE
from app.export.parts import (
    change_words,
    changes_lead,
    effect_words,
    gap_words,
    guess_words,
    own_ratings,
    progress_words,
    score_words,
    setting_words,
    telling_changes,
    words,
)
from app.times import clock
from app.ui import dimension, grades, rating, said
from app.ui.chart import chart, describe
from app.ui.frame import (
    HOME,
    PRACTICE,
    SAMPLE,
    go,
    interview_id,
    loaded,
    nothing_open,
    services,
)
from app.ui.text import escape, name, plain, sentence


def show() -> None:
    """Draw the page for the interview in the address, or for the packaged one."""
    interview = interview_id()
    if interview is None:
        nothing_open("Review")
    elif interview == SAMPLE:
        _report(_sample(), None, st.container(key="review-head"))
    elif services().store.interview(interview).status == "open":
        go(PRACTICE, interview)
    elif _to_rate(interview):
        rating.show(interview, {d.dimension: d.about for d in load_rubric().dimensions})
    else:
        head = st.container(key="review-head")
        grade = grades.chosen(interview)
        _report(services().report(interview, grade.document), interview, head)
        grades.others(interview, grade)


def _to_rate(interview: str) -> bool:
    """Asked once, and not of an imported interview, which was not held here."""
    store = services().store
    held_here = any(t.snapshot is not None for t in store.turns(interview))
    return held_here and store.rating(interview) is None


@st.cache_data(show_spinner=False, max_entries=1)
def _sample_json() -> str:
    return services().sample_report().model_dump_json()


def _sample() -> Report:
    """The packaged interview's report, built once."""
    return Report.model_validate_json(_sample_json())


def _report(report: Report, interview: str | None, head: st.delta_generator.DeltaGenerator) -> None:
    """``head``: where the title stands, above the choice of a grade."""
    with head:
        st.title(plain(report.title))
        lead = "A graded interview that ships with Spar. " if interview is None else ""
        st.caption(plain(f"{lead}{sentence(', '.join(setting_words(report)))}"))
    _headline(report)
    if progress := progress_words(report):
        st.write(plain(progress))
    scores, transcript, strong = st.tabs(["Scores", "Transcript", "Strong answers"])
    with scores:
        _scores(report, interview)
    with transcript:
        said.show(report, interview)
    with strong:
        _strong(report)
    _foot(report, interview)


def _headline(report: Report) -> None:
    if report.overall is None:
        graded = sum(r.score is not None for r in report.dimensions)
        st.html(
            '<div class="verdict"><span class="none">no overall score</span></div>'
            f'<div class="small quiet">{graded} of {len(report.dimensions)} dimensions were '
            "graded; an overall score needs six.</div>"
        )
        return
    levels = "".join(
        f"<span>{level.capitalize()}: <b>{words(report.by_level.get(level))}</b></span>"
        for level in LEVELS
    )
    st.html(
        f'<div class="big">{score_words(report.overall)} <span class="of">of 4</span></div>'
        f'<div class="verdict">{words(report.signal).capitalize()} at {report.level}</div>'
        f'<div class="levels">{levels}</div>'
    )


def _scores(report: Report, interview: str | None) -> None:
    loaded("pandas")
    st.altair_chart(chart(report), width="stretch", alt=describe(report), key="scores-chart")
    own = "; diamond: your own rating" if own_ratings(report) else ""
    st.caption(f"Bar: score, 0 to 4. Line: the likely range{own}.")
    _own(report)
    _changes(report)
    for review in report.dimensions:
        dimension.show(report, review, interview)
    _time(report)


def _own(report: Report) -> None:
    found = own_ratings(report)
    if guess := guess_words(report):
        st.write(plain(guess))
    if not found:
        return
    rows = "".join(
        f"<tr><td>{name(r.dimension)}</td><td>{score_words(r.own)}</td>"
        f"<td>{score_words(r.score)}</td><td>{gap_words(r.gap)}</td></tr>"
        for r in found
    )
    with st.expander("Your rating beside the scores", key="own-table"):
        st.html(
            '<table class="plain"><tr><th>Dimension</th><th>You</th><th>Score</th>'
            f"<th>Difference</th></tr>{rows}</table>"
        )


def _changes(report: Report) -> None:
    items = "".join(
        f"<li>{escape(sentence(change_words(report, c)))} "
        f'<span class="quiet">{escape(sentence(effect_words(report, c)))}</span></li>'
        for c in telling_changes(report)
    )
    listed = f"<ul>{items}</ul>" if items else ""
    st.html(
        f'<div class="review"><p><b>What would change it.</b> {escape(changes_lead(report))}</p>'
        f"{listed}</div>"
    )


def _strong(report: Report) -> None:
    if not report.strong_answers:
        st.write("There are no worked answers for this interview.")
    for stage, text in report.strong_answers.items():
        st.html(
            f'<div class="review"><div class="dim"><span class="title">{name(stage)}</span></div>'
            f'<p class="words">{escape(text)}</p></div>'
        )


def _time(report: Report) -> None:
    if not report.stage_seconds:
        return
    rows = "".join(
        f"<tr><td>{name(stage)}</td><td>{clock(spent)}</td></tr>"
        for stage, spent in report.stage_seconds.items()
    )
    with st.expander("Where the time went", key="time-table"):
        st.html(f'<table class="plain">{rows}</table>')


def _foot(report: Report, interview: str | None) -> None:
    for remark in report.remarks:
        st.caption(plain(remark))
    by_model = report.engine != OFFLINE and report.model
    grader = report.model if by_model else f"{report.engine} engine, {report.model}"
    st.divider()
    st.caption(plain(f"{report.limits} Grader: {grader}, rubric {report.rubric_version}."))
    with st.container(horizontal=True, key="downloads"):
        said.downloads(report, interview or SAMPLE)
        if interview is None and st.button("Start one yourself", key="start-yourself"):
            go(HOME)
