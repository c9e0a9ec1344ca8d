"""Several grades of one interview: choose one, see what differs, grade again."""

from __future__ import annotations

import streamlit as st

from agent.errors import SparError
from agent.llm.regrading import Difference, difference
from agent.records import GradeRecord
from agent.scale import Engine
from app.engines import OFFLINE, OPENAI, missing
from app.export.parts import score_words
from app.ui.frame import services, show_error
from app.ui.text import escape, name, plain

SHOWN = 6


def chosen(interview: str) -> GradeRecord:
    """The grade to show: the last one, unless another was picked."""
    services().interviews.grade(interview)
    kept = services().store.grades(interview)
    if len(kept) == 1:
        return kept[0]
    labels = {g.id: _label(g, number) for number, g in enumerate(kept, start=1)}
    picked = st.selectbox(
        "Grade",
        [g.id for g in reversed(kept)],
        format_func=lambda i: plain(labels[i]),
        key=f"grade-{interview}",
    )
    return next(g for g in kept if g.id == picked)


def _label(grade: GradeRecord, number: int) -> str:
    overall = grade.document.get("overall") or {}
    score = score_words(overall.get("score")) if overall.get("score") is not None else "no overall"
    by = grade.document.get("model") if grade.engine == OPENAI else "offline engine"
    return f"{number}. {score} by {by}, {grade.created_at.astimezone():%d %b, %H:%M}"


def others(interview: str, shown: GradeRecord) -> None:
    """What differs from the grade before, what a model's grade cost, and grading again."""
    kept = services().store.grades(interview)
    with st.expander("Grade again, compare grades", key="regrade"):
        place = [g.id for g in kept].index(shown.id)
        if place > 0:
            _compare(kept[place - 1], shown)
        if shown.calls:
            _cost(shown)
        _again(interview, shown)


def _compare(old: GradeRecord, new: GradeRecord) -> None:
    changed = [d for d in difference(old.document, new.document) if not d.same]
    if not changed:
        st.write("The same verdicts as the grade before.")
        return
    rows = "".join(_row(d) for d in changed)
    st.html(
        '<table class="plain"><tr><th>Dimension</th><th>Before</th><th>Here</th>'
        f"<th>Verdicts that differ</th></tr>{rows}</table>"
    )


def _row(item: Difference) -> str:
    verdicts = [f"{c.id}: {c.old or 'none'} to {c.new or 'none'}" for c in item.criteria[:SHOWN]]
    if len(item.criteria) > SHOWN:
        verdicts.append(f"{len(item.criteria) - SHOWN} more")
    return (
        f"<tr><td>{name(item.dimension)}</td><td>{score_words(item.old)}</td>"
        f"<td>{score_words(item.new)}</td><td>{escape('; '.join(verdicts))}</td></tr>"
    )


def _cost(grade: GradeRecord) -> None:
    usage = [c.usage for c in grade.calls.values()]
    tokens = sum(u.prompt + u.output for u in usage)
    costs = [c.cost for c in grade.calls.values()]
    known = sum(c for c in costs if c is not None)
    cost = f", ${known:.4f}" if all(c is not None for c in costs) else ""
    st.caption(plain(f"This grade: {tokens:,} tokens in {len(usage)} dimensions{cost}."))


def _again(interview: str, shown: GradeRecord) -> None:
    settings = services().engines.settings
    unscored = [d for d, s in shown.document["scores"].items() if s["status"] == "unscored"]
    if unscored and shown.engine == OPENAI:
        st.write(plain(f"Not graded: {', '.join(name(d) for d in unscored)}."))
    engines: dict[Engine, str] = {OFFLINE: "Grade offline"}
    if missing(settings) is None:
        engines[OPENAI] = f"Grade with {settings.grader_model or settings.model}"
    with st.container(horizontal=True, key="regrade-buttons"):
        for engine, label in engines.items():
            if st.button(plain(label), key=f"regrade-{engine}"):
                _grade(interview, engine)


def _grade(interview: str, engine: Engine) -> None:
    try:
        with st.spinner("Grading ..."):
            services().interviews.grade(interview, again=True, engine=engine)
    except SparError as error:
        show_error(error)
        return
    st.session_state.pop(f"grade-{interview}", None)
    st.rerun()
