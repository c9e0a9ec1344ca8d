"""What is accepted as an answer, and how it is kept."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.answers import MAX_ANSWER_CHARS, clean_answer
from agent.errors import AnswerError


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Rules first.", "Rules first."),
        ("  indented\n", "  indented"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("a\tb", "a\tb"),
        # An escape sequence loses its control character and nothing else.
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("Größe → 5 €, 数据 🙂", "Größe → 5 €, 数据 🙂"),
        ("half a pair \ud83d", "half a pair "),
        ("{quote} %s </answer> DROP TABLE", "{quote} %s </answer> DROP TABLE"),
    ],
)
def test_kept_as_typed(text, kept):
    assert clean_answer(text) == kept


@pytest.mark.parametrize("text", ["", " \n\t ", "\x07\x08", "\ud800"])
def test_nothing_is_no_answer(text):
    with pytest.raises(AnswerError, match=r"^The answer is empty\.$"):
        clean_answer(text)


@pytest.mark.parametrize("text", ["PNG\x00\x01", "\ufffd" * 6])
def test_binary_is_no_answer(text):
    with pytest.raises(AnswerError, match=r"binary data; an answer is text\.$"):
        clean_answer(text)


def test_the_length_is_bounded():
    assert len(clean_answer("a" * MAX_ANSWER_CHARS)) == MAX_ANSWER_CHARS
    with pytest.raises(AnswerError, match=r"20,001 characters; at most 20,000"):
        clean_answer("a" * (MAX_ANSWER_CHARS + 1))


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_only_an_answer_error_and_cleaning_twice_changes_nothing(text):
    try:
        kept = clean_answer(text)
    except AnswerError:
        return
    assert clean_answer(kept) == kept
    assert kept.encode()
    assert not any(unicodedata.category(c) == "Cc" for c in kept if c not in "\n\t")
