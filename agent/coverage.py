"""Which dimensions a transcript asked about, and what the interviewer had already named.

Own transcripts carry stages, moves and targets; imported ones may carry nothing, and then the
interviewer's question is matched with the ways stages are opened and criteria are probed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np

from agent.playbook import Playbook
from agent.scale import TECHNICAL, Dimension, Stage
from agent.transcript import Turn
from agent.types import Criterion

ASKED_LIKE: Final = 0.5
NAMED_LIKE: Final = 0.6
NAMING: Final = ("probe", "hint", "challenge")
_WHOLE = re.compile(
    r"\b(?:whole|entire|end.to.end|complete|overall|full|all of it)\b.{0,60}\b(?:design|system|"
    r"solution|architecture|it)\b"
    r"|\bwalk (?:me )?through\b.{0,30}\b(?:design|system|solution|approach)\b|\bsketch\b",
    re.I | re.S,
)


class Coverage:
    """Reads the interviewer's side of one transcript."""

    def __init__(self, turns: Sequence[Turn], playbook: Playbook) -> None:
        self._turns = turns
        self._playbook = playbook

    def reached(self) -> frozenset[Dimension]:
        """Dimensions that were asked about, and answered or passed over, before the end."""
        last = max((i for i, t in enumerate(self._turns) if t.speaker == "candidate"), default=-1)
        found: set[Dimension] = set()
        for index, turn in enumerate(self._turns):
            if turn.stage in TECHNICAL and (turn.speaker == "candidate" or index < last):
                found.add(turn.stage)  # type: ignore[arg-type]
            elif turn.speaker == "interviewer" and index < last and turn.stage is None:
                if index > 0 and _WHOLE.search(turn.text) and len(turn.text.split()) < 60:
                    found.update(TECHNICAL)  # type: ignore[arg-type]
                elif (stage := self._asked[index]) is not None:
                    found.add(stage)  # type: ignore[arg-type]
        if last >= 0:
            found.add("communication")
        return frozenset(found)

    def prompted(self, criterion: Criterion, turn: int) -> bool | None:
        """Whether a probe, hint or challenge before ``turn`` named the idea; None where the
        interviewer's side is missing."""
        before = [i for i in range(turn) if self._turns[i].speaker == "interviewer" and i > 0]
        if not any(t.speaker == "interviewer" for t in self._turns):
            return None
        marked = any(t.move is not None for t in self._turns)
        if marked:
            return any(
                self._turns[i].target == criterion.id and self._turns[i].move in (*NAMING, "twist")
                for i in before
            )
        likeness = self._likeness(criterion)
        return any(likeness[i] >= NAMED_LIKE for i in before)

    @cached_property
    def _vectors(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        texts = [t.text if t.speaker == "interviewer" else "" for t in self._turns]
        return self._playbook.encoder.encode([t or "-" for t in texts])

    @cached_property
    def _asked(self) -> list[Stage | None]:
        """The stage each unmarked question of the interviewer is about, or None."""
        names: list[Stage] = []
        texts: list[str] = []
        for stage in TECHNICAL:
            for text in self._playbook.openings(stage):
                names.append(stage)
                texts.append(text)
        for criterion in self._playbook.criteria:
            if criterion.asked_in in TECHNICAL:
                names.extend([criterion.asked_in] * len(criterion.probes))
                texts.extend(criterion.probes)
        scores = self._vectors @ self._playbook.phrases.vectors(texts).T
        found: list[Stage | None] = []
        for index, turn in enumerate(self._turns):
            best = int(scores[index].argmax())
            asks = turn.speaker == "interviewer" and index > 0 and "?" in turn.text
            like = float(scores[index, best]) >= ASKED_LIKE
            found.append(_by_words(turn.text) or (names[best] if like else None) if asks else None)
        return found

    def _likeness(self, criterion: Criterion) -> list[float]:
        texts = [*criterion.probes, *criterion.meets]
        if not texts:
            return [0.0] * len(self._turns)
        scores = (self._vectors @ self._playbook.phrases.vectors(texts).T).max(axis=1)
        return [float(s) for s in scores]


_TOPIC_WORDS: Final[dict[Stage, str]] = {
    "metrics": (
        r"\bmetrics?\b|\bthreshold|"
        r"\bhow (?:would|do|will) you (?:measure|know (?:it|if it|that it) (?:works|worked))"
    ),
    "data": r"\blabels?\b|\bdata\b|\bfeatures?\b|\bleak",
    "modeling": r"\bmodel(?:l?ing)?\b|\bbaseline\b|\balgorithm|\bloss\b",
    "serving": r"\bserv(?:e|ing)\b|\blatency\b|\breal.?time\b|\bbatch\b|\bonline or\b|\bdeploy",
    "validation": (
        r"\bvalidat|\ba/?b.?test|\bexperiment\b|\bbacktest|\bshadow\b|\broll ?out\b|\bevaluat"
    ),
    "operations": (
        r"\bmonitor|\bfallback|\brollback|\balert|\bdrift\b|\bretrain|\bon.?call\b|\bowns?\b|"
        r"\bowner\b|\bgoes wrong\b|\bbreaks?\b"
    ),
    "framing": (
        r"\bdecision\b|\bwho (?:uses|acts)|\bgoal\b|\bassumptions?\b|\bconstraints?\b|\bclarify"
    ),
}


def _by_words(text: str) -> Stage | None:
    """The one stage whose words the question uses; None where none or several do."""
    found = [s for s, pattern in _TOPIC_WORDS.items() if re.search(pattern, text, re.I)]
    return found[0] if len(found) == 1 else None
