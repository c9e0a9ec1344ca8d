"""Asking for a structured reply on each rung, and reading it while it comes.

Three rungs give JSON (as content or as a tool's arguments), the last one labelled lines: ``KEY:
value``, one line for each item of a list of objects, its fields separated by `` | ``; a list inside
such an item has its parts separated by `` ;; `` and their fields by `` :: ``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from agent.llm.manners import Manners, reasons
from agent.llm.types import Ask, Message, Partial, Schema

THINKING_TOKENS: Final = 2_000
BOUNDS: Final = frozenset(["maxLength", "minLength", "maxItems", "minItems", "pattern"])
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S)
_THOUGHT_END = re.compile(r"</think(?:ing)?>")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*', re.S)
_FIELD, _ITEM, _PART = " | ", " ;; ", " :: "


def request(ask: Ask, manners: Manners, model: str) -> dict[str, Any]:
    """The arguments of ``chat.completions.create`` for one streamed call."""
    limit = ask.max_tokens + (THINKING_TOKENS if reasons(model) else 0)
    found: dict[str, Any] = {"model": model, "stream": True, manners.tokens: limit}
    options: dict[str, Any] = {
        "temperature": ask.temperature,
        "seed": ask.seed,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "low",
    }
    found |= {k: v for k, v in options.items() if v is not None and k not in manners.without}
    schema = plain_schema(ask.schema_) if "bounds" in manners.without else ask.schema_
    if manners.rung == "schema":
        named = {"name": ask.name, "strict": True, "schema": schema}
        found["response_format"] = {"type": "json_schema", "json_schema": named}
    elif manners.rung == "object":
        found["response_format"] = {"type": "json_object"}
    elif manners.rung == "tool":
        function = {"name": ask.name, "parameters": schema}
        found["tools"] = [{"type": "function", "function": function}]
        found["tool_choice"] = {"type": "function", "function": {"name": ask.name}}
    messages = list(ask.messages)
    if note := _note(ask, manners):
        last = messages[-1]
        messages[-1] = Message(role=last.role, content=f"{last.content}\n\n{note}")
    if "system" in manners.without:
        messages = _folded(messages)
    found["messages"] = [m.model_dump() for m in messages]
    return found


def plain_schema(schema: Any) -> Any:
    """The schema without bounds, for endpoints that refuse these keywords."""
    if isinstance(schema, Mapping):
        return {
            k: {n: plain_schema(s) for n, s in v.items()} if k == "properties" else plain_schema(v)
            for k, v in schema.items()
            if k not in BOUNDS
        }
    if isinstance(schema, list):
        return [plain_schema(v) for v in schema]
    return schema


class Reader(Protocol):
    """Takes the reply piece by piece."""

    def feed(self, piece: str) -> None:
        """The next piece of text."""
        ...

    def partial(self) -> Partial:
        """What stands so far."""
        ...

    def whole(self) -> dict[str, Any]:
        """The complete object; ValueError if there is none."""
        ...


def reader_for(manners: Manners, schema: Schema) -> Reader:
    """The reader of this rung."""
    return LineReader(schema) if manners.rung == "text" else JsonReader()


class JsonReader:
    """Reads an object that may be wrapped in a thought, a code fence or prose."""

    def __init__(self) -> None:
        self._text = ""
        self._start = -1
        self._last = Partial()

    def feed(self, piece: str) -> None:
        """The next piece of text."""
        self._text += piece
        # Templates may open the thought themselves, so that only its end is seen.
        ends = [m.end() for m in _THOUGHT_END.finditer(self._text)]
        after = ends[-1] if ends else 0
        if self._start < after or self._start < 0:
            thought = _THOUGHT.match(self._text)
            self._start = self._text.find("{", max(thought.end() if thought else 0, after))

    def partial(self) -> Partial:
        """Complete keys, and the last one as far as it goes; what has closed does not change."""
        if self._start < 0:
            return Partial()
        from pydantic_core import from_json

        body = _STRING.sub(_escaped, self._text[self._start :])
        try:
            data = from_json(body, allow_partial="trailing-strings")
            closed = tuple(data)[:-1]
        except ValueError:
            try:
                data = self._object(self._start)
            except ValueError:
                return self._last
            closed = tuple(data)
        kept = {k: self._last.data[k] for k in self._last.closed if k in data}
        self._last = Partial(data=data | kept, closed=closed)
        return self._last

    def whole(self) -> dict[str, Any]:
        """The first object in the text."""
        start = self._start
        while start >= 0:
            try:
                return self._object(start)
            except ValueError:  # a brace in the prose before it
                start = self._text.find("{", start + 1)
        raise ValueError("there is no object in the reply")

    def _object(self, start: int) -> dict[str, Any]:
        decoder = json.JSONDecoder(strict=False, object_pairs_hook=_first_wins)
        try:
            data, _ = decoder.raw_decode(self._text, start)
        except RecursionError as error:
            raise ValueError("the reply is nested too deeply") from error
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair is no text
        return dict(data)


def _escaped(string: re.Match[str]) -> str:
    return string[0].replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


class LineReader:
    """Reads labelled lines by the schema's keys."""

    def __init__(self, schema: Schema) -> None:
        self._properties: Mapping[str, Any] = schema["properties"]
        self._text = ""

    def feed(self, piece: str) -> None:
        """The next piece of text."""
        self._text += piece

    def partial(self) -> Partial:
        """Keys whose line has ended are closed when the next label came."""
        found = self._read()
        closed = tuple(found)[:-1]
        for key in set(found) - set(closed):
            found[key] = self._without_label(found[key])
        return Partial(data=found, closed=closed)

    def whole(self) -> dict[str, Any]:
        """All keys; lists that were never named are empty."""
        found = self._read()
        if not found:
            raise ValueError("there is no labelled line in the reply")
        for key, schema in self._properties.items():
            if schema.get("type") == "array":
                found.setdefault(key, [])
        return {k: found[k] for k in self._properties if k in found}

    def _without_label(self, value: Any) -> Any:
        """An open value without a last line that may become the next label."""
        if not isinstance(value, str) or "\n" not in value:
            return value
        before, _, last = value.rpartition("\n")
        start = last.strip(" \t>*#-").lower()
        return before if any(k.lower().startswith(start) for k in self._properties) else value

    def _read(self) -> dict[str, Any]:
        body = _THOUGHT.sub("", self._text, count=1)
        names = "|".join(re.escape(k) for k in self._properties)
        label = re.compile(rf"^[ \t>*#\-]*\**({names})\**[ \t]*:\**[ \t]*", re.I | re.M)
        marks = list(label.finditer(body))
        found: dict[str, Any] = {}
        for index, mark in enumerate(marks):
            end = marks[index + 1].start() if index + 1 < len(marks) else len(body)
            key = next(k for k in self._properties if k.lower() == mark[1].lower())
            _put(found, key, body[mark.end() : end].strip(), self._properties[key])
        return found


