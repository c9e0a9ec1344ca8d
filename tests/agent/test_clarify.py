"""The hidden fact sheet: told when asked, nothing beside it, assumptions held against it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clarify import MAX_ANSWERED, FactSheet
from agent.numbers import holds
from agent.playbook import Playbook
from agent.questions import Ask, asks_in, chosen_of, open_asks
from agent.sentences import Span
from agent.service import Setup
from agent.types import FactValue
from tests.agent.support import DATA

HELD_OUT = yaml.safe_load((DATA / "fraud_clarify.yaml").read_text(encoding="utf-8"))
# Measured: of 45 questions that a fact answers 32 are told it and 11 asked whether they mean it; of
# 15 that none answers none is told one. The other cases' figures are in evals/reports/clarify.md.
TOLD, REACHED, ASSUMED = 30, 41, 13


@pytest.fixture(scope="module")
def sheet(playbook: Playbook) -> FactSheet:
    return playbook.facts


def told(sheet, text):
    answers = sheet.answer(asks_in(text))
    return [f for a in answers if a.outcome not in ("which", "yours") for f in a.facts]


def test_held_out_questions(sheet):
    right, offered, wrong = 0, 0, []
    for row in HELD_OUT["questions"]:
        answers = sheet.answer(asks_in(row["question"]))
        found = told(sheet, row["question"])
        right += row["fact"] is not None and found == [row["fact"]]
        offered += any(a.outcome == "which" and row["fact"] in a.facts for a in answers)
        if set(found) - {row["fact"]}:
            wrong.append((row["question"], found))
    assert len(HELD_OUT["questions"]) == 60
    assert wrong == []
    assert right >= TOLD
    assert right + offered >= REACHED


def test_held_out_assumptions(sheet):
    right = 0
    for row in HELD_OUT["assumptions"]:
        answers = sheet.answer(asks_in(row["assumption"]))
        right += [(a.outcome, a.facts) for a in answers] == [(row["verdict"], (row["fact"],))]
    assert len(HELD_OUT["assumptions"]) == 15
    assert right >= ASSUMED


def test_every_authored_way_of_asking_gets_its_fact(playbook):
    """Where a question's terms fit two facts, the one whose own wording it is is told."""
    missed = []
    for fact in playbook.case.facts:
        for text in fact.asks[:2]:
            ask = Ask(Span(0, 0, len(text), text, 0, 0), assumption=False)
            answer = playbook.facts.answer([ask])[0]
            if answer.facts != (fact.id,) or answer.outcome != "told":
                missed.append((fact.id, text, answer.outcome, answer.facts))
    assert len(missed) <= 3, missed


def test_questions_are_answered_in_their_order(sheet):
    text = "What is the margin on an order? How fast must the score be? When do the labels arrive?"
    assert told(sheet, text) == ["margin", "latency", "label-delay"]
    text = (
        "how many payments a day, and when do the labels arrive, and what does the fraud cost us?"
    )
    assert told(sheet, text)[:2] == ["volume", "label-delay"]


def test_a_neighbouring_fact_is_not_revealed(sheet):
    (answer,) = sheet.answer(asks_in("How many reviewers?"))
    assert answer.facts == ("reviewers",)
    for word in ("step-up", "abandon", "weekend", "hours", "wait"):
        assert word not in answer.say.lower()
    (answer,) = sheet.answer(asks_in("How many payments do we handle a day?"))
    assert "second" not in answer.say
    assert "fraud" not in answer.say


def offers(sheet):
    """Held-out questions of which it asks whether a fact is meant, with the answer."""
    asked = [row["question"] for row in HELD_OUT["questions"] if row["fact"]]
    found = [(text, sheet.answer(asks_in(text))) for text in asked]
    return [(text, a[0]) for text, a in found if len(a) == 1 and a[0].outcome == "which"]


def test_where_a_fact_may_be_meant_it_asks(sheet):
    """A question that is as close to one fact as to another, or not close enough to one."""
    assert offers(sheet)
    for _, answer in offers(sheet):
        assert len(answer.facts) == len(answer.topics) in (1, 2)
        assert answer.say == ""


@pytest.mark.parametrize(
    "text",
    [
        "Which cloud are we running on?",
        "What colour is the checkout button?",
        "Do you think gradient boosting is right here?",
    ],
)
def test_what_the_sheet_does_not_say_is_left_to_the_candidate(sheet, text):
    (answer,) = sheet.answer(asks_in(text))
    assert (answer.outcome, answer.facts, answer.say) == ("yours", (), "")


def test_without_a_case_everything_is_left_to_the_candidate(general):
    answers = general.facts.answer(asks_in("How many users? What is the latency?"))
    assert [a.outcome for a in answers] == ["yours", "yours"]


@pytest.mark.parametrize("variant", ["minutes", "days", "weeks"])
def test_the_variant_says_its_own_figures(encoder, variant):
    book = Playbook.load("fraud-checkout", encoder, variant=variant)
    (answer,) = book.facts.answer(asks_in("When do the labels arrive?"))
    assert book.case is not None
    delay = next(f for f in book.case.facts if f.id == "label-delay")
    assert answer.say == delay.told(variant).say


