"""The kill matrix's machinery: one interview, killed at a chosen step and resumed elsewhere.

``python -m tests.killing FOLDER`` runs it and prints one JSON line for each kill. That process
imports everything and opens nothing (no database, no ONNX session, no thread), then forks: a forked
child is as cold as a new process but starts at once. The texts' vectors come from the first child,
which ran the interview undisturbed with the real encoder.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy.engine import Connection

from agent import graph
from agent.casebook import packaged
from agent.grading import grade_transcript
from agent.hygiene import Heard
from agent.noting import note_answer
from agent.playbook import kept_playbook
from agent.records import GradeRecord, InterviewRecord, Source, TurnRecord
from agent.rows import transcript_of
from agent.service import Interviews, Setup, Standing
from agent.settings import Settings
from agent.store import Store
from agent.transcript import Transcript
from agent.types import Criterion
from app.engines import ModelSource
from app.export import terminal as _terminal  # noqa: F401 - imported once, before forking
from app.interviewing import Conversation, Line
from app.services import LazyLibrary, Services
from knowledge.encoder import Encoder, MiniLMEncoder, Vectors
from tests.forking import forked, shared

SETUP: Final = Setup(level="senior", minutes=12, seed=11)
SCRIPT: Final = (
    "How late do fraud labels arrive, and who pays for a stolen card?",
    "/repeat",
    (
        "I frame this as a risk score for each payment inside the checkout request, under 120 "
        "ms. A missed fraud costs the amount and the fee, a false decline costs the margin and "
        "sometimes the customer, so the threshold minimises expected cost. Labels are "
        "chargebacks and arrive 30 to 60 days late, so I train only on payments older than 60 "
        "days, split by time, first with logistic regression on velocity features, then with "
        "gradient boosted trees. Features come from an online store fed by a stream. I roll out "
        "in shadow mode, then to five percent, with a fallback to rules when the score does not "
        "arrive in time."
    ),
    "/hint",
    "Then I would look at the payments by country.",
    "/redo",
    "Every night I compare the decline rate and the score distribution by country with last week.",
    "/skip",
    "The cost of a wrong decline is the lost margin, and some customers never come back.",
    "I would first build the label pipeline, since everything else depends on it.",
)
REDO: Final = SCRIPT.index("/redo")
READS_TRIED: Final = 20
TWICE: Final = 8
WRITES: Final = ("add_interview", "add_turn", "add_grade", "update_interview", "commit")


class Fate:
    """Counts the steps of a process and kills it at one of them."""

    def __init__(self, at: int | None) -> None:
        self.steps: list[str] = []
        self._at = at

    def step(self, name: str) -> None:
        """One step is reached."""
        self.steps.append(name)
        if len(self.steps) - 1 == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextlib.contextmanager
    def around(self, name: str) -> Iterator[None]:
        """A step before and one after."""
        self.step(f"before {name}")
        yield
        self.step(f"after {name}")


class MortalStore(Store):
    """The real store; every operation is a step before and after, every commit one within."""

    fate = Fate(None)

    def add_interview(
        self,
        record: InterviewRecord,
        turns: Sequence[TurnRecord] = (),
        grade: GradeRecord | None = None,
    ) -> None:
        with self.fate.around("add_interview"):
            super().add_interview(record, turns, grade)

    def interview(self, interview: str) -> InterviewRecord:
        with self.fate.around("interview"):
            return super().interview(interview)

    def update_interview(self, record: InterviewRecord) -> None:
        with self.fate.around("update_interview"):
            super().update_interview(record)

    def add_turn(self, turn: TurnRecord) -> None:
        with self.fate.around("add_turn"):
            super().add_turn(turn)

    def turns(self, interview: str) -> list[TurnRecord]:
        with self.fate.around("turns"):
            return super().turns(interview)

    def turn(self, interview: str, seq: int) -> TurnRecord | None:
        with self.fate.around("turn"):
            return super().turn(interview, seq)

    def wordings(self) -> dict[str, int]:
        with self.fate.around("wordings"):
            return super().wordings()

    def add_grade(self, grade: GradeRecord) -> None:
        with self.fate.around("add_grade"):
            super().add_grade(grade)

    def grades(self, interview: str) -> list[GradeRecord]:
        with self.fate.around("grades"):
            return super().grades(interview)

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        with super()._write() as connection:
            yield connection
            self.fate.step("within commit")


@dataclass(frozen=True)
class MortalGrounding:
    """Always finds the same passage; finding it is a step."""

    fate: Fate

    def source(self, criterion: Criterion, question: str, shown: Collection[str]) -> Source | None:
        with self.fate.around("source"):
            return Source(id=f"note-{criterion.id}", text=question, title="Notes")

    def behind(self, criterion: Criterion, shown: Collection[str]) -> Source | None:
        return self.source(criterion, criterion.statement, shown)

    def prepare(self, criteria: Sequence[Criterion]) -> None:
        """Nothing to look up."""

    def close(self) -> None:
        """Nothing to stop."""


class Recording:
    """The real encoder, remembering what it was asked."""

    def __init__(self) -> None:
        self._inner = MiniLMEncoder()
        self.vectors: dict[str, Vectors] = {}

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        found = self._inner.encode(texts)
        self.vectors |= dict(zip(texts, found, strict=True))
        return found


class Remembered:
    """Vectors that were computed before; a new text is encoded by the real encoder."""

    def __init__(self, fingerprint: str, vectors: dict[str, Vectors]) -> None:
        self.fingerprint = fingerprint
        self._vectors = vectors

    def encode(self, texts: Sequence[str]) -> Vectors:
        new = [t for t in texts if t not in self._vectors]
        if new:
            self._vectors |= dict(zip(new, MiniLMEncoder().encode(new), strict=True))
        rows = [self._vectors[t] for t in texts]
        return np.stack(rows) if rows else np.zeros((0, 384), np.float32)


class Script:
    """The candidate: says what stands next in the script, going by what was accepted."""

    def __init__(self, printed: io.StringIO) -> None:
        self._printed = printed
        self.began_with: str | None = None
        self.question: str | None = None

    def next(self, standing: Standing) -> Line | None:
        if self.question is None:
            self.question = standing.turns[-1].text
            self.began_with = self._printed.getvalue()
        done = [t.seq for t in standing.turns if t.speaker == "candidate"]
        position = len(done)
        if standing.record.fork_seq is not None:
            shared = sum(seq <= standing.record.fork_seq for seq in done)
            position = REDO + 1 + len(done) - shared
        return Line(SCRIPT[position]) if position < len(SCRIPT) else None

    def refused(self, text: str) -> None:
        raise AssertionError(f"refused: {text}")

    def left_over(self) -> int:
        return 0


def clock() -> Callable[[], datetime]:
    """A second a call, the same in every process."""
    seconds = itertools.count()
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds))


def take_part(folder: Path, encoder: Encoder, fate: Fate, life: str) -> dict[str, Any]:
    """One process's part: start or resume the interview and see it to its grade."""
    store = MortalStore.open(f"sqlite:///{folder / 'spar.sqlite3'}")
    assert isinstance(store, MortalStore)
    store.fate = fate
    fate.step("opened")
    numbers = itertools.count(1)
    interviews = Interviews(
        store, encoder, MortalGrounding(fate), clock(), lambda: f"{life}{next(numbers)}"
    )
    settings = Settings()
    library = LazyLibrary(settings, encoder)
    engines = ModelSource(settings)
    services = Services(settings, store, encoder, library, interviews, engines)
    printed = io.StringIO()
    candidate = Script(printed)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        kept = sorted(store.interviews(), key=lambda r: r.parent is not None)
        record = kept[-1] if kept else interviews.create(SETUP)
        if record.status == "open":
            # Every answer takes one second; real time would steer it on a busy machine.
            ticking = itertools.count().__next__
            talk = Conversation(services, record.id, candidate, interactive=False, clock=ticking)
            final = talk.run()
            interviews.grade(final)
    store.close()
    return {"question": candidate.question, "began_with": candidate.began_with}