def _put(found: dict[str, Any], key: str, text: str, schema: Mapping[str, Any]) -> None:
    if schema.get("type") != "array":
        found.setdefault(key, _scalar(text, schema))
        return
    items = schema["items"]
    rows = found.setdefault(key, [])
    if text.lower() in ("", "-", "none", "[]"):
        return
    if items.get("type") == "object":
        rows += [row for line in text.splitlines() if (row := _row(line, items, _FIELD))]
    else:
        rows += [_scalar(t.strip(), items) for t in re.split(r"[,\n]", text) if t.strip()]


def _row(line: str, schema: Mapping[str, Any], separator: str) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema["properties"]
    values = [v.strip() for v in line.strip().split(separator.strip(), len(properties) - 1)]
    row: dict[str, Any] = {}
    for (key, field), value in zip(properties.items(), values, strict=False):
        if field.get("type") == "array":
            inner = value.split(_ITEM.strip()) if value and value != "-" else []
            row[key] = [r for part in inner if (r := _row(part, field["items"], _PART))]
        else:
            row[key] = _scalar(value, field)
    return row if len(row) == len(properties) else {}


def _scalar(text: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "integer":
        number = re.search(r"-?\d+", text)
        return int(number[0]) if number else text
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] == '"':
        bare = bare[1:-1]
    return "" if bare == "-" else bare


def _note(ask: Ask, manners: Manners) -> str:
    """How to write the reply, where the endpoint does not enforce it."""
    if manners.rung == "object":
        shape = json.dumps(plain_schema(ask.schema_)["properties"], separators=(",", ":"))
        return f"Reply with one JSON object only. Its keys, in this order: {shape}"
    if manners.rung == "text":
        return "\n".join(["Reply with these lines only, in this order:", *_lines(ask.schema_)])
    return ""


def _lines(schema: Schema) -> list[str]:
    found = []
    for key, field in schema["properties"].items():
        if field.get("type") != "array":
            found.append(f"{key.upper()}: {_meaning(field)}")
        elif field["items"].get("type") == "object":
            found.append(f"{key.upper()}: {_shape(field['items'], _FIELD)}  (a line for each)")
        else:
            found.append(f"{key.upper()}: separated by commas, or -")
    return found


def _shape(schema: Mapping[str, Any], separator: str) -> str:
    parts = []
    for key, field in schema["properties"].items():
        if field.get("type") == "array":
            inner = _shape(field["items"], _PART)
            parts.append(f"{inner}{_ITEM}{inner}")
        else:
            parts.append(f"{key} ({'/'.join(field['enum'])})" if _short(field) else key)
    return separator.join(parts)


def _meaning(field: Mapping[str, Any]) -> str:
    return f"one of {', '.join(field['enum'])}" if "enum" in field else "..."


def _short(field: Mapping[str, Any]) -> bool:
    return len(field.get("enum", ())) in range(1, 5)


def _folded(messages: list[Message]) -> list[Message]:
    """The system text at the head of the first user message, for templates without that role."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    rest = [m for m in messages if m.role != "system"]
    head = rest[0]
    return [Message(role="user", content=f"{system}\n\n{head.content}"), *rest[1:]]
