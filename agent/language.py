"""Telling whether a text is English enough for the offline engine to read."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MIN_WORDS: Final = 8
SURE: Final = 0.3
_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "to",
        "in",
        "is",
        "are",
        "we",
        "i",
        "it",
        "and",
        "for",
        "that",
        "this",
        "with",
        "on",
        "would",
        "if",
        "then",
        "not",
        "be",
        "as",
        "by",
        "or",
        "so",
    ]
)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def is_english(text: str) -> bool:
    """False only where the text is clearly in another language; short notes pass."""
    words = [w.lower() for w in _WORD.findall(text[:4000])]
    foreign_script = sum(not w.isascii() for w in words)
    if words and foreign_script / len(words) > 0.5:
        return False
    if len(words) < MIN_WORDS or sum(w in _ENGLISH for w in words) / len(words) >= 0.1:
        return True
    language, probability = _identifier().classify(" ".join(words))
    return bool(language == "en" or probability < SURE)
