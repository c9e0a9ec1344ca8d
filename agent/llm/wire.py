"""The one module that speaks through the openai package.

A call is read by a thread of its own into a queue, so that every wait has an end whatever the
endpoint does: no connection, no first word, a stream that stops or is kept alive by comments only.
Every failure becomes a ``ModelError`` whose text holds no key and no more of the endpoint's own
words than a short, cleaned excerpt.
"""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from agent.llm.types import FaultKind, ModelError, Usage
from agent.types import Value

if TYPE_CHECKING:
    from openai import OpenAI

CONNECT_SECONDS: Final = 5.0
EXCERPT: Final = 160
_SECRET = re.compile(r"\b(?:sk|pk|gsk|key|xai|hf)[-_][\w*\-.]{4,}|Bearer\s+\S+", re.I)
_CONTEXT = re.compile(
    r"context[_ ](?:length|window|size)|maximum context|too many tokens|prompt is too long|"
    r"exceeds? the (?:available |maximum )?(?:context|model)",
    re.I,
)


def host_of(base_url: str | None) -> str:
    """Host and port of an endpoint, for people: no user, no password, nothing to click."""
    if not base_url:
        return "OpenAI"
    return urlsplit(base_url).netloc.rpartition("@")[2] or base_url


class Endpoint(Value):
    """Where a model is: ``base_url`` None is OpenAI's own."""

    model: str
    base_url: str | None = None
    api_key: SecretStr | None = None

    @property
    def host(self) -> str:
        """The host and port, for messages."""
        return host_of(self.base_url)


class Patience(Value):
    """Seconds a call may take: to the first text, between pieces, in all."""

    first: float = 30.0
    between: float = 12.0
    whole: float = 75.0

    @property
    def silence(self) -> float:
        """The longest time without a byte."""
        return max(self.first, self.between)


class RefusedError(ModelError):
    """A request refused for its form: perhaps another form is understood."""

    def __init__(self, status: int, message: str, fault: ModelError) -> None:
        super().__init__(fault.kind, str(fault))
        self.status = status
        self.message = message
        self.fault = fault


class Feed:
    """One streamed request. Iterating gives ``(text, finish reason, usage)`` of each chunk."""

    def __init__(self, endpoint: Endpoint, patience: Patience, arguments: dict[str, Any]) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._arguments = arguments
        self._arriving: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._response: Any = None
        self._client: Any = None

    def __iter__(self) -> Iterator[tuple[str, str | None, Usage]]:
        """Each chunk as it comes; ModelError where none comes in time or the call failed."""
        key = self._endpoint.api_key
        if key is not None and not _fits_header(key.get_secret_value()):
            host = self._endpoint.host
            raise ModelError("key", f"The key for {host} holds characters that no key has.")
        self._client = client_of(self._endpoint, self._patience.silence)
        threading.Thread(target=self._read, daemon=True, name="spar-model").start()
        end = time.monotonic() + self._patience.whole
        begun = False
        try:
            while True:
                if self._stop.is_set():
                    return
                if time.monotonic() >= end:
                    raise self._late(begun=begun)
                wait = self._patience.between if begun else self._patience.first
                try:
                    item = self._arriving.get(timeout=max(0.01, min(wait, end - time.monotonic())))
                except queue.Empty:
                    raise self._late(begun=begun) from None
                if item is None or self._stop.is_set():
                    return
                if isinstance(item, Exception):
                    raise fault_of(item, self._endpoint)
                begun = begun or bool(item[0])
                yield item
        finally:
            self.close()

    def close(self) -> None:
        """Hang up; returns at once. The reading thread wakes, ends and closes what it opened."""
        self._stop.set()
        self._arriving.put(None)
        if self._response is not None:
            _shut(self._response)

    def _late(self, *, begun: bool) -> ModelError:
        kind: FaultKind = "stalled" if begun else "timeout"
        how = "stopped in the middle of a reply" if begun else "did not answer in time"
        return ModelError(kind, f"{self._endpoint.host} {how}.")

    def _read(self) -> None:
        """The thread: everything that may block is here."""
        try:
            stream = self._client.chat.completions.create(**self._arguments)
            self._response = stream.response
            if self._stop.is_set():
                return
            if "event-stream" not in stream.response.headers.get("content-type", ""):
                raise _NoStreamError
            for chunk in stream:
                if self._stop.is_set():
                    break
                self._arriving.put(_content(chunk))
            self._arriving.put(None)
        except Exception as error:  # noqa: BLE001 - a thread's error is the caller's
            self._arriving.put(error)
        finally:
            if self._response is not None:
                self._response.close()


def _fits_header(key: str) -> bool:
    return key.isascii() and key.isprintable()


