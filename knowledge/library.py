"""The library: everything the interviewer, the grader and ``spar search`` look up.

Two corpora: ``packaged`` (own-words notes shipped with Spar) and ``user`` (what the user
ingested, kept in ``passages.sqlite3``). Search indexes in the data directory are derived from
them: built on first use, rebuilt when the package changed or a file is broken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from knowledge.corpus import load_entries
from knowledge.encoder import DIMENSION, Encoder, Vectors
from knowledge.errors import CorpusError, IndexUnavailable
from knowledge.fusion import Candidate, by_corpus
from knowledge.indexes import Content, DerivedIndexes
from knowledge.store import PassageStore
from knowledge.types import CorpusChoice, Entry, Hit, Passage, SourceRecord
from knowledge.vectors import content_hash, load_vectors, packaged_vectors_path

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK_SECONDS = 120
_SCORE_DIGITS = 6


class Library:
    """Search over both corpora; safe between threads and between processes.

    Use ``open`` or ``from_passages``; as a context manager it closes itself. Every method may
    raise IndexUnavailable (the data directory cannot be used) or EncoderError.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        data_dir: Path,
        encoder: Encoder,
        chroma_url: str | None = None,
    ) -> None:
        self._entries = tuple(entries)
        self._packaged = {entry.passage.id: entry.passage for entry in self._entries}
        self._encoder = encoder
        self._hash = content_hash(self._entries, encoder.fingerprint)
        self._lock = threading.RLock()
        self._file_lock = _file_lock(data_dir)
        with self._exclusive():
            self._store = PassageStore(data_dir / "passages.sqlite3")
            self._indexes = DerivedIndexes(data_dir, chroma_url)
            self._seen = ""
            self._ensure()

    @classmethod
    def open(cls, data_dir: Path, encoder: Encoder, chroma_url: str | None = None) -> Self:
        """The packaged notes and whatever the user ingested into ``data_dir``.

        The first call builds the indexes there (about two seconds); Chroma is embedded unless
        ``chroma_url`` names a server.
        """
        return cls(load_entries(), data_dir, encoder, chroma_url)

    @classmethod
    def from_passages(cls, data_dir: Path, passages: Sequence[Passage], encoder: Encoder) -> Self:
        """A library of just these passages in place of the packaged notes.

        Passages whose corpus is ``user`` are added as the user's.
        """
        packaged = [Entry(passage=p) for p in passages if p.corpus == "packaged"]
        library = cls(packaged, data_dir, encoder)
        library.add([p for p in passages if p.corpus == "user"])
        return library

    def search(
        self,
        query: str,
        k: int = 5,
        corpus: CorpusChoice = "all",
        topics: Sequence[str] | None = None,
    ) -> list[Hit]:
        """The ``k`` best passages for any text, best first; fewer when there are fewer.

        ``topics`` keeps passages with at least one of these stages. An empty query finds
        nothing. ``Hit.score``: see ``knowledge.fusion.weighted_score``.
        """
        return self.search_many([query], k, corpus, topics)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 5,
        corpus: CorpusChoice = "all",
        topics: Sequence[str] | None = None,
    ) -> list[list[Hit]]:
        """``search`` for each query, in order; cheaper than one by one."""
        pools = self.candidates(queries, k, corpus, topics)
        return [self._hits(pool, k) for pool in pools]

    def candidates(
        self,
        queries: Sequence[str],
        k: int = 5,
        corpus: CorpusChoice = "all",
        topics: Sequence[str] | None = None,
    ) -> list[list[Candidate]]:
        """What search ranks, unranked: for measuring other rankers."""
        if k < 1:
            raise ValueError("k must be at least 1")
        out: list[list[Candidate]] = [[] for _ in queries]
        asked = [n for n, query in enumerate(queries) if query.strip()]
        if not asked:
            return out
        texts = [queries[n] for n in asked]
        vectors = self._encoder.encode(texts)
        with self._lock:
            self._follow_other_processes()
            try:
                found = self._indexes.candidates(texts, vectors, k, corpus, topics)
            except IndexUnavailable:
                self._reopen()
                found = self._indexes.candidates(texts, vectors, k, corpus, topics)
        for n, pool in zip(asked, found, strict=True):
            out[n] = pool
        return out

    def joined(self, hits: Sequence[Hit]) -> list[tuple[Passage, ...]]:
        """Hits for display: neighbours of one source together, in the order of the file; each group
        stands where its best hit does."""
        user = [h.passage.id for h in hits if h.passage.corpus == "user"]
        places = self._store.places(user) if user else {}
        groups: list[list[Passage]] = []
        for hit in hits:
            mine = hit.passage
            near = [g for g in groups if any(_neighbours(mine, other, places) for other in g)]
            if not near:
                groups.append([mine])
                continue
            near[0].append(mine)
            for other in near[1:]:
                near[0].extend(other)
                groups.remove(other)
        return [tuple(sorted(g, key=lambda p: places.get(p.id, 0))) for g in groups]

    def passage(self, passage_id: str) -> Passage | None:
        """A passage by its id, the packaged ones first; null when there is none."""
        return self._packaged.get(passage_id) or self._store.get([passage_id]).get(passage_id)

    def passages(self) -> list[Passage]:
        """Every passage: packaged in the order of the files, then the user's by id."""
        return [*self._packaged.values(), *(row[0] for row in self._store.load())]

    def add(self, passages: Sequence[Passage]) -> None:
        """Add user passages, replacing those with the same ids.

        Raises CorpusError for a passage that is not ``user`` or takes a packaged id.
        """
        for passage in passages:
            if passage.corpus != "user" or passage.id in self._packaged:
                raise CorpusError(passage.source_id, "id", f"{passage.id!r} is not a user passage")
        unique = list({passage.id: passage for passage in passages}.values())
        if not unique:
            return
        vectors = self._encoder.encode([indexed_text(passage) for passage in unique])
        with self._exclusive():
            self._follow_other_processes()
            self._store.upsert(unique, vectors, self._encoder.fingerprint)
            self._apply([Entry(passage=passage) for passage in unique], vectors, [])

    def replace_source(
        self, source: SourceRecord, passages: Sequence[Passage], vectors: Vectors
    ) -> None:
        """Make ``passages`` all there is of a user source, in one step.

        ``vectors`` are those of ``indexed_text`` of each, made with this library's encoder.
        """
        with self._exclusive():
            self._follow_other_processes()
            gone = self._store.replace_source(source, passages, vectors, self._encoder.fingerprint)
            self._apply([Entry(passage=passage) for passage in passages], vectors, gone)

    def mark_stale(self, source: SourceRecord, reason: str | None) -> None:
        """Note why a user source's file can no longer be taken in, or (None) that it can."""
        with self._exclusive():
            self._store.mark_stale(source, reason)

    def sources(self) -> list[SourceRecord]:
        """The user's sources, by id."""
        return self._store.sources()

    def source_passages(self, source_id: str) -> list[Passage]:
        """A user source's passages in the order of the file."""
        return self._store.of_source(source_id)

    def remove_source(self, source_id: str) -> int:
        """Forget a user source; how many passages it had."""
        with self._exclusive():
            self._follow_other_processes()
            gone = self._store.remove_source(source_id)
            if gone:
                self._apply([], np.empty((0, DIMENSION), dtype=np.float32), gone)
        return len(gone)

    def close(self) -> None:
        """Release the files; the library must not be used afterwards."""
        with self._lock:
            self._indexes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _hits(self, pool: Sequence[Candidate], k: int) -> list[Hit]:
        ranked = by_corpus(pool, self._packaged)[:k]
        unknown = [i for i, _ in ranked if i not in self._packaged]
        known = self._packaged | (self._store.get(unknown) if unknown else {})
        return [
            Hit(passage=known[i], score=round(score, _SCORE_DIGITS))
            for i, score in ranked
            if i in known
        ]

    def _apply(self, entries: Sequence[Entry], vectors: Vectors, gone: Sequence[str]) -> None:
        try:
            self._indexes.update(self._user_content(), entries, vectors, gone)
            self._seen = self._store.revision()
        except IndexUnavailable:
            self._reopen()

    def _follow_other_processes(self) -> None:
        # An embedded Chroma does not see what another process wrote until it is reopened.
        if self._store.revision() != self._seen:
            self._reopen()

    def _reopen(self) -> None:
        with self._exclusive():
            self._indexes.close()
            self._ensure()

    def _ensure(self) -> None:
        contents = [
            Content(
                corpus="packaged",
                collection="spar-packaged",
                state=self._hash,
                passages=len(self._entries),
                vectors=sum(len(entry.indexed_texts) for entry in self._entries),
                load=self._load_packaged,
            ),
            self._user_content(),
        ]
        if self._indexes.ensure(contents):
            self._store.touch()
        self._seen = self._store.revision()

    def _load_packaged(self) -> tuple[Sequence[Entry], Vectors]:
        path = packaged_vectors_path()
        return self._entries, load_vectors(path, self._entries, self._encoder)

    def _user_content(self) -> Content:
        state = self._store.content_state()
        count = self._store.count()
        return Content(
            corpus="user",
            collection=f"spar-user-{state.partition(':')[0]}",
            state=f"{state}:{self._encoder.fingerprint}",
            passages=count,
            vectors=count,
            load=self._load_user,
        )

    def _load_user(self) -> tuple[Sequence[Entry], Vectors]:
        rows = self._store.load()
        vectors = np.empty((len(rows), DIMENSION), dtype=np.float32)
        for n, (passage, made_by, vector) in enumerate(rows):
            current = made_by == self._encoder.fingerprint
            vectors[n] = vector if current else self._encoder.encode([indexed_text(passage)])[0]
        return [Entry(passage=row[0]) for row in rows], vectors

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One writer among all threads and processes that share the data directory."""
        from filelock import Timeout

        with self._lock:
            try:
                self._file_lock.acquire(timeout=_LOCK_SECONDS)
            except (Timeout, OSError) as error:
                raise IndexUnavailable(
                    f"{self._file_lock.lock_file} cannot be locked: {error}."
                ) from error
            try:
                yield
            finally:
                self._file_lock.release()


def _neighbours(one: Passage, other: Passage, places: Mapping[str, int]) -> bool:
    if one.source_id != other.source_id or one.id not in places or other.id not in places:
        return False
    return abs(places[one.id] - places[other.id]) == 1


def indexed_text(passage: Passage) -> str:
    """What a user passage's vector is made of: its text under its heading."""
    return f"{passage.heading}\n{passage.text}"


def _file_lock(data_dir: Path) -> BaseFileLock:
    from filelock import FileLock

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexUnavailable(f"The data directory {data_dir} cannot be used: {error}.") from error
    return FileLock(data_dir / "knowledge.lock")
