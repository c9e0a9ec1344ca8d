"""The library on real Chroma, FTS5 and the real encoder."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from knowledge import corpus
from knowledge.corpus import load_entries
from knowledge.encoder import MiniLMEncoder, Vectors
from knowledge.errors import CorpusError, IndexUnavailable
from knowledge.library import Library
from knowledge.types import Passage
from knowledge.vectors import (
    content_hash,
    load_vectors,
    packaged_vectors_path,
    saved_content,
    texts_of,
)

ROOT = Path(__file__).parents[2]
LABEL_DELAY = "noisy and delayed labels"
MakePassage = Callable[..., Passage]


def ids(library: Library, query: str, k: int = 5) -> list[str]:
    return [hit.passage.id for hit in library.search(query, k)]


def test_packaged_vectors_are_up_to_date(encoder: MiniLMEncoder):
    """After a change of the notes: python -m knowledge.build."""
    entries = load_entries()
    assert saved_content(packaged_vectors_path()) == content_hash(entries, encoder.fingerprint)
    saved = load_vectors(packaged_vectors_path(), entries, encoder)
    fresh = encoder.encode(texts_of(entries[::20]))
    rows = dict(zip(texts_of(entries), saved, strict=True))
    for text, vector in zip(texts_of(entries[::20]), fresh, strict=True):
        assert rows[text] @ vector > 0.999


def test_search_finds_the_note_and_the_row_follows_the_contract(packaged: Library):
    hit = packaged.search("recall and specificity do not move with the base rate", k=1)[0]
    assert hit.as_row() == {
        "id": "mlsdi-16-43-3",
        "corpus": "packaged",
        "text": hit.passage.text,
        "score": hit.score,
        "source_id": "mlsdi",
        "title": "ML System Design Interviews",
        "section": "Fraud: labels and metrics",
        "episode": "S7E5",
        "speaker": "Valerii Babushkin",
        "start": 1003.0,
        "end": None,
        "url": "https://www.youtube.com/watch?v=0RsmRjar66E&t=1003",
    }


def test_scores_fall_and_separate_related_from_unrelated(packaged: Library):
    scores = [hit.score for hit in packaged.search(LABEL_DELAY, k=20)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    unrelated = packaged.search("recipe for tomato soup with basil", k=1)[0].score
    assert unrelated < 0.33 < scores[0]


def test_search_many_equals_single_searches(packaged: Library):
    queries = [LABEL_DELAY, "", "A/A test sanity check", "   "]
    assert packaged.search_many(queries, k=3) == [packaged.search(q, k=3) for q in queries]
    assert packaged.search_many(queries)[1] == []
    assert packaged.search_many([]) == []


def test_topics_and_corpus_filter(packaged: Library):
    for hit in packaged.search("what do we measure?", k=10, topics=["validation", "metrics"]):
        assert {"validation", "metrics"} & set(hit.passage.topics)
    assert packaged.search("what do we measure?", topics=[]) == []
    assert packaged.search("what do we measure?", topics=["cooking"]) == []
    assert packaged.search("what do we measure?", corpus="user") == []
    assert len(packaged.search("what do we measure?", corpus="packaged")) == 5


@pytest.mark.parametrize("query", ['"', "a AND", "\x00", "\ud800", "🙂", "x" * 10_000, "*", "(("])
def test_any_string_can_be_searched(packaged: Library, query: str):
    assert len(packaged.search(query, k=3)) == 3


def test_k_is_honoured(packaged: Library):
    assert len(packaged.search(LABEL_DELAY, k=1)) == 1
    assert len(packaged.search("anything", k=5000)) == len(packaged.passages())
    with pytest.raises(ValueError, match="at least 1"):
        packaged.search("x", k=0)


def test_passage_by_id(packaged: Library):
    found = packaged.passage("angela-08-51")
    assert found is not None
    assert found.speaker == "Angela Ramirez"
    assert packaged.passage("nowhere") is None
    assert len(packaged.passages()) == len(load_entries())


def test_user_passages_live_beside_the_packaged(
    tmp_path: Path, encoder: MiniLMEncoder, user_passage: MakePassage
):
    mine = user_passage("g1", "Roses are pruned in early spring.")
    with Library.open(tmp_path, encoder) as library:
        library.add([mine, user_passage("g2", "Beans need poles.", source="beans")])
        assert library.search("when do I cut back my roses?", k=1)[0].passage == mine
        library.add([user_passage("g1", "Roses are watered at noon.")])
    with Library.open(tmp_path, encoder) as again:
        assert again.search("roses", k=1)[0].passage.text == "Roses are watered at noon."
        assert again.remove_source("garden") == 1
        assert again.remove_source("garden") == 0
        assert [h.passage.id for h in again.search("roses", corpus="user")] == ["g2"]
        assert again.passage("g1") is None
        assert ids(again, LABEL_DELAY)[0] == "mlsdi-16-43-2"


def test_user_passages_cannot_pose_as_packaged(
    tmp_path: Path, encoder: MiniLMEncoder, user_passage: MakePassage
):
    with Library.open(tmp_path, encoder) as library:
        with pytest.raises(CorpusError, match="not a user passage"):
            library.add([user_passage("mlsdi-09-36", "x")])
        with pytest.raises(CorpusError, match="not a user passage"):
            library.add([user_passage("p", "x", corpus="packaged")])
        library.add([])


def test_another_corpus_makes_other_claims(
    tmp_path: Path, encoder: MiniLMEncoder, user_passage: MakePassage
):
    claim = "Precision is the figure to report for fraud."
    other = [
        user_passage("own-1", claim),
        user_passage("own-2", "Retrain at night.", corpus="packaged"),
    ]
    with Library.from_passages(tmp_path, other, encoder) as library:
        assert {p.id for p in library.passages()} == {"own-1", "own-2"}
        best = library.search("precision versus recall under class imbalance")
        assert best[0].passage.text == claim
        assert len(best) == 2


class LettersEncoder:
    """Counts letters: a second encoder whose vectors do not mix with MiniLM's."""

    fingerprint = "letters"

    def encode(self, texts: object) -> Vectors:
        assert isinstance(texts, list | tuple)
        out = np.zeros((len(texts), 384), dtype=np.float32)
        for row, text in enumerate(texts):
            for letter in text.encode("utf-8"):
                out[row, letter] += 1
            out[row, 383] += 1
        unit: Vectors = out / np.linalg.norm(out, axis=1, keepdims=True)
        return unit


