"""One turn spoken by a model: choose an allowed move, say it sentence by sentence, note coverage.

The reply's keys come in a fixed order, so that the move, its target and its passages are checked
before a word is shown, and each sentence is checked before it is released. Whatever fails, the
caller gets what was released so far, and why the rest must come from the offline engine.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.llm.guard import Refusal
from agent.llm.splitting import split_ready
from agent.llm.types import Ask, CallRecord, Message, ModelError, Partial, Streaming, Streams, Usage
from agent.records import Source
from agent.sentences import Span
from agent.tokens import count_tokens

MOVES: Final = ("probe", "challenge", "hint", "move_on", "ask", "twist", "wrap_up")
MAX_TOKENS: Final = 420
MAX_NOTICED: Final = 5
TURN_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["move", "target", "passages", "say", "noticed"],
    "properties": {
        "move": {"type": "string", "enum": list(MOVES)},
        "target": {"type": "string", "maxLength": 80},
        "passages": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 8}},
        "say": {"type": "string", "maxLength": 600},
        "noticed": {
            "type": "array",
            "maxItems": MAX_NOTICED,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["criterion", "quote"],
                "properties": {
                    "criterion": {"type": "string", "maxLength": 80},
                    "quote": {"type": "string", "maxLength": 240},
                },
            },
        },
    },
}


def turn_schema(options: Sequence[Option]) -> dict[str, Any]:
    """The turn's schema with what may be chosen as closed lists, which a server that enforces
    schemas then holds small models to."""
    given = {
        "move": [o.move for o in options],
        "target": [o.target for o in options],
        "passages": [k for o in options for k in o.passages],
    }
    found: dict[str, Any] = copy.deepcopy(TURN_SCHEMA)
    properties = found["properties"]
    for key in ("move", "target"):
        properties[key] = {"type": "string", "enum": list(dict.fromkeys(given[key]))}
    if given["passages"]:
        properties["passages"]["items"] = {"type": "string", "enum": given["passages"]}
    else:
        properties["passages"]["maxItems"] = 0
    return found


@dataclass(frozen=True)
class Option:
    """One allowed move. ``target`` is a criterion's id, a stage or empty; ``line`` the authored
    wording."""

    move: str
    target: str
    about: str
    line: str
    passages: Mapping[str, Source]


@dataclass(frozen=True)
class Occasion:
    """All that one turn needs. ``check`` is the guard: (sentence, what was released) -> refusal;
    ``locate`` finds quoted words in the last answer where they may count."""

    messages: tuple[Message, ...]
    options: Sequence[Option]
    noticeable: frozenset[str]
    check: Callable[[str, str], Refusal | None]
    locate: Callable[[str], Span | None]
    seed: int | None = None


@dataclass(frozen=True)
class Spoken:
    """What came of it. ``option`` is the index chosen, None before a valid choice; ``text`` what
    was released; ``fault`` why the offline line has to follow, None where the turn is complete."""

    option: int | None
    text: str
    passages: tuple[Source, ...]
    noticed: Mapping[str, Span]
    fault: ModelError | None
    call: CallRecord


class Voice:
    """A model that speaks turns."""

    def __init__(
        self,
        model: Streams,
        record: CallRecord,
        cost: Callable[[Usage], float | None] = lambda _: None,
        count: Callable[[str], int] = count_tokens,
    ) -> None:
        self._model = model
        self._record = record
        self._cost = cost
        self._reply: Streaming | None = None
        self._count = count

    def speak(self, occasion: Occasion, emit: Callable[[str], None]) -> Spoken:
        """One call; ``emit`` gets each sentence as it is released. Never raises ModelError."""
        ask = Ask(
            messages=occasion.messages,
            name="interviewer_turn",
            schema=turn_schema(occasion.options) if self._model.varied else TURN_SCHEMA,
            max_tokens=MAX_TOKENS,
            seed=occasion.seed,
        )
        reply = self._model.stream(ask)
        self._reply = reply
        turn = _Turn(occasion, emit)
        fault: ModelError | None = None
        try:
            for partial in reply:
                turn.take(partial)
        except ModelError as error:
            fault = error
        finally:
            reply.close()
        if fault is not None and turn.said_all:
            fault = None  # only what it noticed is missing
        if fault is None and turn.option is not None and not turn.text.strip():
            fault = ModelError("empty", f"{self._model.model} chose a move and said nothing.")
        return Spoken(
            option=turn.option,
            text=turn.text.strip(),
            passages=turn.passages,
            noticed=turn.noticed(),
            fault=fault,
            call=self._recorded(reply, ask, turn.data),
        )

    def stop(self) -> None:
        """Hang up on the reply under way, from another thread."""
        if self._reply is not None:
            self._reply.close()

    def _estimate(self, ask: Ask, data: Mapping[str, Any]) -> Usage:
        """Tokens of a call that never told them: one that was broken off, or an endpoint that does
        not count. Nothing where no word came."""
        if not data:
            return Usage()
        prompt = sum(self._count(m.content) for m in ask.messages)
        return Usage(prompt=prompt, output=self._count(json.dumps(data)), estimated=True)

    def _recorded(self, reply: Streaming, ask: Ask, data: Mapping[str, Any]) -> CallRecord:
        first = round(reply.first, 3) if reply.first is not None else None
        usage = reply.usage if reply.usage.prompt else self._estimate(ask, data)
        return self._record.model_copy(
            update={
                "usage": usage,
                "rung": reply.rung,
                "calls": reply.calls,
                "first_token": first,
                "cost": self._cost(usage),
            }
        )


class _Turn:
    """The turn while it comes in. ``take`` raises ModelError to end it."""

    def __init__(self, occasion: Occasion, emit: Callable[[str], None]) -> None:
        self._occasion = occasion
        self._emit = emit
        self.data: Mapping[str, Any] = {}
        self._taken = 0
        self.option: int | None = None
        self.passages: tuple[Source, ...] = ()
        self.text = ""
        self.said_all = False

    def take(self, partial: Partial) -> None:
        """Check what has closed and release what is ready."""
        self.data = partial.data
        if self.option is None:
            if not {"move", "target", "passages"} <= set(partial.closed):
                return
            self.option = self._chosen()
            self.passages = self._cited()
        said = partial.data.get("say")
        if isinstance(said, str) and not self.said_all:
            closed = "say" in partial.closed
            self._release(said, closed=closed)
            self.said_all = closed

    def noticed(self) -> dict[str, Span]:
        """Statements whose quoted words stand in the last answer and may count."""
        found: dict[str, Span] = {}
        rows = self.data.get("noticed")
        for row in rows[:MAX_NOTICED] if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                continue
            name, words = row.get("criterion"), row.get("quote")
            if name not in self._occasion.noticeable or not isinstance(words, str):
                continue
            span = self._occasion.locate(words)
            if span is not None:
                found.setdefault(name, span)
        return found

    def _chosen(self) -> int:
        move, target = self.data.get("move"), self.data.get("target")
        for index, option in enumerate(self._occasion.options):
            if (option.move, option.target) == (move, target):
                return index
        raise ModelError("invalid", "The model chose a move that is not allowed here.")

    def _cited(self) -> tuple[Source, ...]:
        known = {k: s for o in self._occasion.options for k, s in o.passages.items()}
        asked = self.data.get("passages")
        keys = asked if isinstance(asked, list) else []
        if any(key not in known for key in keys):
            raise ModelError("invalid", "The model cited a passage that was not given to it.")
        return tuple(known[key] for key in dict.fromkeys(keys))

    def _release(self, said: str, *, closed: bool) -> None:
        ready, rest = split_ready(said[self._taken :])
        if closed and rest.strip():
            ready = [*ready, rest]
        for sentence in ready:
            self._taken += len(sentence)
            refusal = self._occasion.check(sentence.strip(), self.text)
            if refusal is not None:
                raise ModelError("guard", f"A sentence of the model was held back: {refusal.text}.")
            self.text += sentence
            self._emit(sentence)
