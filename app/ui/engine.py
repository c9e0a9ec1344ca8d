"""Which engine interviews: said, switched, and what it has cost."""

from __future__ import annotations

import streamlit as st

from agent.deps import Spending
from agent.errors import SparError
from agent.llm.types import Usage
from agent.llm.wire import host_of
from agent.scale import OFFLINE, OPENAI, Engine
from agent.service import Standing
from agent.settings import Settings
from app.engines import missing
from app.local_servers import Found, look
from app.ui.frame import services, show_error
from app.ui.text import plain

OFFLINE_WORDS = "Offline engine: no key, nothing leaves this machine"
NONE_FOUND = (
    "No model server answers on the usual ports of Ollama, LM Studio, llama.cpp, vLLM and LiteLLM."
)
ELSEWHERE = (
    "For OpenAI or any other server, set SPAR_MODEL, and OPENAI_API_KEY or OPENAI_BASE_URL, in "
    ".env and start Spar again."
)


def engine_words(engine: str) -> str:
    """Who interviews, in a few words."""
    if engine == OFFLINE:
        return "Offline engine"
    model = services().engines.settings.model
    return f"Interviewer: {model}" if model else "A model should interview, but none is set"


def active_words(settings: Settings) -> str:
    """Which engine the first page starts, and where what is typed goes."""
    if missing(settings) is not None:
        return f"{OFFLINE_WORDS}."
    grader = settings.grader_model or settings.model
    who = f"Interviewer and grader: {settings.model}"
    if grader != settings.model:
        who = f"Interviewer: {settings.model}, grader: {grader}"
    return f"{who}. What you type is sent to {host_of(settings.openai_base_url)}."


def choice() -> Engine:
    """Choose the engine of a new interview; offers to look for a local server."""
    settings = services().engines.settings
    if missing(settings) is None:
        names: dict[Engine, str] = {
            OFFLINE: OFFLINE_WORDS,
            OPENAI: f"{settings.model} at {host_of(settings.openai_base_url)}",
        }
        st.session_state.setdefault("engine", OPENAI)
        chosen = st.radio(
            "Engine",
            list(names),
            format_func=lambda e: plain(names[e]),
            key="engine",
        )
        label = "Use another model"
    else:
        st.caption(plain(f"{OFFLINE_WORDS}."))
        chosen, label = OFFLINE, "Use a model"
    with st.popover(label, key="engine-popover"):
        _other()
    return chosen


def _other() -> None:
    settings = services().engines.settings
    if missing(settings) is None:
        st.write(plain(f"In use: {settings.model} at {host_of(settings.openai_base_url)}."))
    st.write("A model server on this machine can interview and grade.")
    if st.button("Look on this machine", key="look"):
        with st.spinner("Looking ..."):
            st.session_state["local-servers"] = look()
    found: tuple[Found, ...] | None = st.session_state.get("local-servers")
    if found is not None and not found:
        st.caption(plain(NONE_FOUND))
    offers = {f"{m} ({f.name})": (f.base_url, m) for f in found or () for m in f.models}
    if offers:
        picked = st.selectbox("Models found", list(offers), key="local-model")
        st.button(
            "Use it until Spar stops",
            key="use-local",
            on_click=_use,
            args=offers[picked],
        )
    st.caption(plain(ELSEWHERE))


def _use(base_url: str, model: str) -> None:
    services().engines.use(base_url, model)
    st.session_state["engine"] = OPENAI


def side(standing: Standing) -> None:
    """In the sidebar of an interview: who interviews, what it cost, the other one."""
    record = standing.record
    settings = services().engines.settings
    configured = missing(settings) is None
    if record.engine == OFFLINE and not configured:
        return
    st.subheader("Interviewer")
    if record.engine == OPENAI and configured:
        st.caption(plain(f"{settings.model} at {host_of(settings.openai_base_url)}."))
    else:
        st.caption(plain(f"{engine_words(record.engine)}."))
    if standing.spending is not None:
        st.caption(plain(f"The model so far: {_spent(standing.spending)}."))
    if standing.over:
        return
    other: Engine = OPENAI if record.engine == OFFLINE else OFFLINE
    if other == OFFLINE or configured:
        label = "Go on offline" if other == OFFLINE else f"Go on with {settings.model}"
        if st.button(plain(label), key="switch-engine"):
            try:
                services().interviews.switch(record.id, other)
            except SparError as error:
                show_error(error)
            else:
                st.rerun()


def _spent(spent: Spending) -> str:
    calls = "1 call" if spent.calls == 1 else f"{spent.calls} calls"
    return f"{used_words(spent.usage, spent.cost)} in {calls}"


def used_words(usage: Usage, cost: float | None) -> str:
    """Tokens and, where it is known and not nothing, what they cost."""
    about = "about " if usage.estimated else ""
    dollars = f" (${cost:.4f})" if cost else ""
    return f"{about}{usage.prompt + usage.output:,} tokens{dollars}"
