"""The transcript with what earned and what cost marked, and the downloads."""

from __future__ import annotations

import streamlit as st

from agent.report import Report, highlights
from agent.transcript import Turn
from app.export import to_html, to_markdown, transcript_json
from app.export.parts import FLAGS, KINDS, MOVES, turn_sources
from app.ui.frame import PRACTICE, go, services
from app.ui.text import cut, escape, marked, name, sentence, source_link


def show(report: Report, interview: str | None) -> None:
    """Draw every turn; with an interview, its questions can be answered again."""
    legend = " ".join(f'<mark class="{kind}">{text}</mark>' for kind, text in KINDS.items())
    st.html(f'<div class="small">{legend}</div>')
    _flags(report)
    marks = highlights(report)
    rows = _rows(interview) if interview is not None else []
    turns = report.transcript.turns
    for number, turn in enumerate(turns):
        st.html(_turn(turn, number, marks.get(number, [])))
        seq = rows[number] if number < len(rows) else None
        answered = number + 1 < len(turns) and turns[number + 1].speaker == "candidate"
        if (
            interview is not None
            and seq is not None
            and answered
            and st.button("Answer this again", key=f"redo-{number}", type="tertiary")
        ):
            go(PRACTICE, services().interviews.redo(interview, seq).id)


def _turn(turn: Turn, number: int, spans: list[tuple[int, int, str]]) -> str:
    if turn.speaker == "candidate":
        return (
            f'<div class="turn candidate"><div class="who">Turn {number}, you</div>'
            f'<div class="words">{marked(turn.text, spans)}</div></div>'
        )
    about = [MOVES.get(turn.move or "", ""), name(turn.stage).lower() if turn.stage else ""]
    kind = ", ".join(a for a in about if a)
    sources = "".join(
        f'<div class="small quiet">{source_link(s)}: {escape(cut(s.text, 160))}</div>'
        for s in turn_sources(turn)
    )
    return (
        f'<div class="turn interviewer"><div class="who">Turn {number}, interviewer'
        f"{f' ({escape(kind)})' if kind else ''}</div>"
        f'<div class="words">{escape(turn.text)}</div>{sources}</div>'
    )


def _flags(report: Report) -> None:
    if not report.flags:
        return
    items = "".join(
        f"<li>Turn {f.turn}, {escape(FLAGS.get(f.kind, f.kind))}: "
        f"<q>“{escape(cut(f.text, 140))}”</q></li>"
        for f in report.flags
    )
    st.html(
        f'<div class="review"><p><b>{sentence("Read, but not counted as evidence")}</b></p>'
        f"<ul>{items}</ul></div>"
    )


def _rows(interview: str) -> list[int | None]:
    """The row behind each turn of the transcript (commands leave no turn); None where the
    interview cannot be taken up again, as in an imported one."""
    turns = services().store.turns(interview)
    return [t.seq if t.snapshot is not None else None for t in turns if t.act in ("say", "answer")]


def downloads(report: Report, stem: str) -> None:
    """The report as Markdown and HTML, the transcript as JSON; made when clicked."""
    files = (
        ("Markdown", "md", "text/markdown", to_markdown),
        ("HTML", "html", "text/html", to_html),
        ("Transcript (JSON)", "json", "application/json", transcript_json),
    )
    for label, ending, mime, render in files:
        st.download_button(
            label,
            data=lambda render=render: render(report),  # type: ignore[misc]
            file_name=f"spar-{stem}.{ending}",
            mime=mime,
            key=f"download-{stem}-{ending}",
            on_click="ignore",
        )
