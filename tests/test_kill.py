"""Killed at every step of an interview: no accepted answer is lost, no turn is said twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent.records import GradeRecord, InterviewRecord, TurnRecord
from agent.store import Store
from tests.brains import Interviewer
from tests.commands import ROOT, Spar
from tests.killing import REDO, SCRIPT
from tests.scripted import ScriptedServer

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]

LEAST_KILLS = 60


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The undisturbed interview and one row for each kill."""
    folder = tmp_path_factory.mktemp("matrix")
    fixed = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SPAR_ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.killing", folder],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **fixed},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, *rows = (json.loads(line) for line in done.stdout.splitlines())
    return first, rows


def test_the_undisturbed_interview_has_everything_in_it(
    matrix: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    control = matrix[0]["control"]
    statuses = [status for status, *_ in control["interviews"]]
    assert statuses == ["open", "graded"]  # the second is the redo of the first
    rows = control["rows"][-1]
    assert [r[0] for r in rows] == list(range(len(rows)))
    acts = [r[2] for r in rows if r[1] == "candidate"]
    assert {"answer", "repeat", "hint", "skip", "done"} == set(acts)
    texts = [r[3] for r in rows if r[2] == "answer"]
    answers = [s for s in SCRIPT if not s.startswith("/")]
    answers.remove(SCRIPT[REDO - 1])  # answered again after the redo
    assert texts == answers[: len(texts)]
    assert len(texts) >= 4
    assert [len(g) for g in control["grades"]] == [0, 1]


def test_every_kill_is_survived(
    matrix: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    first, rows = matrix
    assert len(rows) >= LEAST_KILLS
    assert max(r["kills"][0] for r in rows) >= first["steps"] - 25
    # A second life that was shorter than its kill point has finished instead.
    assert all(r["killed"][0] == signal.SIGKILL for r in rows)
    assert all(set(r["killed"]) <= {signal.SIGKILL, None} for r in rows)
    wrong = [
        r
        for r in rows
        # Rows, statuses, the fork and the grade are those of the undisturbed interview.
        if not all(r["same"].values())
        or not r["same_question"]
        or r["grades"] != [0, 1]
        or r["statuses"] != ["open", "graded"]
        or any(seqs != list(range(len(seqs))) for seqs in r["seqs"])
    ]
    assert wrong == []
    hit = Counter(r["step"] for r in rows)
    for name in ("add_interview", "add_turn", "add_grade", "update_interview"):
        assert hit[f"before {name}"]
        assert hit[f"after {name}"]
    assert hit["within commit"] >= hit["after add_turn"]


def kept(spar: Spar, interview: str) -> tuple[InterviewRecord, list[TurnRecord], list[GradeRecord]]:
    store = Store.open(f"sqlite:///{spar.data / 'spar.sqlite3'}")
    try:
        return store.interview(interview), store.turns(interview), store.grades(interview)
    finally:
        store.close()


@pytest.mark.parametrize("sent", [0, 1, 3])
def test_a_killed_terminal_session_resumes_in_a_cold_start(tmp_path: Path, sent: int) -> None:
    """The real command, killed when its next question starts to appear."""
    spar = Spar(tmp_path / "data", tmp_path)
    said = [s for s in SCRIPT if s != "/redo"]
    started = spar.start("interview", "--seed", "11")
    shown = started.wait_question()
    for message in said[:sent]:
        started.send(f"{message}\n\n")
        shown = started.wait_question(shown)
    name = started.wait_err(r"Interview (\w+):")[1]
    started.signal(signal.SIGKILL)
    assert started.end().code == -signal.SIGKILL
    record, before, grades = kept(spar, name)
    assert (record.status, grades) == ("open", [])
    assert before[-1].speaker == "interviewer"
    assert sum(r.speaker == "candidate" for r in before) == sent

    rest = "".join(f"{s}\n\n" for s in said[sent:])
    resumed = spar("interview", "--resume", name, stdin=rest)
    assert resumed.code == 0, resumed.err
    assert resumed.out.startswith(f"\n{before[-1].text}\n\n")
    record, after, grades = kept(spar, name)
    assert after[: len(before)] == before
    assert [r.seq for r in after] == list(range(len(after)))
    texts = [r.text for r in after if r.act == "answer"]
    assert texts == [s for s in said if not s.startswith("/")][: len(texts)]
    assert len(texts) >= 4
    assert (record.status, len(grades)) == ("graded", 1)


def test_killed_while_a_model_speaks(tmp_path: Path) -> None:
    """Its first sentence stands on the screen, the turn is not kept yet: the answer is, and after a
    cold start exactly one turn follows it."""
    spar = Spar(tmp_path / "data", tmp_path)
    slow = Interviewer(say=lambda n: f"Suppose it is day {n}. Who finds out first?", delay=0.2)
    with ScriptedServer(slow) as server:
        model = {"SPAR_MODEL": "scripted", "OPENAI_BASE_URL": server.base_url}
        started = spar.start("interview", "--seed", "11", "--minutes", "25", **model)
        shown = started.wait_question()
        started.send(f"{SCRIPT[2]}\n\n")
        started.wait_out("Suppose it is day 0", shown)
        name = started.wait_err(r"Interview (\w+):")[1]
        started.signal(signal.SIGKILL)
        assert started.end().code == -signal.SIGKILL
        _, before, _ = kept(spar, name)
        assert [(r.speaker[0], r.act) for r in before] == [("i", "say"), ("c", "answer")]

        slow.delay = 0.0
        resumed = spar("interview", "--resume", name, stdin=f"{SCRIPT[4]}\n\n", **model)
        assert resumed.code == 0, resumed.err
    record, after, grades = kept(spar, name)
    assert after[:2] == before
    assert [r.seq for r in after] == list(range(len(after)))
    assert (after[2].engine, after[2].fallback_reason) == ("openai", None)
    assert [r.text for r in after if r.act == "answer"] == [SCRIPT[2], SCRIPT[4]]
    assert (record.status, len(grades), grades[0].engine) == ("graded", 1, "openai")
