"""The first page: start, or see what comes out of it."""

from __future__ import annotations

import streamlit as st

from agent.emphasis import MAX_JOB_CHARS
from agent.records import Kind
from agent.scale import LEVELS, ROLE_NAMES, STYLES, TECHNICAL
from agent.service import FIRST_CASE, Setup
from app.engines import default_engine
from app.ui.engine import active_words, choice
from app.ui.frame import PRACTICE, REVIEW, SAMPLE, go, services
from app.ui.text import escape, facts_of, name, plain

LENGTHS = {
    12: "12 minutes: sketch the design, then two deep dives",
    25: "25 minutes: every stage",
    45: "45 minutes: every stage in depth, with a turn of events",
}
STYLE_NOTES = {
    "quiet": "quiet: listens, asks little",
    "neutral": "neutral: a question at a time",
    "supportive": "supportive: points to what is missing",
    "challenging": "challenging: presses on weak spots",
}
USUAL = "as usual at this level"
KINDS: dict[Kind, str] = {
    "case": "A whole case",
    "stage": "One stage of a case",
    "portfolio": "A project of your own",
}
ANY_ROLE = "any role"
OWN_PROMPT = "own-prompt"
MORE = 1.1
SHOWN = 3


def show() -> None:
    """Draw the page."""
    services()
    st.title("Practise an ML system design interview")
    st.write(
        "Spar asks as an interviewer would, listens, follows up on what you said, and grades you "
        "in your own words."
    )
    with st.container(horizontal=True, key="choices"):
        if st.button("Start 12 minutes", type="primary", key="start"):
            engine = default_engine(services().engines.settings)
            _start(Setup(case_id=FIRST_CASE, level="senior", minutes=12, engine=engine))
        if st.button("Read a graded interview", key="sample"):
            go(REVIEW, SAMPLE)
    settings = services().engines.settings
    st.caption(plain(f"Fraud at checkout, senior level. {active_words(settings)}"))
    _unfinished()
    with st.expander("Other cases, lengths and levels", key="other"):
        _form()


def _unfinished() -> None:
    kept = services()
    open_ones = [r for r in kept.store.interviews() if r.status == "open"]
    if not open_ones:
        return
    st.subheader("Not finished")
    for record in open_ones[:SHOWN]:
        with st.container(
            horizontal=True,
            key=f"open-{record.id}",
            horizontal_alignment="distribute",
            vertical_alignment="center",
        ):
            started = f"{record.created_at.astimezone():%d %b, %H:%M}"
            st.html(
                f"<div>{escape(record.title)}</div>"
                f'<div class="small quiet">{escape(facts_of(record))}, {started}</div>',
                width="content",
            )
            if st.button("Continue", key=f"continue-{record.id}"):
                go(PRACTICE, record.id)
    if len(open_ones) > SHOWN:
        st.caption(f"{len(open_ones) - SHOWN} more under Past interviews.")


def _form() -> None:
    kind = st.radio(
        "Interview", list(KINDS), format_func=KINDS.__getitem__, key="kind", horizontal=True
    )
    job = _job()
    case_id = prompt = None
    if kind == "portfolio":
        st.caption("You present a project of your own; there is no case and no fact sheet.")
    else:
        case_id, prompt = _subject(job)
    stage = None
    if kind == "stage":
        stage = st.selectbox("Stage", TECHNICAL, format_func=name, key="stage")
    minutes = st.radio("Length", list(LENGTHS), format_func=LENGTHS.__getitem__, key="minutes")
    level = st.segmented_control(
        "Level", LEVELS, default="senior", required=True, format_func=str.capitalize, key="level"
    )
    style = st.selectbox(
        "Interviewer",
        [USUAL, *STYLES],
        format_func=lambda s: STYLE_NOTES.get(s, USUAL),
        key="style",
    )
    role = st.selectbox(
        "Role",
        [ANY_ROLE, *ROLE_NAMES],
        format_func=lambda r: r.replace("-", " ").capitalize(),
        key="role",
        help="Shifts minutes and questions between stages; never scores.",
    )
    engine = choice()
    seed = st.number_input(
        "Seed",
        min_value=0,
        max_value=999_999,
        value=None,
        step=1,
        key="seed",
        placeholder="any",
        help="The same seed gives the same hidden facts and wordings.",
    )
    if st.button("Start", key="start-other"):
        _start(
            Setup(
                kind=kind,
                case_id=case_id,
                prompt=prompt,
                stage=stage,
                level=level,
                style=next((s for s in STYLES if s == style), None),
                minutes=int(minutes or 12),
                seed=int(seed) if seed is not None else None,
                role=next((r for r in ROLE_NAMES if r == role), None),
                job=job or None,
                engine=engine,
            )
        )


def _job() -> str:
    """A pasted job description; says what it leads to."""
    with st.popover("Paste a job description", key="job-popover"):
        return st.text_area(
            "Job description",
            key="job",
            height=180,
            max_chars=MAX_JOB_CHARS,
            help="Chooses the case and what is dwelt on; never a score.",
        ).strip()


def _subject(job: str) -> tuple[str | None, str | None]:
    """The case, or a prompt of the user's own."""
    heads = services().interviews.cases.heads()
    ids = list(heads)
    first = ids.index(FIRST_CASE)
    if job:
        fit = services().interviews.job_fit(job)
        first = ids.index(fit.cases[0]) if fit.cases else first
        more = [name(s).lower() for s, w in fit.weights.items() if w > MORE]
        case = heads[fit.cases[0]].title if fit.cases else "no case in particular"
        st.caption(f"By the job description: {case}; more on {_list(more)}.")
    chosen = st.selectbox(
        "Case",
        [*ids, OWN_PROMPT],
        index=first,
        format_func=lambda c: heads[c].title if c in heads else "A prompt of your own",
        key=f"case-{first}",
    )
    if chosen != OWN_PROMPT:
        return chosen, None
    prompt = st.text_area(
        "Prompt",
        key="prompt",
        height=120,
        placeholder="Design the system that ...",
        help="Graded by the case-independent rubric; there is no fact sheet.",
    )
    return None, prompt


def _list(words: list[str]) -> str:
    return ", ".join(words) if words else "nothing in particular"


def _start(setup: Setup) -> None:
    record = services().interviews.create(setup)
    go(PRACTICE, record.id)
