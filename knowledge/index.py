"""Vector search in Chroma, embedded or on a server: the only module that imports chromadb.

Vectors are always passed explicitly and no embedding function is attached, so Chroma never
downloads a model. Telemetry is off. What lies here is derived and can be rebuilt.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from knowledge.encoder import DIMENSION, Vectors
from knowledge.errors import IndexUnavailable

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_LOG = logging.getLogger(__name__)
_HNSW = {"hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 400, "max_neighbors": 32}}
_STATE = "state"
_BATCH = 4_000
_PROBE = 8


class Near(NamedTuple):
    """A stored vector and its cosine similarity (-1..1) to a query."""

    id: str
    cosine: float


class VectorItem(NamedTuple):
    """A vector to store: its id and the topics it can be filtered by."""

    id: str
    topics: tuple[str, ...]


class VectorIndex:
    """Named collections of unit vectors.

    ``directory`` is used without a ``url``. Every method raises IndexUnavailable when Chroma
    cannot serve it; ``reset`` starts the embedded folder afresh.
    """

    def __init__(self, directory: Path, url: str | None = None) -> None:
        self._directory = directory
        self._url = url
        self._client: ClientAPI | None = None
        self._collections: dict[str, Collection] = {}

    def state(self, name: str) -> str | None:
        """The state recorded when the collection was last complete; null when it never was."""
        with self._guarded():
            known = {str(getattr(c, "name", c)) for c in self._connect().list_collections()}
            if name not in known:
                return None
            metadata = self._collection(name).metadata or {}
            state = metadata.get(_STATE)
            return str(state) if state is not None else None

    def replace(self, name: str, items: Sequence[VectorItem], vectors: Vectors, state: str) -> None:
        """Build a collection anew; its state is recorded last, so half a build never counts."""
        with self._guarded():
            client = self._connect()
            self._collections.pop(name, None)
            if name in {str(getattr(c, "name", c)) for c in client.list_collections()}:
                client.delete_collection(name)
            self._collections[name] = client.create_collection(
                name,
                embedding_function=None,
                configuration=_HNSW,  # type: ignore[arg-type]
            )
        self.update(name, items, vectors, (), state)

    def update(
        self,
        name: str,
        items: Sequence[VectorItem],
        vectors: Vectors,
        gone: Sequence[str],
        state: str,
    ) -> None:
        """Add or replace ``items``, delete the ids ``gone``, record the state."""
        with self._guarded():
            collection = self._collection(name)
            for at in range(0, len(gone), _BATCH):
                collection.delete(ids=list(gone[at : at + _BATCH]))
            for at in range(0, len(items), _BATCH):
                part = items[at : at + _BATCH]
                collection.upsert(
                    ids=[item.id for item in part],
                    embeddings=np.ascontiguousarray(vectors[at : at + _BATCH]),
                    metadatas=[_metadata(item) for item in part],
                )
            collection.modify(metadata={_STATE: state})

    def query(
        self, name: str, vectors: Vectors, limit: int, topics: Sequence[str] | None = None
    ) -> list[list[Near]]:
        """For each query vector the nearest stored ones, best first."""
        if topics is not None and not topics:
            return [[] for _ in vectors]
        with self._guarded():
            found = self._collection(name).query(
                query_embeddings=np.ascontiguousarray(vectors),
                n_results=limit,
                where=_topic_filter(topics),
                include=["distances"],
            )
        distances = found["distances"] or [[] for _ in vectors]
        return [
            [Near(i, 1.0 - float(d)) for i, d in zip(ids, row, strict=True)]
            for ids, row in zip(found["ids"], distances, strict=True)
        ]

    def vectors(self, name: str, ids: Sequence[str]) -> dict[str, Vectors]:
        """The stored vectors (384,) among ``ids`` that exist."""
        if not ids:
            return {}
        with self._guarded():
            found = self._collection(name).get(ids=list(ids), include=["embeddings"])
        stored = found["embeddings"]
        rows = [] if stored is None else [np.asarray(row, dtype=np.float32) for row in stored]
        return dict(zip(found["ids"], rows, strict=True))

    def check(self, name: str, expected: int) -> None:
        """Raise IndexUnavailable unless the collection holds and finds ``expected`` vectors.

        A folder that lost its graph files opens without an error and finds too little.
        """
        with self._guarded():
            count = self._collection(name).count()
        if count != expected:
            raise IndexUnavailable(f"Collection {name} holds {count} vectors, not {expected}.")
        if expected:
            probe = np.full((1, DIMENSION), DIMENSION**-0.5, dtype=np.float32)
            want = min(_PROBE, expected)
            if len(self.query(name, probe, want)[0]) != want:
                raise IndexUnavailable(f"Collection {name} does not find what it holds.")

    def reset(self) -> None:
        """Throw the embedded folder away. With a server: drop nothing, only reconnect."""
        self.close()
        if self._url is None:
            try:
                if self._directory.is_dir():
                    shutil.rmtree(self._directory)
                else:
                    self._directory.unlink(missing_ok=True)
            except OSError as error:
                raise IndexUnavailable(f"{self._directory} cannot be replaced: {error}.") from error

    def close(self) -> None:
        """Release Chroma; a later call opens it again (and then sees other processes' writes)."""
        self._collections.clear()
        client, self._client = self._client, None
        if client is not None:
            with self._guarded():
                client.close()  # type: ignore[attr-defined]

    def _collection(self, name: str) -> Collection:
        if name not in self._collections:
            self._collections[name] = self._connect().get_collection(name, embedding_function=None)
        return self._collections[name]

    def _connect(self) -> ClientAPI:
        if self._client is None:
            try:
                self._client = self._open()
            except Exception as error:  # noqa: BLE001 - Chroma raises many kinds, some untyped
                # A failed start leaves a dead entry in Chroma's per-path cache of clients; the
                # next failure clears it. Hence exactly one more try, also for a passing fault.
                _LOG.debug("Chroma did not start: %s", error)
                self._client = self._open()
        return self._client

    def _open(self) -> ClientAPI:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        if self._url is None:
            return chromadb.PersistentClient(path=str(self._directory), settings=settings)
        parts = urlsplit(self._url)
        secure = parts.scheme == "https"
        return chromadb.HttpClient(
            host=parts.hostname or "localhost",
            port=parts.port or (443 if secure else 8000),
            ssl=secure,
            settings=settings,
        )

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except IndexUnavailable:
            raise
        except BaseException as error:
            # Chroma's Rust core can also panic, which pyo3 raises outside Exception.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                where = self._url or self._directory
                raise IndexUnavailable(f"Chroma at {where} cannot be used: {error}") from error
            raise


def _metadata(item: VectorItem) -> dict[str, Any]:
    # Chroma refuses an empty mapping.
    return {"any": True} | {f"topic_{topic}": True for topic in item.topics}


def _topic_filter(topics: Sequence[str] | None) -> dict[str, Any] | None:
    if topics is None:
        return None
    clauses: list[dict[str, Any]] = [{f"topic_{topic}": True} for topic in topics]
    return clauses[0] if len(clauses) == 1 else {"$or": clauses}
