"""Asking one model at one endpoint: learning its manners, mending a bad reply once, a breaker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from circuitbreaker import CircuitBreaker

from agent.llm.formats import Reader, reader_for, request
from agent.llm.manners import Manners, MannersBook, adapted, lower, official
from agent.llm.types import Ask, FaultKind, ModelError, Partial, Reply, Rung, Usage
from agent.llm.wire import Endpoint, Feed, Patience, RefusedError, client_of

MAX_REPLY_CHARS: Final = 60_000
MAX_CALLS: Final = 8
LONGEST_WAIT: Final = 4.0
PAUSE: Final = 0.5
MENDABLE: Final[frozenset[FaultKind]] = frozenset(["invalid", "empty", "truncated"])
PASSING: Final[frozenset[FaultKind]] = frozenset(["busy", "unreachable", "server"])
# What says that the endpoint is ill; the rest is the model's own slip, or ours.
ILL: Final[frozenset[FaultKind]] = frozenset(
    ["unreachable", "timeout", "stalled", "busy", "server", "key", "model", "no_api"]
)


class ModelClient:
    """One model at one endpoint, shared by every interview of the process."""

    def __init__(
        self,
        endpoint: Endpoint,
        book: MannersBook | None = None,
        patience: Patience | None = None,
        breaker: CircuitBreaker | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self.model = endpoint.model
        self.book = book or MannersBook()
        self.patience = patience or Patience()
        self.breaker = breaker or breaker_for(endpoint.base_url, endpoint.model)
        self.wait = wait

    def stream(self, ask: Ask) -> Call:
        """The reply on its way; the call begins when it is iterated."""
        return Call(self, ask, live=True)

    def complete(self, ask: Ask) -> Reply:
        """The whole reply, valid by the ask's schema; ModelError where none can be had."""
        call = Call(self, ask, live=False)
        for _ in call:
            pass
        return Reply(
            data=call.data, model=self.model, rung=call.rung, usage=call.usage, calls=call.calls
        )

    @property
    def varied(self) -> bool:
        """OpenAI's own endpoint prepares each new schema, and tools stand in the prompt."""
        return not official(self.endpoint.base_url) and self.manners().rung != "tool"

    def manners(self) -> Manners:
        """How this model is spoken to now."""
        return self.book.manners(self.model, self.endpoint.base_url)

    def forget(self) -> None:
        """Probe from the top again."""
        self.book.forget(self.model, self.endpoint.base_url)
        self.breaker.reset()

    def preload(self) -> None:
        """Import and build what a first call would otherwise wait for; nothing is sent."""
        client_of(self.endpoint, self.patience.silence)


