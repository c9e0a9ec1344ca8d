"""The client against real sockets: every rung, every fault, what it learns, and how it lets go."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker
from pydantic import SecretStr

from agent.errors import EngineError
from agent.llm.client import ILL, ModelClient, breaker_for, is_ill
from agent.llm.engine import model_engine
from agent.llm.formats import THINKING_TOKENS, request
from agent.llm.manners import MannersBook, adapted, first_manners
from agent.llm.types import RUNGS, Ask, Message, ModelError, Partial, Rung, Usage
from agent.llm.wire import Endpoint, Patience, client_of
from agent.settings import Settings
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
    Status,
    Truncated,
    closed_port,
    context_exceeded,
    error,
    html,
    no_quota,
    other_json,
    queue,
    rate_limited,
    server_error,
    unknown_model,
    wrong_key,
)
from tests.scripted_wire import Dialect

KEY: Final = "sk-proj-Q7rTz0aB9cVhWnD4eJkLmX2yUwXYZ"
DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "vllm", "llama-cpp-python", "ollama", "ignores")
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["move", "say", "noticed"],
    "properties": {
        "move": {"type": "string", "enum": ["probe", "ask"]},
        "say": {"type": "string", "maxLength": 60},
        "noticed": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["criterion", "quote"],
                "properties": {
                    "criterion": {"type": "string", "maxLength": 20},
                    "quote": {"type": "string", "maxLength": 20},
                },
            },
        },
    },
}
GOOD: Final[dict[str, Any]] = {
    "move": "ask",
    "say": "How late do labels arrive?",
    "noticed": [{"criterion": "data.delay", "quote": "six weeks"}],
}
TEXT: Final = json.dumps(GOOD)
LINES: Final = "MOVE: ask\nSAY: How late do labels arrive?\nNOTICED: data.delay | six weeks"
PROSE: Final = Says("Sure! I would ask how late the labels are.")
SYSTEM: Final = "You interview."
CALM: Final = Patience(first=10, between=10, whole=20)
# A first word has time to come; a silence after it is short.
BRIEF: Final = Patience(first=1.5, between=0.2, whole=10)
HASTY: Final = Patience(first=0.2, between=0.2, whole=10)


@pytest.fixture(autouse=True)
def _leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy of the developer's stands between; no reading thread outlives a test."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    yield
    no_reader_left()


class Waits:
    """Stands in for ``time.sleep`` and remembers what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def breaker(recovery: float = 30) -> CircuitBreaker:
    return CircuitBreaker(
        failure_threshold=3, recovery_timeout=recovery, expected_exception=is_ill, name="test"
    )


def client(
    address: ScriptedServer | str,
    *,
    book: MannersBook | None = None,
    patience: Patience = CALM,
    circuit: CircuitBreaker | None = None,
    wait: Callable[[float], None] | None = None,
    model: str = "gpt-4o-mini",
    key: str = KEY,
) -> ModelClient:
    base_url = address if isinstance(address, str) else address.base_url
    return ModelClient(
        Endpoint(model=model, base_url=base_url, api_key=SecretStr(key)),
        book,
        patience,
        circuit or breaker(),
        wait or Waits(),
    )


def ask(content: str = "Labels come after six weeks.", **more: Any) -> Ask:
    messages = (Message(role="system", content=SYSTEM), Message(role="user", content=content))
    given = {"messages": messages, "name": "turn", "schema": SCHEMA, "max_tokens": 100, "seed": 7}
    return Ask.model_validate(given | more)


def speaks(asked: Request) -> Says:
    """A model that follows each rung."""
    return Says(LINES if asked.rung == "text" else TEXT)


def unless(refuses: Callable[[Request], bool], step: Fault) -> Brain:
    """A server that refuses some requests by itself."""
    return lambda asked: step if refuses(asked) else speaks(asked)


