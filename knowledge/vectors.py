"""Precomputed vectors of the packaged corpus (``knowledge/data/vectors.npz``).

Kept as float16 to halve the file; rows are normalised again on loading, which moves a cosine
by less than 0.001. ``python -m knowledge.build`` writes the file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from knowledge.encoder import DIMENSION, Encoder, Vectors
from knowledge.types import Entry

_LOG = logging.getLogger(__name__)
_LAYOUT = 1


def packaged_vectors_path() -> Path:
    """The packaged file."""
    return Path(str(resources.files("knowledge").joinpath("data", "vectors.npz")))


def content_hash(entries: Sequence[Entry], fingerprint: str) -> str:
    """Names the entries, the encoder and the index layout; indexes built of them record it."""
    body = [entry.model_dump(mode="json") for entry in entries]
    text = json.dumps([_LAYOUT, fingerprint, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def texts_of(entries: Sequence[Entry]) -> list[str]:
    """Every text with a vector of its own, entry by entry."""
    return [text for entry in entries for text in entry.indexed_texts]


def save_vectors(path: Path, entries: Sequence[Entry], encoder: Encoder) -> int:
    """Encode every text of ``entries`` into ``path``; how many there are."""
    texts = sorted(set(texts_of(entries)))
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            keys=np.array([_key(text) for text in texts], dtype="S32"),
            vectors=encoder.encode(texts).astype(np.float16),
            encoder=np.array(encoder.fingerprint),
            content=np.array(content_hash(entries, encoder.fingerprint)),
        )
    return len(texts)


def saved_content(path: Path) -> str:
    """The content hash that a vectors file was built for."""
    with np.load(path, allow_pickle=False) as data:
        return str(data["content"])


def load_vectors(path: Path, entries: Sequence[Entry], encoder: Encoder) -> Vectors:
    """Unit vectors (n, 384) of ``texts_of(entries)``, from the file where it has them.

    Texts that it lacks, all of them for another encoder, are encoded; a stale packaged file is
    slower, never wrong.
    """
    saved = _read(path, encoder.fingerprint)
    texts = texts_of(entries)
    missing = [text for text in texts if _key(text) not in saved]
    if missing:
        _LOG.warning("%d of %d texts have no saved vector; encoding them", len(missing), len(texts))
        saved.update(zip(map(_key, missing), encoder.encode(missing), strict=True))
    out = np.empty((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        out[row] = saved[_key(text)]
    return out


def _read(path: Path, fingerprint: str) -> dict[bytes, Vectors]:
    try:
        with np.load(path, allow_pickle=False) as data:
            if str(data["encoder"]) != fingerprint:
                return {}
            keys = [bytes(key) for key in data["keys"]]
            rows = data["vectors"].astype(np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        _LOG.warning("The saved vectors %s cannot be read: %s", path.name, error)
        return {}
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return dict(zip(keys, rows, strict=True))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32].encode("ascii")
