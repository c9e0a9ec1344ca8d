"""``spar doctor``: which engine is active and why, and whether everything needed works."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.casebook import packaged
from agent.content import load_rubric
from agent.errors import SparError
from agent.settings import Settings, load_settings
from app.services import Services, open_services
from knowledge.errors import KnowledgeError

MIN_FREE_BYTES: Final = 50_000_000


@dataclass(frozen=True)
class Finding:
    """One check: what, whether it works, and one sentence."""

    name: str
    ok: bool
    text: str


def run_doctor(*, as_json: bool) -> int:
    """Run every check and print them; 1 where one failed."""
    settings = load_settings()
    findings = [Finding("engine", True, engine_reason(settings))]
    findings.append(_checked("cases", _cases))
    try:
        with contextlib.closing(open_services(settings)) as services:
            findings += _with_services(services)
    except (SparError, KnowledgeError) as error:
        findings.append(Finding("data", False, str(error)))
    if as_json:
        rows = [{"name": f.name, "ok": f.ok, "text": f.text} for f in findings]
        print(json.dumps({"engine": "offline", "checks": rows}, ensure_ascii=False, indent=1))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.text}")
    return 0 if all(f.ok for f in findings) else 1


def engine_reason(settings: Settings) -> str:
    """Why the offline engine is active."""
    key = settings.openai_api_key is not None
    if settings.model:
        return (
            "offline. SPAR_MODEL is set, but the openai engine is not part of this version; "
            "nothing is sent anywhere."
        )
    if key:
        return "offline. An OPENAI_API_KEY is set, but no SPAR_MODEL: a key alone changes nothing."
    return "offline, the embedded engine. No key is needed and nothing leaves this machine."


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
