"""Taking what the candidate does. Text that was not accepted is kept until it is sent or dropped.

The functions that widgets call run before the page is drawn again, with the question that was on
the screen: a second click or another tab can never answer a question that was not seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from agent.errors import ConflictError, SparError
from agent.records import Act
from app.ui.drafting import typing_seconds
from app.ui.frame import services

_SHOWN = "question-shown"


@dataclass(frozen=True)
class Held:
    """Text that is not part of the interview (yet), and why."""

    text: str
    message: str
    conflict: bool


def held(interview: str) -> Held | None:
    """What is held back for this interview in this tab."""
    return st.session_state.get(f"held-{interview}")


def hold(interview: str, text: str, message: str, *, conflict: bool = False) -> None:
    """Keep text that was refused."""
    st.session_state[f"held-{interview}"] = Held(text, message, conflict)
    st.session_state[f"box-{interview}"] = text


def drop(interview: str) -> None:
    """Forget the held text."""
    st.session_state.pop(f"held-{interview}", None)


def reload(interview: str) -> None:
    """After a conflict: go on with the interview as it stands, the text still in the box."""
    before = held(interview)
    text = st.session_state.get(f"box-{interview}", before.text if before else "")
    if text.strip():
        hold(interview, text, "This text was not sent.")
    else:
        drop(interview)


def send(interview: str, question_seq: int, key: str) -> None:
    """Send the text of a widget as the answer to the question on the screen."""
    submit(interview, question_seq, "answer", st.session_state.get(key) or "")


def submit(interview: str, question_seq: int, act: Act, text: str = "") -> None:
    """Commit an act; whatever goes wrong, the text is still there afterwards."""
    spent = seconds(interview, question_seq)
    typed = typing_seconds(interview, question_seq) if act == "answer" else None
    try:
        services().interviews.accept(
            interview,
            question_seq,
            text,
            act=act,
            seconds=spent,
            typing_seconds=min(typed, spent) if typed is not None and spent is not None else None,
        )
    except ConflictError as error:
        if text:  # a command that came too late has nothing to keep: the page shows what is
            hold(interview, text, str(error), conflict=True)
    except SparError as error:
        hold(interview, text, str(error))
    else:
        drop(interview)


def shown(interview: str, question_seq: int) -> None:
    """The question is on the screen: its clock starts, once."""
    key = (interview, question_seq)
    if st.session_state.get(_SHOWN, (None, 0.0))[0] != key:
        st.session_state[_SHOWN] = (key, time.monotonic())


def seconds(interview: str, question_seq: int) -> float | None:
    """Seconds since the question was shown in this tab; None where it was not."""
    key, since = st.session_state.get(_SHOWN, (None, 0.0))
    return time.monotonic() - since if key == (interview, question_seq) else None
