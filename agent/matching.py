"""Which fact a question asks for, if any: features of a question beside a fact, a fitted model.

Similar words are not enough: "why did losses double" sounds like the fact about losses and asks for
something else. So besides likeness the model sees what kind of question is asked (an amount, a
time, a price, a reason, a person, an opinion) and whether the fact answers that kind. Weights are
fitted by ``evals.fit_clarify`` and kept in ``clarify.json``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from agent.prototypes import Floats, Phrases
from agent.types import Fact

PARAMETERS: Final = Path(__file__).parent / "data" / "clarify.json"
NEAREST: Final = 3
KINDS: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.I)
    for name, pattern in {
        "opinion": r"\b(?:should (?:i|we)|would you|shall i|may i|your opinion|better to|"
        r"do you (?:think|want|prefer|recommend|expect)|can i (?:start|go)|is it (?:ok|fine))\b",
        "reason": r"\b(?:why|how come|reason|what (?:made|caused|led))\b",
        "person": r"\b(?:who|whose|whom|which team|responsib\w*|owner|owns)\b",
        "price": r"\b(?:costs?|pay|paid|price\w*|salary|wages?|expens\w*|budget\w*|euros?|money|"
        r"worth|charg\w*)\b",
        "time": r"\b(?:when|how (?:long|late|soon|fast|quick|old|fresh|often|frequent\w*)|until|"
        r"delay\w*|duration|seconds?|minutes?|hours?|days?|weeks?|months?|latency|ms)\b",
        "amount": r"\b(?:how (?:many|much|big|large)|number of|percentage|rates?|counts?|volume|"
        r"what (?:share|percent|fraction|part|proportion|portion)|size|average|median|"
        r"per (?:day|second|month|week|hour)|[qrt]ps)\b|/s(?:ec)?\b",
    }.items()
}
FEATURES: Final = ("best", "nearest", "apart", "terms", *KINDS, "fitting")


@dataclass(frozen=True)
class Parameters:
    """A bias and a weight a feature; from ``tell`` on a fact is told, from ``offer`` on the
    candidate is asked whether it is meant."""

    bias: float
    weights: tuple[float, ...]
    tell: float
    offer: float

    def probability(self, features: Sequence[float]) -> float:
        """How likely the fact answers the question, to four digits."""
        total = self.bias + sum(w * f for w, f in zip(self.weights, features, strict=True))
        return round(1.0 / (1.0 + math.exp(-total)), 4)


@cache
def packaged_parameters() -> Parameters:
    """The fitted weights."""
    data = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    return Parameters(
        bias=float(data["bias"]),
        weights=tuple(float(data["weights"][f]) for f in FEATURES),
        tell=float(data["tell"]),
        offer=float(data["offer"]),
    )


class Matcher:
    """The facts of one sheet, ready to be compared with questions."""

    def __init__(self, facts: Sequence[Fact], phrases: Phrases) -> None:
        self._terms = [re.compile("|".join(f.terms), re.I) for f in facts]
        self._asks = [phrases.vectors(f.asks) for f in facts]
        self._near = [phrases.vectors(f.near_asks) if f.near_asks else None for f in facts]
        self._kinds = [{k for a in f.asks for k in kinds_of(a)} for f in facts]

    def features(self, text: str, vector: Floats) -> list[tuple[float, ...]]:
        """The model's inputs of a question beside every fact, in the order of FEATURES."""
        likeness = [np.sort(asks @ vector)[::-1] for asks in self._asks]
        best = [float(row[0]) for row in likeness]
        asked = kinds_of(text)
        found = []
        for i, row in enumerate(likeness):
            others = max((b for j, b in enumerate(best) if j != i), default=0.0)
            foreign = [float(k in asked and k not in self._kinds[i]) for k in KINDS]
            foreign[0] = float("opinion" in asked)
            found.append(
                (
                    best[i],
                    float(row[:NEAREST].mean()),
                    best[i] - others,
                    float(self.named(i, text)),
                    *foreign,
                    float(bool(asked) and asked <= self._kinds[i]),
                )
            )
        return found

    def named(self, index: int, text: str) -> bool:
        """Whether a term of the fact stands in the text."""
        return self._terms[index].search(text) is not None

    def elsewhere(self, index: int, vector: Floats) -> float:
        """Likeness to what sounds like the fact and is not answered by it."""
        near = self._near[index]
        return float((near @ vector).max()) if near is not None else 0.0


def kinds_of(text: str) -> set[str]:
    """What kinds of question a text asks."""
    return {name for name, pattern in KINDS.items() if pattern.search(text)}
