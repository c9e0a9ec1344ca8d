"""Counting tokens as OpenAI's current models do, with no network.

tiktoken downloads its tables on first use. Here the one table in use, o200k_base,
ships with the package and is handed to ``tiktoken.Encoding`` directly. Loading takes
most of a second and some 90 MB, so it waits for the first count.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import threading
import zlib
from importlib.resources import files
from typing import TYPE_CHECKING

from agent.errors import ContentError

if TYPE_CHECKING:
    from tiktoken import Encoding

_TABLE = "o200k_base.tiktoken.gz"
# The hash of the unpacked table that tiktoken itself expects (tiktoken_ext/openai_public.py).
_TABLE_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
# Pattern and special tokens: tiktoken_ext/openai_public.py, o200k_base (MIT, OpenAI).
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _SUFFIX,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _SUFFIX,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
_SPECIAL_TOKENS = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}

_lock = threading.Lock()
_encoding: Encoding | None = None


def count_tokens(text: str) -> int:
    """The number of o200k_base tokens of ``text``.

    Text that spells a special token ("<|endoftext|>") counts as the plain text it is:
    what a candidate typed is data.

    Raises:
        ContentError: the packaged table is missing or is not the expected one.
    """
    return len(_loaded().encode_ordinary(text))


def _loaded() -> Encoding:
    """The encoding, built once in a process whichever thread asks first."""
    global _encoding  # noqa: PLW0603 - the one lazily built object of this module
    if _encoding is None:
        with _lock:
            if _encoding is None:
                _encoding = _build(_unpack(_packed_table()))
    return _encoding


def _packed_table() -> bytes:
    try:
        return files("agent").joinpath("data", _TABLE).read_bytes()
    except OSError as error:
        raise ContentError(f"agent/data/{_TABLE} cannot be read: {error}") from error


def _unpack(packed: bytes) -> bytes:
    """Unpack the gzipped table and check that it is the one tiktoken would have fetched."""
    try:
        table = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise ContentError(f"agent/data/{_TABLE} cannot be unpacked: {error}") from error
    if hashlib.sha256(table).hexdigest() != _TABLE_SHA256:
        raise ContentError(f"agent/data/{_TABLE} is not the o200k_base table (its hash is off)")
    return table


def _build(table: bytes) -> Encoding:
    """The encoding of a table whose lines are ``base64(token) rank``."""
    from tiktoken import Encoding

    lines = (line.split() for line in table.splitlines() if line)
    return Encoding(
        "o200k_base",
        pat_str=_PATTERN,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in lines},
        special_tokens=_SPECIAL_TOKENS,
    )
