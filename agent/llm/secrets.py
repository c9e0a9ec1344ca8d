"""Sentences that may not be said, and when words give one away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from agent.llm.wording import Terms, terms
from agent.sentences import sentences

# A leak: (share of a secret's content words, how many of them at least), for a turn that asks and
# for one that tells; or a run of that many in the secret's order.
ASKING: Final = ((0.7, 5), (0.6, 6), (0.5, 8))
TELLING: Final = ((1.0, 3), (0.8, 4), (0.65, 5), (0.55, 7))
SECRET_RUN: Final = 6


@dataclass(frozen=True)
class Secrets:
    """Sentences that may not be said, ready to be looked up. ``units`` are their content words;
    ``places`` the units a word stands in, ``runs`` every run of SECRET_RUN words."""

    units: tuple[Terms, ...]
    sizes: tuple[int, ...] = field(compare=False)
    places: Mapping[str, tuple[int, ...]] = field(compare=False, repr=False)
    runs: frozenset[Terms] = field(compare=False, repr=False)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Secrets:
        """Every sentence of the texts that has three content words or more."""
        found = (terms(s.text) for text in texts for s in sentences(text))
        units = tuple(dict.fromkeys(u for u in found if len(set(u)) >= 3))
        places: dict[str, list[int]] = {}
        for place, unit in enumerate(units):
            for term in set(unit):
                places.setdefault(term, []).append(place)
        return cls(
            units=units,
            sizes=tuple(len(set(u)) for u in units),
            places=MappingProxyType({t: tuple(p) for t, p in places.items()}),
            runs=frozenset(r for u in units for r in runs_of(u, SECRET_RUN)),
        )

    def given_away(self, said: Terms, *, asking: bool) -> list[frozenset[str]]:
        """Content words shared with each secret that these words give away."""
        words = set(said)
        shared: Counter[int] = Counter()
        for word in words:
            shared.update(self.places.get(word, ()))
        limits = ASKING if asking else TELLING
        least = min(count for _, count in limits)
        found = [
            frozenset(words.intersection(self.units[place]))
            for place, count in shared.items()
            if count >= least
            and any(count >= n and count >= s * self.sizes[place] for s, n in limits)
        ]
        return found + [frozenset(r) for r in runs_of(said, SECRET_RUN) if r in self.runs]


def runs_of(words: Sequence[str], length: int) -> list[Terms]:
    """Every run of ``length`` words, in order."""
    return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]
