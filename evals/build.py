"""Builds ``agent/data/vectors``: the vectors of every authored phrasing, a table for the rubric and
one for each case, so that no start pays for encoding them.

Run as ``python -m evals.build [CASE...]`` after a change of content; a test holds them to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agent.casebook import PORTFOLIO, packaged
from agent.content import load_rubric
from agent.prototypes import RUBRIC_VECTORS, phrases_of_case, phrases_of_rubric, save_vectors
from knowledge.encoder import MiniLMEncoder


def build(cases: Sequence[str] = ()) -> dict[str, int]:
    """Write the tables of ``cases`` (all, and the rubric's, where none is named); their sizes."""
    encoder = MiniLMEncoder()
    sizes = {}
    if not cases:
        texts = phrases_of_rubric(load_rubric())
        sizes["rubric"] = save_vectors(RUBRIC_VECTORS, texts, encoder)
    for case_id in cases or [*packaged().ids(), PORTFOLIO]:
        texts = phrases_of_case(packaged().load(case_id))
        sizes[case_id] = save_vectors(packaged().vectors(case_id), texts, encoder)
    return sizes


if __name__ == "__main__":
    for name, size in build(sys.argv[1:]).items():
        print(f"{name}: {size} vectors")
