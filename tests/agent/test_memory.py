"""What one interview leaves open is asked first in the next, on whatever case."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.deps import REMEMBERED
from agent.grading import grade_transcript
from agent.memory import (
    LEAST_POINTS,
    LOOK_BACK,
    MOST,
    improvements,
    point_of,
    still_open,
    verdicts_of,
)
from agent.nodes import gaps
from agent.playbook import Playbook
from agent.records import GradeRecord, Improvement, Remembered
from agent.report import build_report
from agent.scale import LEVELS, TECHNICAL, Level, Verdict
from agent.service import Setup
from agent.state import new_state
from agent.store import Store
from agent.transcript import read_transcript
from app.export.parts import progress_words
from tests.agent.support import CANDIDATES, Clock, Scripted, play, say, start

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DELAY = "any.data.label-delay"
SHORT = Setup(level="mid", minutes=12, seed=3)
CHURN = Setup(case_id="churn-list", level="mid", minutes=12, seed=3)


def row(point: str, verdict: Verdict = "unmet", points: int = 3, level: Level = "mid"):
    return Remembered(point=point, verdict=verdict, points=points, level=level, subject=point)


def kept(*rows: Remembered, interview: str = "x") -> GradeRecord:
    return GradeRecord(
        id=f"{interview}-1",
        interview=interview,
        created_at=NOON,
        engine="offline",
        document={},
        memory=rows,
    )


def document(playbook: Playbook, verdicts: dict[str, Verdict], status: str = "graded"):
    """A grade document of one dimension, data, with these verdicts."""
    assert {f"data.{name}" for name in verdicts} <= set(playbook.by_id)
    rows = [{"id": f"data.{name}", "verdict": verdict} for name, verdict in verdicts.items()]
    return {"scores": {"data": {"status": status, "criteria": rows}}}


def graded(service, *rows: Remembered):
    """An interview on fraud that ended with these verdicts."""
    record = service.create(SHORT)
    service.store.add_grade(kept(*rows, interview=record.id))
    service.store.update_interview(record.model_copy(update={"status": "graded"}))
    return record.id


@pytest.fixture(scope="module")
def weak(playbook):
    """A written candidate on fraud and the grade document."""
    transcript = read_transcript((CANDIDATES / "weak.json").read_text(encoding="utf-8"), "weak")
    return transcript, grade_transcript(transcript, playbook).document()


# From one case to another


def test_what_was_missed_on_one_case_comes_first_on_another(service):
    before = service.create(CHURN)
    data = gaps(new_state(before.id), service.deps(before), ("data",))
    assert before.remembered == ()
    assert data[0] != "data.label-settled"

    graded(service, row(DELAY))
    record = service.create(CHURN)
    deps = service.deps(record)
    assert record.remembered == (DELAY,)
    assert deps.playbook.by_id["data.label-settled"].refines == DELAY
    assert gaps(new_state(record.id), deps, ("data",))[0] == "data.label-settled"
    assert gaps(new_state(record.id), deps, TECHNICAL)[0] == "data.label-settled"


def test_a_point_left_open_is_worth_more_and_no_other_changes(service):
    before = service.deps(service.create(CHURN))
    graded(service, row(DELAY))
    deps = service.deps(service.create(CHURN))
    for criterion in deps.playbook.askable():
        usual = before.worth(criterion)
        more = REMEMBERED if point_of(criterion) == DELAY else 1.0
        assert deps.worth(criterion) == pytest.approx(usual * more)
    assert {point_of(c) for c in deps.playbook.askable()} >= {DELAY}


@pytest.fixture(scope="module")
def two(make_service):
    """Fraud with next to nothing on the data, then churn."""
    service = make_service()
    first = play(service, SHORT, Scripted({None: ["I would use a model and see how it goes."]}))
    second = play(service, CHURN, Scripted({None: ["A model of who leaves, each Monday."]}))
    return service, first, second


def test_a_real_interview_is_remembered(two):
    service, first, second = two
    grade = service.grade(first.id)
    unmet = {r.point for r in grade.memory if r.verdict != "met" and r.level == "mid"}
    assert grade.memory == verdicts_of(grade.document, service.playbook(first.id))
    assert first.remembered == ()
    assert second.remembered
    assert set(second.remembered) <= unmet
    asked = [t.target for t in service.store.turns(second.id) if t.move == "probe" and t.target]
    points = [point_of(service.playbook(second.id).by_id[name]) for name in asked]
    assert points[0] in second.remembered


def test_the_report_says_what_became_of_it(two):
    service, first, second = two

    def report(record):
        document = service.grade(record.id).document
        return build_report(
            service.transcript(record.id),
            document,
            service.playbook(record.id),
            lambda _: None,
            record=record,
        )

    assert report(first).improvements == ()
    assert progress_words(report(first)) is None
    found = report(second).improvements
    now = {r.point: r.verdict for r in service.grade(second.id).memory}
    # What churn has no criterion for, or did not grade, is not told.
    assert [i.point for i in found] == [p for p in second.remembered if p in now]
    assert {i.point: i.verdict for i in found} == {i.point: now[i.point] for i in found}
    words = progress_words(report(second))
    assert words is not None
    assert words.startswith("Open in your earlier interviews and ")
    assert all(i.subject in words for i in found)


def test_the_memory_of_an_interview_survives_a_restart_and_a_redo(two):
    service, _, second = two
    store = Store.open(service.store._engine.url.render_as_string())
    try:
        assert store.interview(second.id).remembered == second.remembered
        assert store.grades(second.id)[0].memory == service.grade(second.id).memory
    finally:
        store.close()
    assert service.redo(second.id, 0).remembered == second.remembered


# Which grades count


def test_the_newest_verdict_on_a_point_decides(service):
    graded(service, row("a"), row("b", "met"), row("c"))
    graded(service, row("a", "met"), row("b"), row("d", "partial"))
    # a was met since, b was missed since; c and d were judged once.
    assert service.create(SHORT).remembered == ("b", "d", "c")


def test_what_cannot_be_assessed_says_nothing_and_is_not_asked_for(service):
    graded(service, row("a", "cannot_assess"), row("b"))
    assert service.create(SHORT).remembered == ("b",)


def test_the_last_grade_of_an_interview_counts(service):
    interview = graded(service, row("a"))
    again = kept(row("a", "met"), interview=interview).model_copy(update={"id": f"{interview}-2"})
    service.store.add_grade(again)
    assert service.create(SHORT).remembered == ()


def test_an_interview_that_is_open_or_deleted_is_not_remembered(service):
    record = start(service, SHORT)
    service.store.add_grade(kept(row("a"), interview=record.id))
    assert service.create(SHORT).remembered == ()
    gone = graded(service, row("b"))
    assert service.create(SHORT).remembered == ("b",)
    service.store.delete_interview(gone)
    assert service.create(SHORT).remembered == ()


def test_imports_are_not_remembered_and_push_nothing_out(service, weak):
    graded(service, row("a"))
    for _ in range(LOOK_BACK + 1):
        service.keep(*weak)
    assert service.create(SHORT).remembered == ("a",)


def test_so_many_interviews_are_looked_back_on(service):
    graded(service, row("first"))
    for _ in range(LOOK_BACK - 1):
        graded(service, row("other", "met"))
    assert service.create(SHORT).remembered == ("first",)
    graded(service, row("other", "met"))
    assert service.create(SHORT).remembered == ()


def test_another_language_leaves_nothing_to_remember(service):
    record = start(service, SHORT)
    spanish = (
        "Primero definiría el problema: para cada pago hay que decidir en menos de cien "
        "milisegundos si se aprueba o se rechaza, y las etiquetas llegan con semanas de retraso."
    )
    say(service, record.id, spanish)
    say(service, record.id, act="done")
    assert {d["status"] for d in service.grade(record.id).document["scores"].values()} == {
        "unscored"
    }
    assert service.grade(record.id).memory == ()


# The verdicts of a grade by point


def test_a_point_stands_for_what_every_case_asks(playbook):
    criterion = playbook.by_id["data.label-delay"]
    assert point_of(criterion) == DELAY
    own = next(c for c in playbook.criteria if c.refines is None and not c.id.startswith("any."))
    assert point_of(own) == own.id
    general = next(c for c in playbook.criteria if c.id.startswith("any.data."))
    assert point_of(general) == general.id


def test_the_best_of_several_criteria_for_a_point_counts(encoder):
    churn = Playbook.load("churn-list", encoder)
    # data.snapshot-cutoff and data.overwritten-fields both refine point-in-time-features.
    two: dict[str, Verdict] = {"snapshot-cutoff": "partial", "overwritten-fields": "unmet"}
    point = "any.data.point-in-time-features"
    (found,) = verdicts_of(document(churn, two), churn)
    assert (found.point, found.verdict, found.points) == (point, "partial", 3)
    (found,) = verdicts_of(document(churn, two | {"overwritten-fields": "met"}), churn)
    assert (found.point, found.verdict, found.points) == (point, "met", 2)


def test_errors_manner_and_unknown_criteria_are_no_points(playbook):
    negative = next(c.id for c in playbook.criteria if c.polarity == "negative")
    manner = next(c.id for c in playbook.criteria if c.behaviour is not None)
    rows = [{"id": i, "verdict": "unmet"} for i in (negative, manner, "data.gone-since")]
    assert verdicts_of({"scores": {"data": {"status": "graded", "criteria": rows}}}, playbook) == ()


@pytest.mark.parametrize("status", ["not_assessed", "unscored"])
def test_a_dimension_that_was_not_graded_leaves_nothing(playbook, status):
    told = document(playbook, {"label-delay": "cannot_assess"}, status)
    assert verdicts_of(told, playbook) == ()


def test_improvements_tell_met_half_and_open(playbook):
    told = document(
        playbook,
        {"label-delay": "met", "label-definition": "partial", "after-payment-field": "unmet"},
    )
    before = (
        "any.data.leakage",
        DELAY,
        "any.data.label-definition",
        "any.serving.latency-budget",
        "data.gone-since",
    )
    subject = {point_of(c): c.subject for c in playbook.criteria}
    expected: list[tuple[str, Verdict]] = [
        ("any.data.leakage", "unmet"),
        (DELAY, "met"),
        ("any.data.label-definition", "partial"),
    ]
    assert improvements(before, told, playbook) == tuple(
        Improvement(point=point, subject=subject[point], verdict=verdict)
        for point, verdict in expected
    )
    assert improvements((), told, playbook) == ()


def test_progress_is_told_in_the_order_met_half_open(playbook, weak):
    transcript, grade = weak
    report = build_report(transcript, grade, playbook, lambda _: None)
    became: dict[str, Verdict] = {"a": "unmet", "b": "met", "c": "partial", "d": "met"}
    found = tuple(
        Improvement(point=name, subject=f"about {name}", verdict=verdict)
        for name, verdict in became.items()
    )
    words = progress_words(report.model_copy(update={"improvements": found}))
    assert words == (
        "Open in your earlier interviews and now said: about b; about d. Half of it now: about c. "
        "Still open: about a."
    )


# What is still open


def test_points_above_the_level_and_small_ones_are_left_for_later():
    grade = kept(
        row("mid"),
        row("senior", level="senior"),
        row("staff", level="staff"),
        row("small", points=LEAST_POINTS - 1),
    )
    assert still_open([grade], "mid") == ("mid",)
    assert still_open([grade], "senior") == ("mid", "senior")
    assert still_open([grade], "staff") == ("mid", "senior", "staff")


def test_the_valuable_come_first_then_the_newest():
    newer = kept(row("b", points=2), row("d"))
    older = kept(row("a", points=2), row("c"), row("d", "met"))
    assert still_open([newer, older], "mid") == ("d", "c", "b", "a")


def test_at_most_so_many_are_carried():
    assert len(still_open([kept(*(row(f"p{n:02}") for n in range(3 * MOST)))], "staff")) == MOST


ROWS = st.builds(
    row,
    point=st.sampled_from([f"p{n}" for n in range(20)]),
    verdict=st.sampled_from(["met", "partial", "unmet", "cannot_assess"]),
    points=st.integers(1, 3),
    level=st.sampled_from(LEVELS),
)
# A grade has one row a point.
GRADES = st.lists(
    st.lists(ROWS, max_size=20, unique_by=lambda r: r.point).map(lambda rows: kept(*rows)),
    max_size=8,
)


@given(grades=GRADES, level=st.sampled_from(LEVELS))
def test_still_open_is_ordered_bounded_and_has_no_point_twice(grades, level):
    found = still_open(grades, level)
    assert len(found) == len(set(found)) <= MOST
    newest = {r.point: r for grade in reversed(grades) for r in grade.memory}
    for point in found:
        assert newest[point].verdict in ("unmet", "partial")
        assert newest[point].points >= LEAST_POINTS
        assert LEVELS.index(newest[point].level) <= LEVELS.index(level)
    worth = [newest[point].points for point in found]
    assert worth == sorted(worth, reverse=True)
    assert found == still_open(grades, level)
    # A higher level drops nothing but what a more valuable point displaces.
    more = still_open(grades, "staff")
    assert set(found) <= set(more) or len(more) == MOST


def test_the_clock_of_the_tests_orders_interviews(service):
    """The tests above stand on it: newest first, by when an interview was made."""
    first, second = graded(service, row("a")), graded(service, row("b"))
    assert isinstance(service.now, Clock)
    assert [r.id for r in service.store.interviews()] == [second, first]