def fails(found: ModelClient, asked: Ask | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        found.complete(asked or ask())
    return caught.value


def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Time itself has to pass: look again and again."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def sse(*data: str) -> Status:
    """A stream with these data lines, whatever they are."""
    body = "".join(f"data: {line}\n\n" for line in data)
    return Status(200, body, {"Content-Type": "text/event-stream"})


def chunk(text: str | None, finish: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps(head | {"choices": [choice]} | more)


def refused(message: str, param: str | None = None, code: int = 400) -> Status:
    return Status(code, error(message, "invalid_request_error", param))


# --- rungs and what is learned -------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("rung", RUNGS)
def test_the_only_rung_is_found_and_remembered(
    dialect: Dialect, rung: Rung, tmp_path: Path
) -> None:
    path = tmp_path / "manners.json"
    with ScriptedServer(speaks, supports={rung}, dialect=dialect) as server:
        first = client(server, book=MannersBook(path)).complete(ask())
        tried = [r.rung for r in server.requests]
        again = client(server, book=MannersBook(path))
        assert again.manners().proven
        second = again.complete(ask())
        later = [r.rung for r in server.requests[len(tried) :]]
    assert tried == list(RUNGS[: RUNGS.index(rung) + 1])
    assert (first.data, first.rung, first.calls) == (GOOD, rung, len(tried))
    assert later == [rung]
    assert (second.data, second.rung, second.calls) == (GOOD, rung, 1)


def test_a_second_call_of_the_same_client_is_one_request() -> None:
    with ScriptedServer(speaks, supports={"text"}) as server:
        found = client(server)
        assert found.complete(ask()).calls == 4
        assert found.complete(ask()).calls == 1
        assert len(server.requests) == 5


def test_forgetting_begins_at_the_top_again(tmp_path: Path) -> None:
    path = tmp_path / "manners.json"
    with ScriptedServer(speaks, supports={"object"}) as server:
        found = client(server, book=MannersBook(path))
        assert found.complete(ask()).calls == 2
        found.forget()
        assert found.manners() == first_manners("gpt-4o-mini", server.base_url)
        assert json.loads(path.read_text()) == {}
        assert found.complete(ask()).calls == 2


def test_models_of_one_endpoint_are_learned_apart() -> None:
    book = MannersBook()
    with ScriptedServer(speaks, supports={"object"}) as server:
        assert client(server, book=book).complete(ask()).calls == 2
        other = client(server, book=book, model="gpt-4o")
        assert other.manners().rung == "schema"


DAMAGED: Final = (
    b"",
    b'{"half": ',
    b"[1, 2]",
    b"\xff\xfe\x00",
    b'{"http://x:1/v1|m": 3}',
    b'{"http://x:1/v1|m": {"rung": "telepathy"}}',
    b'{"http://x:1/v1|m": {"rung": "tool", "unknown": 1}}',
)


def test_a_damaged_manners_file_costs_only_what_was_learned(tmp_path: Path) -> None:
    with ScriptedServer(speaks, supports={"object"}) as server:
        for number, damage in enumerate(DAMAGED):
            path = tmp_path / f"{number}.json"
            path.write_bytes(damage)
            assert client(server, book=MannersBook(path)).complete(ask()).calls == 2
            assert client(server, book=MannersBook(path)).complete(ask()).calls == 1


@pytest.mark.parametrize("place", ["a folder", "under a file"])
def test_an_unwritable_manners_file_costs_nothing(place: str, tmp_path: Path) -> None:
    path = tmp_path / "manners.json"
    if place == "a folder":
        path.mkdir()
    else:
        path.write_text("a file")
        path /= "manners.json"
    with ScriptedServer(speaks, supports={"object"}) as server:
        found = client(server, book=MannersBook(path))
        assert found.complete(ask()).calls == 2
        assert found.complete(ask()).calls == 1


def test_the_manners_file_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "manners.json"
    with ScriptedServer(speaks) as server:
        client(server.base_url.replace("//", "//me:pass-word@"), book=MannersBook(path)).complete(
            ask()
        )
    assert "rung" in path.read_text()
    assert KEY not in path.read_text()
    assert "pass-word" not in path.read_text()


def test_one_slip_of_a_proven_rung_is_forgiven_and_two_in_a_row_are_a_pattern() -> None:
    steps = [Says(TEXT), PROSE, Says(TEXT), Says(TEXT), PROSE, Says(TEXT), PROSE, Says(TEXT)]
    with ScriptedServer(queue(*steps, then="last")) as server:
        found = client(server)
        rungs = [found.complete(ask()).rung for _ in range(6)]
        sent = [r.rung for r in server.requests]
    # Calls: good; slip, mended below; good (the slip is forgotten); two slips; so the next is below
    assert rungs == ["schema", "object", "schema", "object", "object", "object"]
    assert sent == [
        "schema",
        *("schema", "object"),
        "schema",
        *("schema", "object"),
        *("schema", "object"),
        "object",
    ]


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-mini"])
@pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1"])
def test_reasoning_models_of_openai(model: str, base_url: str | None) -> None:
    found = request(ask(), first_manners(model, base_url), model)
    assert "temperature" not in found
    assert "max_tokens" not in found
    assert found["max_completion_tokens"] == 100 + THINKING_TOKENS
    assert found["reasoning_effort"] == "low"
    assert found["seed"] == 7


def test_other_models_of_openai() -> None:
    found = request(ask(), first_manners("gpt-4o-mini", None), "gpt-4o-mini")
    assert found["max_completion_tokens"] == 100
    assert found["temperature"] == 0.3
    assert "max_tokens" not in found
    assert "reasoning_effort" not in found


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen2.5", "gpt-4o", "phi-o3x-not", "foo1"])
def test_models_elsewhere_get_max_tokens(model: str) -> None:
    found = request(ask(seed=None), first_manners(model, "http://localhost:1/v1"), model)
    assert found["max_tokens"] == 100
    assert found["temperature"] == 0.3
    assert not {"max_completion_tokens", "reasoning_effort", "seed"} & set(found)


def test_the_body_of_a_first_request() -> None:
    with ScriptedServer(speaks) as server:
        client(server).complete(ask())
        (sent,) = server.requests
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "gpt-4o-mini",
        "stream": True,
        "max_tokens": 100,
        "temperature": 0.3,
        "seed": 7,
        "stream_options": {"include_usage": True},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "turn", "strict": True, "schema": SCHEMA},
        },
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "Labels come after six weeks."},
        ],
    }


