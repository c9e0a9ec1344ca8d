"""Several grades of one interview: choose one, see what differs, grade again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from agent.deps import spending
from agent.errors import SparError
from agent.grading import model_version, rubric_version
from agent.llm.grader import PROMPT
from agent.llm.prompts import load_prompt
from agent.llm.regrading import Difference, Stamp, difference
from agent.playbook import Playbook
from agent.records import GradeRecord
from agent.scale import OFFLINE, OPENAI, Engine, Verdict
from app.engines import missing
from app.export.parts import score_words
from app.ui.engine import used_words
from app.ui.frame import services, show_error
from app.ui.text import escape, name, plain

SHOWN = 4
CREDIT: Mapping[Verdict | None, int] = {"met": 2, "partial": 1}


def chosen(interview: str) -> GradeRecord:
    """The grade to show: the last one, unless another was picked."""
    if not services().store.grades(interview):
        with st.spinner("Grading ..."):
            services().interviews.grade(interview)
    kept = services().store.grades(interview)
    shown = worth_showing(kept)
    if note := failure_words(kept):
        st.warning(plain(note))
    if len(shown) == 1:
        return shown[0]
    labels = _labels(shown)
    picked = st.segmented_control(
        "Grade",
        list(labels),
        default=shown[-1].id,
        required=True,
        format_func=lambda i: plain(labels[i]),
        key=f"grade-{interview}-{len(kept)}",  # a new grade is the one to show
        label_visibility="collapsed",
    )
    return next(g for g in shown if g.id == picked)


def worth_showing(kept: Sequence[GradeRecord]) -> list[GradeRecord]:
    """Every grade that says something of its own: where two say the same the later one, and none
    in which nothing was graded, as long as there is another."""
    last = [g for i, g in enumerate(kept) if all(g.document != k.document for k in kept[i + 1 :])]
    return [g for g in last if g.scored] or last[-1:]


def failure_words(kept: Sequence[GradeRecord]) -> str:
    """Why the offline engine graded in a model's place just now; else nothing."""
    if len(kept) < 2 or kept[-1].engine != OFFLINE or kept[-2].engine != OPENAI:
        return ""
    failed = kept[-2]
    if failed.scored:
        return ""
    reasons = [s["reason"] for s in failed.document["scores"].values() if s["status"] == "unscored"]
    return f"{reasons[0]} This is the offline engine's grade." if reasons else ""


def _by(grade: GradeRecord) -> str:
    return "Offline engine" if grade.engine == OFFLINE else str(grade.document.get("model"))


def _named(grade: GradeRecord) -> str:
    """``_by`` within a sentence."""
    return "the offline engine" if grade.engine == OFFLINE else _by(grade)


def _labels(grades: Sequence[GradeRecord]) -> dict[str, str]:
    """Overall score and who gave it, by id; the time only where two would read the same. The score
    stands first: a phone cuts long names off."""
    found = {g.id: f"{_overall(g)} by {_named(g)}" for g in grades}
    for grade in grades:
        if list(found.values()).count(found[grade.id]) > 1:
            found[grade.id] += f" ({grade.created_at.astimezone():%d %b, %H:%M:%S})"
    return found


def _overall(grade: GradeRecord) -> str:
    score = (grade.document.get("overall") or {}).get("score")
    return score_words(score) if score is not None else "no overall score"


def others(interview: str, shown: GradeRecord) -> None:
    """What differs from another grade, what a model's grade cost, and grading again."""
    kept = services().store.grades(interview)
    grades = worth_showing(kept)
    offers = _offers(interview, kept)
    if len(grades) == 1 and not offers and not shown.calls:
        return
    with st.expander("Grade again, compare grades", key="regrade"):
        place = [g.id for g in grades].index(shown.id)
        if len(grades) > 1:
            pair = grades[place - 1 : place + 1] if place else grades[:2]
            _compare(pair[0], pair[1], services().interviews.playbook(interview))
        _cost(shown)
        _again(interview, shown, offers)


def _compare(old: GradeRecord, new: GradeRecord, playbook: Playbook) -> None:
    changed = [d for d in difference(old.document, new.document) if not d.same]
    if not changed:
        st.write("Both grades come to the same verdicts.")
        return
    names = (_by(old), _by(new))
    if names[0] == names[1]:
        names = (f"{names[0]}, before", f"{names[1]}, later")
    rows = "".join(_row(d, names, playbook) for d in changed)
    heads = "".join(f"<th>{escape(n)}</th>" for n in ("Dimension", *names))
    st.html(f'<table class="plain compared"><tr>{heads}</tr>{rows}</table>')


