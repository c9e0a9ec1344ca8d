"""An interview through a real model server; skipped where none is given.

    SPAR_TEST_MODEL_URL=http://127.0.0.1:8080/v1 SPAR_TEST_MODEL=any \\
        .venv/bin/python -m pytest -n0 -s tests/test_real_model.py

A tiny model interviews poorly. What must hold: every structured reply is valid or the offline line
follows with its reason, no answer is lost, and the interview reaches its graded report.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter

import pytest

from agent.llm.client import ModelClient
from agent.llm.engine import PROBE, ModelEngine
from agent.llm.wire import Endpoint, Patience
from agent.report import build_report, packaged_sources
from agent.service import Interviews, Setup
from agent.store import Store
from knowledge.encoder import MiniLMEncoder
from tests.agent.support import BANK, Scripted, say

URL = os.environ.get("SPAR_TEST_MODEL_URL", "")
MODEL = os.environ.get("SPAR_TEST_MODEL", "any")
PATIENCE = Patience(first=120, between=60, whole=240)

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.timeout(3_000),
    pytest.mark.skipif(not URL, reason="no model server is given (SPAR_TEST_MODEL_URL)"),
]


def test_a_whole_interview_with_a_real_model(tmp_path):
    client = ModelClient(Endpoint(model=MODEL, base_url=URL), patience=PATIENCE)
    reply = client.complete(PROBE)
    assert reply.data["ready"] in ("yes", "no")
    engine = ModelEngine(client, client)
    store = Store.open(f"sqlite:///{tmp_path / 'spar.sqlite3'}")
    service = Interviews(store, MiniLMEncoder(), model=lambda: engine)
    record = service.create(Setup(minutes=12, seed=3, engine="openai"))
    list(service.advance(record.id))
    candidate = Scripted(BANK)
    said = 0
    while not (standing := service.standing(record.id)).over:
        say(service, record.id, candidate(standing.turns[-1]), seconds=60)
        said += 1
        assert said < 30
    turns = store.turns(record.id)
    answers = [t for t in turns if t.act == "answer"]
    assert len(answers) == said
    asked = [t for t in turns if t.call is not None or t.fallback_reason]
    assert asked
    assert all(t.fallback_reason or t.engine == "openai" for t in asked)
    grades = store.grades(record.id)
    assert grades
    report = build_report(
        service.transcript(record.id),
        grades[-1].document,
        service.playbook(record.id),
        packaged_sources(),
        record=service.store.interview(record.id),
    )
    assert report.dimensions
    _print_figures(turns, grades, reply.rung)
    store.close()


def _print_figures(turns, grades, rung) -> None:
    asked = [t for t in turns if t.call is not None or t.fallback_reason]
    calls = [t.call for t in asked if t.call is not None]
    firsts = [c.first_token for c in calls if c.first_token is not None]
    reasons = Counter(t.fallback_reason for t in asked if t.fallback_reason)
    unscored = Counter(s["status"] for s in grades[0].document["scores"].values())
    print(f"\nrung {rung}; {len(asked)} turns asked, {sum(c.calls for c in calls)} calls")
    print(f"whole turns by the model: {sum(t.fallback_reason is None for t in asked)}")
    print(f"first token, median: {statistics.median(firsts) if firsts else None} s")
    print(f"fallbacks: {dict(reasons)}")
    print(f"first grade: {grades[0].engine}, {dict(unscored)}; grades kept: {len(grades)}")
    for turn in turns:
        if turn.speaker == "interviewer":
            print(f"  [{turn.engine}] {turn.move}: {turn.text}")
