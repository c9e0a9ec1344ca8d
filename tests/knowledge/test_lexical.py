"""Word search never chokes on what people type, and knows its own state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.errors import IndexUnavailable
from knowledge.lexical import LexicalIndex, query_terms
from knowledge.types import Entry, Passage

AWKWARD = st.sampled_from(
    [
        '"',
        "'",
        "AND",
        "OR",
        "NOT",
        "NEAR(",
        "*",
        "^",
        ":",
        "-",
        "(",
        ")",
        "{",
        "}",
        "\x00",
        "\ud800",
    ]
)


@pytest.fixture(scope="module")
def index(
    tmp_path_factory: pytest.TempPathFactory, user_passage: Callable[..., Passage]
) -> Iterator[LexicalIndex]:
    index = LexicalIndex(tmp_path_factory.mktemp("words") / "lexical.sqlite3")
    roses = user_passage("roses", "Roses are pruned in early spring.", topics=("data",))
    beans = user_passage("beans", "Beans climb; they need poles.", topics=("metrics", "serving"))
    index.replace("user", [Entry(passage=roses, cues=("When to cut?",)), Entry(passage=beans)], "1")
    yield index
    index.close()


@given(st.one_of(st.text(), st.lists(st.one_of(AWKWARD, st.text(max_size=5))).map(" ".join)))
def test_any_text_is_a_query(index: LexicalIndex, text: str):
    found = index.search(query_terms(text), 5, "all", None)
    assert all(match.bm25 > 0 or match.bm25 == pytest.approx(0, abs=1e-3) for match in found)


@pytest.mark.parametrize(
    "text",
    ['"', "beans AND", "NEAR(beans", "text:beans", "beans*", "^beans", "beans\x00", "🙂 beans"],
)
def test_operators_are_words(index: LexicalIndex, text: str):
    found = [match.id for match in index.search(query_terms(text), 5, "all", None)]
    assert found == ([] if text == '"' else ["beans"])


def test_stems_cues_and_stop_words(index: LexicalIndex):
    assert [m.id for m in index.search(query_terms("pruning a rose"), 5, "all", None)] == ["roses"]
    assert [m.id for m in index.search(query_terms("cutting"), 5, "all", None)] == ["roses"]
    assert query_terms("What would you do?") == ("what", "would", "you", "do")
    assert query_terms("What would beans do?") == ("beans",)
    assert query_terms("") == ()


def test_filters(index: LexicalIndex):
    terms = query_terms("roses beans")
    assert index.search(terms, 5, "packaged", None) == []
    assert [m.id for m in index.search(terms, 5, "user", ["serving"])] == ["beans"]
    assert len(index.search(terms, 5, "user", ["data", "metrics"])) == 2
    assert index.search(terms, 5, "user", []) == []


def test_the_commonest_words_are_left_out_where_too_many_passages_match(
    tmp_path: Path, user_passage: Callable[..., Passage]
):
    texts = ["common often rare", "common often", "common often", "common", "common seldom"]
    entries = [Entry(passage=user_passage(f"p{n}", text)) for n, text in enumerate(texts)]
    terms = ["common", "often", "rare", "seldom", "unknown"]
    found = {}
    for ranked in (100, 5):
        index = LexicalIndex(tmp_path / f"{ranked}.sqlite3", max_ranked=ranked)
        index.replace("user", entries, "1")
        found[ranked] = [m.id for m in index.search(terms, 9, "all", None)]
        assert index.search(["common"], 9, "all", None)  # a word by itself is always looked up
        index.update("user", [], ["p0"], "2")
        assert "p0" not in [m.id for m in index.search(terms, 9, "all", None)]
        index.close()
    assert set(found[100]) == {"p0", "p1", "p2", "p3", "p4"}
    assert set(found[5]) == {"p0", "p1", "p2", "p4"}


def test_state_update_and_broken_file(tmp_path: Path, user_passage: Callable[..., Passage]):
    index = LexicalIndex(tmp_path / "lexical.sqlite3")
    assert index.state("user") is None
    index.replace("user", [Entry(passage=user_passage("a", "apples"))], "one")
    index.update("user", [Entry(passage=user_passage("b", "berries"))], ["a"], "two")
    assert (index.state("user"), index.count("user")) == ("two", 1)
    assert index.search(["apples"], 5, "all", None) == []
    index.close()
    (tmp_path / "lexical.sqlite3").write_bytes(b"garbage" * 2000)
    with pytest.raises(IndexUnavailable, match="cannot be used"):
        index.state("user")
    index.reset()
    assert index.state("user") is None
    index.close()