def rows_of(store: Store, interview: str) -> list[list[Any]]:
    """The rows without what a clock or an id makes different."""
    return [
        [
            t.seq,
            t.speaker,
            t.act,
            t.text,
            t.stage,
            t.move,
            t.target,
            t.wording,
            t.snapshot,
            [s.id for s in t.sources],
        ]
        for t in store.turns(interview)
    ]


def outcome(folder: Path) -> dict[str, Any]:
    """What stands in the database: everything a candidate could miss or see twice."""
    store = Store.open(f"sqlite:///{folder / 'spar.sqlite3'}")
    try:
        found = sorted(store.interviews(), key=lambda r: r.parent is not None)
        return {
            "interviews": [[r.status, r.variant, r.fork_seq] for r in found],
            "rows": [rows_of(store, r.id) for r in found],
            "grades": [[g.document | {"id": ""} for g in store.grades(r.id)] for r in found],
        }
    finally:
        store.close()


def said(folder: Path) -> dict[str, Any]:
    """The finished interview's transcript."""
    store = Store.open(f"sqlite:///{folder / 'spar.sqlite3'}")
    try:
        (last,) = (r for r in store.interviews() if r.status == "graded")
        return transcript_of(last, store.turns(last.id)).document()
    finally:
        store.close()


@dataclass(frozen=True)
class Control:
    """The undisturbed interview."""

    steps: list[str]
    encoder: Remembered
    transcript: dict[str, Any] = field(repr=False)
    outcome: dict[str, Any] = field(repr=False)


