"""Token counts against tiktoken's published behaviour for o200k_base."""

from __future__ import annotations

import gzip
import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from agent import tokens
from agent.errors import ContentError


def test_hello_world_has_the_published_ids():
    # "hello" is 24912 and " world" is 2375 in o200k_base.
    assert tokens._loaded().encode_ordinary("hello world") == [24912, 2375]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("hello world", 2),
        # The pattern's number rule cuts digits into groups of three: 123|456|7.
        ("1234567", 3),
        # A contraction stays with its word, and "don't" is one token of the table.
        ("don't", 1),
        # A run of spaces leaves its last one to the word: "a", "   ", " b".
        ("a    b", 3),
        # Not the special token but plain text: < | end of text | >
        ("<|endoftext|>", 7),
    ],
)
def test_counts(text, count):
    assert tokens.count_tokens(text) == count


def test_agrees_with_tiktoken_in_every_constant():
    """Pattern, special tokens and hash are tiktoken's own; read from its source, not fetched."""
    source = inspect.getsource(openai_public.o200k_base)
    assert tokens._TABLE_SHA256 in source
    namespace: dict[str, Any] = {"load_tiktoken_bpe": lambda *_args, **_kwargs: {}}
    namespace |= {name: getattr(openai_public, name) for name in ("ENDOFTEXT", "ENDOFPROMPT")}
    exec(source, namespace)
    theirs = namespace["o200k_base"]()
    assert theirs["pat_str"] == tokens._PATTERN
    assert theirs["special_tokens"] == tokens._SPECIAL_TOKENS


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_encoding_loses_nothing(text):
    encoding = tokens._loaded()
    assert encoding.decode(encoding.encode_ordinary(text)) == text
    assert tokens.count_tokens(text) <= len(text.encode())


def test_a_long_answer_without_spaces_is_counted():
    # Eight letters "a" are one token: 200,000 of them are 25,000.
    assert tokens.count_tokens("a" * 200_000) == 25_000


def test_threads_build_the_encoding_once(monkeypatch):
    built = []
    build = tokens._build

    def counting_build(table):
        built.append(1)
        return build(table)

    monkeypatch.setattr(tokens, "_encoding", None)
    monkeypatch.setattr(tokens, "_build", counting_build)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tokens.count_tokens, ["hello world"] * 8)) == [2] * 8
    assert built == [1]


def test_another_table_is_refused():
    with pytest.raises(ContentError, match="hash is off"):
        tokens._unpack(gzip.compress(b"aGVsbG8= 0\n"))


def test_a_cut_off_table_is_refused():
    packed = files("agent").joinpath("data", "o200k_base.tiktoken.gz").read_bytes()
    with pytest.raises(ContentError, match="cannot be unpacked"):
        tokens._unpack(packed[: len(packed) // 2])
    with pytest.raises(ContentError, match="cannot be unpacked"):
        tokens._unpack(b"version https://example.invalid/pointer")


def test_importing_loads_nothing():
    code = "import sys, agent.tokens; sys.exit('tiktoken' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
