"""Vectors of the authored phrasings that answers are compared with.

The packaged table holds them all (``python -m evals.build``), so that no start pays for encoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knowledge.encoder import Encoder

Floats = NDArray[np.float32]
VECTORS: Final = Path(__file__).parent / "data" / "vectors.npz"


class Phrases:
    """Vectors of the authored phrasings, from the packaged table; what is missing there (a user's
    own case) is encoded and kept for the process."""

    def __init__(self, encoder: Encoder, table: Mapping[str, Floats] | None = None) -> None:
        self._encoder = encoder
        self._given = table
        self._own: dict[str, Floats] | None = None

    def vectors(self, texts: Sequence[str]) -> Floats:
        """(len(texts), 384) unit vectors."""
        if self._own is None:
            self._own = dict(packaged_vectors() if self._given is None else self._given)
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


@cache
def packaged_vectors() -> Mapping[str, Floats]:
    """Phrasing key -> vector, built by ``python -m evals.build``; empty where it was not built."""
    if not VECTORS.is_file():
        return {}
    with np.load(VECTORS) as stored:
        vectors = stored["vectors"].astype(np.float32)
        return dict(zip(stored["keys"].tolist(), vectors, strict=True))
