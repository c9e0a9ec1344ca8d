"""``python -m knowledge.measure``: how well each way of ranking finds labelled notes.

The queries are a YAML list of ``{style, q, expect}``; a query counts as found at n when any
expected note is among the first n. Prints recall@1, recall@5 and the mean reciprocal rank.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from knowledge.encoder import Encoder, MiniLMEncoder
from knowledge.fusion import (
    LEXICAL_WEIGHT,
    Candidate,
    Ranked,
    Ranker,
    dense_only,
    lexical_only,
    reciprocal_rank,
    tempered,
    weighted,
)
from knowledge.library import Library

DEFAULT_QUERIES = Path("tests/knowledge/queries.yaml")
_DEPTH = 10


class Labelled(NamedTuple):
    """A query and the ids of the notes that answer it."""

    style: str
    query: str
    expected: frozenset[str]


class Figures(NamedTuple):
    """Shares of queries (0..1) found first and among the first five; mean reciprocal rank."""

    recall_1: float
    recall_5: float
    mrr: float


def load_queries(path: Path) -> list[Labelled]:
    """The labelled queries of a file."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Labelled(row["style"], row["q"], frozenset(row["expect"])) for row in raw["queries"]]


def evaluate(
    pools: Sequence[Sequence[Candidate]], queries: Sequence[Labelled], ranker: Ranker
) -> Figures:
    """Rank every pool and compare with the labels; ranks beyond ten count as not found."""
    ranks = [_first_rank(ranker(pool), q.expected) for pool, q in zip(pools, queries, strict=True)]
    n = len(ranks)
    return Figures(
        sum(rank == 1 for rank in ranks) / n,
        sum(0 < rank <= 5 for rank in ranks) / n,
        sum(1 / rank for rank in ranks if rank) / n,
    )


def methods(
    weights: Sequence[float] = (0.05, 0.1, 0.2, 0.3, 0.5), used: float = LEXICAL_WEIGHT
) -> dict[str, Ranker]:
    """The rankers that are compared; the weight that search uses is marked."""
    table: dict[str, Ranker] = {
        "dense, max cosine": dense_only,
        "dense, text share": tempered,
        "BM25 only": lexical_only,
        "reciprocal rank": reciprocal_rank,
    }
    for weight in weights:
        mark = " (used)" if weight == used else ""
        table[f"weighted {weight:.2f}{mark}"] = partial(weighted, weight=weight)
    return table


def report(queries: Sequence[Labelled], encoder: Encoder) -> list[tuple[str, str, Figures]]:
    """(what is indexed, method, figures) for every combination, in fresh directories."""
    rows: list[tuple[str, str, Figures]] = []
    texts = [q.query for q in queries]
    with tempfile.TemporaryDirectory() as folder:
        full = Library.open(Path(folder) / "full", encoder)
        bare = Library.from_passages(Path(folder) / "bare", full.passages(), encoder)
        for indexed, library in (("text", bare), ("text+questions", full)):
            with library:
                pools = library.candidates(texts, k=50)
            rows += [(indexed, name, evaluate(pools, queries, r)) for name, r in methods().items()]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table over all queries and one per style."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.measure", description=__doc__)
    parser.add_argument("--queries", type=Path, default=DEFAULT_QUERIES)
    path: Path = parser.parse_args(arguments).queries
    if not path.is_file():
        parser.error(f"{path} does not exist; run this from the repository's root")
    queries = load_queries(path)
    encoder = MiniLMEncoder()
    for style in ("all", *sorted({q.style for q in queries})):
        chosen = [q for q in queries if style in ("all", q.style)]
        sys.stdout.write(f"\n{style}: {len(chosen)} queries\n")
        sys.stdout.write(f"{'indexed':<16}{'method':<24}{'R@1':>6}{'R@5':>6}{'MRR':>6}\n")
        for indexed, name, figures in report(chosen, encoder):
            numbers = "".join(f"{figure:6.2f}" for figure in figures)
            sys.stdout.write(f"{indexed:<16}{name:<24}{numbers}\n")
    return 0


def _first_rank(ranked: Ranked, expected: frozenset[str]) -> int:
    for rank, (passage_id, _) in enumerate(ranked[:_DEPTH], start=1):
        if passage_id in expected:
            return rank
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
