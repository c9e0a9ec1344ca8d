"""The two derived indexes (vectors and words) kept in step with the corpora behind them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from knowledge.encoder import Vectors
from knowledge.errors import IndexUnavailable
from knowledge.fusion import Candidate
from knowledge.index import VectorIndex, VectorItem
from knowledge.lexical import LexicalIndex, query_terms
from knowledge.types import Corpus, CorpusChoice, Entry

_LOG = logging.getLogger(__name__)
_WORD_POOL = 50
_VECTORS_PER_HIT = 4
_MIN_VECTOR_POOL = 96
_MAX_TEXTS = 4  # a passage and up to three cues


class Content(NamedTuple):
    """One corpus as it should be indexed; ``load`` is called only when it has to be."""

    corpus: Corpus
    collection: str
    state: str
    passages: int
    vectors: int
    load: Callable[[], tuple[Sequence[Entry], Vectors]]


class DerivedIndexes:
    """Chroma and FTS5 under ``data_dir``. Not locked: the library serialises its use."""

    def __init__(self, data_dir: Path, chroma_url: str | None) -> None:
        self._near = VectorIndex(data_dir / "chroma", chroma_url)
        self._words = LexicalIndex(data_dir / "lexical.sqlite3")
        self._collections: dict[Corpus, str] = {}
        self._sizes: dict[Corpus, int] = {}

    def ensure(self, contents: Sequence[Content]) -> bool:
        """Bring both indexes in step with ``contents``; whether anything was rebuilt.

        An index that is broken is thrown away and rebuilt once. Raises IndexUnavailable when
        that does not help.
        """
        self._collections = {c.corpus: c.collection for c in contents}
        self._sizes = {c.corpus: c.passages for c in contents}
        vectors = _ensure_with_reset(
            "vector index", self._ensure_vectors, self._near.reset, contents
        )
        words = _ensure_with_reset("word index", self._ensure_words, self._words.reset, contents)
        return vectors or words

    def update(
        self, content: Content, entries: Sequence[Entry], vectors: Vectors, gone: Sequence[str]
    ) -> None:
        """Apply a change to a corpus that is in step; ``content`` is its state afterwards."""
        dead = [f"{passage_id}#0" for passage_id in gone]
        self._near.update(content.collection, _items(entries), vectors, dead, content.state)
        self._words.update(content.corpus, entries, gone, content.state)
        self._sizes[content.corpus] = content.passages

    def candidates(
        self,
        queries: Sequence[str],
        vectors: Vectors,
        k: int,
        corpus: CorpusChoice,
        topics: Sequence[str] | None,
    ) -> list[list[Candidate]]:
        """For each query the passages near in meaning or sharing words, unordered."""
        names = self._searched(corpus)
        pool = max(_MIN_VECTOR_POOL, _VECTORS_PER_HIT * k)
        near: list[dict[str, float]] = [{} for _ in queries]
        terms = [query_terms(query) for query in queries]
        limit = max(_WORD_POOL, k)
        matches = [self._words.search(row, limit, corpus, topics) for row in terms]
        words = [{m.id: m.bm25 for m in row} for row in matches]
        for kind, name in names:
            found = self._near.query(name, vectors, pool, topics)
            shared = [[m.id for m in row if m.corpus == kind] for row in matches]
            own = [dict(row) for row in found]
            self._complete(name, own, shared, vectors)
            for row, more in zip(near, own, strict=True):
                row.update(more)
        return [
            _candidates(near_row, found, len(row))
            for near_row, found, row in zip(near, words, terms, strict=True)
        ]

    def close(self) -> None:
        """Release both; a later call opens them again."""
        self._near.close()
        self._words.close()

    def _searched(self, corpus: CorpusChoice) -> list[tuple[Corpus, str]]:
        return [
            (kind, name)
            for kind, name in self._collections.items()
            if corpus in (kind, "all") and self._sizes[kind]
        ]

    def _complete(
        self,
        name: str,
        near: Sequence[dict[str, float]],
        words: Sequence[Sequence[str]],
        queries: Vectors,
    ) -> None:
        """Add the cosines that ranking needs and the nearest-vector search did not bring.

        That is the text's own for a passage found by a cue, and all of a passage found only by
        its words.
        """
        texts = 1 if name == self._collections.get("user") else _MAX_TEXTS
        lacking = [_lacking(*pair, texts) for pair in zip(near, words, strict=True)]
        stored = self._near.vectors(name, sorted(set().union(*lacking)))
        for row, ids, query in zip(near, lacking, queries, strict=True):
            row.update((i, float(stored[i] @ query)) for i in sorted(ids) if i in stored)

    def _ensure_vectors(self, contents: Sequence[Content]) -> bool:
        rebuilt = False
        for content in contents:
            if self._near.state(content.collection) != content.state:
                entries, vectors = content.load()
                self._near.replace(content.collection, _items(entries), vectors, content.state)
                rebuilt = True
            self._near.check(content.collection, content.vectors)
        return rebuilt

    def _ensure_words(self, contents: Sequence[Content]) -> bool:
        rebuilt = False
        for content in contents:
            if self._words.state(content.corpus) != content.state:
                self._words.replace(content.corpus, content.load()[0], content.state)
                rebuilt = True
            if self._words.count(content.corpus) != content.passages:
                raise IndexUnavailable(f"The word index lacks passages of {content.corpus}.")
        return rebuilt


def _ensure_with_reset(
    what: str,
    ensure: Callable[[Sequence[Content]], bool],
    reset: Callable[[], None],
    contents: Sequence[Content],
) -> bool:
    try:
        return ensure(contents)
    except IndexUnavailable as error:
        _LOG.warning("The %s cannot be used and is rebuilt: %s", what, error)
    reset()
    ensure(contents)
    return True


def _lacking(near: Mapping[str, float], words: Sequence[str], texts: int) -> set[str]:
    seen = {_passage_of(vector_id) for vector_id in near}
    own = {f"{i}#0" for i in seen}
    rest = {f"{i}#{n}" for i in words if i not in seen for n in range(texts)}
    return (own | rest) - near.keys()


def _candidates(near: dict[str, float], words: dict[str, float], terms: int) -> list[Candidate]:
    best: dict[str, float] = {}
    for vector_id, cosine in near.items():
        passage_id = _passage_of(vector_id)
        best[passage_id] = max(cosine, best.get(passage_id, -1.0))
    return [
        Candidate(i, cosine, near.get(f"{i}#0", cosine), words.get(i, 0.0), terms)
        for i, cosine in best.items()
    ]


def _passage_of(vector_id: str) -> str:
    return vector_id.rpartition("#")[0]


def _items(entries: Sequence[Entry]) -> list[VectorItem]:
    return [
        VectorItem(f"{entry.passage.id}#{n}", entry.passage.topics)
        for entry in entries
        for n in range(len(entry.indexed_texts))
    ]
