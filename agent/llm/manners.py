"""What an endpoint understands, learned from its own refusals and remembered.

The ladder of structured replies: a strict JSON schema, a JSON object, a tool call, delimited text.
A first call starts at the top; a refusal that names what is not understood takes that away, any
other one before the endpoint has proved itself takes one rung. What worked is kept per endpoint and
model, so the next process starts there.
"""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from agent.llm.types import RUNGS, Rung
from agent.types import Value

TokenField = Literal["max_tokens", "max_completion_tokens"]
OFFICIAL: Final = "api.openai.com"
STRIKES: Final = 2
_REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-5|gpt-6)", re.I)
_OPTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("temperature", r"\btemperature\b"),
    ("seed", r"\bseed\b"),
    ("stream_options", r"\bstream_options\b|\binclude_usage\b"),
    ("reasoning_effort", r"\breasoning_effort\b|\breasoning\.effort\b"),
    ("bounds", r"\bm(?:ax|in)length\b|\bm(?:ax|in)items\b"),
    (
        "system",
        r"\bsystem (?:role|message|prompt)\b|\broles? must alternate\b|role'? (?:does not|'sys)",
    ),
)
_STRUCTURE = re.compile(
    r"response_format|input should be|json_schema|json_object|json mode|structured|grammar|guided|"
    r"\btools?\b|tool_choice|function|schema",
    re.I,
)


class Manners(Value):
    """How to speak to one model. ``without`` are request options it refuses; ``proven`` that the
    rung has given a valid reply."""

    rung: Rung = "schema"
    tokens: TokenField = "max_tokens"
    without: tuple[str, ...] = ()
    proven: bool = False


def official(base_url: str | None) -> bool:
    """Whether this is OpenAI's own endpoint."""
    return base_url is None or urlsplit(base_url).hostname == OFFICIAL


def first_manners(model: str, base_url: str | None) -> Manners:
    """Where to begin with a model nothing is known of: OpenAI's own endpoint names its limit
    ``max_completion_tokens``, and its reasoning models take no temperature."""
    return Manners(
        tokens="max_completion_tokens" if official(base_url) else "max_tokens",
        without=("temperature",) if reasons(model) else ("reasoning_effort",),
    )


def reasons(model: str) -> bool:
    """Whether the name is a reasoning model's, which thinks within its token limit."""
    return _REASONING.search(model) is not None


def lower(manners: Manners) -> Manners | None:
    """One rung down; None at the bottom."""
    place = RUNGS.index(manners.rung) + 1
    if place == len(RUNGS):
        return None
    return manners.model_copy(update={"rung": RUNGS[place], "proven": False})


def adapted(manners: Manners, status: int, message: str) -> Manners | None:
    """What to try after a refusal, by what it says is not understood; None if nothing."""
    text = message.lower()
    if status < 500:
        if "max_completion_tokens" in text or "max_tokens" in text:
            other: TokenField = (
                "max_completion_tokens" if manners.tokens == "max_tokens" else "max_tokens"
            )
            if "tokens" not in manners.without:
                return manners.model_copy(
                    update={"tokens": other, "without": (*manners.without, "tokens")}
                )
        for option, pattern in _OPTIONS:
            if option not in manners.without and re.search(pattern, text):
                return manners.model_copy(update={"without": (*manners.without, option)})
    return lower(manners) if _STRUCTURE.search(text) else None


class MannersBook:
    """The manners of every endpoint and model, in one small file; safe between threads.

    A file that cannot be read or written costs only what was learned.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: dict[str, Manners] | None = None
        self._strikes: dict[str, int] = {}

    def manners(self, model: str, base_url: str | None) -> Manners:
        """What is known, or where to begin."""
        with self._lock:
            return self._all().get(_key(model, base_url)) or first_manners(model, base_url)

    def worked(self, model: str, base_url: str | None, manners: Manners) -> None:
        """A valid reply came this way."""
        key = _key(model, base_url)
        kept = manners.model_copy(update={"proven": True})
        with self._lock:
            before = self._all().get(key)
            if before is not None and before.proven and before.rung != kept.rung:
                # One bad reply of a proven rung is the model's slip; the next one is a pattern.
                self._strikes[key] = self._strikes.get(key, 0) + 1
                if self._strikes[key] < STRIKES:
                    return
            self._strikes.pop(key, None)
            if before != kept:
                self._all()[key] = kept
                self._write()

    def forget(self, model: str, base_url: str | None) -> None:
        """Begin at the top again, as a probe does."""
        with self._lock:
            if self._all().pop(_key(model, base_url), None) is not None:
                self._write()

    def _all(self) -> dict[str, Manners]:
        if self._kept is None:
            self._kept = _read(self._path)
        return self._kept

    def _write(self) -> None:
        if self._path is None:
            return
        rows = {k: m.model_dump(mode="json") for k, m in sorted(self._all().items())}
        beside = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(rows, indent=1), encoding="utf-8")
            beside.replace(self._path)
        except OSError:
            return


def _key(model: str, base_url: str | None) -> str:
    parts = urlsplit(base_url or f"https://{OFFICIAL}/v1")
    return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}{parts.path.rstrip('/')}|{model}"


def _read(path: Path | None) -> dict[str, Manners]:
    if path is None:
        return {}
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Manners]).validate_python(data)
    except (OSError, ValueError, ValidationError):
        return {}
