"""The interview as a conversation."""

from __future__ import annotations

from contextlib import closing

import streamlit as st

from agent.errors import SparError
from agent.levels import HINT_COST
from agent.records import TurnRecord
from agent.scale import OFFLINE, TECHNICAL
from agent.service import Standing
from app.engines import spending_words
from app.times import clock
from app.ui import answering, drafting, engine
from app.ui.engine import engine_words
from app.ui.frame import (
    PRACTICE,
    REVIEW,
    go,
    interview_id,
    loaded,
    nothing_open,
    services,
    show_error,
    turn_lock,
)
from app.ui.text import escape, facts_of, name, plain, source_link
from knowledge.errors import KnowledgeError

ACTS = {
    "hint": "You asked for a hint.",
    "skip": "You skipped this question.",
    "repeat": "You asked to hear it again.",
    "done": "You ended the interview.",
}
GRADING = '<div class="turn act"><div class="words small">Grading the interview ...</div></div>'
WAITING = '<div class="turn"><div class="who">Interviewer</div><div class="waiting">...</div></div>'


def show() -> None:
    """Draw the page; continues the interview that the address names."""
    interview = interview_id()
    if interview is None:
        nothing_open("Interview")
        return
    standing = services().interviews.standing(interview)
    _head(standing)
    for turn in standing.turns:
        _turn(turn, answered=_answered(turn, standing.turns))
    if _pending(standing):
        if not _deliver(interview, ending=_ending(standing)):
            return
        standing = services().interviews.standing(interview)
        _reason(standing.turns[-1])
    _side(standing)
    if warning := spending_words(standing.spending):
        st.warning(plain(warning))
    held = answering.held(interview)
    if held is not None:
        _box(standing, held)
    elif standing.over:
        go(REVIEW, interview)
    if not standing.over:
        answering.shown(interview, standing.question_seq)
        with st.bottom:
            _controls(standing)
        if held is None:
            _ask(interview, standing.question_seq)
            drafting.watch(interview, standing.question_seq)


def _head(standing: Standing) -> None:
    record = standing.record
    st.title(plain(record.title))
    again = " Second attempt from an earlier question." if record.parent else ""
    st.caption(f"{plain(facts_of(record))}. {plain(engine_words(record.engine))}.{again}")
    if record.level == "mid" and record.kind == "case":
        _rail(standing)


def _rail(standing: Standing) -> None:
    """The stages been to and the one under way; at senior and staff leading is the candidate's."""
    parts = []
    for stage in TECHNICAL:
        kind = "been" if stage in standing.visited else ""
        kind = "now" if stage == standing.stage and stage in standing.visited else kind
        current = ' aria-current="step"' if kind == "now" else ""
        parts.append(f'<span class="{kind}"{current}>{name(stage)}</span>')
    st.html(f'<div class="rail">{"".join(parts)}</div>')


def _turn(turn: TurnRecord, *, answered: bool) -> None:
    if turn.speaker == "interviewer":
        st.html(_said("Interviewer", turn.text))
        _reason(turn)
        if answered:
            _sources(turn)
    elif turn.act == "answer":
        st.html(_said("You", turn.text))
    else:
        line = escape(ACTS.get(turn.act, turn.act))
        st.html(f'<div class="turn act"><div class="words small">{line}</div></div>')


def _reason(turn: TurnRecord) -> None:
    """Why the model did not speak this turn, or not to its end."""
    if turn.fallback_reason:
        lead = "Offline engine here" if turn.engine == OFFLINE else "Cut short"
        st.caption(plain(f"{lead}: {turn.fallback_reason}"))


def _said(who: str, text: str) -> str:
    kind = "interviewer" if who == "Interviewer" else "candidate"
    return (
        f'<div class="turn {kind}"><div class="who">{who}</div>'
        f'<div class="words">{escape(text)}</div></div>'
    )


def _answered(turn: TurnRecord, turns: tuple[TurnRecord, ...]) -> bool:
    """Whether the question has been left: answered or skipped."""
    return any(t.seq > turn.seq and t.act in ("answer", "skip") for t in turns)


def _sources(turn: TurnRecord) -> None:
    if not turn.sources:
        return
    with st.expander("Where this question comes from", key=f"source-{turn.seq}"):
        for source in turn.sources:
            st.html(
                f'<div class="words">{escape(source.text)}</div>'
                f'<div class="small quiet">{source_link(source)}</div>'
            )


def _pending(standing: Standing) -> bool:
    """Whether the interviewer is to speak: at the start, or after an accepted row."""
    last = standing.turns[-1] if standing.turns else None
    return not standing.over and (last is None or last.speaker == "candidate")


def _ending(standing: Standing) -> bool:
    """Whether what was accepted last ends the interview, so that it is graded now."""
    asked = [t for t in standing.turns if t.speaker == "interviewer"]
    closed = bool(asked) and asked[-1].move == "wrap_up"
    return closed or (bool(standing.turns) and standing.turns[-1].act == "done")