ALL: Final = frozenset({"max_tokens", "temperature", "seed", "stream_options"})


@pytest.mark.parametrize(
    ("dialect", "params"), [*(("openai", {p}) for p in sorted(ALL)), ("openai", ALL), ("vllm", ALL)]
)
def test_refused_parameters_are_left_out(dialect: Dialect, params: frozenset[str]) -> None:
    with ScriptedServer(speaks, dialect=dialect, refuses_params=params) as server:
        found = client(server)
        first = found.complete(ask())
        assert found.complete(ask()).calls == 1
        last = server.requests[-1].body
    assert (first.rung, first.calls) == ("schema", 1 + len(params))
    assert not params & set(last)
    assert last["max_completion_tokens" if "max_tokens" in params else "max_tokens"] == 100


def test_a_refused_reasoning_effort_is_left_out() -> None:
    with ScriptedServer(speaks, refuses_params={"reasoning_effort"}) as server:
        assert client(server, model="gpt-5-chat-latest").complete(ask()).calls == 2
        first, second = (r.body for r in server.requests)
    assert first["reasoning_effort"] == "low"
    assert "reasoning_effort" not in second


def test_refused_bounds_are_dropped_and_still_hold() -> None:
    message = (
        "Invalid schema for response_format 'turn': In context=('properties', 'say'), "
        "'maxLength' is not permitted."
    )
    long = Says(json.dumps(GOOD | {"say": "x" * 61}))
    steps = iter([Says(TEXT), Says(TEXT), long, Says(TEXT)])

    def brain(asked: Request) -> Says | Fault:
        if "maxLength" in json.dumps(asked.body):
            return refused(message, "response_format")
        return next(steps)

    with ScriptedServer(brain) as server:
        found = client(server)
        first = found.complete(ask())
        assert (first.rung, first.calls) == ("schema", 2)
        assert found.complete(ask()).calls == 1
        schema = server.requests[-1].body["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["say"] == {"type": "string"}
        assert schema["required"] == SCHEMA["required"]
        assert found.complete(ask()).calls == 2  # one letter too long is no valid reply


@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "This model does not take a system prompt.",
        pytest.param(
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        ),
    ],
)
def test_a_refused_system_role_is_folded(message: str) -> None:
    brain = unless(lambda r: r.body["messages"][0]["role"] == "system", refused(message))
    with ScriptedServer(brain) as server:
        found = client(server)
        first = found.complete(ask())
        assert found.complete(ask()).calls == 1
        messages = server.requests[-1].body["messages"]
    assert (first.rung, first.calls) == ("schema", 2)
    assert messages == [{"role": "user", "content": f"{SYSTEM}\n\nLabels come after six weeks."}]


def test_everything_refused_at_once_is_bounded() -> None:
    """Each refusal is answered by something new; nothing is tried for ever."""
    words = "temperature seed stream_options reasoning_effort maxLength max_tokens system role tool"
    with ScriptedServer(lambda _: refused(words)) as server:
        assert fails(client(server)).kind == "request"
        bodies = [json.dumps(r.body) for r in server.requests]
    assert len(bodies) == 8
    assert len(set(bodies)) == len(bodies)


# --- faults --------------------------------------------------------------------------------------

