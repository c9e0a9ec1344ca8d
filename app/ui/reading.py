"""The guide as a text: chapter by chapter, each statement with its source; and the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import streamlit as st

from agent.grounding import source_of
from app.ui.frame import services
from app.ui.text import escape, plain, source_link
from knowledge.types import Passage, SourceRecord

SHOWN = 40


def show() -> None:
    """Draw the choice of a source and its chapters."""
    st.title("Read the guide")
    library = services().library.opened()
    packaged = [p for p in library.passages() if p.corpus == "packaged"]
    titles = dict.fromkeys(p.source_id for p in packaged)
    own = {s.id: s for s in library.sources()}
    named = {p.source_id: p.title for p in packaged} | {i: s.title for i, s in own.items()}
    chosen = st.selectbox(
        "Source",
        [*titles, *own],
        format_func=lambda i: f"{named[i]} (yours)" if i in own else named[i],
        key="source",
        bind="query-params",
    )
    if chosen in own:
        _own(own[chosen], library.source_passages(chosen))
        return
    st.caption("Own-words notes on what practitioners said, with episode, speaker and minute.")
    _chapters([p for p in packaged if p.source_id == chosen])
    if not own:
        st.caption("Add podcasts and guides of your own in a terminal: spar ingest PATH")


def _own(record: SourceRecord, passages: Sequence[Passage]) -> None:
    episode = f"{record.episode}, " if record.episode else ""
    st.caption(plain(f"{episode}{record.kind}, {record.words:,} words, from {record.path}"))
    for remark in record.remarks:
        st.caption(plain(remark))
    pages = -(-len(passages) // SHOWN)
    page = 1
    if pages > 1:
        page = st.number_input("Page", 1, pages, 1, key=f"page-{record.id}")
        st.caption(f"Page {page} of {pages}")
    _chapters(passages[(page - 1) * SHOWN : page * SHOWN])
    with st.popover("Remove this source", key="remove-source", type="tertiary"):
        st.write("It is forgotten here; its file is not touched.")
        if st.button("Remove", type="primary", key="remove-now"):
            services().library.opened().remove_source(record.id)
            st.rerun()


def _chapters(passages: Iterable[Passage]) -> None:
    for section, chapter in groupby(passages, key=lambda p: p.section):
        if section:
            st.subheader(section, anchor=False)
        for passage in chapter:
            source = source_of(passage)
            paragraphs = "<br>".join(escape(line) for line in source.text.split("\n"))
            st.html(
                f'<div class="turn"><div class="words">{paragraphs}</div>'
                f'<div class="small quiet">{source_link(source)}</div></div>'
            )
