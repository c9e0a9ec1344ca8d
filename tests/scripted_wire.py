"""OpenAI's wire form of a reply, and how real servers refuse what they cannot do.

The refusals are those that the servers send, as their users reported them:

- OpenAI: ``param`` is null for json_schema and "response_format" for json_object.
- vLLM: flat (``"object": "error"``) before 0.10.1, under ``"error"`` since; only versions before
  0.6 refuse json_schema, and before 0.6.4 max_completion_tokens.
- llama-cpp-python's server: HTTP 500 for everything that its own validation refuses; without a
  chat format for tools it leaves them out.
- ollama: leaves out what it does not know and refuses tools by the model's template.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Collection, Iterator
from typing import Any, Final, Literal

from agent.llm.types import Rung
from tests.scripted_faults import Json, Request, Says, Status, error, vllm_error, vllm_refusal

Dialect = Literal["openai", "vllm", "llama-cpp-python", "ollama", "ignores"]


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*\S{1,4}|\s+", text)


def _pieces(says: Says) -> list[str]:
    text = says.text if says.refusal is None else says.refusal
    if says.pieces is None:
        return _tokens(text)
    number = max(1, min(says.pieces, len(text)))
    ends = [len(text) * n // number for n in range(number + 1)]
    return [text[a:b] for a, b in itertools.pairwise(ends)]


def _usage(request: Request, says: Says) -> Json:
    output = len(_tokens(says.text if says.refusal is None else says.refusal))
    prompt = says.prompt_tokens
    if prompt is None:
        prompt = len(_tokens(json.dumps(request.body.get("messages"))))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": says.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


class Reply:
    """One reply in OpenAI's form: whole, or as the chunks of a stream."""

    def __init__(self, request: Request, says: Says, number: int, forced_finish: str) -> None:
        self._request, self._says, self._number = request, says, number
        self._created = int(time.time())
        self._tool = None if says.plain or says.refusal is not None else request.tool
        self._finish = says.finish
        if self._tool is not None and says.finish == "stop":
            named = isinstance(request.body.get("tool_choice"), dict)
            self._finish = forced_finish if named else "tool_calls"
        asked = (request.body.get("stream_options") or {}).get("include_usage", False)
        self._tells_usage = says.usage and asked

    def opening(self) -> Json:
        """The role; for a tool call its id and name too."""
        start: Json = {"role": "assistant"}
        if self._says.refusal is not None:
            return self._chunk(start | {"content": None, "refusal": ""})
        if self._tool is None:
            return self._chunk(start | {"content": "", "refusal": None})
        call = {"index": 0} | self._call("")
        return self._chunk(start | {"content": None, "tool_calls": [call], "refusal": None})

    def pieces(self) -> Iterator[Json]:
        for piece in _pieces(self._says):
            if self._says.refusal is not None:
                yield self._chunk({"refusal": piece})
            elif self._tool is None:
                yield self._chunk({"content": piece})
            else:
                call = {"index": 0, "function": {"arguments": piece}}
                yield self._chunk({"tool_calls": [call]})

    def closing(self) -> Iterator[Json]:
        """finish_reason, and the usage where it was asked for."""
        yield self._chunk({}, self._finish)
        if self._tells_usage:
            yield self.without_choice() | {"usage": _usage(self._request, self._says)}

    def without_choice(self) -> Json:
        head = self._head("chat.completion.chunk") | {"choices": []}
        return head | {"usage": None} if self._tells_usage else head

    def whole(self) -> Json:
        says = self._says
        message: Json = {"role": "assistant", "content": says.text, "refusal": says.refusal}
        if says.refusal is not None:
            message["content"] = None
        elif self._tool is not None:
            message |= {"content": None, "tool_calls": [self._call(says.text)]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        found = self._head("chat.completion") | {"choices": [choice]}
        return found | {"usage": _usage(self._request, says)} if says.usage else found

    def _call(self, arguments: str) -> Json:
        function = {"name": self._tool, "arguments": arguments}
        return {"id": f"call_{self._number:08}", "type": "function", "function": function}

    def _head(self, kind: str) -> Json:
        return {
            "id": f"chatcmpl-{self._number:08}",
            "object": kind,
            "created": self._created,
            "model": self._says.model or self._request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }

    def _chunk(self, delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self.without_choice() | {"choices": [choice]}


_PROSE: Final = Says("Sure! I would first ask how late the labels come, and go on.", plain=True)


def refusal(
    request: Request, supports: Collection[Rung], dialect: Dialect, refuses: Collection[str]
) -> Status | Says | None:
    """What the server answers without asking its model; None where it can do what is asked.

    One parameter at a time, in the order of the request. A model that cannot even follow the
    prompt ("text" is missing) answers in prose.
    """
    for name, value in request.body.items():
        if name in refuses and not (name == "temperature" and value == 1):
            return _refused_param(name, value, dialect)
    if request.rung in supports:
        return _json_unmentioned(request) if dialect == "openai" else None
    return _PROSE if request.rung == "text" else _missing(request, dialect)


def _refused_param(name: str, value: Any, dialect: Dialect) -> Status:
    if dialect == "vllm":
        return _invalid("extra_forbidden", (name,), "Extra inputs are not permitted", value)
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    param: str | None = name
    code: str | None = "unsupported_parameter"
    if name == "max_tokens":
        message += " Use 'max_completion_tokens' instead."
    elif name == "temperature":
        message = f"Unsupported value: 'temperature' does not support {value} with this model."
        message += " Only the default (1) value is supported."
        code = "unsupported_value"
    elif name == "stream_options":
        message, code = "Unknown parameter: 'stream_options'.", "unknown_parameter"
    elif name == "max_completion_tokens":  # servers that know only max_tokens
        message = f"Unrecognized request argument supplied: {name}"
        param = code = None
    return Status(400, error(message, "invalid_request_error", param, code))


def _json_unmentioned(request: Request) -> Status | None:
    """OpenAI's JSON mode wants the word in the messages."""
    if request.rung != "object" or "json" in json.dumps(request.body.get("messages")).lower():
        return None
    message = "'messages' must contain the word 'json' in some form, to use 'response_format' of "
    return Status(400, error(f"{message}type 'json_object'.", "invalid_request_error", "messages"))


def _missing(request: Request, dialect: Dialect) -> Status | Says:
    tool = request.rung == "tool"
    if dialect == "openai":
        return _openai_misses(request)
    if dialect == "vllm":
        return _vllm_misses_tools(request) if tool else _misses_format(request)
    if dialect == "llama-cpp-python" and not tool:
        message = _misses_format(request).body
        assert isinstance(message, dict)
        return Status(500, error(message["message"], "internal_server_error"))
    if dialect == "ollama" and tool:
        message = f"registry.ollama.ai/library/{request.model} does not support tools"
        return Status(400, error(message, "api_error"))
    return _PROSE


def _openai_misses(request: Request) -> Status:
    guides = "https://platform.openai.com/docs/guides"
    if request.rung == "tool":
        message = "tools is not supported in this model. For a list of supported models, refer to "
        message += f"{guides}/function-calling#models-supporting-function-calling."
        return Status(400, error(message, "invalid_request_error"))
    kind = request.body["response_format"]["type"]
    message = (
        f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
    )
    if request.rung == "object":
        return Status(400, error(message, "invalid_request_error", "response_format"))
    message += f" Learn more about supported models at the Structured Outputs guide: {guides}/"
    return Status(400, error(f"{message}structured-outputs", "invalid_request_error"))


def _misses_format(request: Request) -> Status:
    kind = request.body["response_format"]["type"]
    known = "'text' or 'json_object'" if request.rung == "schema" else "'text'"
    where = ("response_format", "type")
    return _invalid("literal_error", where, f"Input should be {known}", kind, {"expected": known})


def _invalid(kind: str, where: tuple[str, ...], message: str, value: Any, *ctx: Json) -> Status:
    """What pydantic found in a request, as vLLM before 0.10.1 tells it."""
    found: Json = {"type": kind, "loc": ("body", *where), "msg": message, "input": value}
    found |= {"ctx": ctx[0]} if ctx else {}
    return Status(400, {"object": "error"} | vllm_error(str([found])))


def _vllm_misses_tools(request: Request) -> Status:
    choice = request.body.get("tool_choice", "auto")
    if choice == "auto":
        return vllm_refusal(
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        )
    shown = f'"{choice}"' if isinstance(choice, str) else f'function "{request.tool}"'
    return vllm_refusal(f"tool_choice={shown} requires --tool-call-parser to be set")
