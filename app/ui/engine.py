"""Which engine interviews: said, switched, and what it has cost."""

from __future__ import annotations

import streamlit as st

from agent.errors import SparError
from agent.scale import Engine
from agent.service import Standing
from app.engines import OFFLINE, OPENAI, missing, spending_words
from app.local_servers import Found, look
from app.ui.frame import services, show_error
from app.ui.text import plain

HOW = (
    "A model can interview and grade in its place: set SPAR_MODEL, and OPENAI_API_KEY or "
    "OPENAI_BASE_URL, in .env, or look for a server on this machine."
)


def engine_words(engine: str) -> str:
    """The engine in a few words."""
    if engine == OFFLINE:
        return "Offline engine"
    model = services().engines.settings.model
    return f"{model} interviews" if model else "A model should interview, but none is set"


def choice() -> Engine:
    """Choose the engine of a new interview; offers to look for a local server."""
    settings = services().engines.settings
    names: dict[Engine, str] = {OFFLINE: "Offline: no key, nothing leaves this machine"}
    if missing(settings) is None:
        where = settings.openai_base_url or "OpenAI"
        names[OPENAI] = f"{settings.model} at {where}"
    chosen = st.radio(
        "Engine",
        list(names),
        index=len(names) - 1,
        format_func=lambda e: plain(names[e]),
        key="engine",
    )
    with st.popover("Use another model", key="engine-popover"):
        _other()
    return chosen


def _other() -> None:
    st.write(HOW)
    if st.button("Look on this machine", key="look"):
        st.session_state["local-servers"] = look()
        if not st.session_state["local-servers"]:
            st.caption("No model server answers on the usual ports (Ollama, LM Studio, vLLM ...).")
    found: tuple[Found, ...] = st.session_state.get("local-servers", ())
    offers = {f"{m} ({f.name})": (f.base_url, m) for f in found for m in f.models}
    if not offers:
        return
    picked = st.selectbox("Found", list(offers), key="local-model")
    st.button(
        "Use it until Spar stops",
        key="use-local",
        on_click=_use,
        args=offers[picked],
    )


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
    st.caption(plain(f"{engine_words(record.engine)}."))
    if (spent := standing.spending) is not None:
        cost = f", ${spent.cost:.4f}" if spent.cost is not None else ""
        tokens = spent.usage.prompt + spent.usage.output
        st.caption(plain(f"{tokens:,} tokens in {spent.calls} calls{cost}."))
    if warning := spending_words(standing.spending):
        st.warning(plain(warning))
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
