"""Content words and numbers of a text, as the guard compares them; of any language."""

from __future__ import annotations

import re
from typing import Final

from agent.hygiene import content_words, words_of

Terms = tuple[str, ...]
Number = tuple[float, str]

_IDEOGRAMS = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
_IDEOGRAM = re.compile(f"[{_IDEOGRAMS}]")
_PIECES = re.compile(f"[{_IDEOGRAMS}]|[^{_IDEOGRAMS}]+")
_ENDINGS: Final = ("ing", "ies", "ed", "es", "ly", "s")

_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[$€£¥]\s?)?(?P<digits>\d{1,3}(?:[,.\u00a0\u202f' ]\d{3})+(?!\d)|\d+)"
    r"(?P<rest>[.,]\d+)?(?!\w*\d)(?P<ordinal>st\b|nd\b|rd\b|th\b)?"
    r"\s?-?(?P<scale>k\b|m\b|mn\b|bn\b|thousand|million|billion|hundred|tausend|mio\b|million\w*|"
    r"milliard\w*|mil(?:lones)?\b|тыс\w*|млн|миллион\w*|万|亿|億)?"
    r"\s?-?(?P<unit>%|[$€£¥]|per\s?cents?\b|[^\W\d_]+)?",
    re.I,
)
_SCALES: Final = (
    ("milliard", 1e9),
    ("mil(?!l)", 1e3),
    ("thousand|tausend|тыс|k", 1e3),
    ("hundred", 1e2),
    ("bn|billion", 1e9),
    ("万", 1e4),
    ("亿|億", 1e8),
    ("m|мл|мил", 1e6),
)
_UNITS: Final = (
    ("%", r"%|per\s?cent\w*|prozent\w*|pourcent|porcento|процент\w*"),
    ("money", r"[$€£¥]|euros?|eur|dollars?|usd|pounds?|gbp|cents?|yen|yuan|rmb|元|円"),
    ("ms", r"ms|millisec\w*|millisek\w*|millis|毫"),
    ("s", r"s|secs?|seconds?|sekunden?|segundos?|secondes?|секунд\w*|秒"),
    ("min", r"mins?|minut\w*|минут\w*|分"),
    ("h", r"h|hrs?|hours?|stunden?|horas?|heures?|час\w*|小|时"),
    ("d", r"d|days?|tage?n?|d[ií]as?|jours?|дн\w+|день|天|日"),
    ("w", r"wks?|weeks?|wochen?|semanas?|semaines?|недел\w*|周|週"),
    ("mo", r"months?|monate?n?|mes(?:es)?|mois|месяц\w*|月"),
    ("y", r"yrs?|years?|jahre?n?|años?|ans|лет|год\w*|年"),
    ("size", r"[kmgtp]i?b|bytes?|tokens?"),
    ("rate", r"[qrt]ps|hz|rpm"),
    ("times", r"x|times|fold|mal|veces|fois|倍"),
)
_UNIT = re.compile("|".join(f"(?P<u{i}>(?:{p})\\Z)" for i, (_, p) in enumerate(_UNITS)), re.I)
_WORDS: Final = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen twenty"
)
_TENS: Final = "thirty forty fifty sixty seventy eighty ninety"
_SPELT: Final = {w: n for n, w in enumerate(_WORDS.split(), start=2)} | {
    w: n for n, w in zip(range(30, 100, 10), _TENS.split(), strict=True)
}
_SPELT_NUMBER = re.compile(rf"\b({'|'.join(_SPELT)})(?=[\s-]\w)", re.I)


def terms(text: str) -> Terms:
    """Content words in order, their endings cut; scripts without spaces give one a character."""
    found: list[str] = []
    for word in content_words(text):
        if word.isascii():
            found.append(_stem(word))
        else:
            found += _PIECES.findall(word)
    return tuple(found)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def length_of(text: str) -> int:
    """Words; two characters of a script without spaces count as one."""
    pieces = [p for w in words_of(text) for p in _PIECES.findall(w)]
    single = sum(_IDEOGRAM.match(p) is not None for p in pieces)
    return len(pieces) - single + (single + 1) // 2


def spelt_out(text: str) -> str:
    """Small numbers in words as digits."""
    return _SPELT_NUMBER.sub(lambda m: str(_SPELT[m[1].lower()]), text)


def numbers_in(text: str) -> list[tuple[float, str, bool, str]]:
    """(value, unit, whether the unit is a measure, as written) of every number in digits."""
    found = []
    for match in _NUMBER.finditer(text):
        if match["ordinal"]:
            continue
        digits, rest = re.sub(r"\D", "", match["digits"]), match["rest"] or ".0"
        if digits[0] == "0" and len(digits) > 1:  # 0.125 is no thousands
            digits, rest = "0", f".{digits[1:]}"
        value = float(f"{digits}.{rest[1:]}")
        if scale := (match["scale"] or "").lower():
            value *= next(n for names, n in _SCALES if re.match(names, scale))
        raw = match["sign"] or match["unit"] or ""
        known = _UNIT.match(raw.strip())
        name = _UNITS[int((known.lastgroup or "u0")[1:])][0] if known else ""
        unit = name or (_stem(raw.lower()) if content_words(raw) else "")
        found.append((value, unit, bool(name or scale), match[0].strip()))
    return found


def is_telling(value: float) -> bool:
    """Whether a number is so particular that it is known without its unit: three digits or more,
    not a round one."""
    digits = f"{value:.6f}".rstrip("0").rstrip(".").replace(".", "")
    return len(digits) >= 3 and len(digits.strip("0")) >= 2


def word_pieces(text: str) -> list[str]:
    """Words in order; scripts without spaces give a character each."""
    return [p for w in words_of(text) for p in _PIECES.findall(w)]
