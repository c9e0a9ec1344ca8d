"""The scripted server, as the openai package sees it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest

from tests.scripted import ScriptedServer
from tests.scripted_faults import (
    ClosesEarly,
    Empty,
    Fault,
    NoAnswer,
    Request,
    Resets,
    Says,
    ScriptEndedError,
    Stalls,
    Status,
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

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyzWXYZ"
TEXT = '{"say": "How late do labels come – and who pays? 💳"}'
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "Answer in JSON."}]
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "reply", "schema": {"type": "object"}},
}
OBJECT = {"type": "json_object"}
TOOLS = {"tools": [{"type": "function", "function": {"name": "reply", "parameters": {}}}]}
NAMED = TOOLS | {"tool_choice": {"type": "function", "function": {"name": "reply"}}}
USAGE = {"stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def pool() -> Iterator[openai.OpenAI]:
    http_client = openai.DefaultHttpxClient(trust_env=False)  # no proxy of the developer's
    with openai.OpenAI(api_key=KEY, base_url="http://-", http_client=http_client) as client:
        yield client


class Asks:
    """Asks as the package does, without its retries."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def __call__(self, address: ScriptedServer | str, **more: Any) -> Any:
        base_url = address if isinstance(address, str) else address.base_url
        client = self._client.with_options(base_url=base_url, max_retries=0)
        create: Any = client.chat.completions.create
        return create(**({"model": "gpt-4o-mini", "messages": MESSAGES, "timeout": 5} | more))

    def stream(self, address: ScriptedServer | str, **more: Any) -> list[Any]:
        return list(self(address, stream=True, **more))


@pytest.fixture
def ask(pool: openai.OpenAI) -> Iterator[Asks]:
    before = set(threading.enumerate())
    yield Asks(pool)
    assert set(threading.enumerate()) <= before  # no thread outlives its server


