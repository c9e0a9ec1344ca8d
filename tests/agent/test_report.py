"""The review: everything in it comes from what is stored."""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.records import SelfRating, Source
from agent.report import build_report, highlights, packaged_sources
from agent.scale import DIMENSIONS, SIGNALS
from agent.service import Setup
from tests.agent.support import Scripted, play


def no_source(_name):
    return None


def a_source(name):
    return Source(id=name, text="A claim.", title="A note")


@pytest.fixture(scope="module")
def report(candidates, grades, playbook):
    rating = SelfRating(interview="x", ratings={"data": 3.5}, weakest="serving")
    return build_report(
        candidates["mid"], grades["mid"].document(), playbook, a_source, rating=rating
    )


def test_every_dimension_as_it_was_graded(report, grades):
    assert [r.dimension for r in report.dimensions] == list(DIMENSIONS)
    for review in report.dimensions:
        graded = grades["mid"].scores[review.dimension]
        assert (review.score, review.band, review.status) == (
            graded.score,
            graded.band,
            graded.status,
        )
        assert review.about
        met = [
            c.id
            for c in graded.criteria
            if c.polarity == "positive" and c.verdict in ("met", "partial")
        ]
        assert sorted(e.criterion for e in review.earned) == sorted(met)
    assert report.overall == grades["mid"].overall.score
    assert report.signal == grades["mid"].overall.signal
    assert report.limits


def test_quotes_are_verbatim(report):
    for review in report.dimensions:
        for item in (*review.earned, *review.mistakes):
            for turn, text in item.quotes:
                assert text in report.transcript.turns[turn].text


def test_gaps_say_what_a_strong_answer_says_and_where_to_listen(report, playbook):
    for review in report.dimensions:
        gaps = [g for g in (review.close_first, *review.then) if g is not None]
        assert len({g.criterion for g in gaps}) == len(gaps)
        for gap in gaps:
            assert gap.strong
            assert gap.found
            criterion = playbook.by_id[gap.criterion]
            assert (gap.source is not None) == bool(criterion.sources)
            assert gap.criterion not in {e.criterion for e in review.earned if e.met}


def test_the_self_rating_stands_beside_the_scores(report):
    own = {r.dimension: r.own_rating for r in report.dimensions}
    assert own["data"] == 3.5
    assert own["serving"] is None
    assert report.weakest_guess == "serving"
    scores = {r.dimension: r.score for r in report.dimensions if r.score is not None}
    assert scores[report.weakest] == min(scores.values())


def test_a_change_never_lowers(report):
    assert 0 < len(report.changes) <= 3
    scores = {r.dimension: r.score for r in report.dimensions}
    for change in report.changes:
        assert change.score >= scores[change.dimension]
        assert SIGNALS.index(change.signal) >= SIGNALS.index(report.signal)


def test_highlights_do_not_overlap(report):
    for turn, marks in highlights(report).items():
        text = report.transcript.turns[turn].text
        assert marks == sorted(marks)
        for start, end, kind in marks:
            assert 0 <= start < end <= len(text)
            assert kind in ("met", "partial", "error")
        assert all(a[1] <= b[0] for a, b in pairwise(marks))


def test_what_nobody_asked_is_said_to_be_so(candidates, grades, playbook):
    document = grades["weak"].document()
    document["scores"]["data"] |= {"status": "not_assessed", "score": None, "band": None}
    report = build_report(candidates["weak"], document, playbook, no_source)
    review = next(r for r in report.dimensions if r.dimension == "data")
    assert (review.score, review.status) == (None, "not_assessed")
    assert report.minutes is None
    assert all(g.source is None for r in report.dimensions for g in r.then)


def test_criteria_of_an_older_rubric_are_left_out(candidates, grades, playbook):
    document = grades["weak"].document()
    row = document["scores"]["data"]["criteria"][0]
    document["scores"]["data"]["criteria"].append(row | {"id": "gone.since"})
    report = build_report(candidates["weak"], document, playbook, no_source)
    assert "gone.since" not in report.model_dump_json()


def test_the_report_of_an_own_interview(make_service):
    service = make_service()
    record = play(service, Setup(level="mid", minutes=12, seed=3), Scripted(), seconds=60)
    turns = service.store.turns(record.id)
    report = build_report(
        service.transcript(record.id),
        service.grade(record.id).document,
        service.playbook(record.id),
        no_source,
        record=record,
        turns=turns,
    )
    assert (report.minutes, report.style, report.variant) == (12, "neutral", record.variant)
    answered = sum(t.seconds or 0 for t in turns)
    assert report.clock == pytest.approx(answered)
    assert sum(report.stage_seconds.values()) == pytest.approx(answered)
    assert report.strong_answers
    assert report.model_validate_json(report.model_dump_json()) == report


def test_packaged_sources_are_found():
    find = packaged_sources()
    assert find("none-such") is None
    found = find("mlsdi-21-10")
    assert found is not None
    assert found.id == "mlsdi-21-10"
    assert found.text
