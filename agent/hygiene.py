"""What in an answer is not evidence: pasted-back words, text aimed at the grader, bare lists,
gibberish, another language.

Each check returns a flag for one sentence; a flagged sentence is kept in the transcript and shown,
but no criterion is credited from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Final, Literal

Flag = Literal["copied", "instruction", "list", "gibberish", "language"]

SHINGLE: Final = 3
COPIED_SHARE: Final = 0.6
COPIED_WORDS: Final = 0.8
LOOSE_SHARE: Final = 0.3
UNKNOWN_SHARE: Final = 0.45

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_GRADER = re.compile(
    r"(?:^|[.!?>|]\s*)\W*(?:please |now |you (?:must|should|can|will) |just )?"
    r"(?:ignore|disregard|forget|override)"
    r"\b.{0,40}\b(?:instructions?|previous|above|prior|rubric|rules?|prompt)\b"
    r"|\b(?:note|message|instructions?|memo|hint|attention|dear|hey|hello)\b.{0,20}\b(?:grader|"
    r"evaluator|examiner|grading (?:model|system|engine|assistant))\b"
    r"|\b(?:dear|to the|you,? the) (?:grader|evaluator|examiner)\b|^\W*(?:grader|evaluator|"
    r"examiner)\s*[:,]|\b(?:your|this) (?:rubric|grading|evaluation)\b"
    r"|\b(?:give|award|grant|assign|mark|score|rate|grade|set)\b.{0,40}\b(?:full (?:marks|"
    r"credit|points|score)|max(?:imum)? (?:score|points|marks|grade|credit)|"
    r"[34](?:\.0)?\s?(?:/|(?:out )?of)\s?4(?! \w*s\b)|top (?:marks|score)|perfect score|"
    r"highest (?:score|mark|grade)|strong[_ ](?:yes|hire|no))"
    r"|\b(?:this|my|the) (?:answer|response|candidate|transcript)\b.{0,50}\b(?:deserves?|"
    r"is worth|meets all|satisf(?:y|ies) (?:all|every)|fully (?:meets|satisfies)|"
    r"scores? (?:an? )?[0-4]\b|(?:should|must) (?:be|get|receive)\b.{0,25}\b(?:graded|scored|"
    r"rated|marked|credit(?:ed)?|full|top|highest|maximum|met|pass(?:ed)?\b|strong[_ ]\w+|[34]\b))"
    r"|^\W*(?:system|assistant|developer)\s*(?:prompt|message|note|override)?\s*[:>\]]"
    r"|<\/?(?:system|instruction|grade|score|assistant)[^>]*>"
    r"|\b(?:all|every) criteri(?:a|on)\b.{0,40}\b(?:met|satisfied|fulfilled|covered)"
    r"|\b(?:score|grade)\s*[:=]\s*[0-4](?:\.[05])?\s*(?:/|out of|\W*$)"
    r"|\bas an? (?:ai|language model|llm)\b.{0,40}\b(?:grad|scor|evaluat|rat)\w*\b.{0,20}"
    r"\b(?:this|me|my)\b"
    r"|\b(?:mark|count|treat|record) (?:this|it|everything|all|"
    r"the answer)\b.{0,20}\b(?:as )?(?:met|correct|unmet|complete)",
    re.I | re.S,
)
_CONNECT = re.compile(
    r"->|→|=>|=|(?<![A-Za-z0-9])\d|[<>≤≥%$€£]|\b(?:because|so|since|if|when|unless|until|then|otherwise|means?|before|"
    r"after|per|than|not|no|only|instead)\b",
    re.I,
)
_NOT_AFTER_ARTICLE: Final = frozenset(
    ["of", "to", "in", "on", "for", "and", "or", "but", "is", "are", "be", "was", "the", "a", "an"]
)
_ENDINGS: Final = (
    "s",
    "es",
    "ed",
    "d",
    "ing",
    "ly",
    "er",
    "ers",
    "able",
    "ness",
    "ment",
    "ise",
    "ised",
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


def content_words(text: str) -> list[str]:
    """Its words without function words."""
    return [w for w in words_of(text) if w not in _FUNCTION]


def shingles(text: str) -> set[tuple[str, ...]]:
    """Runs of SHINGLE words, the unit of 'pasted back'."""
    words = words_of(text)
    return {tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


class Heard:
    """What the interviewer and the prompt have said so far, to recognise it when pasted back."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._runs: set[tuple[str, ...]] = set()
        self._turns: list[frozenset[str]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember one more text of the interviewer."""
        self._runs |= shingles(text)
        self._turns.append(frozenset(content_words(text)))

    def copied(self, text: str) -> bool:
        """Whether the text says again what was heard: mostly the same runs of words, or hardly a
        content word that did not stand in one of the interviewer's turns."""
        own = shingles(text)
        if not own:
            return False
        share = len(own & self._runs) / len(own)
        if share >= COPIED_SHARE:
            return True
        words = content_words(text)
        if share < LOOSE_SHARE or len(words) < 4:
            return False
        return any(
            sum(w in turn for w in words) / len(words) >= COPIED_WORDS for turn in self._turns
        )


def flag_of(text: str, heard: Heard) -> Flag | None:
    """The reason why this sentence is no evidence, or None."""
    if _GRADER.search(text):
        return "instruction"
    if heard.copied(text):
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
    """No words, one word over and over, mostly strings that are no words, or words in an order
    that no sentence has."""
    words = [w for w in words_of(text) if w.isalpha()]
    if not words:
        return True
    if len(words) >= 6 and len(set(words)) <= max(2, len(words) // 5):
        return True
    if sum(_misplaced(a, b) for a, b in pairwise(words)) >= max(2, len(words) // 12):
        return True
    latin = [w for w in words if w.isascii() and len(w) >= 3]
    if len(latin) < 4:
        return bool(latin) and not any(_is_word(w) for w in latin)
    return sum(not _is_word(w) for w in latin) / len(latin) > UNKNOWN_SHARE


def _misplaced(first: str, second: str) -> bool:
    """The same word twice, or an article before a word that cannot follow it."""
    doubled = first == second and first not in ("that", "had", "very", "no", "bye")
    return doubled or (first in ("the", "a", "an") and second in _NOT_AFTER_ARTICLE)


def _is_word(word: str) -> bool:
    """A word of the packaged vocabulary, also as a stem or a compound of two."""
    known = vocabulary()
    if word in known:
        return True
    if any(word.endswith(e) and word[: -len(e)] in known for e in _ENDINGS):
        return True
    return any(word[:i] in known and word[i:] in known for i in range(3, len(word) - 2))


@cache
def vocabulary() -> frozenset[str]:
    """Whole English words of three letters and more from the encoder's vocabulary."""
    from knowledge.encoder import vocabulary_path

    lines = vocabulary_path().read_text(encoding="utf-8").splitlines()
    return frozenset(w for w in lines if len(w) >= 3 and w.isalpha())