OLD: Final = "What answers at {host} is no OpenAI-compatible endpoint."
BROKEN: Final = "{host} cannot be reached, or broke the connection off."
STOPPED: Final = "{host} stopped in the middle of a reply."
LATE: Final = "{host} did not answer in time."
FORM: Final = "gpt-4o-mini's reply is not in the form asked for."
LONG: Final = "The interview is longer than gpt-4o-mini can read."
HALF: Final = Says(TEXT, pieces=20)
Case = tuple[Says | Fault, str, int, str, Patience]
FAULTS: Final[dict[str, Case]] = {
    "rate": (rate_limited(), "busy", 2, "{host} is busy (HTTP 429).", CALM),
    "rate, soon": (rate_limited(1), "busy", 2, "{host} is busy (HTTP 429).", CALM),
    "rate, late": (rate_limited(60), "busy", 1, "{host} is busy (HTTP 429).", CALM),
    "quota": (no_quota(), "key", 1, "{host} says that the account's quota is used up.", CALM),
    "500": (server_error(), "server", 3, "{host} failed (HTTP 500).", CALM),
    "503": (server_error(503), "server", 3, "{host} failed (HTTP 503).", CALM),
    "401": (
        wrong_key(),
        "key",
        1,
        "{host} refuses the key (HTTP 401): check OPENAI_API_KEY.",
        CALM,
    ),
    "403": (
        Status(403, "no"),
        "key",
        1,
        "{host} refuses the key (HTTP 403): check OPENAI_API_KEY.",
        CALM,
    ),
    "model": (
        unknown_model(),
        "model",
        1,
        "{host} does not know the model 'gpt-4o-mini' (SPAR_MODEL).",
        CALM,
    ),
    "path": (
        refused("Invalid URL (POST /chat/completions)", code=404),
        "no_api",
        1,
        "{host} has no chat completions there (HTTP 404): check OPENAI_BASE_URL.",
        CALM,
    ),
    "context": (context_exceeded(), "context", 1, LONG, CALM),
    "context, vllm": (context_exceeded("vllm"), "context", 1, LONG, CALM),
    "page": (html(), "no_api", 1, OLD, CALM),
    "page, 404": (
        html(404),
        "no_api",
        1,
        "What answers at {host} is a web page (HTTP 404), no model endpoint.",
        CALM,
    ),
    "page, 502": (
        html(502),
        "no_api",
        1,
        "What answers at {host} is a web page (HTTP 502), no model endpoint.",
        CALM,
    ),
    "json": (other_json(), "no_api", 1, OLD, CALM),
    "refused": (
        refused("We do not like\nthis request."),
        "request",
        2,
        "{host} refuses the request (HTTP 400): We do not like this request.",
        CALM,
    ),
    "reset": (Resets(None), "unreachable", 2, BROKEN, CALM),
    "reset in the stream": (Resets(5, HALF), "unreachable", 2, BROKEN, CALM),
    "close": (ClosesEarly(None), "unreachable", 2, BROKEN, CALM),
    "close in the body": (ClosesEarly(5, HALF, clean=False), "unreachable", 2, BROKEN, CALM),
    "clean close": (ClosesEarly(5, HALF), "unreachable", 2, "{host} ended a reply halfway.", CALM),
    "error event": (
        sse(chunk('{"move"'), json.dumps({"error": {"message": "GPU lost"}})),
        "server",
        2,
        "{host} reported an error in the middle of a reply: GPU lost",
        CALM,
    ),
    "no chunks": (
        sse("this is no JSON"),
        "no_api",
        1,
        "What {host} sends cannot be read as a chat completion.",
        CALM,
    ),
    "silent": (NoAnswer(), "timeout", 1, LATE, HASTY),
    "stall before the head": (Stalls(None), "timeout", 1, LATE, HASTY),
    "stall before a word": (Stalls(0, HALF), "timeout", 1, LATE, HASTY),
    "pings before a word": (Stalls(0, HALF, pings=True), "timeout", 1, LATE, HASTY),
    "stall": (Stalls(5, HALF), "stalled", 1, STOPPED, BRIEF),
    "pings": (Stalls(5, HALF, pings=True), "stalled", 1, STOPPED, BRIEF),
    "truncated": (
        Truncated(TEXT[:40]),
        "truncated",
        2,
        "gpt-4o-mini's reply was cut off at its length limit.",
        CALM,
    ),
    "empty": (Empty(), "empty", 2, "gpt-4o-mini gave an empty reply.", CALM),
    "no choice": (Empty(choices=False), "empty", 2, "gpt-4o-mini gave an empty reply.", CALM),
    "refusal": (
        Says("", refusal="I can't help with that."),
        "refusal",
        1,
        "gpt-4o-mini declined to answer.",
        CALM,
    ),
    "filter": (
        Says(TEXT[:30], finish="content_filter"),
        "refusal",
        1,
        "gpt-4o-mini declined to answer.",
        CALM,
    ),
    # Four rungs, and the last one mended once.
    "prose": (PROSE, "invalid", 5, FORM, CALM),
    "chatter": (
        Says("x" * 60_001, pieces=3),
        "truncated",
        2,
        "{model} did not stop talking.",
        CALM,
    ),
}


def everything_told(found: BaseException) -> str:
    """All that a log, a page or a debugger's traceback would show of it."""
    report = traceback.TracebackException.from_exception(found, capture_locals=True)
    return "\n".join([str(found), repr(found), *report.format()])


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str, caplog: pytest.LogCaptureFixture) -> None:
    step, kind, requests, text, patience = FAULTS[name]
    circuit = breaker()
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(queue(step, then="last")) as server:
        found = client(server, patience=patience, circuit=circuit)
        fault = fails(found)
        assert server.wait_idle()  # whatever hangs was let go
        assert len(server.requests) == requests
    host = found.endpoint.host
    assert fault.kind == kind
    assert str(fault) == text.format(host=host, model="gpt-4o-mini")
    assert type(fault) is ModelError
    assert KEY not in everything_told(fault)
    assert any(r.name.startswith("openai") for r in caplog.records)
    assert KEY not in caplog.text
    assert circuit.failure_count == (1 if kind in ILL else 0)