class Call:
    """One reply on its way: iterate it once. Attempts follow each other until one gives text;
    where somebody sees it ``live``, not after its first keys came."""

    def __init__(self, client: ModelClient, ask: Ask, *, live: bool) -> None:
        self._client = client
        self._ask = ask
        self._live = live
        self._feed: Feed | None = None
        self.usage = Usage()
        self.rung: Rung = client.manners().rung
        self.calls = 0
        self._closed = False
        self.first: float | None = None
        self.data: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Partial]:
        """What stands so far, after every piece; ModelError where it breaks off."""
        breaker = self._client.breaker
        if breaker.opened:
            host = self._client.endpoint.host
            text = f"{host} failed several times in a row and is left alone for a while."
            raise ModelError("open", text)
        with breaker:
            yield from self._attempts()

    def close(self) -> None:
        """Stop it; nothing more is read."""
        self._closed = True
        if self._feed is not None:
            self._feed.close()

    def _attempts(self) -> Iterator[Partial]:
        """Learn manners, wait once where asked to, mend a bad reply once."""
        client = self._client
        endpoint = client.endpoint
        manners = client.manners()
        end = time.monotonic() + client.patience.whole
        tried = {"proven"} if manners.proven else set()
        while True:
            self.calls += 1
            self.rung = manners.rung
            shown = False
            try:
                for partial in self._attempt(manners, end):
                    shown = shown or (self._live and bool(partial.closed))
                    yield partial
            except ModelError as error:
                over = shown or self.calls >= MAX_CALLS or time.monotonic() >= end
                following = None if over else self._after(error, manners, tried)
                if following is None:
                    raise error.fault if isinstance(error, RefusedError) else error from None
                manners = following
            else:
                if not self._closed:
                    client.book.worked(endpoint.model, endpoint.base_url, manners)
                return

    def _after(self, error: ModelError, manners: Manners, tried: set[str]) -> Manners | None:
        """How to try again after a failure, or None. ``tried`` bounds each kind of second try."""
        if isinstance(error, RefusedError):
            learned = adapted(manners, error.status, error.message)
            if learned is not None:
                return learned
            if "proven" not in tried and "blind" not in tried:
                tried.add("blind")
                return lower(manners)
        if error.kind == "invalid" and "proven" not in tried and lower(manners) is not None:
            return lower(manners)
        if error.kind in MENDABLE and "mend" not in tried:
            tried.add("mend")
            if error.kind == "truncated":
                more = self._ask.max_tokens * 2
                self._ask = self._ask.model_copy(update={"max_tokens": more})
            return (lower(manners) or manners) if error.kind == "invalid" else manners
        passing = error.kind in PASSING and (error.retry_after or 0.0) <= LONGEST_WAIT
        if passing and "again" not in tried:
            tried.add("again")
            self._client.wait(PAUSE if error.retry_after is None else error.retry_after)
            return manners
        return None

    def _attempt(self, manners: Manners, end: float) -> Iterator[Partial]:
        client = self._client
        reader = reader_for(manners, self._ask.schema_)
        began = time.monotonic()
        left = client.patience.model_copy(update={"whole": max(0.1, end - began)})
        self._feed = Feed(client.endpoint, left, request(self._ask, manners, client.model))
        finish = None
        size = 0
        before = self.usage
        for piece, reason, usage in self._feed:
            if usage != Usage():  # some tell the running total with every chunk
                self.usage = before + usage
            finish = finish if finish == "refusal" else reason or finish
            if not piece:
                continue
            if self.first is None:
                self.first = time.monotonic() - began
            size += len(piece)
            if size > MAX_REPLY_CHARS:
                raise ModelError("truncated", f"{client.model} did not stop talking.")
            reader.feed(piece)
            yield reader.partial()
        if self._closed:
            return
        yield self._finished(reader, finish, size)

    def _finished(self, reader: Reader, finish: str | None, size: int) -> Partial:
        """The whole reply, valid by the schema, or the ModelError that says why there is none."""
        model = self._client.model
        if finish in ("refusal", "content_filter"):
            raise ModelError("refusal", f"{model} declined to answer.")
        if not size:
            raise ModelError("empty", f"{model} gave an empty reply.")
        try:
            data = reader.whole()
        except ValueError:
            data = {}
        problem = _problem(data, self._ask.schema_) if data else ""
        if problem is None:
            self.data = data
            return Partial(data=data, closed=tuple(data))
        if finish == "length":
            raise ModelError("truncated", f"{model}'s reply was cut off at its length limit.")
        if finish is None:
            raise ModelError("unreachable", f"{self._client.endpoint.host} ended a reply halfway.")
        what = f" ({problem})" if problem else ""
        raise ModelError("invalid", f"{model}'s reply is not in the form asked for{what}.")


def _problem(data: dict[str, Any], schema: dict[str, Any]) -> str | None:
    """What is wrong with the reply by its schema, or None."""
    error = next(_validator(json.dumps(schema)).iter_errors(data), None)
    if error is None:
        return None
    where = ".".join(str(p) for p in error.absolute_path) or "the object"
    return f"{where}: {error.validator}"


@cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


@cache
def breaker_for(base_url: str | None, model: str) -> CircuitBreaker:
    """One breaker for each endpoint and model of this process: it opens after three failures in a
    row and lets calls through again after half a minute."""
    name = f"{base_url}|{model}"
    return CircuitBreaker(
        failure_threshold=3, recovery_timeout=30, expected_exception=is_ill, name=name
    )


def is_ill(_kind: type[BaseException], error: BaseException) -> bool:
    """Whether a failure counts against the endpoint."""
    return isinstance(error, ModelError) and error.kind in ILL
