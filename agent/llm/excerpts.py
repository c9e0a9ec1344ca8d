"""What one dimension is shown of a long interview: its own stage, and elsewhere the sentences that
come nearest to any of its statements, within a number of tokens.

Communication is about the whole conversation: how every answer begins, what is asked, and how long
it is (each tag says it) come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from agent.llm.fencing import Exhibit, Piece
from agent.playbook import Playbook
from agent.prototypes import Floats, PhraseTable
from agent.scale import Dimension
from agent.types import Criterion

TAGS: Final = 16
GAP_TOKENS: Final = 2
QUESTION_CHARS: Final = 130
OWN_QUESTION_CHARS: Final = 320
NEAREST: Final = 3
OWN_SHARE: Final = 0.7
TOP_BONUS: Final = 1.0


class Excerpts:
    """Views of one interview. ``count`` gives the tokens of a text."""

    def __init__(self, exhibit: Exhibit, playbook: Playbook, count: Callable[[str], int]) -> None:
        self._exhibit = exhibit
        self._playbook = playbook
        self._count = count
        self.whole = exhibit.whole()
        self.tokens = count(self.whole)

    def within(
        self,
        dimension: Dimension,
        criteria: Sequence[Criterion],
        budget: int,
        *,
        narrow: bool = False,
    ) -> str:
        """The interview for these statements in about ``budget`` tokens; whole where it fits.

        ``narrow``: only what is nearest to the statements, the own stage with no precedence.
        """
        if self.tokens <= budget:
            return self.whole
        pieces = self._pieces
        tiers = [0] * len(pieces) if narrow else self._tiers(dimension)
        ranks = self._ranks(criteria)
        order = sorted(range(len(pieces)), key=lambda i: (tiers[i], -ranks[i], i))
        taken = _Taken(budget)
        # The own stage may not crowd out near sentences elsewhere; then comes what still fits.
        whole = narrow or dimension == "communication"
        for most in (budget if whole else OWN_SHARE * budget, budget):
            for number in order:
                piece = pieces[number]
                if number in taken.numbers or (tiers[number] == 0 and taken.used >= most):
                    continue
                new = piece.turn not in taken.turns
                questions = self._question(piece.turn, dimension, taken.asked) if new else {}
                cost = self._sizes[number] + GAP_TOKENS + (TAGS if new else 0)
                cost += sum(self._count(q) + TAGS for q in questions.values())
                taken.add(number, piece.turn, cost, questions)
        return self._exhibit.view([pieces[i] for i in sorted(taken.numbers)], taken.asked)

    @cached_property
    def _pieces(self) -> tuple[Piece, ...]:
        return tuple(p for p in self._exhibit.pieces if p.flag is None)

    @cached_property
    def _sizes(self) -> list[int]:
        return [self._count(self._exhibit.text(p)) for p in self._pieces]

    @cached_property
    def _vectors(self) -> Floats:
        return self._playbook.encoder.encode([self._exhibit.text(p) for p in self._pieces])

    def _question(
        self, turn: int, dimension: Dimension, asked: Mapping[int, str]
    ) -> Mapping[int, str]:
        """The interviewer's words that this answer replies to."""
        before = turn - 1
        turns = self._exhibit.transcript.turns
        if before < 0 or turns[before].speaker != "interviewer" or before in asked:
            return {}
        own = self._stage(turn) == dimension
        chars = OWN_QUESTION_CHARS if own else QUESTION_CHARS
        return {before: self._exhibit.question(before, chars)}

    def _stage(self, turn: int) -> str | None:
        """The stage of an answer, else of the question before it."""
        turns = self._exhibit.transcript.turns
        return turns[turn].stage or (turns[turn - 1].stage if turn else None)

    def _tiers(self, dimension: Dimension) -> list[int]:
        """What comes first (0): sentences of the dimension's stage; for communication how each
        answer begins, then what it asks."""
        seen: set[int] = set()
        found = []
        for piece in self._pieces:
            first = piece.turn not in seen
            seen.add(piece.turn)
            if dimension == "communication":
                asks = self._exhibit.text(piece).rstrip().endswith("?")
                found.append(0 if first else 1 if asks else 2)
            else:
                found.append(0 if self._stage(piece.turn) == dimension else 1)
        return found

    def _ranks(self, criteria: Sequence[Criterion]) -> list[float]:
        """How much each sentence is wanted: likeness to a statement; the few that are nearest to
        each statement come before all others."""
        table = PhraseTable(self._playbook.phrases, [_phrases(c) for c in criteria])
        scores = table.best(self._vectors)
        ranks = [float(s) for s in scores.max(axis=1)]
        for column in range(scores.shape[1]):
            for row in np.argsort(-scores[:, column], kind="stable")[:NEAREST]:
                ranks[int(row)] = max(ranks[int(row)], TOP_BONUS + float(scores[row, column]))
        return ranks


@dataclass
class _Taken:
    """What a view holds so far."""

    budget: int
    used: int = 0
    numbers: set[int] = field(default_factory=set)
    turns: set[int] = field(default_factory=set)
    asked: dict[int, str] = field(default_factory=dict)

    def add(self, number: int, turn: int, cost: int, asked: Mapping[int, str]) -> None:
        """One more sentence, where it fits."""
        if self.used + cost > self.budget:
            return
        self.used += cost
        self.numbers.add(number)
        self.turns.add(turn)
        self.asked |= asked


def _phrases(criterion: Criterion) -> list[str]:
    """Words that come near to a statement, also those that miss it: the model is to see both."""
    found = [criterion.statement, *criterion.meets, *criterion.near_misses]
    if criterion.contradiction is not None:
        found += [*criterion.contradiction.first, *criterion.contradiction.second]
    return found