def test_nothing_listens() -> None:
    waits = Waits()
    with closed_port() as base_url:
        fault = fails(client(base_url.replace("//", "//me:pass-word@"), wait=waits))
        assert str(fault) == BROKEN.format(host=base_url.split("/")[2])
    assert fault.kind == "unreachable"
    assert waits.seconds == [0.5]


def test_what_a_server_says_is_shown_short_and_without_keys() -> None:
    table = [
        (f"I do not like {KEY} at all.", "I do not like [key] at all."),
        (f"Header 'Authorization: Bearer {KEY}'", "Header 'Authorization: [key]"),
        (f"{'x' * 150} {KEY}", f"{'x' * 150} [key]"),
        ("Key sk-proj-********wXYZ is odd", "Key [key] is odd"),
        ("y" * 400, "y" * 160 + "..."),
    ]
    now = [""]
    with ScriptedServer(lambda _: refused(now[0])) as server:
        for message, shown in table:
            now[0] = message
            fault = fails(client(server))
            assert str(fault).partition("(HTTP 400): ")[2] == shown
            assert KEY not in str(fault) + repr(fault)


def test_a_key_of_another_form_is_hidden_too() -> None:
    key = "correct horse battery staple"
    step = sse(chunk("{"), json.dumps({"error": {"message": f"who is {key}?"}}))
    with ScriptedServer(lambda _: step) as server:
        assert str(fails(client(server, key=key))).endswith(": who is [key]?")


def test_a_proven_endpoint_is_not_taken_down_a_rung_by_its_bad_moments() -> None:
    sick = server_error()
    odd = refused("We do not like this request.")
    steps: list[Says | Fault] = [Says(TEXT), sick, sick, odd, sick, Says(TEXT), Says(TEXT)]
    with ScriptedServer(queue(*steps)) as server:
        found = client(server)
        assert found.complete(ask()).calls == 1
        assert fails(found).kind == "server"
        assert fails(found).kind == "request"
        assert found.complete(ask()).calls == 2
        assert found.complete(ask()).calls == 1
        assert {r.rung for r in server.requests} == {"schema"}


def test_retry_after_is_honoured_up_to_four_seconds() -> None:
    honoured = [(0.0, 0.0), (1.5, 1.5), (4.0, 4.0), (None, 0.5)]
    too_long = [4.1, 20.0, float("inf")]
    steps: list[Says | Fault] = []
    for after, _ in honoured:
        steps += [rate_limited(after), Says(TEXT)]
    with ScriptedServer(queue(*steps, *map(rate_limited, too_long))) as server:
        for _, waited in honoured:
            waits = Waits()
            assert client(server, wait=waits).complete(ask()).calls == 2
            assert waits.seconds == [waited]
        for seconds in too_long:
            waits = Waits()
            fault = fails(client(server, wait=waits))
            assert (fault.kind, fault.retry_after) == ("busy", seconds)
            assert waits.seconds == []


