"""Past interviews: open, continue, compare, export, delete."""

from __future__ import annotations

from typing import Any

import streamlit as st

from agent.records import InterviewRecord
from agent.scale import DIMENSIONS
from app.export.parts import STATUS_WORDS, gap_words, score_words
from app.ui import said
from app.ui.frame import HOME, PRACTICE, REVIEW, go, services
from app.ui.text import escape, facts_of, name

STATUS = {"open": "not finished", "ended": "ended", "graded": "graded"}


def show() -> None:
    """Draw the list, newest first."""
    st.title("Past interviews")
    records = services().store.interviews()
    if not records:
        st.write("Nothing here yet.")
        st.page_link(HOME, label="Start one")
        return
    known = {r.id: r for r in records}
    for record in records:
        with st.container(key=f"past-{record.id}"):
            st.html(_line(record))
            _buttons(record)
            if record.parent in known and record.status == "graded":
                _compare(record, known[record.parent])


def _line(record: InterviewRecord) -> str:
    started = f"{record.created_at.astimezone():%d %b %Y, %H:%M}"
    if record.status == "graded":
        overall = _document(record.id).get("overall") or {}
        score = overall.get("score")
        right = (
            f'<span class="score">{score_words(score)}</span>'
            if score is not None
            else '<span class="none">no overall score</span>'
        )
    else:
        right = f'<span class="none">{STATUS[record.status]}</span>'
    again = " Second attempt." if record.parent else ""
    return (
        f'<div class="dim"><span class="title">{escape(record.title)}</span>{right}</div>'
        f'<div class="small quiet">{escape(facts_of(record))}, {started}.{again}</div>'
    )


def _document(interview: str) -> dict[str, Any]:
    grades = services().store.grades(interview)
    return grades[-1].document if grades else {}


def _buttons(record: InterviewRecord) -> None:
    with st.container(horizontal=True, gap="small", key=f"buttons-{record.id}"):
        label, page = ("Continue", PRACTICE) if record.status == "open" else ("Open", REVIEW)
        if st.button(label, key=f"open-{record.id}", type="tertiary"):
            go(page, record.id)
        if record.status == "graded":
            with st.popover("Export", key=f"export-{record.id}", type="tertiary"):
                if st.checkbox("Prepare the files", key=f"prepare-{record.id}"):
                    said.downloads(services().report(record.id), record.id)
        with st.popover("Delete", key=f"delete-{record.id}", type="tertiary"):
            st.write("The interview, its grade and your rating are removed for good.")
            if st.button("Delete for good", key=f"delete-now-{record.id}"):
                services().store.delete_interview(record.id)
                st.rerun()


def _compare(record: InterviewRecord, parent: InterviewRecord) -> None:
    """A second attempt beside the first."""
    with st.expander("Compare with the first attempt", key=f"compare-{record.id}"):
        if parent.status != "graded":
            st.write("The first attempt is not graded.")
            return
        st.html(compared(_document(parent.id), _document(record.id)))


def compared(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Both grades by dimension as an HTML table."""
    rows = []
    for dimension in DIMENSIONS:
        before, after = (d.get("scores", {}).get(dimension, {}) for d in (first, second))
        cells = [_cell(before), _cell(after), _change(before, after)]
        rows.append(f"<tr><td>{name(dimension)}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    before, after = (d.get("overall") or {} for d in (first, second))
    cells = [_cell(before), _cell(after), _change(before, after)]
    rows.append(f"<tr><th>Overall</th>{''.join(f'<th>{c}</th>' for c in cells)}</tr>")
    return (
        '<table class="plain"><tr><th>Dimension</th><th>First</th><th>Again</th>'
        "<th>Change</th></tr>"
        f"{''.join(rows)}</table>"
    )


def _cell(graded: object) -> str:
    values = graded if isinstance(graded, dict) else {}
    if values.get("score") is not None:
        return score_words(values["score"])
    return escape(STATUS_WORDS.get(str(values.get("status")), "–"))


def _change(before: object, after: object) -> str:
    first = before.get("score") if isinstance(before, dict) else None
    second = after.get("score") if isinstance(after, dict) else None
    return gap_words(second - first) if first is not None and second is not None else "–"
