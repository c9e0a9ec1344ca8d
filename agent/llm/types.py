"""Values of the model-backed engine: what is asked, what came back, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Protocol

from pydantic import Field

from agent.errors import EngineError
from agent.types import Value

Rung = Literal["schema", "object", "tool", "text"]
RUNGS: Final[tuple[Rung, ...]] = ("schema", "object", "tool", "text")
Role = Literal["system", "user", "assistant"]
Schema = Mapping[str, Any]

FaultKind = Literal[
    "unreachable",  # no connection, reset, closed early
    "timeout",  # nothing came in time
    "stalled",  # began and then stopped
    "busy",  # 429
    "server",  # 5xx
    "key",  # 401, 403
    "model",  # the endpoint does not know the model
    "context",  # the prompt is longer than the model can read
    "no_api",  # what answered is no OpenAI-compatible endpoint (HTML, other JSON)
    "request",  # the endpoint refuses the request for another reason
    "refusal",  # the model declined
    "truncated",  # cut off at the length limit
    "invalid",  # no usable structured reply
    "empty",  # nothing said
    "guard",  # what was said may not be shown
    "open",  # the circuit breaker is open: the endpoint was not asked
    "limit",  # the spending limit of this interview is reached
]


class ModelError(EngineError):
    """One call failed; ``str(fault)`` is one clear sentence without any secret.

    ``retry_after``: seconds the endpoint asked to wait, where it did.
    """

    def __init__(self, kind: FaultKind, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.kind: FaultKind = kind
        self.retry_after = retry_after


class Message(Value):
    """One message of a prompt."""

    role: Role
    content: str


class Usage(Value):
    """Tokens of one call; ``cached`` are those of ``prompt`` that the provider had cached;
    ``estimated`` where the endpoint did not count them."""

    prompt: int = 0
    cached: int = 0
    output: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            output=self.output + other.output,
            estimated=self.estimated or other.estimated,
        )


class Ask(Value):
    """One structured question to a model.

    ``schema`` is a JSON schema of an object, every string and list of it bounded, whose keys come
    back in its order; ``name`` names it to the endpoint (letters, digits, ``_``).
    """

    messages: tuple[Message, ...]
    name: str
    schema_: dict[str, Any] = Field(alias="schema")
    max_tokens: int
    seed: int | None = None
    temperature: float | None = 0.3


class Partial(Value):
    """A structured reply as far as it has come: ``closed`` names the keys that will not change."""

    data: dict[str, Any] = Field(default_factory=dict)
    closed: tuple[str, ...] = ()


class Reply(Value):
    """A whole structured reply. ``data`` is an object that was valid by the schema of the ask."""

    data: dict[str, Any]
    model: str
    rung: Rung
    usage: Usage = Usage()
    calls: int = 1


class Completes(Protocol):
    """Asks a model and waits for the whole reply; ModelError where none can be had."""

    model: str

    def complete(self, ask: Ask) -> Reply:
        """One reply that is valid by the ask's schema."""
        ...


class Streaming(Protocol):
    """One reply on its way. Iterating gives it as far as it has come; ModelError where it breaks
    off. ``usage``, ``rung``, ``calls`` and ``first`` (seconds to the first text) are known at the
    end."""

    usage: Usage
    rung: Rung
    calls: int
    first: float | None

    def __iter__(self) -> Iterator[Partial]:
        """What stands so far, after every piece."""
        ...

    def close(self) -> None:
        """Stop it; nothing more is read."""
        ...


class Streams(Protocol):
    """Asks a model and gives the reply as it comes."""

    model: str

    @property
    def varied(self) -> bool:
        """Whether each ask may bring a schema of its own. Not where the schema is a part of the
        cached prompt, or is prepared for seconds at its first use, as by OpenAI."""
        ...

    def stream(self, ask: Ask) -> Streaming:
        """The reply on its way; the call begins when it is iterated."""
        ...


class CallRecord(Value):
    """What is kept of the calls behind one turn or grade. ``prompt`` is the prompt file's id,
    ``prompt_hash`` of its text; ``cost`` in US dollars, None where no price is known."""

    model: str
    rung: Rung | None = None
    prompt: str
    prompt_hash: str
    rubric: str
    seed: int | None = None
    usage: Usage = Usage()
    calls: int = 1
    cost: float | None = None
    first_token: float | None = None
