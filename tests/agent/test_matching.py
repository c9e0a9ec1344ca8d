"""Which fact a question asks for: the kinds of question, the features, and how often it is right.

The floors are for the questions that the weights were fitted on, every case as in
``evals/reports/clarify.md``, which has the figures for cases left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.casebook import packaged
from agent.clarify import FactSheet
from agent.matching import FEATURES, KINDS, Matcher, Parameters, kinds_of, packaged_parameters
from agent.prototypes import Phrases
from agent.questions import asks_in
from agent.types import Fact
from knowledge.encoder import MiniLMEncoder

DATASETS = Path(__file__).parents[2] / "evals" / "datasets" / "clarify"
CASES = sorted(p.stem for p in DATASETS.glob("*.yaml"))
MAX_TOLD_WRONGLY = 5  # of 18 questions a case that no fact answers


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("How many payments do we see?", {"amount"}),
        ("What share of payments is by card?", {"amount"}),
        ("QPS?", {"amount"}),
        ("40 req/s", {"amount"}),
        ("How long does a check take?", {"time"}),
        ("When do we find out?", {"time"}),
        ("How many days until we know?", {"amount", "time"}),
        ("Why did the losses double?", {"reason"}),
        ("What led to that, and how come?", {"reason"}),
        ("Who looks at the queue?", {"person"}),
        ("Which team owns the model?", {"person"}),
        ("How much does a reviewer cost?", {"amount", "price"}),
        ("What do we pay them?", {"price"}),
        ("Should I start with metrics?", {"opinion"}),
        ("Do you think trees are better?", {"opinion"}),
        ("HOW MANY?", {"amount"}),
        ("Do we store the card?", set()),
        ("", set()),
        # Whole words: a "whole" is no person, "somewhen" no time, "accosted" no price.
        ("the whole thing, somewhen, accosted", set()),
    ],
)
def test_kinds_of(text: str, kinds: set[str]) -> None:
    assert kinds_of(text) == kinds
    assert kinds <= set(KINDS)


def facts() -> tuple[Fact, ...]:
    rows: list[dict[str, Any]] = [
        {
            "id": "volume",
            "topic": "payments a day",
            "stage": "framing",
            "asks": ["How many payments a day?", "What is the volume?", "How big is it?"],
            "terms": ["payments?", "volume"],
            "near_asks": ["How many payments does a competitor have?"],
            "say": "Two million.",
        },
        {
            "id": "owner",
            "topic": "who owns it",
            "stage": "operations",
            "asks": ["Who owns the rules?", "Which team is responsible?", "Who is on call?"],
            "terms": ["owns?", "team", "on call"],
            "say": "Risk.",
        },
    ]
    return tuple(Fact.model_validate(row) for row in rows)


@pytest.fixture(scope="module")
def matcher(encoder: MiniLMEncoder) -> Matcher:
    return Matcher(facts(), Phrases(encoder, []))


def named(row: tuple[float, ...]) -> Mapping[str, float]:
    return dict(zip(FEATURES, row, strict=True))


@pytest.mark.parametrize(
    "text", ["How many payments a day?", "Who is on call?", "Why?", "zzz", "Should I say how many?"]
)
def test_features_are_one_row_a_fact_and_within_range(
    matcher: Matcher, encoder: MiniLMEncoder, text: str
) -> None:
    rows = matcher.features(text, encoder.encode([text])[0])
    assert len(rows) == len(facts())
    for row in rows:
        assert len(row) == len(FEATURES)
        found = named(row)
        assert -1.001 <= found["nearest"] <= found["best"] + 1e-6 <= 1.001
        assert -2.001 <= found["apart"] <= 2.001
        assert {found[n] for n in ("terms", *KINDS, "fitting")} <= {0.0, 1.0}


def test_features_of_a_question_that_is_the_facts_own(
    matcher: Matcher, encoder: MiniLMEncoder
) -> None:
    text = "How many payments a day?"
    volume, owner = map(named, matcher.features(text, encoder.encode([text])[0]))
    assert volume["best"] == pytest.approx(1.0, abs=1e-3)
    assert volume["apart"] == pytest.approx(volume["best"] - owner["best"])
    assert owner["apart"] == pytest.approx(-volume["apart"])
    assert (volume["terms"], owner["terms"]) == (1.0, 0.0)
    # An amount is what the one is asked for, and foreign to the other.
    assert (volume["amount"], owner["amount"]) == (0.0, 1.0)
    assert (volume["fitting"], owner["fitting"]) == (1.0, 0.0)


def test_an_opinion_is_foreign_to_every_fact(matcher: Matcher, encoder: MiniLMEncoder) -> None:
    text = "Would you say that is many payments?"
    rows = matcher.features(text, encoder.encode([text])[0])
    assert [named(row)["opinion"] for row in rows] == [1.0, 1.0]


def test_what_sounds_alike_is_told_apart(matcher: Matcher, encoder: MiniLMEncoder) -> None:
    vector = encoder.encode(["How many payments does a competitor have?"])[0]
    assert matcher.elsewhere(0, vector) == pytest.approx(1.0, abs=1e-3)
    assert matcher.elsewhere(1, vector) == 0.0
    assert matcher.named(0, "the VOLUME")
    assert not matcher.named(1, "the volume")


def test_the_only_fact_of_a_sheet_stands_apart_from_nothing(encoder: MiniLMEncoder) -> None:
    alone = Matcher(facts()[:1], Phrases(encoder, []))
    (row,) = alone.features("volume", encoder.encode(["volume"])[0])
    assert named(row)["apart"] == named(row)["best"]
    assert Matcher((), Phrases(encoder, [])).features("x", encoder.encode(["x"])[0]) == []


def test_a_probability_is_the_logistic_of_the_weighted_sum() -> None:
    # 0.5 + 2 x 0.25 - 1 x 1 = 0, and 1 / (1 + e^0) = 0.5; with a bias of 2.5 the sum is 2, and
    # 1 / (1 + e^-2) = 0.8808.
    model = Parameters(bias=0.5, weights=(2.0, -1.0), tell=0.6, offer=0.4)
    assert model.probability((0.25, 1.0)) == 0.5
    assert Parameters(2.5, (2.0, -1.0), 0.6, 0.4).probability((0.25, 1.0)) == 0.8808
    with pytest.raises(ValueError, match="shorter"):
        model.probability((0.25,))


def test_the_fitted_weights() -> None:
    found = packaged_parameters()
    assert len(found.weights) == len(FEATURES)
    assert 0 < found.offer < found.tell < 1
    weight = dict(zip(FEATURES, found.weights, strict=True))
    assert weight["best"] > 0
    assert weight["apart"] > 0
    assert all(weight[kind] <= 0 for kind in KINDS)


# How often it is right


Judged = list[tuple[str | None, str | None]]


@pytest.fixture(scope="module")
def told(encoder: MiniLMEncoder) -> Mapping[str, Judged]:
    """Per case and question the fact that answers it and the one that is told."""
    found: dict[str, Judged] = {}
    for case_id in CASES:
        case = packaged().load(case_id)
        phrases = Phrases(encoder, [packaged().vectors(case_id)])
        sheet = FactSheet(case.facts, case.variants[0].id, encoder, phrases)
        path = DATASETS / f"{case_id}.yaml"
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))["questions"]
        found[case_id] = []
        for row in rows:
            answers = sheet.answer(asks_in(row["question"])[:1])
            told = [a.facts[0] for a in answers if a.outcome in ("told", "confirmed", "corrected")]
            found[case_id].append((row["fact"], told[0] if told else None))
    return found


@pytest.mark.parametrize("case_id", CASES)
def test_a_question_that_no_fact_answers_is_seldom_told_one(
    told: Mapping[str, Judged], case_id: str
) -> None:
    free = [given for right, given in told[case_id] if right is None]
    assert len(free) == 18
    assert sum(given is not None for given in free) <= MAX_TOLD_WRONGLY


def test_half_of_the_questions_are_told_their_fact_and_few_a_wrong_one(
    told: Mapping[str, Judged],
) -> None:
    asked = [(right, given) for rows in told.values() for right, given in rows if right is not None]
    assert len(asked) == 18 * len(CASES)
    assert sum(given == right for right, given in asked) >= 0.5 * len(asked)
    assert sum(given not in (None, right) for right, given in asked) <= 0.03 * len(asked)
