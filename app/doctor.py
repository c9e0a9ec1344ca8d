"""``spar doctor``: which engine is active and why, and whether everything needed works."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from agent.casebook import packaged
from agent.content import load_rubric
from agent.errors import SparError
from agent.scale import OPENAI
from agent.settings import Settings, load_settings
from app.engines import default_engine, engine_reason
from app.services import Services, open_services
from knowledge.errors import KnowledgeError

if TYPE_CHECKING:
    from agent.llm.client import ModelClient
    from agent.llm.types import Rung

MIN_FREE_BYTES: Final = 50_000_000
RUNG_WORDS: Final[dict[Rung, str]] = {
    "schema": "replies by a strict JSON schema",
    "object": "replies as a JSON object, no schema enforced",
    "tool": "replies by a tool call",
    "text": "replies in labelled lines, no structure enforced",
}


@dataclass(frozen=True)
class Finding:
    """One check: what, whether it works, and one sentence."""

    name: str
    ok: bool
    text: str


def run_doctor(*, as_json: bool, look_around: bool = False) -> int:
    """Run every check and print them; 1 where one failed. ``look_around``: also look for a model
    server on this machine."""
    settings = load_settings()
    findings = [Finding("engine", True, engine_reason(settings))]
    if default_engine(settings) == OPENAI:
        findings += endpoint_findings(settings)
    if look_around:
        findings.append(_local_servers())
    findings.append(_checked("cases", _cases))
    try:
        with contextlib.closing(open_services(settings)) as services:
            findings += _with_services(services)
    except (SparError, KnowledgeError) as error:
        findings.append(Finding("data", False, str(error)))
    if as_json:
        rows = [{"name": f.name, "ok": f.ok, "text": f.text} for f in findings]
        found = {"engine": default_engine(settings), "checks": rows}
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.text}")
    return 0 if all(f.ok for f in findings) else 1


def endpoint_findings(settings: Settings) -> list[Finding]:
    """Try the endpoint: from the top of the ladder, whatever was learned before."""
    from agent.llm.engine import model_engine

    try:
        engine = model_engine(settings)
    except SparError as error:
        return [Finding("model", False, str(error))]
    clients = {c.model: c for c in (engine.interviewer, engine.grader)}
    findings = [_checked(f"model {m}", partial(_tried, c)) for m, c in clients.items()]
    if settings.spend_limit is not None and not engine.priced():
        text = (
            f"no price is known for {engine.interviewer.model}, so SPAR_SPEND_LIMIT cannot be "
            f"held; put its price into {settings.folder / 'prices.yaml'}."
        )
        findings.append(Finding("spending limit", False, text))
    return findings


def _tried(client: ModelClient) -> str:
    from agent.llm.engine import PROBE

    client.forget()
    call = client.stream(PROBE)
    for _ in call:
        pass
    first = f"{call.first:.2f} s" if call.first is not None else "unknown"
    learned = f" (learned in {call.calls} calls)" if call.calls > 1 else ""
    host = client.endpoint.host
    return f"{host} answers, first token after {first}; {RUNG_WORDS[call.rung]}{learned}"


def _local_servers() -> Finding:
    from app.local_servers import look

    found = look()
    if not found:
        return Finding("local servers", True, "none answers on the usual ports")
    lines = [f"{f.name} at {f.base_url} ({', '.join(f.models[:5])})" for f in found]
    hint = "set OPENAI_BASE_URL and SPAR_MODEL to use one"
    return Finding("local servers", True, f"{'; '.join(lines)}; {hint}")


def _with_services(services: Services) -> list[Finding]:
    return [
        _checked("data directory", lambda: _disk(services)),
        _checked("database", lambda: _database(services)),
        _checked("encoder", lambda: _encoder(services)),
        _checked("library", lambda: _library(services)),
    ]


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except (SparError, KnowledgeError) as error:
        return Finding(name, False, str(error))


def _disk(services: Services) -> str:
    free = shutil.disk_usage(services.settings.folder).free
    if free < MIN_FREE_BYTES:
        raise SparError(f"only {free // 1_000_000} MB are free at {services.settings.folder}.")
    return f"{services.settings.folder}, {free // 1_000_000_000} GB free"


def _database(services: Services) -> str:
    return f"{len(services.store.interviews())} interviews kept"


def _encoder(services: Services) -> str:
    vector = services.encoder.encode(["When is a payment known to be fraud?"])
    return f"all-MiniLM-L6-v2 (int8), {vector.shape[1]} dimensions"


def _library(services: Services) -> str:
    hits = services.library.search("when do fraud labels arrive", k=1)
    count = len(services.library.opened().passages())
    if not hits:
        raise SparError("a search found nothing.")
    return f"{count} passages, search works"


def _cases() -> str:
    rubric = load_rubric()
    cases = [packaged().load(c) for c in packaged().ids()]
    count = sum(len(c.criteria) for c in cases) + len(rubric.criteria)
    return f"{len(cases)} cases; {count} criteria; Python {sys.version.split()[0]}"
