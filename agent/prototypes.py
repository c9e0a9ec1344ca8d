"""Vectors of the authored phrasings that answers are compared with.

A table for the rubric and one for each case hold them (``python -m evals.build``), so that no
start pays for encoding.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from agent.content import Stamp, is_packaged, stamp_of
from agent.types import Case, Criterion, Rubric, StageText
from knowledge.encoder import Encoder

Floats = NDArray[np.float32]
RUBRIC_VECTORS: Final = Path(__file__).parent / "data" / "vectors" / "rubric.npz"


class Phrases:
    """Vectors of the authored phrasings, from the tables in ``files``; what is missing there is
    encoded and kept for the process."""

    def __init__(self, encoder: Encoder, files: Sequence[Path] = (RUBRIC_VECTORS,)) -> None:
        self._encoder = encoder
        self._files = tuple(files)
        self._own: dict[str, Floats] | None = None

    def vectors(self, texts: Sequence[str]) -> Floats:
        """(len(texts), 384) unit vectors."""
        if self._own is None:
            self._own = {k: v for file in self._files for k, v in load_vectors(file).items()}
        table = self._own
        keys = [phrase_key(t) for t in texts]
        missing = sorted({t for t, k in zip(texts, keys, strict=True) if k not in table})
        if missing:
            for text, vector in zip(missing, self._encoder.encode(missing), strict=True):
                table[phrase_key(text)] = vector
        return np.asarray([table[k] for k in keys], dtype=np.float32)


def phrase_key(text: str) -> str:
    """The key of a phrasing in the packaged table."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_vectors(file: Path, texts: Sequence[str], encoder: Encoder) -> int:
    """Write the table of ``texts`` in one step, as others may be reading it; how many it holds."""
    wanted = sorted(set(texts))
    vectors = encoder.encode(wanted).astype(np.float16)
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_name(f"{file.name}.{os.getpid()}")
    with whole.open("wb") as out:
        np.savez_compressed(out, keys=np.asarray([phrase_key(t) for t in wanted]), vectors=vectors)
    whole.replace(file)
    return len(wanted)


def load_vectors(file: Path) -> Mapping[str, Floats]:
    """Phrasing key -> vector; empty where the table was not built."""
    return _load_vectors(file, () if is_packaged(file) else stamp_of([file]))


@lru_cache(maxsize=64)
def _load_vectors(file: Path, _: Stamp) -> Mapping[str, Floats]:
    if not file.is_file():
        return {}
    with np.load(file) as stored:
        vectors = stored["vectors"].astype(np.float32)
        return dict(zip(stored["keys"].tolist(), vectors, strict=True))


def phrases_of_rubric(rubric: Rubric) -> list[str]:
    """Every text of the rubric that answers are compared with."""
    return [*_of_criteria(rubric.criteria), *_of_stages(rubric.stages)]


def phrases_of_case(case: Case) -> list[str]:
    """Every text of a case that answers and questions are compared with."""
    asks = [ask for fact in case.facts for ask in (*fact.asks, *fact.near_asks)]
    return [*_of_criteria(case.criteria), *_of_stages(case.stages), *asks]


def _of_criteria(criteria: Sequence[Criterion]) -> Iterator[str]:
    for criterion in criteria:
        yield criterion.statement
        yield from (*criterion.meets, *criterion.near_misses, *criterion.probes)
        if criterion.contradiction is not None:
            yield from (*criterion.contradiction.first, *criterion.contradiction.second)


def _of_stages(stages: Sequence[StageText]) -> Iterator[str]:
    for stage in stages:
        yield from stage.openings


class PhraseTable:
    """Phrasings of several targets side by side; the best similarity per target."""

    def __init__(self, phrases: Phrases, texts: Sequence[Sequence[str]]) -> None:
        flat = [t for group in texts for t in group]
        self._width = len(texts)
        self._vectors = phrases.vectors(flat) if flat else np.zeros((0, 384), np.float32)
        self._columns = [i for i, group in enumerate(texts) if group]
        self._cuts = np.cumsum([0, *(len(g) for g in texts if g)])[:-1].tolist()

    def best(self, vectors: Floats) -> Floats:
        """(n, targets) cosines; 0 where a target has no phrasing here."""
        out = np.zeros((len(vectors), self._width), np.float32)
        if self._columns:
            scores = np.maximum.reduceat(vectors @ self._vectors.T, self._cuts, axis=1)
            out[:, self._columns] = cast(Floats, scores)
        return out
