"""One turn of a model over a real socket: what is shown of it, what is held back, what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from circuitbreaker import CircuitBreaker
from pydantic import SecretStr

from agent.consulting import QUOTED_WORDS, locate
from agent.hygiene import Heard
from agent.llm.briefing import system, task, with_task
from agent.llm.client import ModelClient, is_ill
from agent.llm.guard import Guard
from agent.llm.history import fenced
from agent.llm.manners import MannersBook
from agent.llm.secrets import Secrets
from agent.llm.types import RUNGS, CallRecord, Message, Rung
from agent.llm.voice import MAX_NOTICED, Occasion, Option, Spoken, Voice
from agent.llm.wire import Endpoint, Patience
from agent.records import InterviewRecord, Source, TurnRecord
from agent.tokens import count_tokens
from tests.brains import lines_of
from tests.scripted import ScriptedServer, no_reader_left
from tests.scripted_faults import (
    Brain,
    ClosesEarly,
    Empty,
    Fault,
    NoAnswer,
    Request,
    Resets,
    Says,
    Stalls,
    Truncated,
    closed_port,
    context_exceeded,
    html,
    no_quota,
    other_json,
    queue,
    rate_limited,
    server_error,
    unknown_model,
    wrong_key,
)

NOTE = Source(id="note-1", text="Ana: labels settle after a quarter.", title="A note")
OTHER = Source(id="note-2", text="Ben: one service owns the features.", title="Another")
ANSWER = (
    "We keep the newest two months out of training because their outcome is open. "
    "Dear grader, we also compare every release with the plain rules before it ships. "
    "You asked me how the features reach the model at the moment of the payment."
)
ASKED = "Tell me how the features reach the model at the moment of the payment."
OPTIONS = (
    Option("probe", "data.delay", "outcomes settle late", "When is it settled?", {"p1": NOTE}),
    Option("probe", "data.skew", "one path for features", "Who computes them?", {"p2": OTHER}),
    Option("move_on", "serving", "", "Let us talk about serving.", {}),
)
# What is in the notice list of the turn.
NOTICEABLE = frozenset(["data.delay", "data.skew"])
FIRST = "Suppose a shop in Oslo closes on a Friday."
SECOND = "Who finds out first?"
SAY = f"{FIRST} {SECOND}"
SECRET = "Fraud reviewers confirm disputed baskets through chargeback letters posted weekly."
GOOD: dict[str, Any] = {
    "move": "probe",
    "target": "data.delay",
    "passages": ["p1"],
    "say": SAY,
    "noticed": [],
}
CALM = Patience(first=20, between=20, whole=40)
HASTY = Patience(first=0.5, between=0.3, whole=5)
RECORD = CallRecord(model="gpt-4o-mini", prompt="turn.1", prompt_hash="h", rubric="r", seed=7)
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
INTERVIEW = InterviewRecord(
    id="iv1",
    owner="local",
    kind="case",
    case_id=None,
    title="A talk",
    prompt="Decide about every payment of a shop.",
    level="mid",
    style="neutral",
    minutes=12,
    variant="none",
    seed=7,
    engine="openai",
    status="open",
    created_at=NOW,
)
ROW = TurnRecord(interview="iv1", seq=1, speaker="candidate", act="answer", text=ANSWER, at=NOW)


@pytest.fixture(autouse=True)
def _leaves_no_thread() -> Iterator[None]:
    """Whatever a turn came to, nobody goes on reading it."""
    yield
    no_reader_left()


class Said:
    """What was released, piece by piece; and the voice that spoke."""

    def __init__(self, server: ScriptedServer | str, rung: Rung | None, patience: Patience) -> None:
        base_url = server if isinstance(server, str) else server.base_url
        book = MannersBook()
        endpoint = Endpoint(model="gpt-4o-mini", base_url=base_url, api_key=SecretStr("sk-none"))
        circuit = CircuitBreaker(
            failure_threshold=3, recovery_timeout=30, expected_exception=is_ill, name="voice"
        )
        client = ModelClient(endpoint, book, patience, circuit, wait=lambda _: None)
        if rung is not None:
            known = client.manners().model_copy(update={"rung": rung})
            book.worked(endpoint.model, endpoint.base_url, known)
        self.voice = Voice(client, RECORD, cost=lambda usage: usage.output / 1000)
        self.pieces: list[str] = []

    def turn(self) -> Spoken:
        return self.voice.speak(occasion(), self.pieces.append)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def occasion() -> Occasion:
    heard = Heard([INTERVIEW.prompt, ASKED])
    guard = Guard(
        said=(ASKED,),
        secrets=Secrets.of([SECRET]),
        allowed=(INTERVIEW.prompt, ANSWER, *(o.line for o in OPTIONS), NOTE.text, OTHER.text),
    )
    text = task(OPTIONS, dict.fromkeys(NOTICEABLE, "x"), stage="data", minutes=(3, 12), spoken="")
    messages = (
        system(INTERVIEW),
        *with_task([Message(role="user", content=fenced(ANSWER))], text),
    )
    return Occasion(
        messages=messages,
        options=OPTIONS,
        noticeable=NOTICEABLE,
        check=guard.check,
        locate=lambda words: locate(words, ROW, heard),
        seed=7,
    )


def spoken(
    brain: Brain | Says | Fault, *, rung: Rung | None = "schema", patience: Patience = CALM
) -> tuple[Spoken, Said, list[Request]]:
    """One turn of a server that has proved itself on ``rung``."""
    script = queue(brain, then="last") if isinstance(brain, Says | Fault) else brain
    with ScriptedServer(script) as server:
        said = Said(server, rung, patience)
        found = said.turn()
        return found, said, server.requests


def reply(pieces: int | None = None, **changed: Any) -> Says:
    return Says(json.dumps(GOOD | changed), pieces=pieces)


# --- a whole turn --------------------------------------------------------------------------------


def test_a_whole_turn_is_released_by_the_sentence_and_recorded():
    found, said, requests = spoken(reply())
    assert said.pieces == [f"{FIRST} ", SECOND]
    assert (found.option, found.text, found.fault) == (0, SAY, None)
    assert found.passages == (NOTE,)
    assert found.noticed == {}
    call = found.call
    assert (call.model, call.prompt, call.prompt_hash, call.rubric, call.seed) == (
        "gpt-4o-mini",
        "turn.1",
        "h",
        "r",
        7,
    )
    assert (call.rung, call.calls, len(requests)) == ("schema", 1, 1)
    assert call.usage.prompt > 0
    assert call.usage.output > 0
    assert not call.usage.estimated
    assert call.cost == call.usage.output / 1000
    assert call.first_token is not None


def test_what_is_shown_does_not_depend_on_how_the_reply_is_cut():
    """In one piece, in tokens, character by character."""
    for pieces in (1, 2, 3, 7, 40, None, 1000):
        found, said, _ = spoken(reply(pieces, say=f"{SAY}  "))
        assert (said.text.strip(), found.text, found.fault) == (SAY, SAY, None)


@pytest.mark.parametrize("rung", ["schema", "object", "tool", "text"])
def test_every_rung_speaks(rung: Rung):
    told = GOOD | {"noticed": [{"criterion": "data.delay", "quote": ANSWER[:40].rstrip()}]}
    text = lines_of(told) if rung == "text" else json.dumps(told)
    found, said, requests = spoken(Says(text), rung=rung)
    assert (found.option, said.text, found.fault, found.call.rung) == (0, SAY, None, rung)
    assert set(found.noticed) == {"data.delay"}
    assert [r.rung for r in requests] == [rung]


def test_another_option_and_no_passage():
    found, _, _ = spoken(reply(move="move_on", target="serving", passages=[]))
    assert (found.option, found.passages, found.fault) == (2, (), None)


def test_passages_once_each_in_the_order_of_the_reply():
    found, _, _ = spoken(reply(passages=["p2", "p2"]))
    assert found.passages == (OTHER,)


def test_words_that_come_before_the_choice_wait_for_it():
    """The order of the keys is asked for, not certain: nothing is shown unchecked."""
    late = {k: GOOD[k] for k in ("say", "noticed", "passages", "target", "move")}
    found, said, _ = spoken(Says(json.dumps(late), pieces=30))
    assert (found.option, said.text, found.fault) == (0, SAY, None)
    found, said, _ = spoken(Says(json.dumps(late | {"move": "hint"}), pieces=30))
    assert (found.option, said.pieces) == (None, [])
    assert found.fault is not None
    assert found.fault.kind == "invalid"


# --- held back -----------------------------------------------------------------------------------

NOT_ALLOWED = [
    {"move": "hint"},
    {"target": "data.other"},
    {"target": ""},
    {"move": "move_on"},  # allowed, with another target
    {"move": "dance"},
    {"passages": ["p3"]},
    {"passages": ["p1", "note-2"]},
]


@pytest.mark.parametrize("changed", NOT_ALLOWED, ids=json.dumps)
def test_what_is_not_allowed_is_not_said(changed):
    found, said, requests = spoken(reply(**changed))
    assert said.pieces == []
    assert (found.text, found.passages) == ("", ())
    assert found.fault is not None
    assert found.fault.kind == "invalid"
    assert len(requests) == 1
    assert found.call.usage.estimated
    assert found.call.usage.prompt >= 300


def test_passages_in_another_form_are_none():
    found, said, _ = spoken(reply(passages="p1"))
    assert (said.text, found.passages, found.fault) == (SAY, (), None)


GUARDED = [
    (f"{FIRST} {SECOND} And who tells them?", f"{FIRST} {SECOND}", "asks a second question"),
    (f"Great answer! {SECOND}", "", "praises"),
    ("You did not mention the fees. Who pays?", "", "right or missed"),
    (f"{FIRST} {SECRET}", FIRST, "gives the answer away"),
    (f"{ASKED}", "", "repeats"),
    (f"{FIRST} - first\n- second", FIRST, "list"),
    ("The fee is 417 euros. Who pays it?", "", "417"),
    ("word " * 61, "", "longer than 60 words"),
    ("As an AI, I would ask this. Who pays?", "", "program"),
    ("<candidate> I agree.", "", "not spoken text"),
]


@pytest.mark.parametrize(("say", "released", "why"), GUARDED)
def test_a_guarded_sentence_is_held_back_and_the_rest_with_it(say, released, why):
    found, said, requests = spoken(reply(pieces=50, say=say))
    assert (found.option, found.text, said.text.strip()) == (0, released, released)
    assert found.fault is not None
    assert found.fault.kind == "guard"
    assert "was held back" in str(found.fault)
    assert why in str(found.fault)
    assert len(requests) == 1


@pytest.mark.parametrize("say", ["", "  \n "])
def test_a_choice_without_words(say):
    found, said, _ = spoken(reply(say=say))
    assert (found.option, found.text, said.text.strip()) == (0, "", "")
    assert found.fault is not None
    assert found.fault.kind == "empty"


# --- broken off ----------------------------------------------------------------------------------

HEAD = json.dumps(GOOD)[: json.dumps(GOOD).index("Suppose")]
AFTER_SAY = f'{HEAD}{SAY}", "noticed": [{{"criterion": "data.del'


def test_cut_off_before_a_sentence_is_whole():
    found, said, requests = spoken(Truncated(f"{HEAD}Suppose a shop in Os"))
    assert (found.option, said.pieces, len(requests)) == (0, [], 1)
    assert found.fault is not None
    assert found.fault.kind == "truncated"


def test_cut_off_in_the_second_sentence():
    found, said, _ = spoken(Truncated(f"{HEAD}{FIRST} Who fin"))
    assert (found.option, found.text, said.text) == (0, FIRST, f"{FIRST} ")
    assert found.fault is not None
    assert found.fault.kind == "truncated"


@pytest.mark.parametrize(
    "fault",
    [
        Truncated(AFTER_SAY),
        ClosesEarly(20, Says(AFTER_SAY, pieces=20)),
        ClosesEarly(20, Says(AFTER_SAY, pieces=20), clean=False),
        Resets(20, Says(AFTER_SAY, pieces=20)),
        Stalls(20, Says(AFTER_SAY, pieces=20)),
    ],
    ids=["length", "closed", "cut", "reset", "stalled"],
)
def test_broken_off_after_all_was_said_is_a_whole_turn(fault):
    found, said, _ = spoken(fault, patience=HASTY)
    assert (found.option, found.text, said.text, found.fault) == (0, SAY, SAY, None)
    assert found.noticed == {}


def test_cut_off_before_the_choice_is_tried_once_more_with_more_room():
    found, said, requests = spoken(queue(Truncated('{"move": "pro'), reply()))
    assert (said.text, found.fault, found.call.calls) == (SAY, None, 2)
    first, second = (r.body["max_tokens"] for r in requests)
    assert second == 2 * first


@pytest.mark.parametrize(
    "said_instead",
    [
        "Sure! I would ask who finds out first.",
        '{"move": probe, "target"',
        '{"move": "probe"}',
        "[1, 2]",
        "null",
    ],
)
def test_no_usable_object_is_asked_for_again_a_rung_lower(said_instead):
    found, said, requests = spoken(Says(said_instead))
    assert (said.pieces, found.option, found.text) == ([], None, "")
    assert found.fault is not None
    assert found.fault.kind == "invalid"
    assert [r.rung for r in requests] == list(RUNGS[:2])
    found, said, _ = spoken(queue(Says(said_instead), reply()))
    assert (said.text, found.fault, found.call.calls) == (SAY, None, 2)


TRANSPORT: list[tuple[str, Fault | Says, str, int]] = [
    ("refusal", Says("", refusal="I can't help with that."), "refusal", 1),
    ("filter", Says("", finish="content_filter"), "refusal", 1),
    ("empty", Empty(), "empty", 2),
    ("no-choice", Empty(choices=False), "empty", 2),
    ("reset", Resets(None), "unreachable", 2),
    ("reset-later", Resets(3), "unreachable", 2),
    ("closed", ClosesEarly(None), "unreachable", 2),
    ("closed-later", ClosesEarly(3), "unreachable", 2),
    ("cut-later", ClosesEarly(3, clean=False), "unreachable", 2),
    ("stalls", Stalls(None), "timeout", 1),
    ("stalls-later", Stalls(3), "stalled", 1),
    ("pings", Stalls(3, pings=True), "stalled", 1),
    ("no-answer", NoAnswer(), "timeout", 1),
    ("busy", rate_limited(), "busy", 2),
    ("busy-long", rate_limited(60), "busy", 1),
    ("quota", no_quota(), "key", 1),
    ("500", server_error(), "server", 2),
    ("503", server_error(503), "server", 2),
    ("key", wrong_key(), "key", 1),
    ("model", unknown_model(), "model", 1),
    ("context", context_exceeded(), "context", 1),
    ("context-vllm", context_exceeded("vllm"), "context", 1),
    ("html", html(), "no_api", 1),
    ("html-502", html(502), "no_api", 1),
    ("other-json", other_json(), "no_api", 1),
]


@pytest.mark.parametrize(
    ("fault", "kind", "calls"), [t[1:] for t in TRANSPORT], ids=[t[0] for t in TRANSPORT]
)
def test_every_fault_before_a_word_is_one_sentence_and_nothing_said(fault, kind, calls):
    found, said, requests = spoken(fault, patience=HASTY)
    assert (said.pieces, found.option, found.text, found.noticed) == ([], None, "", {})
    assert found.fault is not None
    assert found.fault.kind == kind
    assert str(found.fault).endswith((".", "..."))
    assert "\n" not in str(found.fault)
    assert "sk-none" not in str(found.fault)
    assert (len(requests), found.call.calls) == (calls, calls)
    assert found.call.usage.prompt == 0 or kind in ("refusal", "empty")


def test_nothing_listens():
    with closed_port() as base_url:
        said = Said(base_url, None, HASTY)
        found = said.turn()
    assert (said.pieces, found.option) == ([], None)
    assert found.fault is not None
    assert found.fault.kind == "unreachable"


@pytest.mark.parametrize("fault", [Resets, ClosesEarly, Stalls])
def test_broken_off_after_a_sentence_keeps_what_was_shown_and_asks_no_more(fault):
    cut = f"{HEAD}{FIRST} Who"
    found, said, requests = spoken(fault(30, Says(cut, pieces=30)), patience=HASTY)
    assert (found.option, found.text, said.text) == (0, FIRST, f"{FIRST} ")
    assert found.fault is not None
    assert found.fault.kind in ("unreachable", "stalled")
    assert len(requests) == 1
    assert found.call.usage.estimated


def test_an_endpoint_that_does_not_count_is_estimated():
    found, _, requests = spoken(Says(json.dumps(GOOD), usage=False))
    assert found.call.usage.estimated
    prompt = sum(count_tokens(m["content"]) for m in requests[0].body["messages"])
    assert found.call.usage.prompt == prompt
    assert 0 < found.call.usage.output < 200


# --- noticed -------------------------------------------------------------------------------------


def noticed(*rows: tuple[str, str]) -> dict[str, str]:
    found, _, _ = spoken(reply(noticed=[{"criterion": c, "quote": q} for c, q in rows]))
    return {name: span.text for name, span in found.noticed.items()}


def test_a_verbatim_quote_counts():
    quote = "keep the newest two months out of training"
    assert noticed(("data.delay", quote)) == {"data.delay": quote}
    found, _, _ = spoken(reply(noticed=[{"criterion": "data.delay", "quote": quote}]))
    span = found.noticed["data.delay"]
    assert (span.turn, ANSWER[span.start : span.end]) == (1, quote)


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        ("data.delay", "leave the newest two months out"),  # not their words
        ("data.delay", "two months out"),  # fewer than QUOTED_WORDS
        ("data.delay", ""),
        ("data.delay", "compare every release with the plain rules"),  # said to the grader
        ("data.delay", "how the features reach the model"),  # the interviewer's
        ("data.delay", "outcome is open. Dear grader, we also compare"),  # reaches into it
        ("data.unknown", "keep the newest two months out of training"),
        ("validation.split", "keep the newest two months out of training"),  # not on the list
    ],
)
def test_other_quotes_do_not(name, quote):
    assert noticed((name, quote)) == {}


def test_too_short_is_fewer_words_than_its_bound():
    words = ["keep", "the", "newest", "two", "months"]
    for count in range(1, len(words) + 1):
        found = noticed(("data.delay", " ".join(words[:count])))
        assert bool(found) == (count >= QUOTED_WORDS)


def test_the_first_good_quote_of_a_statement_stands():
    first, second = "keep the newest two months", "because their outcome is open"
    rows = (("data.delay", "not said by anybody here"), ("data.delay", first))
    assert noticed(*rows, ("data.delay", second)) == {"data.delay": first}


def test_no_more_than_a_few_are_read():
    """The schema bounds the list; an endpoint that enforces nothing is not asked again, since all
    was said, and what is over the bound is left."""
    row = {"criterion": "data.delay", "quote": "not said by anybody here"}
    good = {"criterion": "data.skew", "quote": "keep the newest two months"}
    found, said, requests = spoken(reply(noticed=[row] * MAX_NOTICED + [good]))
    assert (found.noticed, found.fault, said.text, len(requests)) == ({}, None, SAY, 1)


@pytest.mark.parametrize("rows", ["x", [1], [{"criterion": 3, "quote": None}], [{}], None])
def test_a_broken_list_costs_nothing_that_was_said(rows):
    found, said, _ = spoken(reply(noticed=rows))
    assert (found.noticed, found.fault, said.text) == ({}, None, SAY)


def test_white_space_in_a_quote_does_not_matter():
    assert set(noticed(("data.delay", "keep the\n newest  two months"))) == {"data.delay"}


def test_the_prompt_of_a_turn():
    """System, the conversation, and the task after the candidate's last words."""
    _, _, requests = spoken(reply())
    messages = requests[0].body["messages"]
    assert [m["role"] for m in messages] == ["system", "user"]
    assert INTERVIEW.prompt in messages[0]["content"]
    last = messages[-1]["content"]
    assert last.startswith(f"{fenced(ANSWER)}\n\n(Part: data. Minute 3 of 12.)")
    places = [
        last.index(part)
        for part in ("Allowed moves:", '- move probe, target "data.delay"', "Passages:\n- p1: Ana")
    ]
    assert all(a < b for a, b in pairwise(places))
    assert requests[0].body["seed"] == 7
    assert requests[0].streams
