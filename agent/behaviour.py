"""Communication, read by code over the whole transcript: how the candidate led, asked and answered.

Every behaviour returns its verdict with the candidate's own words. Manner alone earns nothing: the
grader asks for substance before it counts any of these (see ``agent.grading``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import numpy as np

from agent.clarify import FactSheet
from agent.evidence import Found
from agent.questions import asks_in
from agent.scale import Verdict
from agent.sentences import Span, sentences
from agent.transcript import Turn
from knowledge.encoder import Encoder

RELEVANT: Final = 0.25
LONG_WORDS: Final = 230
EMPTY_WORDS: Final = 120
SHORT_WORDS: Final = 9

_META = re.compile(
    r"\b(?:repeat|should i (?:start|go|continue|begin)|is that (?:ok|clear|enough|fine)|"
    r"does that make sense|"
    r"so far|do you want me to|shall i|can i start|what do you mean|did i answer)\b",
    re.I,
)
_ASSUMES = re.compile(
    r"\b(?:i(?:'ll| will|'d| would|'m| am)? ?(?:going to )?(?:assum\w+|suppose that|presume)|"
    r"assumption|assuming|"
    r"let(?:'s| us) (?:say|assume)|taking? (?:it )?as given|unless you (?:tell|say)|correct me|"
    r"stop me if)\b",
    re.I,
)
_EMPTY_ASSUMPTION = re.compile(r"\b(?:reasonable|some|the|various|different) assumptions\b", re.I)
_SIGNPOST = re.compile(
    r"\b(?:i(?:'ll| will|'d| would)? ?(?:like to )?(?:go through|walk (?:you )?through|cover|"
    r"start with|begin with|structure|split)|"
    r"(?:two|three|four|five|six) (?:parts|steps|pieces|stages|things)|that (?:was|closes|"
    r"covers)|moving (?:on )?to|"
    r"now (?:to |for |on to |the )?(?:data|metrics?|labels?|model\w*|serving|validation|"
    r"monitoring|operations?|features?|baseline)|"
    r"next(?: is|:|,| comes?| i)|come back to|park (?:that|this|\w+)|in summary|to sum up|"
    r"to summari[sz]e|"
    r"first\b.{5,120}\b(?:then|second|after that|finally))",
    re.I | re.S,
)
_HEADING = re.compile(
    r"^(?:\W*|\d+[.)]\s*)(?:goal|decision|framing|problem|metrics?|data|labels?|model(?:l?ing)?|baseline|serving|"
    r"validation|evaluation|monitoring|operations|ops|rollout)\s*[:\-–]",
    re.I | re.M,
)
_PRIORITY = re.compile(
    r"\b(?:(?:biggest|main|largest|real|first|top) (?:risk|problem|issue|lever|priority|worry|"
    r"concern)|matters? (?:the )?most|"
    r"most (?:important|of the (?:value|effort|risk))|(?:skip|leave out|drop|ignore|not do|"
    r"won'?t do|wouldn'?t do|won'?t build|wouldn'?t build|cut|defer|postpone)\b.{0,50}\b(?:v1|"
    r"for now|at first|first version|because|since|until|on purpose|at launch|mvp|later)|"
    r"out of scope|non.?goals?|only (?:have )?time for one|i'?d rather|before anything else|"
    r"not worth|decides? (?:the|every)|"
    r"the rest can wait|on purpose)\b",
    re.I,
)
_ADAPTS = re.compile(
    r"\b(?:then (?:i|we|no)|in that case|that changes|that means|that breaks|you(?:'re|"
    r" are) right|fair(?: point)?|"
    r"instead|so (?:i|we)(?:'d| would| will|'ll)? (?:drop|move|change|cut|use|switch|need|have|"
    r"set|go|not)|"
    r"i(?:'d| would) (?:change|drop|move|switch|revise|adjust|replace|add)|ok(?:ay)?[, ]+(?:so|"
    r"then|no|with)|given that|good,? so|ah)\b",
    re.I,
)
_WHY = re.compile(
    r"\d|\b(?:because|since|so that|as|otherwise|means?|until|cost\w*|decides?|risk)\b|->|→|:", re.I
)


@dataclass(frozen=True)
class Scene:
    """What behaviours are read from: the turns, what was found in them, and the fact sheet."""

    turns: Sequence[Turn]
    found: Mapping[int, Sequence[Found]]  # positive evidence by turn
    heard_nothing: frozenset[int]  # candidate turns whose text is no evidence at all
    facts: FactSheet
    encoder: Encoder

    @property
    def answers(self) -> list[int]:
        """Indices of candidate turns that count."""
        return [
            i
            for i, t in enumerate(self.turns)
            if t.speaker == "candidate" and i not in self.heard_nothing and t.text.strip()
        ]

    def words(self, index: int) -> int:
        """Length of a turn."""
        return len(self.turns[index].text.split())


@dataclass(frozen=True)
class Seen:
    """A behaviour's verdict with the words that show it, at most three."""

    verdict: Verdict
    spans: tuple[Span, ...] = field(default=())


