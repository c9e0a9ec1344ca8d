"""Sentences and pairs are verbatim spans of the turn."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sentences import MAX_PAIR_WORDS, MAX_SENTENCE_WORDS, pairs, sentences

WORDS = st.lists(
    st.sampled_from(
        ["fraud", "60", "days,", "end.", "e.g.", "why?", "-", "*", "1.", "\n", "a;", "(x)", "→"]
    ),
    max_size=150,
).map(" ".join)


def texts(text):
    return [s.text for s in sentences(text)]


@given(st.one_of(st.text(max_size=300), WORDS))
def test_spans_are_verbatim_in_order_and_apart(text):
    spans = sentences(text, 3)
    for span in spans:
        assert text[span.start : span.end] == span.text
        assert span.turn == 3
        assert span.text == span.text.strip()
        assert 0 < span.words <= MAX_SENTENCE_WORDS
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert [(s.first, s.last) for s in spans] == [(i, i) for i in range(len(spans))]


@given(st.one_of(st.text(max_size=300), WORDS))
def test_pairs_join_neighbours(text):
    spans = sentences(text)
    for pair in pairs(spans, text):
        assert pair.last == pair.first + 1
        assert text[pair.start : pair.end] == pair.text
        assert pair.text.startswith(spans[pair.first].text)
        assert pair.text.endswith(spans[pair.last].text)
        assert spans[pair.first].words + spans[pair.last].words <= MAX_PAIR_WORDS


@given(st.lists(st.sampled_from(["alpha", "beta", "gamma"]), min_size=1, max_size=200))
def test_no_word_of_a_plain_text_is_lost(words):
    assert " ".join(texts(" ".join(words))).split() == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One thing. Another one! A third?", ["One thing.", "Another one!", "A third?"]),
        # Abbreviations and decimals do not end a sentence.
        (
            "Use rules, e.g. velocity. Then 0.18% vs. 0.6%.",
            ["Use rules, e.g. velocity.", "Then 0.18% vs. 0.6%."],
        ),
        ("- first the rules\n- then a model", ["first the rules", "then a model"]),
        ("1. rules\n2) model\n* shadow", ["rules", "model", "shadow"]),
        ("batch; then a stream", ["batch;", "then a stream"]),
        ("a score -> an action → a log", ["a score -> an action → a log"]),
        ('He said "wait." Then left.', ['He said "wait."', "Then left."]),
        ("", []),
        ("...\n--\n!!", []),
        ("so", ["so"]),
    ],
)
def test_cuts(text, expected):
    found = texts(text)
    assert [f.rstrip('"') for f in found] == [e.rstrip('"') for e in expected]


def test_a_long_ramble_is_cut_at_a_comma():
    text = " ".join(["word"] * 50 + ["pause,"] + ["word"] * 60)
    first, second = sentences(text)
    assert first.words == 51
    assert first.text.endswith("pause,")
    assert second.words == 60


def test_an_empty_line_is_not_joined_over():
    text = "One part here.\n\nAnother part there."
    assert pairs(sentences(text), text) == []
