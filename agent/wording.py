"""Choosing what is said: the wording seen least, and quotes of twelve words at most."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Final

import yaml

from agent.errors import ContentError

PHRASES: Final = Path(__file__).parent / "data" / "phrases.yaml"
MAX_QUOTE_WORDS: Final = 12
SHORT_CLAUSE: Final = 4
_EDGE = " \t\n,;:.!?-–—\"'`*_()[]"
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Wording:
    """A chosen wording: ``key`` is what is counted as seen."""

    key: str
    text: str


def choose(name: str, options: Sequence[str], seen: Mapping[str, int], seed: int = 0) -> Wording:
    """The least seen option; among equals the seed decides where to start."""
    order = sorted(
        range(len(options)),
        key=lambda i: (seen.get(f"{name}#{i}", 0), (i - seed) % len(options)),
    )
    return Wording(f"{name}#{order[0]}", options[order[0]])


@cache
def phrases() -> Mapping[str, tuple[str, ...]]:
    """The interviewer's own phrases by name."""
    data = yaml.safe_load(PHRASES.read_text(encoding="utf-8"))
    for name, options in data.items():
        if not isinstance(options, list) or not options:
            raise ContentError(f"{PHRASES}: {name}: a list of wordings is expected.")
    return {name: tuple(options) for name, options in data.items()}


def phrase(name: str, seen: Mapping[str, int], seed: int = 0, **parts: str) -> Wording:
    """A phrase by name with its parts put in once (what is put in is never parsed again)."""
    chosen = choose(f"phrase.{name}", phrases()[name], seen, seed)
    return Wording(chosen.key, fill(chosen.text, **parts))


def fill(template: str, **parts: str) -> str:
    """Substitute ``{name}`` fields; KeyError for a missing part, braces in parts stay as text."""
    out = []
    for literal, field, _, _ in Formatter().parse(template):
        out.append(literal)
        if field is not None:
            out.append(parts[field])
    return "".join(out)


def quote(text: str, around: re.Pattern[str] | None = None) -> str:
    """At most MAX_QUOTE_WORDS of the text, verbatim, around the first match of ``around``."""
    words = list(_WORD.finditer(text))
    if not words:
        return ""
    if len(words) > MAX_QUOTE_WORDS:
        words = _window(text, words, around)
    start, end = words[0].start(), words[-1].end()
    while start < end and text[start] in _EDGE:
        start += 1
    while end > start and text[end - 1] in _EDGE:
        end -= 1
    return text[start:end].replace("\n", " ")


def _window(
    text: str, words: list[re.Match[str]], around: re.Pattern[str] | None
) -> list[re.Match[str]]:
    """The clause that holds most of what is looked for, cut to length; else the beginning."""
    clauses = _clauses(words)
    if around is not None:
        marks = [m.start() for m in around.finditer(text)]
        clauses.sort(key=lambda c: -sum(c[0].start() <= m < c[-1].end() for m in marks))
    best = clauses[0]
    at = words.index(best[0])
    if len(best) < SHORT_CLAUSE:
        best = words[at : at + MAX_QUOTE_WORDS]
    return best[:MAX_QUOTE_WORDS]


def _clauses(words: list[re.Match[str]]) -> list[list[re.Match[str]]]:
    """Runs of words up to a comma, colon, semicolon, full stop or dash."""
    found: list[list[re.Match[str]]] = [[]]
    for word in words:
        found[-1].append(word)
        if word.group()[-1] in ",;:.!?—–" or word.group() in ("->", "→", "-"):
            found.append([])
    return [c for c in found if c]
