"""The user's own passages and their vectors, in ``<data_dir>/passages.sqlite3``.

This file is the only truth about the user corpus; the vector and lexical indexes are derived
from it. Its revision counter grows with every write, also when another process rebuilt an
index, so that readers know when to reopen theirs.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.encoder import DIMENSION, Vectors
from knowledge.errors import IndexUnavailable
from knowledge.types import Passage, SourceRecord

_SCHEMA = """
CREATE TABLE IF NOT EXISTS passage (
    id TEXT PRIMARY KEY, source_id TEXT NOT NULL, body TEXT NOT NULL,
    encoder TEXT NOT NULL, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS passage_source ON passage (source_id);
CREATE TABLE IF NOT EXISTS source (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_ADD_PASSAGE = "INSERT OR REPLACE INTO passage VALUES (?, ?, ?, ?, ?)"
_BUSY_SECONDS = 30


class PassageStore:
    """User passages by id. Raises IndexUnavailable when the file cannot be used.

    Connections are opened per call, which makes it safe between threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as db:
            db.executescript(_SCHEMA)
            db.execute("INSERT OR IGNORE INTO meta VALUES ('store', ?)", (uuid.uuid4().hex,))
            db.execute("INSERT OR IGNORE INTO meta VALUES ('revision', '0')")
            db.execute("INSERT OR IGNORE INTO meta VALUES ('content', '0')")

    def revision(self) -> str:
        """Changes with every write of any process, and with every rebuild of an index."""
        return self._meta("revision")

    def content_state(self) -> str:
        """Names this store and the present set of passages; indexes record it when in step."""
        return f"{self._meta('store')}:{self._meta('content')}"

    def touch(self) -> None:
        """Tell other processes that an index was rebuilt."""
        with self._transaction() as db:
            _bump(db, "revision")

    def upsert(self, passages: Sequence[Passage], vectors: Vectors, encoder: str) -> None:
        """Add or replace passages; ``vectors`` has a row for each."""
        with self._transaction() as db:
            db.executemany(_ADD_PASSAGE, _rows(passages, vectors, encoder))
            _bump(db, "revision")
            _bump(db, "content")

    def replace_source(
        self, source: SourceRecord, passages: Sequence[Passage], vectors: Vectors, encoder: str
    ) -> list[str]:
        """Make ``passages`` all there is of a source; the ids that are gone."""
        with self._transaction() as db:
            before = _passage_ids(db, source.id)
            db.execute("DELETE FROM passage WHERE source_id = ?", (source.id,))
            db.executemany(_ADD_PASSAGE, _rows(passages, vectors, encoder))
            db.execute(
                "INSERT OR REPLACE INTO source VALUES (?, ?)", (source.id, source.model_dump_json())
            )
            _bump(db, "revision")
            _bump(db, "content")
        return sorted(set(before) - {p.id for p in passages})

    def mark_stale(self, source: SourceRecord, reason: str | None) -> None:
        """Note why a source's file can no longer be taken in, or that it can; nothing where the
        source was removed or replaced in the meantime."""
        with self._transaction() as db:
            row = db.execute("SELECT body FROM source WHERE id = ?", (source.id,)).fetchone()
            kept = SourceRecord.model_validate_json(row[0]) if row is not None else None
            if kept is not None and kept.content_hash == source.content_hash:
                marked = kept.model_copy(update={"stale": reason})
                db.execute(
                    "UPDATE source SET body = ? WHERE id = ?", (marked.model_dump_json(), source.id)
                )

    def sources(self) -> list[SourceRecord]:
        """Every ingested file, by id."""
        with self._transaction() as db:
            rows = db.execute("SELECT body FROM source ORDER BY id").fetchall()
        return [SourceRecord.model_validate_json(row[0]) for row in rows]

    def of_source(self, source_id: str) -> list[Passage]:
        """A source's passages in the order of the file."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT body FROM passage WHERE source_id = ? ORDER BY rowid", (source_id,)
            ).fetchall()
        return [Passage.model_validate_json(row[0]) for row in rows]

    def remove_source(self, source_id: str) -> list[str]:
        """Delete a source and its passages; the ids of these."""
        with self._transaction() as db:
            ids = _passage_ids(db, source_id)
            forgotten = db.execute("DELETE FROM source WHERE id = ?", (source_id,)).rowcount
            if ids or forgotten:
                db.execute("DELETE FROM passage WHERE source_id = ?", (source_id,))
                _bump(db, "revision")
                _bump(db, "content")
        return ids

    def get(self, ids: Sequence[str]) -> dict[str, Passage]:
        """The passages among ``ids`` that exist."""
        rows = self._of_ids("body", ids)
        return {row[0]: Passage.model_validate_json(row[1]) for row in rows}

    def places(self, ids: Sequence[str]) -> dict[str, int]:
        """Where passages lie: those of a source have consecutive numbers in the file's order."""
        return {str(row[0]): int(row[1]) for row in self._of_ids("rowid", ids)}

    def count(self) -> int:
        """How many passages there are."""
        with self._transaction() as db:
            return int(db.execute("SELECT count(*) FROM passage").fetchone()[0])

    def load(self) -> list[tuple[Passage, str, Vectors]]:
        """Every passage with the encoder that made its vector, and the vector (384,)."""
        with self._transaction() as db:
            rows = db.execute("SELECT body, encoder, vector FROM passage ORDER BY id").fetchall()
        return [
            (
                Passage.model_validate_json(body),
                str(encoder),
                np.frombuffer(vector, dtype=np.float32).reshape(DIMENSION),
            )
            for body, encoder, vector in rows
        ]

    def _of_ids(self, column: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """(id, column) of the passages among ``ids`` that exist."""
        marks = ",".join("?" * len(ids))
        sql = f"SELECT id, {column} FROM passage WHERE id IN ({marks})"  # noqa: S608 - no input
        with self._transaction() as db:
            return db.execute(sql, tuple(ids)).fetchall()

    def _meta(self, key: str) -> str:
        with self._transaction() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as db, db:
                yield db
        except sqlite3.Error as error:
            raise IndexUnavailable(
                f"The file of ingested passages {self._path} cannot be used: {error}."
            ) from error


def _rows(
    passages: Sequence[Passage], vectors: Vectors, encoder: str
) -> list[tuple[str, str, str, str, bytes]]:
    return [
        (p.id, p.source_id, p.model_dump_json(), encoder, vector.tobytes())
        for p, vector in zip(passages, vectors, strict=True)
    ]


def _passage_ids(db: sqlite3.Connection, source_id: str) -> list[str]:
    found = db.execute("SELECT id FROM passage WHERE source_id = ?", (source_id,))
    return [str(row[0]) for row in found]


def _bump(db: sqlite3.Connection, key: str) -> None:
    db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = ?", (key,))
