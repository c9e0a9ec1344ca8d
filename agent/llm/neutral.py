"""What somebody typed, made harmless inside a fence."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNSEEN: Final = ("Cc", "Cf", "Co", "Cs")
BRACKETS: Final = "<＜﹤‹〈⟨"
_TAG = re.compile(rf"[{BRACKETS}](?=\s*[/!?\\]?\s*[^\W\d])")
OPENED: Final = "("


def visible(text: str) -> str:
    """Without characters that nobody sees: controls, joiners, direction marks, tag letters."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _UNSEEN)


def neutral(text: str) -> str:
    """A text that can neither close a fence nor open one."""
    return _TAG.sub(OPENED, visible(text))


def without_tag(text: str, name: str) -> str:
    """A text in which no tag of that name stands, however it is written."""
    return re.sub(rf"[{BRACKETS}](?=\s*[/\\]?\s*{name})", OPENED, visible(text), flags=re.I)
