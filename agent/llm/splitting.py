"""Sentences of text that is still coming in."""

from __future__ import annotations

import re
from typing import Final

_CLOSERS = r"[\"'”’»›）)\]*_`」』]"
_STOP = re.compile(rf"([.!?…؟।။።。！？｡]++)({_CLOSERS}*+)(\s*+)(?=(\S))")
_UNSPACED: Final = "。！？｡"
_NEVER = re.compile(
    r"(?:^|[\s(\[\"'“‘«])(?:e\.?g|i\.?e|vs|cf|ca|approx|incl|dr|mr|mrs|ms|prof|fig|eq|no|st|resp|"
    r"z\.?\s?b|d\.?\s?h|bzw|ggf|evtl|nr|p\.?\s?ex|[^\W\d_])\.\Z",
    re.I,
)
_SOMETIMES = re.compile(r"(?:^|[\s(\[])(?:etc|al|usw|u\.a|inc|ltd|a\.m|p\.m)\.\Z", re.I)
LONGEST_SHORT: Final = 12
_LIST_NUMBER = re.compile(r"\A\s*\(?\d{1,2}\.\Z")


def split_ready(buffer: str) -> tuple[list[str], str]:
    """Complete sentences so far, each with the white space after it, and the rest.

    ``"".join(ready) + rest == buffer``. A sentence is complete once what follows its stop has come:
    the cut depends on that one character and what stands before it, so any chunking gives the same.
    """
    ready: list[str] = []
    start = 0
    for match in _STOP.finditer(buffer):
        if _ends(buffer[start : match.end(1)], match):
            ready.append(buffer[start : match.end()])
            start = match.end()
    return ready, buffer[start:]


def _ends(sentence: str, stop: re.Match[str]) -> bool:
    """Whether a sentence ends at this stop."""
    marks, closers, space, following = stop.groups()
    if not space and marks[-1] not in _UNSPACED:
        return False
    if following.islower() and (closers or marks.endswith(("..", "…"))):
        return False
    if marks != ".":
        return True
    word = sentence[-LONGEST_SHORT:]
    if _NEVER.search(word) or _LIST_NUMBER.match(sentence):
        return False
    return not (following.islower() and _SOMETIMES.search(word))