def said(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def events(server: ScriptedServer, body: dict[str, Any]) -> list[str]:
    """The raw data lines of a stream."""
    with httpx2.Client(trust_env=False) as client:
        reply = client.post(f"{server.base_url}/chat/completions", json=body)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = reply.text.split("\n\n")
    assert blocks.pop() == ""
    return [block.removeprefix("data: ") for block in blocks]


def test_a_whole_completion(ask: Asks) -> None:
    says = Says(TEXT, prompt_tokens=40, cached_tokens=32, model="gpt-4o-mini-2024-07-18")
    with ScriptedServer(queue(says)) as server:
        reply = ask(server, temperature=0.3)
        (request,) = server.requests
    assert reply.choices[0].message.content == TEXT
    assert reply.choices[0].message.refusal is None
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "gpt-4o-mini-2024-07-18"
    assert reply.usage.prompt_tokens_details.cached_tokens == 32
    assert reply.usage.total_tokens == 40 + reply.usage.completion_tokens
    assert reply._request_id.startswith("req_")
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["temperature"] == 0.3
    assert request.at > 0


def test_the_chunks_of_a_stream_are_those_of_openai() -> None:
    body = {"model": "m", "messages": MESSAGES, "stream": True} | USAGE
    with ScriptedServer(queue(Says("Hello", pieces=2, prompt_tokens=9))) as server:
        *chunks, done = events(server, body)
    role, first, second, finish, usage = map(json.loads, chunks)
    assert done == "[DONE]"
    assert role.pop("created") > 0
    assert role == {
        "id": "chatcmpl-00000001",
        "object": "chat.completion.chunk",
        "model": "m",
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": "", "refusal": None},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
        "usage": None,
    }
    assert [c["choices"][0]["delta"] for c in (first, second, finish)] == [
        {"content": "He"},
        {"content": "llo"},
        {},
    ]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["prompt_tokens"] == 9


# Tokens are up to four characters and the space before them: TEXT has 14.
@pytest.mark.parametrize(("pieces", "number"), [(None, 14), (1, 1), (7, 7), (1000, len(TEXT))])
def test_pieces_add_up_to_the_text(ask: Asks, pieces: int | None, number: int) -> None:
    with ScriptedServer(queue(Says(TEXT, pieces=pieces))) as server:
        chunks = ask.stream(server)
    assert said(chunks) == TEXT
    assert all(c.choices for c in chunks)  # no usage where none was asked for
    assert len(chunks) == 1 + number + 1


def test_usage_only_where_it_is_asked_for_and_known(ask: Asks) -> None:
    steps = Says("a"), Says("a"), Says("a", usage=False), Says("a", usage=False)
    with ScriptedServer(queue(*steps)) as server:
        assert ask.stream(server, **USAGE)[-1].usage.completion_tokens == 1
        assert ask.stream(server)[-1].usage is None
        assert ask.stream(server, **USAGE)[-1].usage is None
        assert ask(server).usage is None


@pytest.mark.parametrize(
    ("choice", "forced", "finish"),
    [
        (TOOLS, "tool_calls", "tool_calls"),
        (NAMED, "tool_calls", "tool_calls"),
        (TOOLS, "stop", "tool_calls"),
        (NAMED, "stop", "stop"),
    ],
)
def test_a_tool_call(ask: Asks, choice: dict[str, Any], forced: str, finish: str) -> None:
    with ScriptedServer(queue(Says(TEXT), then="last"), forced_finish=forced) as server:
        whole = ask(server, **choice).choices[0]
        first, *pieces, last = (c.choices[0] for c in ask.stream(server, **choice))
    (call,) = whole.message.tool_calls
    assert (call.type, call.function.name, call.function.arguments) == ("function", "reply", TEXT)
    assert whole.message.content is None
    assert whole.finish_reason == last.finish_reason == finish
    (start,) = first.delta.tool_calls
    assert (start.index, start.type) == (0, "function")
    assert start.id.startswith("call_")
    assert (start.function.name, start.function.arguments) == ("reply", "")
    deltas = [p.delta.tool_calls[0] for p in pieces]
    assert {(d.index, d.id, d.function.name) for d in deltas} == {(0, None, None)}
    assert "".join(d.function.arguments for d in deltas) == TEXT


def test_a_tool_that_is_not_called(ask: Asks) -> None:
    with ScriptedServer(queue(Says("a"), Says("b", plain=True))) as server:
        assert ask(server, **TOOLS, tool_choice="none").choices[0].message.content == "a"
        assert ask(server, **TOOLS).choices[0].message.content == "b"


def test_a_refusal(ask: Asks) -> None:
    brain = queue(Says("", refusal="I'm sorry, no."), then="last")
    with ScriptedServer(brain) as server:
        whole = ask(server, response_format=SCHEMA).choices[0]
        chunks = [c.choices[0] for c in ask.stream(server, response_format=SCHEMA)]
    assert (whole.message.content, whole.message.refusal) == (None, "I'm sorry, no.")
    assert whole.finish_reason == chunks[-1].finish_reason == "stop"
    assert chunks[0].delta.refusal == ""
    assert all(c.delta.content is None for c in chunks)
    assert "".join(c.delta.refusal or "" for c in chunks) == "I'm sorry, no."


def test_models_and_a_wrong_path(ask: Asks, pool: openai.OpenAI) -> None:
    with ScriptedServer(queue(), models=("small", "large")) as server:
        client = pool.with_options(base_url=server.base_url, max_retries=0)
        assert [m.id for m in client.models.list()] == ["small", "large"]
        with pytest.raises(openai.NotFoundError, match=r"Invalid URL .POST /chat/completions"):
            ask(server.base_url.removesuffix("/v1"))


def refused(ask: Asks, server: ScriptedServer, **more: Any) -> openai.APIStatusError:
    """Both ways to ask are refused alike; the script is not asked."""
    found = []
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            ask(server, stream=stream, **more)
        found.append(caught.value)
    assert found[0].body == found[1].body
    assert found[0].status_code == found[1].status_code
    return found[0]


@pytest.mark.parametrize(
    ("dialect", "more", "status", "told"),
    [
        (
            "openai",
            {"response_format": SCHEMA},
            400,
            {
                "message": "Invalid parameter: 'response_format' of type 'json_schema' is not "
                "supported with this model. Learn more about supported models at the Structured "
                "Outputs guide: https://platform.openai.com/docs/guides/structured-outputs",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            },
        ),
        (
            "openai",
            {"response_format": OBJECT},
            400,
            {
                "message": "Invalid parameter: 'response_format' of type 'json_object' is not "
                "supported with this model.",
                "type": "invalid_request_error",
                "param": "response_format",
                "code": None,
            },
        ),
        (
            "openai",
            NAMED,
            400,
            {
                "message": "tools is not supported in this model. For a list of supported models, "
                "refer to https://platform.openai.com/docs/guides/function-calling"
                "#models-supporting-function-calling.",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            },
        ),
        (
            "vllm",
            {"response_format": SCHEMA},
            400,
            {
                "object": "error",
                "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
                "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema', "
                "'ctx': {'expected': \"'text' or 'json_object'\"}}]",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
        ),
        (
            "vllm",
            NAMED,
            400,
            {
                "message": 'tool_choice=function "reply" requires --tool-call-parser to be set',
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
        ),
        (
            "llama-cpp-python",
            {"response_format": SCHEMA},
            500,
            {
                "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
                "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema', "
                "'ctx': {'expected': \"'text' or 'json_object'\"}}]",
                "type": "internal_server_error",
                "param": None,
                "code": None,
            },
        ),
        (
            "ollama",
            TOOLS,
            400,
            {
                "message": "registry.ollama.ai/library/gpt-4o-mini does not support tools",
                "type": "api_error",
                "param": None,
                "code": None,
            },
        ),
    ],
)
def test_what_a_server_refuses(
    ask: Asks, dialect: Any, more: dict[str, Any], status: int, told: dict[str, Any]
) -> None:
    with ScriptedServer(queue(Says("{}")), supports={"text"}, dialect=dialect) as server:
        found = refused(ask, server, **more)
        assert ask(server).choices[0].message.content == "{}"
    assert found.status_code == status
    assert found.body == told


@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        ("ignores", {"response_format": SCHEMA}),
        ("ignores", {"response_format": OBJECT}),
        ("ignores", NAMED),
        ("ollama", {"response_format": SCHEMA}),
        ("llama-cpp-python", TOOLS),
        ("openai", {}),
    ],
)
def test_what_a_server_leaves_out_is_answered_in_prose(
    ask: Asks, dialect: Any, more: dict[str, Any]
) -> None:
    with ScriptedServer(queue(), supports=set(), dialect=dialect) as server:
        message = ask(server, **more).choices[0].message
        assert said(ask.stream(server, **more)) == message.content
    assert message.tool_calls is None
    with pytest.raises(json.JSONDecodeError):
        json.loads(message.content)


def test_json_mode_of_openai_wants_the_word_in_the_messages(ask: Asks) -> None:
    with ScriptedServer(queue(Says("{}"))) as server:
        messages = [{"role": "user", "content": "Hello"}]
        found = refused(ask, server, messages=messages, response_format=OBJECT)
        assert ask(server, response_format=OBJECT).choices[0].message.content == "{}"
    assert found.param == "messages"
    assert "must contain the word 'json'" in str(found)


@pytest.mark.parametrize(
    ("dialect", "more", "param", "code", "told"),
    [
        (
            "openai",
            {"max_tokens": 5},
            "max_tokens",
            "unsupported_parameter",
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ),
        (
            "openai",
            {"temperature": 0.3},
            "temperature",
            "unsupported_value",
            "does not support 0.3 with this model. Only the default (1) value is supported.",
        ),
        (
            "openai",
            {"seed": 1},
            "seed",
            "unsupported_parameter",
            "Unsupported parameter: 'seed' is not supported with this model.",
        ),
        ("openai", USAGE, "stream_options", "unknown_parameter", "Unknown parameter: 'stream_opt"),
        (
            "openai",
            {"max_completion_tokens": 5},
            None,
            None,
            "Unrecognized request argument supplied: max_completion_tokens",
        ),
        (
            "vllm",
            {"max_completion_tokens": 5},
            None,
            "400",
            "'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted'",
        ),
    ],
)
def test_parameters_that_are_refused(
    ask: Asks, dialect: Any, more: dict[str, Any], param: str | None, code: str | None, told: str
) -> None:
    refuses = {"max_tokens", "max_completion_tokens", "temperature", "seed", "stream_options"}
    with ScriptedServer(queue(Says("a")), dialect=dialect, refuses_params=refuses) as server:
        found = refused(ask, server, **more)
        assert ask(server, temperature=1).choices[0].message.content == "a"
    assert (found.status_code, found.param, found.code) == (400, param, code)
    assert told in str(found)


def test_statuses_are_the_exceptions_of_the_package(ask: Asks) -> None:
    table: list[tuple[Fault, type[openai.APIStatusError], int, str | None]] = [
        (rate_limited(), openai.RateLimitError, 429, "rate_limit_exceeded"),
        (no_quota(), openai.RateLimitError, 429, "insufficient_quota"),
        (server_error(), openai.InternalServerError, 500, None),
        (server_error(503), openai.InternalServerError, 503, None),
        (wrong_key(), openai.AuthenticationError, 401, "invalid_api_key"),
        (unknown_model(), openai.NotFoundError, 404, "model_not_found"),
        (context_exceeded(), openai.BadRequestError, 400, "context_length_exceeded"),
        (context_exceeded("vllm"), openai.BadRequestError, 400, "400"),
        (html(502), openai.InternalServerError, 502, None),
        (Status(403, "no"), openai.PermissionDeniedError, 403, None),
        (Status(422), openai.UnprocessableEntityError, 422, None),
    ]
    for fault, kind, status, code in table:
        with ScriptedServer(lambda _, fault=fault: fault) as server:  # type: ignore[misc]
            found = refused(ask, server)
        assert type(found) is kind
        assert (found.status_code, found.code) == (status, code)


def test_what_statuses_tell(ask: Asks) -> None:
    brain = queue(rate_limited(1.5), wrong_key(), unknown_model(), html(502))
    found: list[openai.APIStatusError] = []
    with ScriptedServer(brain) as server:
        for _ in range(4):
            with pytest.raises(openai.APIStatusError) as caught:
                ask(server)
            found.append(caught.value)
    busy, key, model, gateway = found
    assert busy.response.headers["retry-after"] == "1.5"
    hidden = len(KEY) - 12
    assert f"Incorrect API key provided: sk-proj-{'*' * hidden}WXYZ. You" in str(key)
    assert "The model `gpt-4o-mini` does not exist" in str(model)
    assert str(gateway) == "Error code: 502"
    assert str(gateway.body).startswith("<!DOCTYPE html>")


def test_pages_and_other_json_raise_nothing(ask: Asks) -> None:
    with ScriptedServer(queue(html(), html(), other_json(), other_json())) as server:
        page = ask(server)
        assert isinstance(page, str)  # in place of a ChatCompletion
        assert page.startswith("<!DOCTYPE html>")
        assert ask.stream(server) == []
        assert ask(server).choices is None
        assert ask.stream(server) == []


def test_empty_and_truncated_replies(ask: Asks) -> None:
    steps = [Empty(), Empty(choices=False), Truncated('{"say": "Ho')]
    with ScriptedServer(queue(*steps, then="again")) as server:
        assert ask(server).choices[0].message.content == ""
        assert ask(server).choices == []
        assert ask(server).choices[0].finish_reason == "length"
        assert said(ask.stream(server)) == ""
        assert [c.choices for c in ask.stream(server)] == [[]]
        chunks = ask.stream(server)
        assert said(chunks) == '{"say": "Ho'
        assert chunks[-1].choices[0].finish_reason == "length"


def broken(ask: Asks, fault: Fault, **more: Any) -> tuple[str, BaseException | None]:
    """What a stream said before it ended, and what it raised then."""
    pieces: list[Any] = []
    with ScriptedServer(queue(fault)) as server:
        try:
            for chunk in ask(server, stream=True, **more):
                pieces.append(chunk)
        except openai.APIError as error:
            return said(pieces), error
        return said(pieces), None


SAYS = Says("abcdef", pieces=6)


@pytest.mark.parametrize("after", [0, 2, 99])
def test_a_reset_in_a_stream(ask: Asks, after: int) -> None:
    text, found = broken(ask, Resets(after, SAYS))
    assert text == "abcdef"[:after]
    assert type(found) is openai.APIConnectionError
    assert str(found) == "Connection error."
    assert isinstance(found.__cause__, httpx2.ReadError)
    assert "Connection reset by peer" in str(found.__cause__)


def test_a_clean_early_close_raises_nothing(ask: Asks) -> None:
    assert broken(ask, ClosesEarly(2, SAYS)) == ("ab", None)


def test_a_close_in_the_body(ask: Asks) -> None:
    text, found = broken(ask, ClosesEarly(2, SAYS, clean=False))
    assert text == "ab"
    assert type(found) is openai.APIConnectionError
    assert isinstance(found.__cause__, httpx2.RemoteProtocolError)
    assert "incomplete chunked read" in str(found.__cause__)


def test_a_stall_in_a_stream(ask: Asks) -> None:
    text, found = broken(ask, Stalls(2, SAYS), timeout=0.5)
    assert text == "ab"
    assert type(found) is openai.APITimeoutError


@pytest.mark.parametrize("fault", [Resets(), ClosesEarly(), Resets(None), ClosesEarly(None)])
def test_a_whole_reply_that_breaks(ask: Asks, fault: Fault) -> None:
    with ScriptedServer(queue(fault)) as server, pytest.raises(openai.APIConnectionError) as caught:
        ask(server)
    assert type(caught.value) is openai.APIConnectionError


@pytest.mark.parametrize("fault", [NoAnswer(), Stalls(None), Stalls(1)])
def test_a_whole_reply_that_does_not_come(ask: Asks, fault: Fault) -> None:
    came = threading.Event()

    def brain(_: Request) -> Fault:
        came.set()
        return fault

    with ScriptedServer(brain) as server:
        with pytest.raises(openai.APITimeoutError):
            ask(server, timeout=0.1)
        assert came.wait(5)
        assert server.wait_idle()  # the client went, so the server let go too


def test_pings_keep_the_read_timeout_from_running_out() -> None:
    body = json.dumps({"model": "m", "messages": MESSAGES, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with ScriptedServer(queue(Stalls(1, SAYS, pings=True))) as server:
        address = ("127.0.0.1", int(server.base_url.rpartition(":")[2].removesuffix("/v1")))
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(head + body)
            came = b""
            while came.count(b": ping\n\n") < 2:
                came += client.recv(65536)
        assert server.wait_idle()
    assert b'"content":"a"' in came
    assert b'"content":"b"' not in came


def test_closing_ends_what_hangs(ask: Asks) -> None:
    slow = Says("abc", first_delay=60)
    hanging: list[Fault | Says] = [
        NoAnswer(),
        Stalls(1, pings=True),
        slow,
        Says("abc", pieces=3, delay=60),
    ]
    reached = threading.Barrier(len(hanging) + 1)
    steps = queue(*hanging)

    def brain(request: Request) -> Says | Fault:
        step = steps(request)
        reached.wait(5)
        return step

    def ends(server: ScriptedServer) -> bool:
        with pytest.raises(openai.APIConnectionError):
            ask.stream(server)
        return True

    server = ScriptedServer(brain)
    with ThreadPoolExecutor(len(hanging)) as threads:
        asked = [threads.submit(ends, server) for _ in hanging]
        reached.wait(5)
        server.close()
        server.close()
        assert all(a.result(5) for a in asked)


def test_nothing_listens(ask: Asks) -> None:
    with closed_port() as base_url, pytest.raises(openai.APIConnectionError) as caught:
        ask(base_url)
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)
    assert "refused" in str(caught.value.__cause__)


def test_a_script_that_ends_is_told_at_the_close(ask: Asks) -> None:
    server = ScriptedServer(queue(Says("a")))
    ask(server)
    with pytest.raises(openai.APIStatusError, match="a script of 1 steps; request 2 came") as told:
        ask(server)
    assert told.value.status_code == 418  # no client tries that again
    with pytest.raises(ScriptEndedError):
        server.close()


def test_scripts_that_go_on(ask: Asks) -> None:
    for then, expected in (("last", "abbb"), ("again", "abab")):
        with ScriptedServer(queue(Says("a"), Says("b"), then=then)) as server:  # type: ignore[arg-type]
            assert "".join(ask(server).choices[0].message.content for _ in range(4)) == expected


def test_fifty_streams_at_once(ask: Asks) -> None:
    together = threading.Barrier(50)

    def brain(request: Request) -> Says:
        together.wait(10)  # all fifty are open before the first is answered
        return Says(request.body["messages"][0]["content"], pieces=5)

    def talk(number: int) -> str:
        messages = [{"role": "user", "content": f"I am number {number}."}]
        return said(ask.stream(server, messages=messages, timeout=20))

    with ScriptedServer(brain) as server, ThreadPoolExecutor(50) as threads:
        replies = list(threads.map(talk, range(50)))
        assert len(server.requests) == 50
    assert replies == [f"I am number {n}." for n in range(50)]
