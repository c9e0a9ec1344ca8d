"""What a brain can answer: replies, and everything that goes wrong between client and model.

The bodies are those that OpenAI and vLLM send, as their users reported them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from agent.llm.types import Rung

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a client sent; header names in lower case, ``at`` by ``time.monotonic``."""

    path: str
    headers: Mapping[str, str]
    body: Json
    at: float

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def tool(self) -> str | None:
        """The tool that a reply would call."""
        choice, tools = self.body.get("tool_choice"), self.body.get("tools")
        if not tools or choice == "none":
            return None
        named = choice if isinstance(choice, dict) else tools[0]
        return str(named["function"]["name"])

    @property
    def rung(self) -> Rung:
        """The way in which structure was asked for."""
        if self.tool is not None:
            return "tool"
        kinds: dict[str, Rung] = {"json_schema": "schema", "json_object": "object"}
        return kinds.get((self.body.get("response_format") or {}).get("type", ""), "text")


@dataclass(frozen=True)
class Says:
    """A reply: ``text`` as content, or as a tool call's arguments where a tool was offered.

    ``pieces``: None for pieces of the size of tokens, or their number. ``usage=False``: a server
    that never tells it. ``refusal`` is said in place of the text. ``first_delay`` (seconds) comes
    before the first chunk and ``delay`` between pieces. ``plain``: content even with a tool.
    """

    text: str
    pieces: int | None = None
    usage: bool = True
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    finish: str = "stop"
    refusal: str | None = None
    delay: float = 0.0
    first_delay: float = 0.0
    model: str | None = None
    plain: bool = False


class Fault:
    """Anything but a reply that is whole and good."""


Body = Json | str | Callable[[Request], Json] | None


@dataclass(frozen=True)
class Status(Fault):
    """An HTTP answer with this status; a function makes its body from the request."""

    code: int
    body: Body = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self, request: Request) -> tuple[str, bytes]:
        """Content type and bytes."""
        body = self.body(request) if callable(self.body) else self.body
        if isinstance(body, dict):
            return "application/json", json.dumps(body).encode()
        return "text/plain; charset=utf-8", (body or "").encode()


_BROKEN_OFF: Final = Says("A reply of some length that is never said to its end.")


@dataclass(frozen=True)
class _Breaks(Fault):
    """Breaks off after so many pieces of what it says (of a whole reply: after half of its
    bytes); None: before any answer."""

    after_pieces: int | None = 1
    says: Says = _BROKEN_OFF


@dataclass(frozen=True)
class Resets(_Breaks):
    """The connection is reset (RST)."""


@dataclass(frozen=True)
class ClosesEarly(_Breaks):
    """The reply ends without finish_reason and ``[DONE]``.

    ``clean``: the HTTP body of a stream is ended properly, as a proxy does when the model's server
    went away; else the connection is closed (FIN) in the middle of the body.
    """

    clean: bool = True


@dataclass(frozen=True)
class Stalls(_Breaks):
    """Says nothing more and keeps the connection; ``pings``: an SSE comment every 0.2 s."""

    pings: bool = False


@dataclass(frozen=True)
class NoAnswer(Fault):
    """The request is read and never answered."""


@dataclass(frozen=True)
class Truncated(Fault):
    """Cut off at the length limit (finish_reason "length")."""

    text: str = '{"say": "A reply that is cut'


@dataclass(frozen=True)
class Empty(Fault):
    """A whole reply without a word; ``choices=False``: even without a choice."""

    choices: bool = True


Brain = Callable[[Request], Says | Fault]


def error(message: str, kind: str, param: str | None = None, code: str | None = None) -> Json:
    """An error body of OpenAI."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def vllm_refusal(message: str) -> Status:
    """400 as vLLM says it since 0.10.1."""
    return Status(400, {"error": vllm_error(message)})


def vllm_error(message: str) -> Json:
    """What vLLM tells of an error; the code is a number."""
    return {"message": message, "type": "BadRequestError", "param": None, "code": 400}


def rate_limited(retry_after: float | None = None) -> Status:
    """429, with a Retry-After header where given (seconds)."""
    body = error(
        "Rate limit reached for gpt-4o-mini in organization org-scripted on requests per min "
        "(RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. Visit "
        "https://platform.openai.com/account/rate-limits to learn more.",
        "requests",
        code="rate_limit_exceeded",
    )
    return Status(429, body, {} if retry_after is None else {"Retry-After": f"{retry_after:g}"})


def no_quota() -> Status:
    """429 too, but no waiting helps: the account has no money."""
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors."
    )
    return Status(429, error(message, "insufficient_quota", code="insufficient_quota"))


def server_error(code: int = 500) -> Status:
    """5xx of OpenAI."""
    message = "The server had an error while processing your request. Sorry about that!"
    return Status(code, error(message, "server_error"))


def wrong_key() -> Status:
    """401; its message tells the first eight and the last four characters of the key."""
    return Status(401, _wrong_key)


def _wrong_key(request: Request) -> Json:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    shown = key if len(key) <= 12 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"
    message = (
        f"Incorrect API key provided: {shown}. You can find your API key at "
        "https://platform.openai.com/account/api-keys."
    )
    return error(message, "invalid_request_error", code="invalid_api_key")


def unknown_model() -> Status:
    """404 for the model that was asked for."""
    return Status(
        404,
        lambda request: error(
            f"The model `{request.model}` does not exist or you do not have access to it.",
            "invalid_request_error",
            code="model_not_found",
        ),
    )


def context_exceeded(dialect: Literal["openai", "vllm"] = "openai") -> Status:
    """400: the prompt is too long. vLLM gives no code that would tell it."""
    start = "This model's maximum context length is 8192 tokens. However, "
    if dialect == "vllm":
        told = "you requested 9431 tokens (9175 in the messages, 256 in the completion). "
        return vllm_refusal(f"{start}{told}Please reduce the length of the messages or completion.")
    message = (
        f"{start}your messages resulted in 9175 tokens. Please reduce the length of the messages."
    )
    code = "context_length_exceeded"
    return Status(400, error(message, "invalid_request_error", "messages", code))


def html(code: int = 200) -> Status:
    """A web page: a wrong address (200), or a proxy whose server is down (502)."""
    title = "Sign in" if code == 200 else f"{code} Bad Gateway"
    page = f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body></body>\n</html>\n"
    return Status(code, page, {"Content-Type": "text/html; charset=utf-8"})


def other_json() -> Status:
    """200 from a service that is no model server."""
    return Status(200, {"status": "ok", "version": "1.4.2"})


class ScriptEndedError(AssertionError):
    """More was asked than the script holds."""


def queue(*steps: Says | Fault, then: Literal["fail", "last", "again"] = "fail") -> Brain:
    """A brain that plays ``steps`` in order; then it fails, repeats the last, or starts again."""
    lock, count = threading.Lock(), itertools.count()

    def brain(request: Request) -> Says | Fault:
        with lock:
            number = next(count)
        if number >= len(steps) and then == "fail":
            raise ScriptEndedError(f"a script of {len(steps)} steps; request {number + 1} came")
        return steps[number % len(steps) if then == "again" else min(number, len(steps) - 1)]

    return brain


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """A base URL where nothing listens; the port is held, so nobody else can come to listen."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"
