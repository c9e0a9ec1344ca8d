"""What is being typed: kept in the browser until it is sent, and timed from its first key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component
from streamlit.components.v2.types import ComponentRenderer

SCRIPT = Path(__file__).with_name("drafting.js")


def watch(interview: str, seq: int) -> None:
    """Watch the chat box of this page, for the question ``seq``."""
    _component()(
        key=_key(interview),
        data={"interview": interview, "seq": seq},
        on_typed_change=lambda: None,
    )


def typing_seconds(interview: str, seq: int) -> float | None:
    """Seconds from the first key to the sending of the answer to ``seq``; None where unknown."""
    state = st.session_state.get(_key(interview))
    typed = state.get("typed") if isinstance(state, Mapping) else None
    if not isinstance(typed, Mapping) or typed.get("seq") != seq:
        return None
    seconds = typed.get("seconds")
    if not isinstance(seconds, int | float) or seconds < 0:
        return None
    return float(seconds)


def _key(interview: str) -> str:
    return f"draft-{interview}"


@cache
def _component() -> ComponentRenderer:
    return component("spar.drafting", js=SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
