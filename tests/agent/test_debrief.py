"""The three fixed questions after the report."""

from __future__ import annotations

import re

import pytest

from agent.debrief import QUESTIONS, debrief
from agent.report import build_report
from agent.scale import DIMENSIONS


@pytest.fixture(scope="module", params=["weak", "mid", "strong"])
def report(request, candidates, grades, playbook):
    name = request.param
    return build_report(candidates[name], grades[name].document(), playbook, lambda _: None)


@pytest.mark.parametrize("question", list(QUESTIONS))
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_question_has_an_answer(report, dimension, question):
    text = debrief(report, dimension, question)
    assert len(text.split()) >= 4
    assert re.search(r"\bNone\b(?! of)", text) is None
    assert "{" not in text
    assert "  " not in text


def test_what_was_not_graded_says_why(candidates, grades, playbook):
    document = grades["weak"].document()
    document["scores"]["data"] |= {
        "status": "not_assessed",
        "score": None,
        "band": None,
        "reason": "Neither asked about nor raised.",
    }
    report = build_report(candidates["weak"], document, playbook, lambda _: None)
    expected = "Data was not graded. Neither asked about nor raised."
    assert debrief(report, "data", "why_not_higher") == expected
    assert debrief(report, "data", "what_would_change_it") == expected
    assert debrief(report, "data", "strong_answer") == report.strong_answers["data"]


def test_what_is_not_in_the_grade_says_so(candidates, playbook, grades):
    document = grades["weak"].document()
    document["scores"] = {"data": document["scores"]["data"]}
    document["overall"] = None
    report = build_report(candidates["weak"], document, playbook, lambda _: None)
    assert debrief(report, "serving", "why_not_higher") == (
        "Serving was not graded. It is not part of this grade."
    )
    assert debrief(report, "data", "what_would_change_it")


def test_a_mistake_is_quoted_with_its_turn(candidates, grades, playbook):
    for name in ("mid", "staff", "strong", "weak"):
        report = build_report(candidates[name], grades[name].document(), playbook, lambda _: None)
        for review in report.dimensions:
            text = debrief(report, review.dimension, "why_not_higher")
            for mistake in review.mistakes:
                assert mistake.statement in text or review.status != "graded"
