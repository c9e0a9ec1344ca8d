"""Word search: SQLite FTS5 with BM25 over passages, in a file that can always be rebuilt."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from knowledge.errors import IndexUnavailable
from knowledge.types import CorpusChoice, Entry

_SCHEMA = """
CREATE TABLE entry (rowid INTEGER PRIMARY KEY, id TEXT UNIQUE, corpus TEXT, topics TEXT);
CREATE VIRTUAL TABLE body USING fts5(text, heading, cues, tokenize='porter unicode61');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
"""
_MAX_TERMS = 64
# Ranking costs about 1.5 ms per thousand matching passages; words past this many add little.
MAX_RANKED = 8_000
_ALWAYS_RANKED = 2
_MAX_COUNTED = 20_000
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about all am an and any are as at be been but by can could d did do does for from had
        has have how i if in into is it its just ll m may me might more my no not of on or our
        out re s should so some such t than that the their them then there these they this those
        to too up us ve was we were what when where which while who why will with would you your
        """,
    )
)


class Match(NamedTuple):
    """A passage found by its words; ``bm25`` is positive, higher is better."""

    id: str
    bm25: float
    corpus: str


def query_terms(text: str) -> tuple[str, ...]:
    """The words of any user string that are worth looking up, at most 64, without repeats.

    Stop words are dropped unless nothing else is left.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(_storable(text))))
    telling = [word for word in words if word not in _STOP_WORDS]
    return tuple((telling or words)[:_MAX_TERMS])


def match_expression(terms: Iterable[str]) -> str:
    """An FTS5 expression that matches any of the terms; each is quoted, so none is syntax."""
    return " OR ".join(f'"{term}"' for term in terms)


class LexicalIndex:
    """The FTS5 file at ``path``; one connection, serialised by a lock.

    Every method raises IndexUnavailable when the file is broken; ``reset`` starts it afresh.
    """

    def __init__(self, path: Path, max_ranked: int = MAX_RANKED) -> None:
        self._path = path
        self._max_ranked = max_ranked
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._frequencies: dict[str, int] = {}  # of the file as it is; forgotten with a change

    def state(self, corpus: str) -> str | None:
        """What ``mark`` recorded for a corpus; null when nothing was."""
        rows = self._read("SELECT value FROM meta WHERE key = ?", (corpus,))
        return str(rows[0][0]) if rows else None

    def replace(self, corpus: str, entries: Sequence[Entry], state: str) -> None:
        """Make ``entries`` the whole content of a corpus and record its state."""
        with self._lock, self._guarded() as db, db:
            old = db.execute("SELECT id FROM entry WHERE corpus = ?", (corpus,)).fetchall()
            _delete(db, [row[0] for row in old])
            _insert(db, entries)
            _mark(db, corpus, state)
            self._frequencies.clear()

    def update(
        self, corpus: str, entries: Sequence[Entry], gone: Sequence[str], state: str
    ) -> None:
        """Add or replace ``entries``, delete the ids ``gone``, record the state."""
        with self._lock, self._guarded() as db, db:
            _delete(db, [*gone, *(entry.passage.id for entry in entries)])
            _insert(db, entries)
            _mark(db, corpus, state)
            self._frequencies.clear()

    def count(self, corpus: str) -> int:
        """Passages of a corpus, counted in the word index itself."""
        sql = "SELECT count(*) FROM entry JOIN body ON body.rowid = entry.rowid WHERE corpus = ?"
        return int(self._read(sql, (corpus,))[0][0])

    def search(
        self, terms: Sequence[str], limit: int, corpus: CorpusChoice, topics: Sequence[str] | None
    ) -> list[Match]:
        """Passages holding any of the terms, best first.

        Where the terms match a great many passages, the commonest ones are left out: they say
        least and cost most.
        """
        terms = self._affordable(terms)
        if not terms:
            return []
        where, parameters = ["body MATCH ?"], [match_expression(terms)]
        if corpus != "all":
            where.append("entry.corpus = ?")
            parameters.append(corpus)
        if topics is not None:
            where.append(f"({' OR '.join(['instr(entry.topics, ?)'] * len(topics)) or '0'})")
            parameters.extend(f" {topic} " for topic in topics)
        sql = (
            "SELECT entry.id, bm25(body, 1.0, 0.5, 1.0) AS rank, entry.corpus FROM body "  # noqa: S608
            "JOIN entry ON entry.rowid = body.rowid "
            f"WHERE {' AND '.join(where)} ORDER BY rank, entry.id LIMIT ?"
        )
        rows = self._read(sql, (*parameters, limit))
        return [Match(row[0], -float(row[1]), row[2]) for row in rows]

    def _affordable(self, terms: Sequence[str]) -> list[str]:
        """The rarest terms that together match at most ``max_ranked`` passages, two at least."""
        counted = sorted((self._passages_with(t), n, t) for n, t in enumerate(terms))
        found = [(count, term) for count, _, term in counted if count]
        ranked = 0
        kept: list[str] = []
        for count, term in found:
            ranked += count
            if len(kept) >= _ALWAYS_RANKED and ranked > self._max_ranked:
                break
            kept.append(term)
        return kept

    def _passages_with(self, term: str) -> int:
        if term not in self._frequencies:
            if len(self._frequencies) >= _MAX_COUNTED:
                self._frequencies.clear()
            sql = "SELECT count(*) FROM body WHERE body MATCH ?"
            self._frequencies[term] = int(self._read(sql, (match_expression([term]),))[0][0])
        return self._frequencies[term]

    def reset(self) -> None:
        """Throw the file away; the next call starts an empty one."""
        self.close()
        try:
            for suffix in ("", "-journal", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise IndexUnavailable(f"{self._path} cannot be replaced: {error}.") from error

    def close(self) -> None:
        """Release the file; a later call opens it again."""
        with self._lock:
            self._frequencies.clear()
            if self._db is not None:
                self._db.close()
                self._db = None

    def _read(self, sql: str, parameters: Sequence[object]) -> list[tuple[str, ...]]:
        with self._lock, self._guarded() as db:
            return db.execute(sql, parameters).fetchall()

    def _guarded(self) -> _Guard:
        return _Guard(self)

    def _connect(self) -> sqlite3.Connection:
        if self._db is None:
            db = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
            try:
                if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                    db.executescript(_SCHEMA)
            except sqlite3.Error:
                db.close()
                raise
            self._db = db
        return self._db


class _Guard:
    """Opens the connection and turns SQLite's errors into IndexUnavailable."""

    def __init__(self, index: LexicalIndex) -> None:
        self._index = index

    def __enter__(self) -> sqlite3.Connection:
        try:
            return self._index._connect()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.Error) -> IndexUnavailable:
        return IndexUnavailable(f"The word index {self._index._path} cannot be used: {error}.")


def _storable(text: str) -> str:
    # Lone surrogates (a broken paste) cannot be written as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")


def _insert(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    for entry in entries:
        p = entry.passage
        row = db.execute(
            "INSERT INTO entry (id, corpus, topics) VALUES (?, ?, ?)",
            (p.id, p.corpus, f" {' '.join(p.topics)} "),
        ).lastrowid
        heading = " ".join(part for part in (p.title, p.section) if part)
        db.execute(
            "INSERT INTO body (rowid, text, heading, cues) VALUES (?, ?, ?, ?)",
            (row, _storable(p.text), _storable(heading), _storable(" ".join(entry.cues))),
        )


def _delete(db: sqlite3.Connection, ids: Sequence[str]) -> None:
    for passage_id in ids:
        rows = db.execute("SELECT rowid FROM entry WHERE id = ?", (passage_id,)).fetchall()
        for row in rows:
            db.execute("DELETE FROM body WHERE rowid = ?", row)
            db.execute("DELETE FROM entry WHERE rowid = ?", row)


def _mark(db: sqlite3.Connection, corpus: str, state: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (corpus, state))