def observe(name: str, scene: Scene) -> Seen:
    """Judge one behaviour by the name that the rubric gives it; KeyError for an unknown name."""
    return _BEHAVIOURS[name](scene)


def known_behaviours() -> frozenset[str]:
    """Names a rubric may use."""
    return frozenset(_BEHAVIOURS)


def _asks(scene: Scene) -> Seen:
    asked: list[Span] = []
    deciding: list[Span] = []
    for index in scene.answers:
        text = scene.turns[index].text
        asks = [a for a in asks_in(text, index) if not a.assumption and a.span.words >= 3]
        asks = [
            a for a in asks if a.span.text.rstrip().endswith("?") and not _META.search(a.span.text)
        ]
        asked += [a.span for a in asks]
        deciding += [a.ask.span for a in scene.facts.answer(asks) if a.outcome == "told"]
    if deciding:
        return Seen("met", tuple(deciding[:3]))
    return Seen("partial", tuple(asked[:2])) if asked else Seen("unmet")


def _assumes(scene: Scene) -> Seen:
    spans = [
        s
        for s in _sentences(scene)
        if _ASSUMES.search(s.text) and not _EMPTY_ASSUMPTION.search(s.text) and s.words >= 5
    ]
    return Seen("met", tuple(spans[:3])) if spans else Seen("unmet")


def _signposts(scene: Scene) -> Seen:
    spans = [s for s in _sentences(scene) if _SIGNPOST.search(s.text) or _HEADING.match(s.text)]
    if len(spans) >= 2:
        return Seen("met", tuple(spans[:3]))
    return Seen("partial", tuple(spans)) if spans else Seen("unmet")


def _answers(scene: Scene) -> Seen:
    """Share of the interviewer's questions whose reply is about the question."""
    pairs = _exchanges(scene)
    if not pairs:
        return Seen("unmet")
    direct: list[tuple[float, Span]] = []
    for question, answer in pairs:
        opening = _stated(sentences(scene.turns[answer].text, answer))[:2]
        if not opening or scene.words(answer) < 4:
            continue
        text = " ".join(s.text for s in opening)
        a, q = scene.encoder.encode([text, scene.turns[question].text])
        relevance = float(np.dot(a, q))
        if relevance >= RELEVANT or scene.found.get(answer):
            direct.append((relevance, opening[0]))
    share = len(direct) / len(pairs)
    best = tuple(s for _, s in sorted(direct, key=lambda d: -d[0])[:2])
    if share >= 0.7 and scene.found:
        return Seen("met", best)
    return Seen("partial", best) if share >= 0.4 and scene.found else Seen("unmet")


def _stated(spans: list[Span]) -> list[Span]:
    """Without questions: a clarifying question is no answer."""
    return [s for s in spans if not s.text.rstrip().endswith("?")]