def undisturbed(folder: Path) -> Control:
    """Run it once, nothing killed, with the real encoder."""

    def work() -> Any:
        encoder = Recording()
        fate = Fate(None)
        take_part(folder, encoder, fate, "a")
        return fate.steps, encoder.fingerprint, encoder.vectors, said(folder), outcome(folder)

    _, (steps, fingerprint, vectors, transcript, result) = forked(work)
    return Control(steps, Remembered(fingerprint, vectors), transcript, result)


def points(steps: Sequence[str]) -> list[tuple[int, ...]]:
    """Where to kill: every step of a write, some of the others, and some lives twice."""
    writes = [i for i, name in enumerate(steps) if name.split()[-1] in WRITES]
    others = [i for i in range(len(steps)) if i not in set(writes)]
    every = max(1, len(others) // READS_TRIED)
    single = sorted([*writes, *others[::every]])
    chance = random.Random(20)
    twice = [(chance.choice(single), chance.randrange(1, 60)) for _ in range(TWICE)]
    return [*((i,) for i in single), *twice]


def survive(folder: Path, control: Control, kills: tuple[int, ...]) -> dict[str, Any]:
    """Kill a process at each of ``kills``, one life after the other; the last one finishes."""
    folder.mkdir()
    killed = []
    for life, at in enumerate(kills):
        work = lambda at=at, life=life: take_part(  # noqa: E731
            folder, control.encoder, Fate(at), "abc"[life]
        )
        number, _ = forked(work)
        killed.append(number)
    _, resumed = forked(lambda: take_part(folder, control.encoder, Fate(None), "z"))
    _, result = forked(lambda: outcome(folder))
    question, shown = resumed["question"], resumed["began_with"]
    return {
        "kills": kills,
        "step": control.steps[kills[0]],
        "killed": killed,
        "same": {k: result[k] == control.outcome[k] for k in result},
        "same_question": question is None or str(shown).rstrip().endswith(question.rstrip()),
        "statuses": [s for s, *_ in result["interviews"]],
        "grades": [len(g) for g in result["grades"]],
        "seqs": [[r[0] for r in rows] for rows in result["rows"]],
    }


def main(folder: Path) -> None:
    """Run the matrix with two workers, each forked before anything was opened."""
    first = folder / "undisturbed"
    first.mkdir()
    control = undisturbed(first)
    variant = control.outcome["interviews"][0][1]
    # Pure work that every child would do again: reading the case, comparing its vectors.
    playbook = kept_playbook(SETUP.case_id, variant, None, control.encoder, packaged())
    grade_transcript(Transcript.model_validate(control.transcript), playbook)
    note_answer(SCRIPT[0], 1, Heard([""]), playbook, clarifying=True)
    playbook.facts.answer([])
    graph._compiled()
    chosen = points(control.steps)

    def work(kills: tuple[int, ...]) -> dict[str, Any]:
        return survive(folder / "-".join(map(str, kills)), control, kills)

    summary = {"steps": len(control.steps), "control": control.outcome}
    print(json.dumps(summary), flush=True)
    for row in shared(work, chosen, folder):
        print(json.dumps(row))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
