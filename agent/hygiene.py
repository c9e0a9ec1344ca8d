"""What in an answer is not evidence: pasted-back words, text aimed at the grader, bare lists,
gibberish, another language.

Each check returns a flag for one sentence; a flagged sentence is kept in the transcript and shown,
but no criterion is credited from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

Flag = Literal["copied", "instruction", "list", "gibberish", "language"]

SHINGLE: Final = 5
COPIED_SHARE: Final = 0.6

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_GRADER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|previous|above|prior|rubric|rules?|prompt)"
    r"|\b(?:grader|evaluator|assessor|scorer|rater|examiner|grading (?:model|system|engine|"
    r"assistant)|the rubric|your rubric|scoring (?:model|system|rubric))\b"
    r"|\b(?:give|award|grant|assign|mark|score|rate|grade|set)\b.{0,40}\b(?:full (?:marks|"
    r"credit|points|score)|maximum|max(?:imum)? (?:score|points)|[34](?:\.0)?\s?(?:/|"
    r"out of)\s?4|top (?:marks|score)|perfect score|highest (?:score|mark|grade)|"
    r"strong[_ ](?:yes|hire|no))"
    r"|\b(?:this|my|the) (?:answer|response|candidate|transcript)\b.{0,50}\b(?:deserves?|"
    r"should (?:be|get|receive)|must (?:be|get|receive)|is worth|meets all|satisf(?:y|"
    r"ies) (?:all|every)|fully (?:meets|satisfies)|earns?|scores?)\b"
    r"|\b(?:system|assistant|developer)\s*(?:prompt|message|note|override)\b|<\/?(?:system|instruction|grade|score|assistant)[^>]*>"
    r"|\b(?:all|every) criteri(?:a|on)\b.{0,40}\b(?:met|satisfied|fulfilled|covered)"
    r"|\b(?:score|grade)\s*[:=]\s*[0-9]"
    r"|\bas an? (?:ai|language model|llm)\b.{0,40}\b(?:grad|scor|evaluat|rat)"
    r"|\b(?:mark|count|treat|record) (?:this|it|everything|all|"
    r"the answer)\b.{0,20}\b(?:as )?(?:met|correct|unmet|complete)",
    re.I | re.S,
)
_CONNECT = re.compile(
    r"->|→|=>|=|\d|[<>≤≥%$€£]|\b(?:because|so|since|if|when|unless|until|then|otherwise|means?|before|"
    r"after|per|than|not|no|only|instead)\b",
    re.I,
)
_FUNCTION: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "on",
        "for",
        "and",
        "or",
        "but",
        "with",
        "at",
        "by",
        "from",
        "as",
        "is",
        "are",
        "be",
        "was",
        "were",
        "it",
        "this",
        "that",
        "we",
        "i",
        "you",
        "they",
        "our",
        "would",
        "will",
        "can",
        "could",
        "should",
        "do",
        "does",
        "not",
        "no",
        "if",
        "so",
        "because",
        "when",
        "then",
        "than",
        "which",
        "who",
        "what",
        "how",
        "their",
        "its",
        "each",
        "every",
        "before",
        "after",
        "until",
        "over",
        "under",
        "into",
        "only",
        "also",
        "has",
        "have",
        "had",
        "there",
        "my",
        "your",
        "me",
        "us",
        "don't",
        "i'd",
        "we'd",
        "it's",
        "that's",
    ]
)


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, punctuation dropped."""
    return [w.lower().replace("’", "'") for w in _WORD.findall(text)]


def shingles(text: str) -> set[tuple[str, ...]]:
    """Runs of SHINGLE words, the unit of 'pasted back'."""
    words = words_of(text)
    return {tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


class Heard:
    """What the interviewer and the prompt have said so far, to recognise it when pasted back."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._runs: set[tuple[str, ...]] = set()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember one more text of the interviewer."""
        self._runs |= shingles(text)

    def share(self, text: str) -> float:
        """Share of the text's word runs that were heard before; 0 for a very short text."""
        own = shingles(text)
        return len(own & self._runs) / len(own) if own else 0.0


def flag_of(text: str, heard: Heard) -> Flag | None:
    """The reason why this sentence is no evidence, or None."""
    if _GRADER.search(text):
        return "instruction"
    if heard.share(text) >= COPIED_SHARE:
        return "copied"
    if is_gibberish(text):
        return "gibberish"
    if is_bare_list(text):
        return "list"
    return None


def is_bare_list(text: str) -> bool:
    """Names strung together: several short items, hardly a function word, nothing that connects
    or measures them."""
    items = [i for i in re.split(r"[,/|+&;]|\band\b", text) if i.strip()]
    words = words_of(text)
    if len(items) < 3 or len(words) < 4 or _CONNECT.search(text):
        return False
    loose = sum(w in _FUNCTION for w in words) / len(words)
    return loose < 0.25 and sum(len(words_of(i)) for i in items) / len(items) <= 3.5


def is_gibberish(text: str) -> bool:
    """No word of it can be pronounced, or one word said over and over."""
    words = [w for w in words_of(text) if w.isalpha()]
    if not words:
        return True
    if len(words) >= 6 and len(set(words)) <= max(2, len(words) // 5):
        return True
    latin = [w for w in words if w.isascii() and len(w) >= 4]
    if not latin:
        return False
    odd = sum(not _pronounceable(w) for w in latin)
    return odd / len(latin) > 0.5 and not any(w in _FUNCTION for w in words)


def _pronounceable(word: str) -> bool:
    if not re.search(r"[aeiouy]", word):
        return len(word) <= 5
    return re.search(r"[bcdfghjklmnpqrstvwxz]{6,}", word) is None and not re.search(
        r"(.)\1\1", word
    )
