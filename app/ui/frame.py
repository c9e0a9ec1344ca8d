"""What every page stands in: services, errors as one sentence, the interview in the address."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from agent.errors import SparError
from agent.settings import load_settings
from app.services import Services, open_services
from app.ui.text import plain
from knowledge.errors import KnowledgeError

HOME = "screens/home.py"
PRACTICE = "screens/practice.py"
REVIEW = "screens/review.py"
PAST = "screens/past.py"
SEARCH = "screens/search.py"
READING = "screens/reading.py"
SAMPLE = "sample"


def services() -> Services:
    """The services of the data directory that the settings name, opened once per process."""
    settings = load_settings()
    return _opened(str(settings.folder), settings.database)


@st.cache_resource(show_spinner=False, max_entries=4, on_release=lambda kept: kept.close())
def _opened(folder: str, database: str) -> Services:
    """Kept by where the data is, so that another directory gets services of its own."""
    del folder, database
    opened = open_services()
    opened.warm()
    return opened


@st.cache_resource(show_spinner=False)
def loaded(*modules: str) -> None:
    """Import heavy modules, one tab at a time: two threads that first import a package with
    circular imports (pandas, for the chart) at the same moment can see it half made."""
    for module in modules:
        importlib.import_module(module)


@st.cache_resource(show_spinner=False, max_entries=2_000)
def turn_lock(folder: str, interview: str) -> threading.Lock:
    """Held while an interview's next turn is made, so that two tabs do not make it twice."""
    del folder, interview
    return threading.Lock()


@contextmanager
def guarded() -> Iterator[None]:
    """Show any of Spar's own errors as one sentence and stop the page there."""
    try:
        yield
    except (SparError, KnowledgeError) as error:
        show_error(error)
        st.stop()


def show_error(error: Exception) -> None:
    """One sentence, nothing in it interpreted."""
    st.error(plain(str(error)))


def interview_id() -> str | None:
    """The interview that the address names."""
    return st.query_params.get("interview") or None


def go(page: str, interview: str | None = None) -> None:
    """Open a page; the interview goes into its address."""
    st.switch_page(page, query_params={"interview": interview} if interview else None)


def nothing_open(what: str) -> None:
    """A page that needs an interview was opened without one."""
    st.title(what)
    st.write("No interview is open here.")
    with st.container(horizontal=True, key="nothing-open"):
        st.page_link(HOME, label="Start one")
        st.page_link(PAST, label="Past interviews")
