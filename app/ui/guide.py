"""Search over the notes that the interviewer draws on."""

from __future__ import annotations

import streamlit as st

from agent.grounding import source_of
from app.ui.frame import services
from app.ui.text import escape, source_link

RESULTS = 8


def show() -> None:
    """Draw the field and what was found."""
    st.title("Search the guide")
    query = st.text_input(
        "What do you want to know?",
        key="query",
        bind="query-params",
        placeholder="how to choose a threshold",
        max_chars=400,
    )
    if not (query or "").strip():
        st.caption("Notes from talks by practitioners, each with its speaker and minute.")
        return
    hits = services().library.search(query, k=RESULTS)
    if not hits:
        st.write("Nothing found. Try other words.")
    for group in services().library.opened().joined(hits):
        source = source_of(group[0])
        words = "<br>".join(escape(line) for p in group for line in p.text.split("\n"))
        st.html(
            f'<div class="turn"><div class="words">{words}</div>'
            f'<div class="small quiet">{source_link(source)}</div></div>'
        )