def _deliver(interview: str, *, ending: bool) -> bool:
    """Let the interviewer speak, as it comes; False after an error, which is shown."""
    kept = services()
    slot = st.empty()
    slot.html(GRADING if ending else WAITING)
    loaded("agent.graph")
    words = ""
    try:
        with (
            turn_lock(str(kept.settings.folder), interview),
            closing(kept.interviews.advance(interview)) as pieces,  # type: ignore[type-var]
        ):
            for piece in pieces:
                words += piece
                slot.html(_said("Interviewer", words))
    except (SparError, KnowledgeError) as error:
        slot.empty()
        show_error(error)
        st.caption("What you said is kept.")
        st.button("Try again", key="try-again")
        return False
    if not words:
        _spoken_elsewhere(interview, slot)
    return True


def _spoken_elsewhere(interview: str, slot: st.delta_generator.DeltaGenerator) -> None:
    """Another tab let the interviewer speak meanwhile, or nothing was left to say."""
    turns = services().store.turns(interview)
    if turns and turns[-1].speaker == "interviewer":
        slot.html(_said("Interviewer", turns[-1].text))
    else:
        slot.empty()


def _box(standing: Standing, kept: answering.Held) -> None:
    """The text that was not accepted, to be sent again, changed or copied."""
    interview = standing.record.id
    key = f"box-{interview}"
    st.warning(plain(kept.message))
    if kept.text:
        st.session_state.setdefault(key, kept.text)
        st.text_area("Your text", key=key, height=180)
    with st.container(horizontal=True, key="box-buttons"):
        if kept.conflict:
            label = "See the review" if standing.over else "Reload the interview"
            st.button(label, key="reload", on_click=answering.reload, args=(interview,))
            return
        if standing.over:
            if st.button("See the review", key="see-review"):
                go(REVIEW, interview)
            return
        st.button(
            "Send as the answer" if kept.text else "Go on",
            type="primary",
            key="resend",
            on_click=answering.send if kept.text else answering.drop,
            args=(interview, standing.question_seq, key) if kept.text else (interview,),
        )
        if kept.text:
            st.button("Discard", key="discard", on_click=answering.drop, args=(interview,))


def _ask(interview: str, seq: int) -> None:
    key = f"answer-{interview}"
    st.chat_input(
        "Your answer. Shift+Enter starts a new line.",
        key=key,
        on_submit=answering.send,
        args=(interview, seq, key),
    )


def _controls(standing: Standing) -> None:
    interview, seq = standing.record.id, standing.question_seq
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="controls"):
        _clock(interview, seq, standing.clock, standing.total_seconds)
        _hint(standing)
        st.button(
            "Skip",
            key="skip",
            type="tertiary",
            on_click=answering.submit,
            args=(interview, seq, "skip"),
        )
        _redo(standing)
        with st.popover("End", key="end", type="tertiary"):
            st.write("The interview ends here and is graded as it stands.")
            st.button(
                "End and grade",
                type="primary",
                key="end-now",
                on_click=answering.submit,
                args=(interview, seq, "done"),
            )


@st.fragment(run_every=1.0)
def _clock(interview: str, seq: int, before: float, total: int) -> None:
    """Time used, ticking; what counts is from question shown to answer accepted."""
    used = before + (answering.seconds(interview, seq) or 0.0)
    st.html(
        f'<div class="clock" title="time used of {total // 60} minutes">'
        f"{clock(used)} / {clock(total)}</div>",
        width="content",
    )


def _hint(standing: Standing) -> None:
    """The hint button says what it costs before it is taken."""
    cost = standing.hint_cost
    if cost is None:
        taken = any(t.move == "hint" and t.target for t in standing.turns[-1:])
        label = "No further hint" if taken else "No hint here"
        reason = (
            "All hints for this point are taken."
            if taken
            else "Hints belong to a question about one point; this question is open."
        )
    else:
        first = cost == HINT_COST[1]
        label = f"Hint (costs {cost:.0%} of this point)"
        if not first:
            label = f"Next hint ({cost:.0%} of this point in all)"
        reason = None
    st.button(
        label,
        key="hint",
        type="tertiary",
        disabled=cost is None,
        help=reason,
        on_click=answering.submit,
        args=(standing.record.id, standing.question_seq, "hint"),
    )


def _redo(standing: Standing) -> None:
    last = next((t for t in reversed(standing.turns) if t.act == "answer"), None)
    clicked = st.button(
        "Redo",
        key="redo",
        type="tertiary",
        disabled=last is None,
        help="Answer the last question again in a copy; this interview is kept.",
    )
    if clicked and last is not None:
        go(PRACTICE, services().interviews.redo(standing.record.id, last.seq - 1).id)


def _side(standing: Standing) -> None:
    """Where the time went, stage by stage; who interviews and what it has cost."""
    with st.sidebar:
        engine.side(standing)
        st.subheader("Time by stage")
        rows = "".join(
            f"<tr><td>{name(stage)}</td><td>{clock(spent)}</td></tr>"
            for stage, spent in standing.stage_seconds.items()
        )
        if not rows:
            st.caption("Counts from your first answer.")
            return
        st.html(
            f'<table class="plain">{rows}<tr><th>In all</th><th>{clock(standing.clock)} of '
            f"{clock(standing.total_seconds)}</th></tr></table>"
        )
