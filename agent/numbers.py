"""Numbers in an assumption, held against the values of a fact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.types import FactValue

_NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:[,\s]\d{3})+|\d+(?:\.\d+)?)\s*(k\b|m\b|mn\b|bn\b|thousand|million|billion|%|percent)?",
    re.I,
)
_SCALE: Final = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "bn": 1e9,
    "billion": 1e9,
}
_WORD_NUMBERS: Final = {
    "half an hour": "30 minutes",
    "an hour and a half": "90 minutes",
    "half a": "0.5",
    "half": "50%",
    "a third": "33%",
    "two thirds": "67%",
    "a quarter": "25%",
    "a fifth": "20%",
    "a tenth": "10%",
    "a dozen": "12",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "fifteen": "15",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "hundred": "100",
}


def comparable(text: str, values: Sequence[FactValue]) -> bool:
    """Whether the assumption holds a number that one of the values can be held against."""
    return any(re.search(v.unit, around, re.I) for _, around in _numbers(text) for v in values)


def holds(text: str, values: Sequence[FactValue]) -> bool:
    """Whether the numbers of an assumption agree with the sheet's.

    Every number that stands beside a unit of the fact must be close to one of the values in that
    unit; without a comparable number nothing can be confirmed.
    """
    agreed = False
    for number, around in _numbers(text):
        meant = [v for v in values if re.search(v.unit, around, re.I)]
        if meant and not any(_close(number, v) for v in meant):
            return False
        agreed = agreed or bool(meant)
    return agreed


def _close(number: float, value: FactValue) -> bool:
    if value.number == 0:
        return number == 0
    return abs(number - value.number) <= value.tolerance * abs(value.number) + 1e-9


def _numbers(text: str) -> list[tuple[float, str]]:
    """Numbers in the text with the words around them, for the unit."""
    for word, digits in _WORD_NUMBERS.items():
        text = re.sub(rf"\b{word}\b", digits, text, flags=re.I)
    found = []
    for match in _NUMBER.finditer(text):
        number = float(re.sub(r"[,\s]", "", match[1]))
        number *= _SCALE.get((match[2] or "").lower(), 1.0)
        found.append((number, text[max(0, match.start() - 40) : match.end() + 40]))
    return found