def _prioritises(scene: Scene) -> Seen:
    spans = [s for s in _sentences(scene) if _PRIORITY.search(s.text) and s.words >= 5]
    reasoned = [s for s in spans if _WHY.search(s.text)]
    if reasoned:
        return Seen("met", tuple(reasoned[:3]))
    return Seen("partial", tuple(spans[:2])) if spans else Seen("unmet")


def _adapts(scene: Scene) -> Seen:
    spans: list[Span] = []
    content: list[Span] = []
    for question, answer in _exchanges(scene):
        if question == 0 or scene.words(answer) < 6 or not scene.found.get(answer):
            continue
        opening = _stated(sentences(scene.turns[answer].text, answer))[:3]
        turned = [s for s in opening if _ADAPTS.search(s.text)]
        spans += turned[:1]
        content += opening[:1]
    if spans:
        return Seen("met", tuple(spans[:3]))
    return Seen("partial", tuple(content[:1])) if len(content) >= 3 else Seen("unmet")


def _concise(scene: Scene) -> Seen:
    lengths = [scene.words(i) for i in scene.answers]
    useful = [i for i in scene.answers if scene.found.get(i)]
    if len(useful) < 2 or _long_winded(scene):
        return Seen("unmet")
    density = sum(len({f.criterion for f in scene.found[i]}) for i in useful) / max(1, sum(lengths))
    shortest = min(useful, key=scene.words)
    spans = (scene.found[shortest][0].span,)
    if density >= 1 / 45 and median(lengths) <= 180:
        return Seen("met", spans)
    return Seen("partial", spans) if density >= 1 / 80 else Seen("unmet")


def _rambles(scene: Scene) -> Seen:
    spans = [s for i in _long_winded(scene) for s in sentences(scene.turns[i].text, i)[:1]]
    return Seen("met", tuple(spans[:2])) if spans else Seen("unmet")


def _dodges(scene: Scene) -> Seen:
    pairs = [(q, a) for q, a in _exchanges(scene) if q > 0 or scene.words(a) < SHORT_WORDS]
    empty = [
        a
        for _, a in pairs
        if scene.words(a) < SHORT_WORDS
        and not scene.found.get(a)
        and "?" not in scene.turns[a].text
    ]
    if len(empty) >= 2 and len(empty) >= 0.25 * len(pairs):
        spans = [s for a in empty for s in sentences(scene.turns[a].text, a)[:1]]
        return Seen("met", tuple(spans[:3]))
    return Seen("unmet")


def _long_winded(scene: Scene) -> list[int]:
    """Long answers with little in them for their length."""
    found = []
    for index in scene.answers:
        words = scene.words(index)
        points = len({f.criterion for f in scene.found.get(index, ())})
        if (words > EMPTY_WORDS and points == 0) or (words > LONG_WORDS and points * 110 < words):
            found.append(index)
    return found


def _exchanges(scene: Scene) -> list[tuple[int, int]]:
    """(interviewer turn, candidate turn that replies to it); the prompt itself included."""
    pairs = []
    for index in scene.answers:
        before = index - 1
        while before >= 0 and scene.turns[before].speaker == "candidate":
            before -= 1
        if before >= 0 and "?" in scene.turns[before].text:
            pairs.append((before, index))
    return pairs


def _sentences(scene: Scene) -> list[Span]:
    return [s for i in scene.answers for s in sentences(scene.turns[i].text, i)]


_BEHAVIOURS: Final[Mapping[str, Callable[[Scene], Seen]]] = {
    "asks-deciding-question": _asks,
    "states-assumption": _assumes,
    "signposts": _signposts,
    "answers-what-was-asked": _answers,
    "prioritises": _prioritises,
    "adapts": _adapts,
    "concise": _concise,
    "rambles": _rambles,
    "dodges": _dodges,
}
