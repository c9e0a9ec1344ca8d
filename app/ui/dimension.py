"""One dimension of the report: what was earned, what to close first, what to ask back."""

from __future__ import annotations

import streamlit as st

from agent.debrief import QUESTIONS, Question, debrief
from agent.errors import SparError
from agent.records import Source
from agent.report import DimensionReview, Earned, Gap, Mistake, Report
from agent.sentences import sentences
from app.export.parts import (
    STATUS_WORDS,
    band_words,
    credit_words,
    found_words,
    mistake_words,
    score_words,
)
from app.ui.frame import services, show_error
from app.ui.text import cut, escape, name, sentence, source_link

FIRST = 3


def show(report: Report, review: DimensionReview, interview: str | None) -> None:
    """Draw it; without an interview (the sample) nothing can be read again."""
    with st.container(key=f"dimension-{review.dimension}"):
        st.html(f'<div class="review">{_head(review)}{_body(review)}</div>')
        _debrief(report, review)
        if interview is not None:
            _recheck(report, review, interview)


def _head(review: DimensionReview) -> str:
    if review.status == "graded" and review.score is not None:
        band = band_words(review.band)
        likely = f" <small>likely {band}</small>" if "–" in band else ""
        right = f'<span class="score">{score_words(review.score)}{likely}</span>'
    else:
        right = f'<span class="none">{STATUS_WORDS.get(review.status, review.status)}</span>'
    own = ""
    if review.own_rating is not None:
        own = f'<div class="small quiet">Your own rating: {score_words(review.own_rating)}</div>'
    title = f'<span class="title">{name(review.dimension)}</span>'
    about = f'<div class="small quiet">{escape(sentence(review.about))}</div>'
    return f'<div class="dim">{title}{right}</div>{about}{own}'


def _body(review: DimensionReview) -> str:
    if review.status != "graded":
        return f"<p>{escape(sentence(review.reason))}</p>"
    parts = [_earned(review.earned), *(_mistake(m) for m in review.mistakes)]
    if review.close_first is not None:
        parts.append(_close_first(review.close_first))
    if review.then:
        items = "".join(f"<li>{_gap(g)}</li>" for g in review.then)
        parts.append(f"<details><summary>Then</summary><ul>{items}</ul></details>")
    if review.not_checked:
        numbers = escape(", ".join(review.not_checked))
        parts.append(f"<p><b>Not checked.</b> Your numbers were taken as given: {numbers}.</p>")
    if review.next_drill:
        parts.append(f"<p><b>Next drill.</b> {escape(sentence(review.next_drill))}</p>")
    parts.append(f'<p class="small quiet">{escape(sentence(review.reason))}</p>')
    return "".join(parts)


def _earned(items: tuple[Earned, ...]) -> str:
    if not items:
        return "<p><b>Earned.</b> Nothing here yet.</p>"
    shown = "".join(_credit(i) for i in items[:FIRST])
    rest = "".join(_credit(i) for i in items[FIRST:])
    more = (
        f"<details><summary>{len(items) - FIRST} more</summary><ul>{rest}</ul></details>"
        if rest
        else ""
    )
    return f"<p><b>Earned.</b></p><ul>{shown}</ul>{more}"


def _credit(item: Earned) -> str:
    tags = [] if item.met else ["in part"]
    if words := credit_words(item):
        tags.append(words)
    marks = "".join(f' <span class="tag">{t}</span>' for t in tags)
    if item.risk:
        marks += ' <span class="tag risk">risk raised unprompted</span>'
    return f"<li>{escape(sentence(item.statement))}{marks}<br>{_quotes(item.quotes)}</li>"


def _mistake(item: Mistake) -> str:
    return (
        f"<p><b>Mistake.</b> {escape(sentence(mistake_words(item)))} {_quotes(item.quotes)}</p>"
        f"<p>Stronger: {escape(item.strong)}{_listen(item.source)}</p>"
    )


def _close_first(gap: Gap) -> str:
    return f"<p><b>Close first.</b> {_gap(gap)}</p>"


def _gap(gap: Gap) -> str:
    if gap.quotes:
        subject = f"<b>{escape(sentence(gap.subject))}</b>"
        found = f"{subject} {escape(found_words(gap))} Nearest: {_quotes(gap.quotes)}"
    else:
        found = escape(found_words(gap))
    return f"{found}<br>Stronger: {escape(gap.strong)}{_listen(gap.source)}"


def _listen(source: Source | None) -> str:
    return f" Listen: {source_link(source)}." if source is not None else ""


def _quotes(quotes: tuple[tuple[int, str], ...]) -> str:
    return "; ".join(
        f'<q>“{escape(text)}”</q> <span class="quiet small">(turn {turn})</span>'
        for turn, text in quotes
    )


def _debrief(report: Report, review: DimensionReview) -> None:
    """Three questions back; the answer stays until another is asked."""
    kept = f"debrief-{report.transcript.id}-{review.dimension}"
    with st.container(horizontal=True, gap="small", key=f"ask-{review.dimension}"):
        for question, label in QUESTIONS.items():
            st.button(
                label,
                key=f"{question}-{review.dimension}",
                type="tertiary",
                on_click=_ask,
                args=(kept, question),
            )
    asked: Question | None = st.session_state.get(kept)
    if asked is not None:
        answer = debrief(report, review.dimension, asked)
        st.html(
            f'<div class="turn interviewer"><div class="who">{escape(QUESTIONS[asked])}</div>'
            f'<div class="words">{escape(answer)}</div></div>'
        )


def _ask(kept: str, question: Question) -> None:
    st.session_state[kept] = question


def _recheck(report: Report, review: DimensionReview, interview: str) -> None:
    """ "I did say this": a sentence is pointed at and read again; both verdicts stay."""
    gaps = [g for g in (review.close_first, *review.then) if g is not None and g.can_recheck]
    ours = {g.criterion: g.subject for g in gaps}
    appeals = [a for a in report.appeals if a.criterion in ours]
    if not gaps:
        return
    said = [
        (number, span.text)
        for number, turn in enumerate(report.transcript.turns)
        if turn.speaker == "candidate"
        for span in sentences(turn.text, number)
    ]
    with st.expander("I did say this", expanded=bool(appeals), key=f"said-{review.dimension}"):
        for appeal in appeals:
            st.html(
                f'<div class="small"><b>{escape(sentence(ours[appeal.criterion]))}</b> '
                f"You pointed to <q>“{escape(appeal.text)}”</q> (turn {appeal.turn}).<br>"
                f"First verdict: "
                f"{escape(appeal.before)}. Read again: <b>{escape(appeal.after)}</b>. "
                f"{escape(appeal.reason)}</div>"
            )
        point = st.selectbox(
            "The point",
            list(ours),
            format_func=lambda c: sentence(ours[c]),
            key=f"point-{review.dimension}",
        )
        chosen = st.selectbox(
            "Where you said it",
            range(len(said)),
            index=None,
            format_func=lambda i: f"Turn {said[i][0]}: {cut(said[i][1], 110)}",
            placeholder="Type a few of your words",
            key=f"sentence-{review.dimension}",
        )
        pressed = st.button("Read it again", key=f"recheck-{review.dimension}", disabled=not said)
        if pressed and chosen is None:
            st.caption("Choose the sentence first.")
        elif pressed and chosen is not None and point is not None:
            _read_again(interview, point, said[chosen])


def _read_again(interview: str, criterion: str, place: tuple[int, str]) -> None:
    try:
        services().interviews.recheck(interview, criterion, *place)
    except SparError as error:
        show_error(error)
        return
    st.rerun()