def _row(item: Difference, names: tuple[str, str], playbook: Playbook) -> str:
    """Scores side by side, and below them the points on which the verdicts differ."""
    lines = ""
    if item.old is not None and item.new is not None:
        lines = "".join(
            f'<div class="small quiet">{escape(f"{by} {what}: {_listed(subjects)}.")}</div>'
            for (by, what), subjects in _differing(item, names, playbook).items()
        )
    details = f'<tr><td colspan="3">{lines}</td></tr>' if lines else ""
    kind = ' class="above"' if lines else ""
    return (
        f"<tr{kind}><td>{name(item.dimension)}</td><td>{_score(item.old)}</td>"
        f"<td>{_score(item.new)}</td></tr>{details}"
    )


def _differing(
    item: Difference, names: tuple[str, str], playbook: Playbook
) -> dict[tuple[str, str], list[str]]:
    """What each grade gives more for, or counts against the candidate alone."""
    found: dict[tuple[str, str], list[str]] = {}
    for changed in item.criteria:
        criterion = playbook.by_id.get(changed.id)
        rise = CREDIT.get(changed.new, 0) - CREDIT.get(changed.old, 0)
        if criterion is not None and rise:
            negative = criterion.polarity == "negative"
            what = "counts as a mistake" if negative else "gives more for"
            found.setdefault((names[rise > 0], what), []).append(criterion.subject)
    return dict(sorted(found.items(), key=lambda f: names.index(f[0][0])))


def _score(score: float | None) -> str:
    return "not graded" if score is None else score_words(score)


def _listed(subjects: Sequence[str]) -> str:
    more = [f"{len(subjects) - SHOWN} more"] if len(subjects) > SHOWN else []
    return "; ".join([*subjects[:SHOWN], *more])


def _cost(grade: GradeRecord) -> None:
    if (took := spending(grade.calls.values())) is not None:
        words = used_words(took.usage, took.cost)
        st.caption(plain(f"The grade by {_named(grade)} took {words}."))


def _offers(interview: str, kept: Sequence[GradeRecord]) -> dict[Engine, str]:
    """What grading again could say that the last grade does not, by engine."""
    settings = services().engines.settings
    version = rubric_version(services().interviews.playbook(interview))
    model = settings.grader_model or settings.model
    offers: dict[Engine, str] = {}
    offline = _stamp(interview, OFFLINE, None, version)
    if not _stands(kept[-1], offline):
        earlier = any(_stands(g, offline) for g in kept)
        offers[OFFLINE] = "Go back to the offline grade" if earlier else "Grade offline"
    if missing(settings) is None and model is not None:
        stamp = _stamp(interview, OPENAI, model, version)
        before = next((g for g in reversed(kept) if g.engine == OPENAI), None)
        if before is None or not _made(before, stamp) or not before.scored:
            offers[OPENAI] = f"Grade with {model}"
        elif not before.whole:
            offers[OPENAI] = f"Grade the rest with {model}"
        elif before is not kept[-1]:
            offers[OPENAI] = f"Go back to {model}'s grade"
    return offers


def _stamp(interview: str, engine: Engine, model: str | None, version: str) -> Stamp:
    """What a grade made today would carry."""
    if engine == OFFLINE:
        return Stamp(interview, engine, model_version(), version, None)
    return Stamp(interview, engine, model, version, load_prompt(PROMPT).version)


def _made(grade: GradeRecord, stamp: Stamp) -> bool:
    return Stamp.of(grade.document) == stamp


def _stands(grade: GradeRecord, stamp: Stamp) -> bool:
    return _made(grade, stamp) and grade.whole


def _again(interview: str, shown: GradeRecord, offers: Mapping[Engine, str]) -> None:
    unscored = [d for d, s in shown.document["scores"].items() if s["status"] == "unscored"]
    if unscored:
        st.write(plain(f"Not graded: {', '.join(name(d) for d in unscored)}."))
    asked: Engine | None = None
    if offers:
        with st.container(horizontal=True, key="regrade-buttons"):
            for engine, label in offers.items():
                if st.button(plain(label), key=f"regrade-{engine}"):
                    asked = engine
    if asked is not None:
        _grade(interview, asked)


def _grade(interview: str, engine: Engine) -> None:
    try:
        with st.spinner("Grading ..."):
            services().interviews.grade(interview, again=True, engine=engine)
    except SparError as error:
        show_error(error)
        return
    st.rerun()