def test_a_retry_after_that_is_a_date_is_a_short_pause() -> None:
    waits = Waits()
    step = Status(429, error("slow", "requests"), {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    with ScriptedServer(queue(step, Says(TEXT))) as server:
        assert client(server, wait=waits).complete(ask()).calls == 2
    assert waits.seconds == [0.5]


def test_a_stall_with_pings_ends() -> None:
    began = time.monotonic()
    with ScriptedServer(queue(Stalls(5, HALF, pings=True))) as server:
        assert fails(client(server, patience=BRIEF)).kind == "stalled"
        assert time.monotonic() - began < 5  # 0.2 s of silence, not the 10 s of the whole
        assert server.wait_idle()


def test_a_truncated_reply_is_asked_for_again_with_twice_the_room() -> None:
    with ScriptedServer(queue(Truncated(TEXT[:40]), Says(TEXT), Says(TEXT))) as server:
        found = client(server)
        reply = found.complete(ask())
        found.complete(ask())
        limits = [r.body["max_tokens"] for r in server.requests]
    assert (reply.data, reply.rung, reply.calls) == (GOOD, "schema", 2)
    assert limits == [100, 200, 100]


@pytest.mark.parametrize("step", [Empty(), Truncated(TEXT[:9]), PROSE, ClosesEarly(3, HALF)])
def test_one_bad_reply_is_mended(step: Says | Fault) -> None:
    with ScriptedServer(queue(step, Says(TEXT))) as server:
        reply = client(server).complete(ask())
    assert (reply.data, reply.calls) == (GOOD, 2)


def test_a_reply_that_breaks_the_schema_is_none() -> None:
    broken: list[dict[str, Any]] = [
        GOOD | {"move": "dance"},
        GOOD | {"say": 3},
        GOOD | {"more": 1},
        GOOD | {"noticed": [{"criterion": "a"}]},
        {"say": "a"},
        {},
    ]
    steps = [Says(t) for data in broken for t in (json.dumps(data), TEXT)]
    with ScriptedServer(queue(*steps)) as server:
        for _ in broken:
            assert client(server).complete(ask()).calls == 2


def test_a_whole_object_counts_whatever_ended_it() -> None:
    steps = [Says(TEXT, finish=f) for f in ("stop", "length", "eos", "end_turn")]
    with ScriptedServer(queue(*steps, ClosesEarly(99, HALF))) as server:
        for _ in range(5):
            reply = client(server).complete(ask())
            assert (reply.data, reply.calls) == (GOOD, 1)


@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
def test_a_forced_tool_may_finish_in_two_ways(finish: str) -> None:
    with ScriptedServer(speaks, supports={"tool"}, forced_finish=finish) as server:
        assert client(server).complete(ask()).rung == "tool"


def test_json_said_in_place_of_a_tool_call_is_read_too() -> None:
    with ScriptedServer(lambda _: Says(TEXT, plain=True), supports={"tool"}) as server:
        assert client(server).complete(ask()).data == GOOD


THOUGHT: Final = '<think>\nPerhaps {"move": "probe"}? MOVE: probe.\n</think>\n'


@pytest.mark.parametrize(
    "text",
    [
        THOUGHT + TEXT,
        THOUGHT.replace("think>", "thinking>") + TEXT,
        f"```json\n{TEXT}\n```",
        f"```\n{json.dumps(GOOD, indent=2)}\n```\n",
        f"Sure! Here it is:\n\n{TEXT}\n\nI hope that this {{helps}}.",
        f"{THOUGHT}Here:\n```json\n{TEXT}\n```\nDone.",
        f"{TEXT}\n{TEXT}",
        pytest.param(
            f"Given {{the answer}}, this is my reply: {TEXT}",
        ),
        pytest.param(
            THOUGHT.removeprefix("<think>") + TEXT,
        ),
    ],
)
def test_json_is_found_in_what_is_around_it(text: str) -> None:
    with ScriptedServer(lambda _: Says(text), supports={"object"}, dialect="vllm") as server:
        reply = client(server).complete(ask())
    assert (reply.data, reply.rung) == (GOOD, "object")


@pytest.mark.parametrize(
    "text",
    [
        THOUGHT + LINES,
        LINES.replace("MOVE:", "**MOVE:**").replace("SAY:", "**Say**:"),
        f"Here you are.\n\n{LINES}",
        LINES.replace("NOTICED: ", "NOTICED:\n"),
    ],
)
def test_lines_are_found_in_what_is_around_them(text: str) -> None:
    with ScriptedServer(lambda _: Says(text), supports={"text"}) as server:
        assert client(server).complete(ask()).data == GOOD


def test_usage_is_that_of_all_attempts() -> None:
    steps = [
        Says(TEXT[:30], prompt_tokens=50, cached_tokens=10, finish="length"),
        Says(TEXT, prompt_tokens=50, cached_tokens=40),
    ]
    with ScriptedServer(queue(*steps)) as server:
        usage = client(server).complete(ask()).usage
    assert (usage.prompt, usage.cached) == (100, 50)
    assert usage.output > 20


def test_usage_that_is_never_told_is_nought() -> None:
    with ScriptedServer(queue(Says(TEXT, usage=False))) as server:
        assert client(server).complete(ask()).usage == Usage()


def test_usage_told_with_every_chunk_is_a_running_total() -> None:
    """As Gemini's compatible endpoint, and vLLM with continuous_usage_stats, tell it."""
    ends = range(10, len(TEXT) + 10, 10)
    told = [
        chunk(TEXT[e - 10 : e], usage={"prompt_tokens": 40, "completion_tokens": n})
        for n, e in enumerate(ends, start=1)
    ]
    last = chunk("", "stop", usage={"prompt_tokens": 40, "completion_tokens": len(told)})
    with ScriptedServer(queue(sse(*told, last, "[DONE]"))) as server:
        usage = client(server).complete(ask()).usage
    assert usage == Usage(prompt=40, output=len(told))


def test_odd_chunks_are_read() -> None:
    """Null deltas, no choices, an unfinished usage: all of them have been seen."""
    bare = json.dumps({"choices": [{"index": 0, "delta": None, "finish_reason": None}]})
    none = json.dumps({"choices": None})
    usage = {"prompt_tokens": None, "completion_tokens": 3, "prompt_tokens_details": None}
    step = sse(bare, none, chunk(None), chunk(TEXT), chunk("", "stop", usage=usage), "[DONE]")
    with ScriptedServer(queue(step)) as server:
        reply = client(server).complete(ask())
    assert (reply.data, reply.usage) == (GOOD, Usage(output=3))


# --- the breaker ---------------------------------------------------------------------------------


def test_the_breaker_opens_after_three_failures_and_closes_after_a_good_call() -> None:
    circuit = breaker(0.2)
    with ScriptedServer(queue(*[wrong_key()] * 3, Says(TEXT), Says(TEXT))) as server:
        found = client(server, circuit=circuit)
        for _ in range(3):
            assert fails(found).kind == "key"
        fault = fails(found)
        host = found.endpoint.host
        assert fault.kind == "open"
        assert str(fault) == f"{host} failed several times in a row and is left alone for a while."
        with pytest.raises(ModelError):
            list(found.stream(ask()))
        assert len(server.requests) == 3
        until(lambda: circuit.state == STATE_HALF_OPEN)
        assert found.complete(ask()).data == GOOD
        assert circuit.state == STATE_CLOSED
        assert found.complete(ask()).data == GOOD


def test_a_failed_trial_opens_the_breaker_again() -> None:
    circuit = breaker(0.2)
    with ScriptedServer(queue(wrong_key(), then="last")) as server:
        found = client(server, circuit=circuit)
        assert [fails(found).kind for _ in range(3)] == ["key"] * 3
        until(lambda: circuit.state == STATE_HALF_OPEN)
        assert fails(found).kind == "key"
        assert circuit.state == STATE_OPEN
        assert fails(found).kind == "open"
        assert len(server.requests) == 4


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    steps: list[Says | Fault] = [wrong_key(), wrong_key(), Says(TEXT)] * 2
    with ScriptedServer(queue(*steps)) as server:
        found = client(server)
        for _ in range(2):
            assert [fails(found).kind for _ in range(2)] == ["key", "key"]
            assert found.complete(ask()).data == GOOD


@pytest.mark.parametrize(
    "step",
    [PROSE, Says("", refusal="No."), Empty(), Truncated(), context_exceeded(), refused("Hm.")],
)
def test_the_models_own_slips_never_open_it(step: Says | Fault) -> None:
    circuit = breaker()
    with ScriptedServer(queue(step, then="last")) as server:
        found = client(server, circuit=circuit)
        for _ in range(4):
            assert fails(found).kind not in ILL
    assert (circuit.state, circuit.failure_count) == (STATE_CLOSED, 0)


def test_forgetting_closes_the_breaker() -> None:
    with ScriptedServer(queue(*[wrong_key()] * 3, Says(TEXT))) as server:
        found = client(server)
        for _ in range(3):
            fails(found)
        assert fails(found).kind == "open"
        found.forget()
        assert found.complete(ask()).data == GOOD


def test_the_breaker_is_that_of_the_endpoint_and_model() -> None:
    shared = breaker_for("http://one/v1", "m")
    assert ModelClient(Endpoint(model="m", base_url="http://one/v1")).breaker is shared
    assert breaker_for("http://one/v1", "n") is not shared
    assert breaker_for("http://two/v1", "m") is not shared


# --- streaming -----------------------------------------------------------------------------------


def seen(found: ModelClient) -> tuple[list[Partial], ModelError | None]:
    """What a live consumer saw, and how it ended."""
    partials: list[Partial] = []
    try:
        partials.extend(found.stream(ask()))
    except ModelError as fault:
        return partials, fault
    return partials, None


@pytest.mark.parametrize("rung", RUNGS)
def test_a_live_reply_comes_key_by_key(rung: Rung) -> None:
    text = LINES if rung == "text" else TEXT
    with ScriptedServer(lambda _: Says(text, pieces=30), supports={rung}) as server:
        found = client(server)
        found.complete(ask())
        call = found.stream(ask())
        assert len(server.requests) == RUNGS.index(rung) + 1  # nothing is sent before it is read
        partials = list(call)
    assert (call.rung, call.calls) == (rung, 1)
    assert call.first is not None
    assert call.usage.output > 0
    assert list(dict.fromkeys(p.closed for p in partials)) == [
        (),
        ("move",),
        ("move", "say"),
        ("move", "say", "noticed"),
    ]
    assert partials[-1].data == GOOD
    says = [p.data["say"] for p in partials if "say" in p.data]
    assert len(set(says)) > 5
    if rung != "text":  # there, the beginning of the next label belongs to the text before it
        assert all(b.startswith(a) for a, b in itertools.pairwise(says))


# "move" has closed after 20 of 30 pieces, and after one piece nothing has.
@pytest.mark.parametrize("step", [ClosesEarly, Resets])
def test_live_keys_are_not_taken_back_but_a_whole_reply_is_asked_for_again(
    step: type[ClosesEarly | Resets],
) -> None:
    says = Says(TEXT, pieces=30)
    with ScriptedServer(queue(step(20, says), Says(TEXT))) as server:
        partials, fault = seen(client(server))
        assert len(server.requests) == 1
    assert fault is not None
    assert fault.kind == "unreachable"
    assert partials[-1].closed[:1] == ("move",)
    with ScriptedServer(queue(step(20, says), Says(TEXT))) as server:
        assert client(server).complete(ask()).calls == 2
    with ScriptedServer(queue(step(1, says), Says(TEXT))) as server:
        partials, fault = seen(client(server))
        assert len(server.requests) == 2
    assert fault is None
    assert partials[-1].data == GOOD


@pytest.mark.parametrize("how", ["leaves the loop", "closes"])
def test_a_consumer_that_stops_early_hangs_up(how: Literal["leaves the loop", "closes"]) -> None:
    circuit = breaker()
    slow = Says(TEXT, pieces=100, delay=0.2)
    with ScriptedServer(queue(slow)) as server:
        call = client(server, circuit=circuit).stream(ask())
        if how == "leaves the loop":
            for _ in call:
                break
        else:
            pieces = iter(call)
            next(pieces)
            call.close()
        assert server.wait_idle(4)  # by itself it would have talked for twenty seconds
        assert len(server.requests) == 1
    assert (circuit.state, circuit.failure_count) == (STATE_CLOSED, 0)


def test_a_closed_call_asks_no_more() -> None:
    circuit = breaker()
    slow = Says(TEXT, pieces=20, delay=0.5)
    with ScriptedServer(queue(slow, then="last")) as server:
        call = client(server, circuit=circuit).stream(ask())
        pieces = iter(call)
        next(pieces)
        call.close()
        next(pieces, None)
        assert len(server.requests) == 1
    assert circuit.failure_count == 0


def test_the_whole_limit_holds_for_a_reply_that_keeps_coming() -> None:
    talk = Says(json.dumps({"say": "x" * 3000}), pieces=3000)
    with ScriptedServer(queue(talk)) as server:
        call = client(server, patience=Patience(first=5, between=5, whole=0.5)).stream(ask())
        pieces = iter(call)
        next(pieces)
        end = time.monotonic() + 0.5
        until(lambda: time.monotonic() > end)
        with pytest.raises(ModelError) as caught:
            next(pieces)
    assert caught.value.kind == "stalled"


# --- many, and over time -------------------------------------------------------------------------


def test_fifty_calls_at_once() -> None:
    together = threading.Barrier(50)

    def brain(asked: Request) -> Says:
        together.wait(20)  # all fifty are open before the first is answered
        return Says(json.dumps(GOOD | {"say": asked.body["messages"][-1]["content"]}))

    with ScriptedServer(brain) as server, ThreadPoolExecutor(50) as threads:
        found = client(server, patience=Patience(first=30, between=30, whole=60))
        replies = list(threads.map(lambda n: found.complete(ask(f"I am {n}.")), range(50)))
        assert len(server.requests) == 50
    assert [r.data["say"] for r in replies] == [f"I am {n}." for n in range(50)]
    assert {r.calls for r in replies} == {1}


def test_preloading_sends_nothing() -> None:
    with ScriptedServer(queue()) as server:
        client(server).preload()
        assert server.requests == []


def test_the_packages_client_is_built_once_for_an_endpoint() -> None:
    before = client_of.cache_info().currsize
    with ScriptedServer(speaks) as server:
        found = client(server)
        found.preload()
        for _ in range(3):
            found.complete(ask())
    assert client_of.cache_info().currsize == before + 1


# --- settings that cannot work -------------------------------------------------------------------


@pytest.mark.parametrize("base_url", ["localhost:1/v1", "ftp://127.0.0.1:1/v1"])
def test_an_address_that_is_none_is_a_model_error(base_url: str) -> None:
    assert fails(client(base_url)).kind == "unreachable"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:http/v1", "http://[::1/v1"])
def test_a_broken_address_is_an_engine_error(
    base_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the engine is built, or when it is first asked."""
    monkeypatch.setenv("SPAR_MODEL", "gpt-4o-mini")
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    with pytest.raises(EngineError):
        model_engine(Settings(), tmp_path).interviewer.complete(ask())


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(
            f"{KEY}\n",
        ),
        f"“{KEY}”",
    ],
)
def test_a_key_that_no_header_can_hold_is_not_shown(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(queue()) as server:
        fault = fails(client(server, key=key))
    assert KEY not in str(fault) + "".join(traceback.format_exception(fault))
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", [f"{KEY}\n", f"“{KEY}”"])
def test_a_key_that_no_header_can_hold_is_the_keys_fault(key: str) -> None:
    with ScriptedServer(queue()) as server:
        assert fails(client(server, key=key)).kind == "key"


def test_what_a_refusal_does_not_name_is_not_guessed() -> None:
    manners = first_manners("gpt-4o-mini", "http://localhost:1/v1")
    assert adapted(manners, 400, "We do not like this request.") is None
    assert adapted(manners, 500, "temperature sensor failed") is None