def _shut(response: Any) -> None:
    """End the connection under a response that another thread reads: closing the response itself
    would wait for that thread."""
    network = response.extensions.get("network_stream")
    connection = network.get_extra_info("socket") if network is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _NoStreamError(Exception):
    """What answered sent something other than an event stream."""


def fault_of(error: Exception, endpoint: Endpoint) -> ModelError:
    """What an exception of a call means, in one sentence without secrets."""
    import openai

    host = endpoint.host
    if isinstance(error, _NoStreamError):
        return ModelError("no_api", f"What answers at {host} is no OpenAI-compatible endpoint.")
    if isinstance(error, openai.APITimeoutError):
        return ModelError("timeout", f"{host} did not answer in time.")
    if isinstance(error, openai.APIConnectionError):
        return ModelError("unreachable", f"{host} cannot be reached, or broke the connection off.")
    if isinstance(error, openai.APIStatusError):
        return _status_fault(error, endpoint)
    if isinstance(error, openai.APIError):
        said = _excerpt(error.message, endpoint)
        return ModelError("server", f"{host} reported an error in the middle of a reply: {said}")
    if isinstance(error, ValueError):
        return ModelError("no_api", f"What {host} sends cannot be read as a chat completion.")
    return ModelError("unreachable", f"{host} broke the connection off.")


def _status_fault(error: Any, endpoint: Endpoint) -> ModelError:
    host, model, status = endpoint.host, endpoint.model, int(error.status_code)
    kind = error.response.headers.get("content-type", "")
    message = _message(error)
    if status in (401, 403):
        return ModelError("key", f"{host} refuses the key (HTTP {status}): check OPENAI_API_KEY.")
    if status == 429:
        after = _seconds(error.response.headers.get("retry-after"))
        if "quota" in message.lower():
            return ModelError("key", f"{host} says that the account's quota is used up.")
        return ModelError("busy", f"{host} is busy (HTTP 429).", retry_after=after)
    if "html" in kind:
        return ModelError(
            "no_api", f"What answers at {host} is a web page (HTTP {status}), no model endpoint."
        )
    if _CONTEXT.search(f"{error.code or ''} {message}"):
        return ModelError("context", f"The interview is longer than {model} can read.")
    named = "model" in message.lower() and "response_format" not in message.lower()
    if status == 404:
        if named or error.code == "model_not_found":
            return ModelError("model", f"{host} does not know the model {model!r} (SPAR_MODEL).")
        return ModelError(
            "no_api", f"{host} has no chat completions there (HTTP 404): check OPENAI_BASE_URL."
        )
    if status >= 500:
        fault = ModelError("server", f"{host} failed (HTTP {status}).")
    else:
        said = _excerpt(message, endpoint)
        fault = ModelError("request", f"{host} refuses the request (HTTP {status}): {said}")
    return RefusedError(status, message, fault)


def _message(error: Any) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            parts = [inner.get("message"), inner.get("param"), inner.get("detail")]
            return " ".join(str(p) for p in parts if p)
        return str(inner)
    return str(error.message)


def _excerpt(text: str, endpoint: Endpoint) -> str:
    """A short piece of the endpoint's own words, without anything like a key."""
    key = endpoint.api_key.get_secret_value() if endpoint.api_key is not None else ""
    clean = text.replace(key, "[key]") if key else text
    clean = " ".join(_SECRET.sub("[key]", clean).split())
    return clean[:EXCERPT] + ("..." if len(clean) > EXCERPT else "")


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


def _content(chunk: Any) -> tuple[str, str | None, Usage]:
    """The text, finish reason and usage of one chunk, whatever is missing in it."""
    usage = Usage()
    if (given := getattr(chunk, "usage", None)) is not None:
        details = getattr(given, "prompt_tokens_details", None)
        usage = Usage(
            prompt=given.prompt_tokens or 0,
            cached=getattr(details, "cached_tokens", None) or 0,
            output=given.completion_tokens or 0,
        )
    choices = getattr(chunk, "choices", None)
    if not choices:
        return "", None, usage
    choice = choices[0]
    delta = choice.delta
    text = getattr(delta, "content", None) or ""
    for call in getattr(delta, "tool_calls", None) or ():
        text += (call.function.arguments if call.function is not None else None) or ""
    reason = choice.finish_reason
    if getattr(delta, "refusal", None):
        reason = "refusal"
    return text, reason, usage


@cache
def client_of(endpoint: Endpoint, read: float) -> OpenAI:
    """The package's client, one for each endpoint; no retries of its own."""
    import httpx2
    from openai import OpenAI

    timeout = httpx2.Timeout(connect=CONNECT_SECONDS, read=read, write=10.0, pool=CONNECT_SECONDS)
    # Local servers ask for no key, the package does.
    key = endpoint.api_key.get_secret_value() if endpoint.api_key is not None else "none"
    return OpenAI(api_key=key, base_url=endpoint.base_url, timeout=timeout, max_retries=0)
