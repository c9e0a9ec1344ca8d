"""Choosing wordings, filling them once, quoting at most twelve words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wording import MAX_QUOTE_WORDS, choose, fill, phrase, phrases, quote

WORDS = st.lists(
    st.sampled_from(
        ["label", "after", "60", "days,", "split.", "(why)", "—", "'x'", "a:", "b;", "\n", "{q}"]
    ),
    max_size=40,
).map(" ".join)
PATTERNS = st.sampled_from([None, re.compile("60|split"), re.compile("absent")])


@given(st.one_of(st.text(max_size=200), WORDS), PATTERNS)
def test_a_quote_is_short_and_verbatim(text, around):
    said = quote(text, around)
    assert len(said.split()) <= MAX_QUOTE_WORDS
    assert said in text.replace("\n", " ")


def test_a_short_text_is_quoted_whole_without_its_edges():
    assert quote("  'Rules first.'  ") == "Rules first"
    assert quote("") == ""
    assert quote(" \n ") == ""


def test_the_quote_stands_around_the_match():
    text = (
        "First I would like to say a few words on the general idea, then the labels arrive "
        "after 60 days, so I cut there, and finally we look at serving."
    )
    assert "60 days" in quote(text, re.compile("60 days"))
    assert quote(text).startswith("First I would")


def test_the_least_seen_wording_is_chosen():
    options = ["a", "b", "c"]
    assert choose("x", options, {}).key == "x#0"
    assert choose("x", options, {"x#0": 1}).key == "x#1"
    assert choose("x", options, {"x#0": 1, "x#1": 1}).key == "x#2"
    assert choose("x", options, {"x#0": 2, "x#1": 2, "x#2": 1}).key == "x#2"
    # The seed says where to start among equals.
    assert [choose("x", options, {}, seed).text for seed in range(4)] == ["a", "b", "c", "a"]


@given(st.integers(1, 6), st.integers(0, 99), st.integers(1, 40))
def test_no_wording_comes_back_while_another_was_seen_less(count, seed, rounds):
    seen: dict[str, int] = {}
    for _ in range(rounds):
        chosen = choose("x", [str(i) for i in range(count)], seen, seed)
        seen[chosen.key] = seen.get(chosen.key, 0) + 1
        counts = [seen.get(f"x#{i}", 0) for i in range(count)]
        assert max(counts) - min(counts) <= 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_put_in_is_never_parsed_again(first, second):
    assert fill("'{first}', then '{second}'.", first=first, second=second) == (
        f"'{first}', then '{second}'."
    )


def test_braces_in_parts_stay_as_text():
    assert fill("{quote}: {question}", quote="{question}", question="{quote}{0}{x!r:>9}") == (
        "{question}: {quote}{0}{x!r:>9}"
    )
    with pytest.raises(KeyError):
        fill("{quote}", question="q")


def test_a_phrase_is_counted_under_its_key():
    said = phrase("which", {}, 0, first="the rate", second="the value")
    assert said.key == "phrase.which#0"
    assert said.text == "Do you mean the rate or the value?"
    again = phrase("which", {said.key: 1}, 0, first="a", second="b")
    assert again.key == "phrase.which#1"


def test_every_phrase_has_wordings_of_equal_parts():
    for name, options in phrases().items():
        if name == "quoted":
            continue
        assert len(options) >= 3, name
        assert len(set(options)) == len(options), name
        fields = {frozenset(re.findall(r"\{(\w+)\}", o)) for o in options}
        assert len(fields) == 1, name
