"""What one answer brought: coverage, errors, half-covered points, questions, stalls."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.evidence import Found, Unit, units_of
from agent.hygiene import Heard
from agent.language import is_english
from agent.playbook import Playbook
from agent.questions import Ask, asks_in, open_asks
from agent.scale import Stage
from agent.sentences import Span

READ_CHARS: Final = 20_000
QUOTED_LIKE: Final = 0.5
STAGE_WEIGHT: Final = 3
NEAR: Final = 14
_READY = re.compile(
    r"^\W*(?:ok(?:ay)?|yes|no|sure|great|thanks?|thank you|right|fine|good|ready|let'?s|start|"
    r"go|begin|"
    r"i(?:'m| am) (?:ready|good|fine|done)|that'?s (?:all|it|everything|enough)|nothing|none|"
    r"no more|"
    r"i(?:'ll| will) (?:start|begin))\b",
    re.I,
)
_DISAGREES = re.compile(
    r"\b(?:i (?:would )?(?:still|disagree|don'?t (?:agree|think|see)|stand by|defend|keep|stick)|"
    r"i'?d (?:still|keep|stick|defend|stand)|not a problem|that(?:'s| is) (?:fine|ok|acceptable|"
    r"intended|on purpose)|"
    r"on purpose|deliberate(?:ly)?|nevertheless|even so|it(?:'s| is) (?:fine|ok|acceptable)|"
    r"not necessarily|"
    r"i(?:'m| am) (?:fine|ok|comfortable) with|actually,? no|^no[,.] )",
    re.I | re.M,
)


@dataclass(frozen=True)
class Notes:
    """The reading of one answer. Spans are in the answer's text; ids are criteria."""

    words: int
    english: bool
    ready: bool
    disagrees: bool
    met: Mapping[str, Span]
    half: Mapping[str, Span]
    errors: Mapping[str, Span]
    sides: Mapping[str, Span]
    asks: tuple[Ask, ...]
    stages: tuple[Stage, ...]
    quotable: frozenset[str]
    flagged: int
    near: tuple[str, ...] = ()


def note_answer(
    text: str,
    seq: int,
    heard: Heard,
    playbook: Playbook,
    *,
    clarifying: bool,
    near: bool = False,
) -> Notes:
    """Read one answer. ``heard`` is what the interviewer said before it; while clarifying, every
    question is taken as put to the interviewer. ``near`` asks for the criteria it comes nearest to.
    """
    text = text[:READ_CHARS]
    english = is_english(text)
    units = units_of(text, seq, heard) if english else []
    found = playbook.detector.read(units)
    met: dict[str, Span] = {}
    half: dict[str, Span] = {}
    errors: dict[str, Span] = {}
    sides: dict[str, Span] = {}
    for item in found:
        _file(item, playbook, met, half, errors, sides)
    for name, span in playbook.detector.touched(units).items():
        half.setdefault(name, span)
    half = {k: v for k, v in half.items() if k not in met}
    asks = (asks_in if clarifying else open_asks)(text, seq) if english else []
    asks = [a for a in asks if not _pasted(a, units)]
    return Notes(
        words=len(text.split()),
        english=english,
        ready=_READY.match(text) is not None and len(text.split()) <= 12,
        disagrees=_DISAGREES.search(text) is not None,
        met=met,
        half=half,
        errors=errors,
        sides=sides,
        asks=tuple(asks),
        stages=_stages(met, half, playbook),
        quotable=frozenset(f.criterion for f in found if f.similar >= QUOTED_LIKE),
        flagged=sum(u.flag is not None for u in units),
        near=playbook.detector.closest(units, NEAR) if near else (),
    )


def _file(
    item: Found,
    playbook: Playbook,
    met: dict[str, Span],
    half: dict[str, Span],
    errors: dict[str, Span],
    sides: dict[str, Span],
) -> None:
    if "#" in item.criterion:
        sides.setdefault(item.criterion, item.span)
    elif playbook.by_id[item.criterion].polarity == "negative":
        errors.setdefault(item.criterion, item.span)
    elif item.verdict == "met":
        met.setdefault(item.criterion, item.span)
    elif item.similar >= QUOTED_LIKE:
        half.setdefault(item.criterion, item.span)


def _pasted(ask: Ask, units: Sequence[Unit]) -> bool:
    return any(
        u.flag is not None and u.span.start <= ask.span.start and ask.span.end <= u.span.end
        for u in units
        if u.span.first == u.span.last
    )


def _stages(
    met: Mapping[str, Span], half: Mapping[str, Span], playbook: Playbook
) -> tuple[Stage, ...]:
    """Stages the answer speaks to, most first; a met criterion weighs twice."""
    weight: Counter[Stage] = Counter()
    for name in met:
        weight[playbook.by_id[name].asked_in] += 2
    for name in half:
        weight[playbook.by_id[name].asked_in] += 1
    ranked = sorted(weight.items(), key=lambda kv: -kv[1])
    return tuple(s for s, n in ranked if n >= STAGE_WEIGHT and s != "wrap_up")
