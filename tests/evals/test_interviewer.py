"""The interviewer's specification, checked on turns made for it."""

from __future__ import annotations

import pytest

from agent.llm.briefing import specification, turn_prompt
from agent.playbook import Playbook
from agent.transcript import Transcript, Turn
from evals.interviewer import BROKEN_BY, CHECKS, broken, report, turns_of
from knowledge.encoder import MiniLMEncoder

OWN = "I would train on payments older than 60 days and compare with the present rules every month."


@pytest.fixture(scope="module")
def playbook() -> Playbook:
    return Playbook.load("fraud-checkout", MiniLMEncoder(), variant="weeks")


def said(playbook: Playbook, text: str, own: str = OWN):
    """One turn after one answer."""
    transcript = Transcript(
        id="t",
        case="fraud-checkout",
        prompt="Design the system that decides what happens to a payment.",
        turns=(
            Turn(speaker="interviewer", text="Where do you begin?", move="brief"),
            Turn(speaker="candidate", text=own),
            Turn(speaker="interviewer", text=text, move="probe"),
        ),
    )
    (turn,) = turns_of(transcript, playbook)
    return turn


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ('"older than 60 days": what do you do on day one?', set()),
        ("Who finds out first? And who pays?", {"one_question"}),
        ("Great answer! Who pays for that?", {"no_verdict"}),
        ("You forgot the labels. Who pays?", {"no_verdict"}),
        ('"older than ninety days": what then?', {"theirs"}),
        ("**Next**: who pays?", {"plain"}),
        ("With 37,512 payments an hour, who pays?", {"no_inventing"}),
        ("Where do you begin? ", set()),
        (
            "Erzählen Sie mir bitte einmal ganz genau, wie Sie die Daten dafür bekommen würden?",
            {"language"},
        ),
        (" ".join(["so"] * 46) + "?", {"short"}),
    ],
)
def test_what_a_turn_breaks(playbook, text, rules):
    assert broken(said(playbook, text)) == rules


def test_a_statement_said_aloud_gives_the_answer_away(playbook):
    strong = playbook.by_id["validation.time-split"].strong
    assert "no_answer" in broken(said(playbook, strong))


def test_every_check_is_a_rule_that_the_prompt_quotes(playbook):
    rules = specification()["rules"]
    assert {*BROKEN_BY.values(), *CHECKS} <= set(rules)
    assert "$rules" in turn_prompt().text


def test_the_table(playbook):
    lines = report([said(playbook, "Great answer! Who pays?"), said(playbook, "Who pays for it?")])
    assert "| no_verdict | 2 | 50% |" in lines
    assert "| one_question | 2 | 100% |" in lines