@pytest.mark.parametrize(
    ("text", "outcome", "number"),
    [
        ("I assume about 3 million payments a day.", "confirmed", "3.1 million"),
        ("I assume about 3,000k payments a day.", "confirmed", "3.1 million"),
        ("I'll assume 40,000 payments a day.", "corrected", "3.1 million"),
        ("Let's say the margin is 5 percent.", "confirmed", "6"),
        ("Suppose scoring may take 2000 ms.", "corrected", "120"),
        ("I assume there are a dozen reviewers.", "confirmed", "Twelve"),
        # Without a number nothing can be confirmed or corrected: the figure is given.
        ("I assume the fraud rate is tiny.", "told", "0.18"),
    ],
)
def test_an_assumption_is_confirmed_or_corrected_with_the_value(sheet, text, outcome, number):
    (answer,) = sheet.answer(asks_in(text))
    assert answer.outcome == outcome
    assert number in answer.say


def test_at_most_six_are_answered(sheet):
    text = "How many payments a day? " * 9
    assert len(asks_in(text)) == 9
    assert len(sheet.answer(asks_in(text))) == MAX_ANSWERED
    assert sheet.answer([]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How many reviewers do we have?", [False]),
        ("how many reviewers do we have", [False]),
        ("I'd like to know the fraud rate.", [False]),
        ("I assume 3 million payments a day.", [True]),
        ("So the model is trained weekly.", []),
        ("What is the volume, and when do the labels arrive?", [False, False]),
        # One question with a subordinate clause, or with two alternatives, is one question.
        ("If I hold an order, when will somebody look at it?", [False]),
        ("Is it greenfield or is there a system already?", [False]),
        ("What is it? I assume a million a day. Why?", [False, True, False]),
    ],
)
def test_asks_are_found(text, expected):
    found = asks_in(text, 4)
    assert [a.assumption for a in found] == expected
    assert all(text[a.span.start : a.span.end] == a.span.text for a in found)
    assert all(a.span.turn == 4 for a in found)


TWO = ("how many reviewers there are", "how long a held payment waits")


@pytest.mark.parametrize(
    ("text", "topics", "chosen"),
    [
        ("yes", TWO[:1], [0]),
        ("Yeah, that one.", TWO[:1], [0]),
        ("no, something else", TWO[:1], []),
        ("the first", TWO, [0]),
        ("The latter please", TWO, [1]),
        ("both", TWO, [0, 1]),
        ("how long it waits", TWO, [1]),
        ("the number of reviewers", TWO, [0]),
        ("yes", TWO, []),
        ("I'd rather talk about something else entirely now, my design of the model", TWO, []),
        ("yes", (), []),
    ],
)
def test_a_short_reply_settles_what_was_offered(text, topics, chosen):
    assert chosen_of(text, topics) == chosen


def test_an_offered_fact_is_told_when_it_is_meant(service, encoder):
    record = service.create(Setup(case_id="fraud-checkout", minutes=12, seed=1))
    sheet = Playbook.load("fraud-checkout", encoder, variant=record.variant).facts
    text, answer = offers(sheet)[0]
    list(service.begin(record.id))
    service.accept(record.id, 0, text)
    list(service.advance(record.id))
    asked = service.standing(record.id).turns[-1]
    assert asked.text.count("?") == 1
    assert sheet.say(answer.facts[0]) not in asked.text
    service.accept(record.id, asked.seq, "the first" if len(answer.facts) == 2 else "yes")
    list(service.advance(record.id))
    assert sheet.say(answer.facts[0]) in service.standing(record.id).turns[-1].text


def test_a_question_the_candidate_answers_is_rhetorical():
    text = (
        "Why not accuracy? Because approving everything gives 99.8 percent. "
        "So I take recall. What is the review capacity?"
    )
    assert [a.span.text for a in open_asks(text)] == ["What is the review capacity?"]
    assert [a.span.text for a in open_asks("Which loss? Log loss. It fits. I stop here.")] == []
    addressed = "Do we have device data? It matters to me. I would use it. It is strong."
    assert [a.span.text for a in open_asks(addressed)] == ["Do we have device data?"]
    assert open_asks("") == []


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_any_text_can_be_searched_for_asks(text):
    for ask in (*asks_in(text), *open_asks(text)):
        assert text[ask.span.start : ask.span.end] == ask.span.text


def value(number, unit, tolerance=0.25):
    return FactValue(number=number, unit=unit, tolerance=tolerance)


def test_holds():
    day = value(3_100_000, "a day")
    assert holds("3 million a day", [day])
    assert holds("3.1M a day", [day])
    assert not holds("30 million a day", [day])
    # No number with the unit: nothing is confirmed.
    assert not holds("a lot a day", [day])
    assert not holds("3 million of them", [day])
    # Two values of one unit are two right answers; of a range both ends must agree.
    days = [value(45, "days"), value(120, "days")]
    assert holds("35 to 55 days", days)
    assert not holds("2 to 55 days", days)
    assert holds("after 120 days", days)
    assert not holds("2 days", days)
    # Values of different units must each agree where they are named.
    both = [value(12, "people"), value(600, "cases")]
    assert holds("12 people", both)
    # Zero has no neighbourhood.
    assert holds("0 people", [value(0, "people")])
    assert not holds("1 people", [value(0, "people")])


@given(st.floats(0.1, 1e7), st.floats(0, 1))
def test_tolerance_is_relative(number, tolerance):
    fact = value(number, "units", tolerance)
    assert holds(f"{number:.4f} units", [replaced(fact, number=round(number, 4))])


def replaced(fact, **changes):
    return fact.model_copy(update=changes)


def test_an_answer_keeps_the_words_of_its_ask(sheet):
    ask = asks_in("How many reviewers do we have?", 2)[0]
    (answer,) = sheet.answer([ask])
    assert answer.ask == ask
    assert replace(answer).ask.span.turn == 2
