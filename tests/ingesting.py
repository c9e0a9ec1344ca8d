"""Ingests killed at a chosen step and repeated: the machinery of tests/knowledge/test_ingest.py.

``python -m tests.ingesting FOLDER`` runs them and prints one JSON line for each kill. That process
imports everything and opens nothing, then forks: a forked child starts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import chromadb  # noqa: F401 - imported once, before forking
import numpy as np
import pypdf  # noqa: F401

from knowledge import store
from knowledge.encoder import DIMENSION, Vectors
from knowledge.index import VectorIndex
from knowledge.ingest import ingest
from knowledge.lexical import LexicalIndex
from knowledge.library import Library
from knowledge.store import PassageStore
from tests.documents import KEEPING, PRUNING, episode, pdf
from tests.forking import forked, shared

QUERIES: Final = (
    "ladybirds eat greenfly",
    "hydrometer gravity",
    "oxalic acid in December",
    "compost heap",
    "the first version",
    "nothing of the kind",
)


class WordsEncoder:
    """A vector of the words' checksums: texts that share words are near each other."""

    fingerprint = "words"

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        out = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                place = hashlib.sha256(word.encode("utf-8", "replace")).digest()
                out[row, int.from_bytes(place[:4], "big") % (DIMENSION - 1)] += 1
            out[row, DIMENSION - 1] += 1
        unit: Vectors = out / np.linalg.norm(out, axis=1, keepdims=True)
        return unit


class Fate:
    """Counts the steps of a process and kills it at one of them; the encoder has two threads."""

    def __init__(self, at: int | None) -> None:
        self.steps: list[str] = []
        self._at = at
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        """One step is reached."""
        with self._lock:
            if len(self.steps) == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.steps.append(name)

    def around(self, owner: type, name: str) -> None:
        """Make a method of a class a step before and one after."""
        method = getattr(owner, name)

        def told(*args: Any, **more: Any) -> Any:
            self.step(f"before {name}")
            found = method(*args, **more)
            self.step(f"after {name}")
            return found

        setattr(owner, name, told)


class MortalEncoder(WordsEncoder):
    """Every text is a step."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    def encode(self, texts: Sequence[str]) -> Vectors:
        self._fate.step("encode")
        return super().encode(texts)


def beset(fate: Fate) -> None:
    """Let fate into every write of this process."""
    fate.around(PassageStore, "replace_source")
    fate.around(PassageStore, "remove_source")
    fate.around(VectorIndex, "update")
    fate.around(LexicalIndex, "update")
    bump = store._bump

    def within(db: sqlite3.Connection, key: str) -> None:
        bump(db, key)
        fate.step("within a transaction")

    store._bump = within


def write_files(folder: Path) -> None:
    """Files of every kind, with a wrong transcript that comes before the episode it belongs to."""
    folder.mkdir()
    beer = episode("Beer", PRUNING, guests=["brunomalt"], youtube="BBBBBBBBBBB", number=1)
    (folder / "a-beer.md").write_text(beer, encoding="utf-8")
    (folder / "b-broken.md").write_text("---\ntitle: [a\n---\n", encoding="utf-8")
    roses = episode("Roses", PRUNING, guests=["rosathorn"], youtube="AAAAAAAAAAA", number=2)
    (folder / "c-roses.md").write_text(roses, encoding="utf-8")
    bees = episode("Bees", KEEPING, guests=["beacomb"], youtube="CCCCCCCCCCC", number=3)
    (folder / "d-bees.md").write_text(bees, encoding="utf-8")
    (folder / "e-notes.pdf").write_bytes(pdf([["The compost heap is turned in May."]]))
    (folder / "f-guide.txt").write_text(guide("first", 6), encoding="utf-8")


def guide(version: str, chapters: int) -> str:
    """A text whose even chapters are the same in every version."""
    parts = [
        f"Chapter {n}\n\nThe hydrometer of the {version if n % 2 else 'old'} version {n} is read."
        for n in range(chapters)
    ]
    return "\n\n".join(parts)


def take_part(data: Path, files: Path, fate: Fate) -> None:
    """One process's part."""
    beset(fate)
    with Library.from_passages(data, [], WordsEncoder()) as library:
        ingest(library, MortalEncoder(fate), [files])


def outcome(data: Path) -> dict[str, Any]:
    """What stands in the library, without the time at which it was added."""
    with Library.from_passages(data, [], WordsEncoder()) as library:
        found: dict[str, Any] = {
            "sources": [s.model_dump(mode="json", exclude={"added"}) for s in library.sources()],
            "passages": {
                s.id: [p.model_dump(mode="json") for p in library.source_passages(s.id)]
                for s in library.sources()
            },
            "hits": [
                [[h.passage.id, h.score] for h in hits]
                for hits in library.search_many(QUERIES, k=50, corpus="user")
            ],
        }
    with contextlib.closing(sqlite3.connect(data / "passages.sqlite3")) as db:
        rows = db.execute("SELECT id, source_id, encoder, hex(vector) FROM passage ORDER BY id")
        found["vectors"] = [list(row) for row in rows]
    return found


def points(steps: Sequence[str]) -> list[int]:
    """Where to kill: before each change of a source, and at every third of all other steps.

    After a step is before the next one.
    """
    kinds: dict[str, list[int]] = {}
    for n, name in enumerate(steps):
        kinds.setdefault(name, []).append(n)
    changes = kinds["before replace_source"] + kinds["before remove_source"]
    others = ("encode", "within a transaction", "before update")
    return sorted(changes + [n for name in others for n in kinds[name][::3]])


def survive(folder: Path, base: Path, files: Path, at: int) -> dict[str, Any]:
    """Kill an ingest, repeat it, and say what came of it."""
    data = Path(shutil.copytree(base, folder / f"killed-{at}"))

    def repeat() -> dict[str, Any]:
        take_part(data, files, Fate(None))
        return outcome(data)

    killed, _ = forked(lambda: take_part(data, files, Fate(at)))
    _, found = forked(repeat)
    return {"at": at, "killed": killed, "outcome": found}


def main(folder: Path) -> None:
    """Ingest once undisturbed, then kill it everywhere."""
    files, base, control = folder / "files", folder / "base", folder / "control"
    write_files(files)
    first = files / "f-guide.txt"
    # Every ingest starts where an older version of the guide was taken in.
    forked(lambda: take_part(base, first, Fate(None)))
    first.write_text(guide("second", 5), encoding="utf-8")
    shutil.copytree(base, control)

    def undisturbed() -> list[Any]:
        fate = Fate(None)
        take_part(control, files, fate)
        return [fate.steps, outcome(control)]

    _, (steps, found) = forked(undisturbed)
    print(json.dumps({"steps": steps, "outcome": found}), flush=True)
    work = lambda at: survive(folder, base, files, at)  # noqa: E731
    for row in shared(work, points(steps), folder):
        print(json.dumps({**row, "step": steps[row["at"]]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
