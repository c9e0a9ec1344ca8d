"""The grade of the written candidates: its shape, its quotes, its orderings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.content import load_case
from agent.grade import Grade
from agent.grading import LANGUAGE_REASON, grade_transcript, read
from agent.playbook import Playbook
from agent.scale import DIMENSIONS, LEVELS, SIGNALS, TECHNICAL
from agent.transcript import read_transcript

NAMES = ["buzzwords", "copied", "gibberish", "mid", "staff", "strong", "weak"]


def transcript(*turns, **head):
    rows = []
    for speaker, text, *more in turns:
        rows.append(
            {"speaker": {"i": "interviewer", "c": "candidate"}[speaker], "text": text}
            | (more[0] if more else {})
        )
    return read_transcript(
        json.dumps({"id": "t", "case": "fraud-checkout"} | head | {"turns": rows}), "t"
    )


def graded_as(talk, playbook, **more) -> Any:
    """The grade, with its parts taken as they come."""
    return grade_transcript(talk, playbook, **more)


@pytest.mark.parametrize("name", NAMES)
def test_the_contracts_shape(grades, candidates, playbook, name):
    document = grades[name].document()
    assert list(document) == [
        "id",
        "engine",
        "model",
        "rubric_version",
        "prompt_version",
        "level",
        "scores",
        "overall",
        "flags",
    ]
    assert document["id"] == candidates[name].id
    assert document["engine"] == "offline"
    assert document["prompt_version"] is None
    assert list(document["scores"]) == list(DIMENSIONS)
    ids = []
    for dimension, graded in document["scores"].items():
        assert list(graded) == ["score", "band", "status", "reason", "criteria"]
        assert graded["status"] in ("graded", "not_assessed", "unscored")
        if graded["status"] == "graded":
            low, high = graded["band"]
            assert 0 <= low <= graded["score"] <= high <= 4
            assert graded["score"] * 2 == int(graded["score"] * 2)
        else:
            assert graded["score"] is None
            assert graded["band"] is None
        for row in graded["criteria"]:
            assert list(row) == [
                "id",
                "polarity",
                "points",
                "verdict",
                "prompted",
                "quotes",
                "reason",
            ]
            criterion = playbook.by_id[row["id"]]
            assert (criterion.dimension, criterion.polarity, criterion.points) == (
                dimension,
                row["polarity"],
                row["points"],
            )
            assert row["verdict"] in ("met", "partial", "unmet", "cannot_assess")
            assert row["prompted"] in (True, False, None)
            assert row["reason"]
            ids.append(row["id"])
    assert sorted(ids) == sorted(playbook.by_id)
    assert list(document["overall"]) == ["score", "signal", "by_level"]
    assert list(document["overall"]["by_level"]) == list(LEVELS)
    for flag in document["flags"]:
        assert list(flag) == ["kind", "turn", "text"]
    assert json.loads(json.dumps(document)) == document
    assert Grade.model_validate(document) == grades[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_quote_is_verbatim_in_a_turn_of_the_candidate(grades, candidates, name):
    turns = candidates[name].turns
    for graded in grades[name].scores.values():
        for row in graded.criteria:
            assert bool(row.quotes) == (row.verdict in ("met", "partial")) or (
                row.polarity == "positive" and row.id.startswith("any.communication")
            )
            for quote in row.quotes:
                assert turns[quote.turn].speaker == "candidate"
                assert quote.text in turns[quote.turn].text
    for flag in grades[name].flags:
        assert turns[flag.turn].speaker == "candidate"


def overall(grades, name):
    return grades[name].overall.score


def test_the_candidates_are_ordered(grades):
    assert overall(grades, "weak") < overall(grades, "mid") <= overall(grades, "strong")
    assert overall(grades, "weak") < overall(grades, "staff")


@pytest.mark.parametrize("name", ["gibberish", "copied", "buzzwords"])
def test_words_without_content_are_worth_next_to_nothing(grades, name):
    assert overall(grades, name) <= 0.6
    assert grades[name].overall.signal == "strong_no"
    assert overall(grades, name) < overall(grades, "mid")


def test_what_is_no_evidence_is_flagged(grades):
    assert {f.kind for f in grades["copied"].flags} == {"copied"}
    assert "list" in {f.kind for f in grades["buzzwords"].flags}


@pytest.mark.parametrize("name", ["weak", "mid"])
def test_the_same_transcript_gives_the_same_bytes(candidates, playbook, grades, encoder, name):
    again = graded_as(candidates[name], playbook)
    assert dump(again) == dump(grades[name])
    if name == "weak":
        fresh = Playbook.load("fraud-checkout", encoder, variant="weeks")
        assert dump(graded_as(candidates[name], fresh)) == dump(grades[name])


def dump(grade):
    return json.dumps(grade.document())


def test_scores_do_not_depend_on_the_level(playbook):
    said = "Payments older than 60 days train the model, because chargebacks come weeks later."
    talk = stage_talk(*TECHNICAL, text=said)
    found = [graded_as(talk, playbook, level=n) for n in LEVELS]
    assert found[0].overall.score is not None
    assert len({json.dumps(g.document()["scores"]) for g in found}) == 1
    assert len({g.overall.score for g in found}) == 1
    assert all(g.overall.by_level == found[0].overall.by_level for g in found)
    assert [g.overall.signal for g in found] == [found[0].overall.by_level[n] for n in LEVELS]
    ranks = [SIGNALS.index(g.overall.signal) for g in found]
    assert ranks == sorted(ranks, reverse=True)


def test_the_versions_name_what_graded(grades, playbook, general, encoder):
    grade = grades["mid"]
    assert grade.model.startswith("minilm-l6-v2-int8+detector-")
    assert len(grade.rubric_version) == 12
    turns = transcript(("i", "How?"), ("c", "Rules first."))
    other = graded_as(turns, Playbook.load("fraud-checkout", encoder, variant="days"))
    assert other.rubric_version != grade.rubric_version
    assert graded_as(turns, general).rubric_version != grade.rubric_version


def stage_talk(*stages, text="fine"):
    rows: list[Any] = [("i", "Design a fraud system.")]
    for stage in stages:
        rows += [("i", "Go on.", {"stage": stage}), ("c", text, {"stage": stage})]
    return transcript(*rows)


def test_asked_with_nothing_said_is_0_and_never_asked_is_not_assessed(playbook):
    grade = graded_as(stage_talk("data", "serving"), playbook)
    for dimension in ("data", "serving", "communication"):
        assert (grade.scores[dimension].status, grade.scores[dimension].score) == ("graded", 0.0)
    for dimension in ("framing", "metrics", "modeling", "validation", "operations"):
        graded = grade.scores[dimension]
        assert (graded.status, graded.score, graded.band) == ("not_assessed", None, None)
        assert {c.verdict for c in graded.criteria} == {"cannot_assess"}
        assert all(c.prompted is None and c.quotes == () for c in graded.criteria)


def test_with_fewer_than_six_dimensions_there_is_no_overall(playbook):
    five = graded_as(stage_talk("framing", "metrics", "data", "modeling"), playbook)
    assert sum(s.status == "graded" for s in five.scores.values()) == 5
    assert five.overall.score is None
    assert five.overall.signal is None
    assert five.overall.by_level == dict.fromkeys(LEVELS)
    six = graded_as(stage_talk("framing", "metrics", "data", "modeling", "serving"), playbook)
    assert six.overall.score == 0.0
    assert six.overall.signal == "strong_no"


def test_raised_unasked_counts_from_any_stage(playbook, told):
    criterion, text = told
    elsewhere = "operations" if criterion.dimension != "operations" else "serving"
    grade = graded_as(stage_talk(elsewhere, text=text), playbook)
    assert grade.scores[criterion.dimension].status == "graded"
    assert grade.scores[elsewhere].status == "graded"


def test_another_language_is_unscored_not_low(playbook):
    text = (
        "Die Zahlungen der letzten sechzig Tage nehmen wir nicht ins Training auf, denn die "
        "Rückbuchungen kommen erst nach Wochen und die Kennzeichen sind bis dahin nicht endgültig."
    )
    grade = graded_as(transcript(("i", "How?", {"stage": "data"}), ("c", text)), playbook)
    assert {s.status for s in grade.scores.values()} == {"unscored"}
    assert {s.reason for s in grade.scores.values()} == {LANGUAGE_REASON}
    assert all(s.score is None for s in grade.scores.values())
    assert grade.overall.score is None
    assert [f.kind for f in grade.flags][:1] == ["language"]


@pytest.mark.parametrize("case", [None, "feed-ranking"])
def test_a_null_or_unknown_case_is_graded_with_the_general_rubric(general, case):
    """The caller chooses the playbook; the rubric without a case has no case criteria."""
    known = {c.id for c in load_case("fraud-checkout").criteria}
    talk = transcript(
        ("i", "Design a feed ranking system.", {"stage": "framing"}),
        ("c", "First a popularity baseline, since we have no labels on the first day."),
        ("i", "Which metric?", {"stage": "metrics"}),
        ("c", "Sessions per user in an A/B test decide; clicks alone reward bait."),
        case=case,
        prompt="Design a feed ranking system.",
    )
    grade = graded_as(talk, general)
    rows = [c.id for s in grade.scores.values() for c in s.criteria]
    assert rows
    assert not known & set(rows)
    assert grade.scores["metrics"].status == "graded"


def test_a_single_answer_has_exactly_its_dimension(playbook, told):
    criterion, text = told
    dimension = criterion.dimension
    grade = graded_as(transcript(("i", "How?"), ("c", text)), playbook, only=dimension)
    assert list(grade.document()["scores"]) == [dimension]
    assert grade.overall is None
    assert grade.scores[dimension].status == "graded"
    quotes = [q for c in grade.scores[dimension].criteria for q in c.quotes]
    assert quotes
    assert {q.turn for q in quotes} == {1}
    nothing = transcript(("i", "How?"), ("c", "fine"))
    assert graded_as(nothing, playbook, only="operations").scores["operations"].score == 0


@pytest.fixture(scope="module")
def told(playbook):
    """A criterion with words of its own that meet it, at least in part."""
    for criterion in playbook.case.criteria:
        if criterion.polarity == "positive" and criterion.behaviour is None:
            text = criterion.meets[0]
            talk = transcript(("i", "Design it."), ("c", text))
            if any(f.criterion == criterion.id for f in read(talk, playbook).found):
                return criterion, text
    raise AssertionError


def prompted(grade, name):
    return next(c.prompted for s in grade.scores.values() for c in s.criteria if c.id == name)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        # A probe about it named it; its stage's opening question, or a probe about another, not.
        ({"move": "probe"}, True),
        ({"move": "hint"}, True),
        ({"move": "challenge"}, True),
        ({"move": "ask", "target": None}, False),
        ({"move": "probe", "target": "other.criterion"}, False),
    ],
)
def test_prompted_by_the_moves_of_an_own_transcript(playbook, told, question, expected):
    criterion, text = told
    marks = {"target": criterion.id} | question
    talk = transcript(("i", "Design it."), ("i", "Please go on.", marks), ("c", text))
    assert prompted(graded_as(talk, playbook), criterion.id) is expected


def test_prompted_by_the_words_of_an_imported_one(playbook, told):
    criterion, text = told
    named = transcript(("i", "Design it."), ("i", criterion.probes[0]), ("c", text))
    assert prompted(graded_as(named, playbook), criterion.id) is True
    open_talk = transcript(("i", "Design it."), ("c", text))
    assert prompted(graded_as(open_talk, playbook), criterion.id) is False


def test_prompted_cannot_be_told_without_the_interviewer(playbook, told):
    criterion, text = told
    grade = graded_as(transcript(("c", text)), playbook)
    assert prompted(grade, criterion.id) is None


def test_a_hint_taken_lowers_what_the_point_is_worth(playbook, told):
    criterion, text = told
    marks = {"move": "hint", "target": criterion.id, "stage": criterion.asked_in}
    free = transcript(("i", "Design it."), ("i", "Go on.", marks | {"move": "ask"}), ("c", text))
    helped = transcript(("i", "Design it."), *[("i", "Think of it.", marks)] * 3, ("c", text))
    first = graded_as(free, playbook).scores[criterion.dimension]
    second = graded_as(helped, playbook).scores[criterion.dimension]
    assert second.score <= first.score


def test_only_the_candidate_is_graded(playbook, told):
    criterion, text = told
    grade = graded_as(
        transcript(("i", text, {"stage": criterion.asked_in}), ("c", "fine"), ("i", text)), playbook
    )
    assert all(
        c.verdict in ("unmet", "cannot_assess") or c.polarity == "negative"
        for s in grade.scores.values()
        for c in s.criteria
    )


@pytest.mark.parametrize(
    "turns",
    [
        [("c", " ")],
        [("i", "How?")],
        [("c", "x" * 30_000)],
        [("c", "\ud800 half a pair of surrogates in here")],
        [("c", "…"), ("c", "🙂🙂🙂"), ("i", "?")],
    ],
)
def test_odd_transcripts_are_graded_too(playbook, turns):
    document = graded_as(transcript(*turns), playbook).document()
    assert list(document["scores"]) == list(DIMENSIONS)
