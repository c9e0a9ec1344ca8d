"""Builds ``agent/data/vectors.npz``: the vectors of every authored phrasing, so that no start pays
for encoding them. Run as ``python -m evals.build`` after a change of content; a test holds it to
the content.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agent.content import case_ids, load_case, load_rubric
from agent.prototypes import VECTORS, phrase_key
from agent.types import Criterion, StageText
from knowledge.encoder import MiniLMEncoder


def authored_phrases() -> list[str]:
    """Every text the engine compares with, once, sorted."""
    rubric = load_rubric()
    texts = {*_of_criteria(rubric.criteria), *_of_stages(rubric.stages)}
    for case_id in case_ids():
        case = load_case(case_id)
        texts |= {*_of_criteria(case.criteria), *_of_stages(case.stages)}
        texts |= {ask for fact in case.facts for ask in fact.asks}
    return sorted(texts)


def _of_criteria(criteria: tuple[Criterion, ...]) -> Iterator[str]:
    for criterion in criteria:
        yield criterion.statement
        yield from (*criterion.meets, *criterion.near_misses, *criterion.probes)
        if criterion.contradiction is not None:
            yield from (*criterion.contradiction.first, *criterion.contradiction.second)


def _of_stages(stages: tuple[StageText, ...]) -> Iterator[str]:
    for stage in stages:
        yield from stage.openings


def build() -> int:
    """Write the table; returns the number of vectors."""
    texts = authored_phrases()
    vectors = MiniLMEncoder().encode(texts).astype(np.float16)
    keys = np.asarray([phrase_key(t) for t in texts])
    np.savez_compressed(VECTORS, keys=keys, vectors=vectors)
    return len(texts)


if __name__ == "__main__":
    print(f"{build()} vectors in {VECTORS.name}")