def test_another_encoder_rebuilds_both_corpora(
    tmp_path: Path, encoder: MiniLMEncoder, user_passage: MakePassage
):
    with Library.open(tmp_path, encoder) as library:
        library.add([user_passage("zz", "zzzzzz")])
    with Library.open(tmp_path, LettersEncoder()) as library:
        assert ids(library, "zzzzz", 1) == ["zz"]


def test_an_updated_package_rebuilds_only_its_own_collection(
    tmp_path: Path,
    encoder: MiniLMEncoder,
    user_passage: MakePassage,
    monkeypatch: pytest.MonkeyPatch,
):
    with Library.open(tmp_path, encoder) as library:
        library.add([user_passage("g1", "Roses are pruned in early spring.")])
    notes = Path(shutil.copytree(corpus.packaged_notes_dir(), tmp_path / "notes"))
    mlsd2 = notes / "mlsd2.yaml"
    text = mlsd2.read_text(encoding="utf-8")
    mlsd2.write_text(text.replace("id: mlsd2-07-06", "id: mlsd2-renamed"), encoding="utf-8")
    monkeypatch.setattr(corpus, "packaged_notes_dir", lambda: notes)
    monkeypatch.setattr(Library, "_load_user", lambda _: pytest.fail("user corpus was rebuilt"))
    with Library.open(tmp_path, encoder) as library:
        assert library.passage("mlsd2-07-06") is None
        assert "mlsd2-renamed" in ids(library, "let a doomed project fail within weeks")
        assert ids(library, "roses in spring", 1) == ["g1"]


def spoil(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(b"garbage" * 2000)
    elif how == "empty":
        path.write_bytes(b"")
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["garbage", "empty", "gone"])
@pytest.mark.parametrize("what", ["chroma/chroma.sqlite3", "lexical.sqlite3"])
def test_derived_files_are_rebuilt(
    tmp_path: Path,
    encoder: MiniLMEncoder,
    user_passage: MakePassage,
    caplog: pytest.LogCaptureFixture,
    what: str,
    how: str,
):
    with Library.open(tmp_path, encoder) as library:
        library.add([user_passage("g1", "Roses are pruned in early spring.")])
        before = library.search_many([LABEL_DELAY, "roses"])
    spoil(tmp_path / what, how)
    with caplog.at_level(logging.WARNING), Library.open(tmp_path, encoder) as library:
        assert library.search_many([LABEL_DELAY, "roses"]) == before
    if how == "garbage":
        assert "cannot be used and is rebuilt" in caplog.text


