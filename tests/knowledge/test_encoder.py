"""The real encoder: agreed figures, and one text one vector whatever it arrives with."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from knowledge.encoder import DIMENSION, MiniLMEncoder, model_path, vocabulary_path
from knowledge.errors import EncoderError

# Processors with and without VNNI differ in the last digits.
TOLERANCE = 0.03
GOLDEN_AB = 0.845
GOLDEN_AC = -0.014
TEXTS = (
    "How do you handle delayed labels?",
    "What if labels arrive late?",
    "The recipe needs two onions and a carrot.",
)


def test_vectors_are_unit_float32(encoder: MiniLMEncoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (3, DIMENSION)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, DIMENSION)


def test_golden_cosines(encoder: MiniLMEncoder):
    a, b, c = encoder.encode(TEXTS)
    assert a @ b == pytest.approx(GOLDEN_AB, abs=TOLERANCE)
    assert a @ c == pytest.approx(GOLDEN_AC, abs=TOLERANCE)


def test_a_vector_does_not_depend_on_its_batch():
    texts = [*TEXTS, "short", " ".join(["a much longer text about fraud scoring"] * 30)]
    alone = np.vstack([MiniLMEncoder(cache_size=0).encode([text]) for text in texts])
    together = MiniLMEncoder().encode(texts)
    backwards = MiniLMEncoder().encode(texts[::-1])[::-1]
    assert alone.tobytes() == together.tobytes()
    assert alone.tobytes() == np.ascontiguousarray(backwards).tobytes()


def test_only_256_tokens_count(encoder: MiniLMEncoder):
    cut, longer = encoder.encode(["word " * 300, "word " * 300 + "fraud"])
    assert cut.tobytes() == longer.tobytes()


@pytest.mark.parametrize("text", ["", " ", "\x00", "🙂", "\ud800", "日本語", "a" * 5000])
def test_any_string_has_a_vector(encoder: MiniLMEncoder, text: str):
    assert np.isfinite(encoder.encode([text])).all()


def test_the_cache_is_bounded_and_shared_between_threads():
    encoder = MiniLMEncoder(cache_size=2)
    results: list[bytes] = []
    work = [
        threading.Thread(target=lambda: results.append(encoder.encode(TEXTS).tobytes()))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(set(results)) == 1
    assert len(results) == 4
    assert len(encoder._cache) == 2


def test_another_model_file_is_refused(tmp_path: Path):
    wrong = tmp_path / "model.onnx"
    wrong.write_bytes(b"not a model")
    with pytest.raises(EncoderError, match=r"encoder model .*not the expected file"):
        MiniLMEncoder(model=wrong).encode(["x"])
    with pytest.raises(EncoderError, match="cannot be read"):
        MiniLMEncoder(model=tmp_path / "absent.onnx").encode(["x"])


def test_another_vocabulary_is_refused(tmp_path: Path):
    changed = Path(shutil.copy(vocabulary_path(), tmp_path / "vocab.txt"))
    changed.write_text(changed.read_text(encoding="utf-8") + "extra\n", encoding="utf-8")
    with pytest.raises(EncoderError, match="encoder vocabulary"):
        MiniLMEncoder(vocabulary=changed).encode(["x"])


def test_packaged_vocabulary_and_model_are_the_known_ones():
    assert len(vocabulary_path().read_text(encoding="utf-8").splitlines()) == 30_522
    digest = hashlib.sha256(model_path().read_bytes()).hexdigest()
    assert digest.startswith("8199be6f699a395f")


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, knowledge.library, knowledge.index, knowledge.measure, knowledge.build\n"
        "heavy = {'chromadb', 'onnxruntime', 'tokenizers', 'filelock'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