@pytest.mark.parametrize("how", ["garbage", "empty", "gone"])
def test_broken_vector_graphs_are_rebuilt(tmp_path: Path, user_passage: MakePassage, how: str):
    """Chroma writes graph files from 1,000 vectors on; below that all is in its SQLite file."""
    many = [user_passage(f"p{n}", f"{chr(97 + n % 26) * (n + 1)} {n}") for n in range(1500)]
    with Library.from_passages(tmp_path, many, LettersEncoder()) as library:
        before = library.search("qqqq 7", k=3)
    graphs = [path for path in (tmp_path / "chroma").glob("*/*") if path.is_file()]
    assert graphs
    for path in graphs:
        spoil(path, how)
    with Library.from_passages(tmp_path, [], LettersEncoder()) as library:
        assert library.search("qqqq 7", k=3) == before


def test_a_file_in_the_way_is_replaced_or_named(tmp_path: Path, encoder: MiniLMEncoder):
    (tmp_path / "chroma").write_text("in the way", encoding="utf-8")
    with Library.open(tmp_path, encoder) as library:
        assert ids(library, LABEL_DELAY, 1) == ["mlsdi-16-43-2"]
    blocked = tmp_path / "file"
    blocked.write_text("x", encoding="utf-8")
    with pytest.raises(IndexUnavailable, match="data directory"):
        Library.open(blocked / "below", encoder)


def test_broken_user_store_is_reported_not_erased(tmp_path: Path, encoder: MiniLMEncoder):
    store = tmp_path / "passages.sqlite3"
    store.write_bytes(b"garbage" * 2000)
    with pytest.raises(IndexUnavailable, match=r"passages\.sqlite3"):
        Library.open(tmp_path, encoder)
    assert store.read_bytes() == b"garbage" * 2000


CHILD = """
import sys
from pathlib import Path
from knowledge.encoder import MiniLMEncoder
from knowledge.library import Library
from knowledge.types import Passage
encoder = MiniLMEncoder()
with Library.open(Path(sys.argv[1]), encoder) as library:
    for text in sys.argv[2:]:
        library.add([Passage(id=text, corpus="user", text=text, source_id="s", title="t")])
    print(library.search("noisy and delayed labels", k=1)[0].passage.id)
"""


def child(data_dir: Path, *texts: str) -> subprocess.Popen[str]:
    python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(data_dir), *texts],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": python_path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_starting_at_once(tmp_path: Path, encoder: MiniLMEncoder):
    both = [child(tmp_path, "first"), child(tmp_path, "second")]
    results = [process.communicate(timeout=100) for process in both]
    assert [(out.strip(), err) for out, err in results] == [("mlsdi-16-43-2", "")] * 2
    with Library.open(tmp_path, encoder) as library:
        assert {h.passage.id for h in library.search("x", corpus="user")} == {"first", "second"}


def test_what_another_process_adds_is_found(tmp_path: Path, encoder: MiniLMEncoder):
    with Library.open(tmp_path, encoder) as library:
        assert library.search("tulip bulbs", corpus="user") == []
        out, err = child(tmp_path, "tulip bulbs are planted in autumn").communicate(timeout=100)
        assert (out.strip(), err) == ("mlsdi-16-43-2", "")
        assert ids(library, "tulip bulbs", 1) == ["tulip bulbs are planted in autumn"]


def test_threads_share_a_library(packaged: Library):
    expected = ids(packaged, LABEL_DELAY)
    results: list[list[str]] = []
    work = [
        threading.Thread(target=lambda: results.append(ids(packaged, LABEL_DELAY)))
        for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert results == [expected] * 8


def test_neighbouring_passages_are_joined_for_display(
    tmp_path: Path, encoder: MiniLMEncoder, user_passage: Callable[..., Passage]
):
    with Library.open(tmp_path, encoder) as library:
        names = ("first", "second", "third", "fourth")
        passages = [user_passage(n, f"The {n} word on hop storage.") for n in names]
        library.add([*passages, user_passage("elsewhere", "Hop storage again.", source_id="other")])
        hits = {h.passage.id: h for h in library.search("hop storage", k=9, corpus="user")}
        assert set(hits) == {*names, "elsewhere"}
        order = ["fourth", "second", "elsewhere", "first"]
        groups = library.joined([hits[n] for n in order])
        assert [[p.id for p in g] for g in groups] == [
            ["fourth"],
            ["first", "second"],
            ["elsewhere"],
        ]
        groups = library.joined([hits[n] for n in ("first", "third", "second")])
        assert [[p.id for p in g] for g in groups] == [["first", "second", "third"]]
        notes = library.search("fraud labels", k=3, corpus="packaged")
        assert library.joined(notes) == [(h.passage,) for h in notes]
        assert library.joined([]) == []
