"""How well labelled queries find their notes, and that the labels are honest."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from evals.retrieval import transcripts
from knowledge.corpus import load_entries
from knowledge.encoder import MiniLMEncoder
from knowledge.fusion import (
    UNRELATED_BELOW,
    Candidate,
    dense_only,
    lexical_only,
    reciprocal_rank,
    weighted,
    weighted_score,
)
from knowledge.library import Library
from knowledge.measure import evaluate, load_queries


def test_labels_name_existing_notes_and_enough_queries(queries_file: Path):
    queries = load_queries(queries_file)
    known = {entry.passage.id for entry in load_entries()}
    assert {i for q in queries for i in q.expected} <= known
    assert len(queries) >= 120
    assert Counter(q.style for q in queries)["vague"] >= 60


def test_queries_do_not_leak(queries_file: Path):
    cues = {" ".join(cue.lower().split()) for entry in load_entries() for cue in entry.cues}
    assert [q.query for q in load_queries(queries_file) if q.query.lower() in cues] == []


@pytest.mark.parametrize(
    # Measured 0.78 / 0.68, 0.68 / 0.56 and 0.91 / 0.85; floors leave room for other processors.
    ("style", "recall_5", "mrr"),
    [("", 0.74, 0.64), ("vague", 0.64, 0.52), ("topical", 0.87, 0.80)],
)
def test_recall_floor(
    packaged: Library, queries_file: Path, style: str, recall_5: float, mrr: float
):
    queries = [q for q in load_queries(queries_file) if q.style.startswith(style)]
    pools = packaged.candidates([q.query for q in queries], k=10)
    figures = evaluate(pools, queries, weighted)
    assert figures.recall_5 >= recall_5
    assert figures.mrr >= mrr


A = Candidate("a", cosine=0.8, text_cosine=0.4, bm25=0.0, terms=2)
B = Candidate("b", cosine=0.6, text_cosine=0.6, bm25=6.0, terms=2)
C = Candidate("c", cosine=-0.2, text_cosine=-0.2, bm25=12.0, terms=2)


def test_weighted_score_by_hand():
    # a: 0.9 * (0.7 * 0.8 + 0.3 * 0.4) + 0.1 * 0 = 0.9 * 0.68
    assert weighted_score(A) == pytest.approx(0.612)
    # b: 0.9 * 0.6 + 0.1 * (3 / (3 + 3)); BM25 is 6 over 2 words = 3 a word
    assert weighted_score(B) == pytest.approx(0.59)
    # c: a negative cosine counts as 0; 6 a word gives 6 / 9 of 0.1
    assert weighted_score(C) == pytest.approx(0.0666667, abs=1e-6)


def test_rankers():
    assert [i for i, _ in dense_only([C, B, A])] == ["a", "b", "c"]
    assert [i for i, _ in lexical_only([A, B, C])] == ["c", "b"]
    # b is second in both: 2/62; a is first in one, c first in one and third in the other.
    assert dict(reciprocal_rank([A, B, C])) == pytest.approx(
        {"a": 1 / 61, "b": 2 / 62, "c": 1 / 61 + 1 / 63}
    )
    assert [i for i, _ in weighted([C, B, A])] == ["a", "b", "c"]
    tie = [A._replace(id="z"), A]
    assert [i for i, _ in weighted(tie)] == ["a", "z"]


ELSEWHERE = (
    "how do I prune roses in spring",
    "symptoms of vitamin d deficiency",
    "how to change a bicycle tire",
    "what is the plot of Hamlet",
    "how deep is the Mariana trench",
    "recipe for vegetarian lasagna",
    "learn to play chess openings",
    "knitting pattern for a baby hat",
    "capital of Mongolia",
    "how long to boil an egg",
)


def test_right_passages_and_other_subjects_overlap_in_score(packaged: Library, queries_file: Path):
    """Of the right ones 96% reach the line, two of these ten questions as well: good for a remark,
    not for leaving passages out."""
    queries = load_queries(queries_file)
    found = packaged.search_many([q.query for q in queries], k=5, corpus="packaged")
    right = [
        max(scores)
        for q, hits in zip(queries, found, strict=True)
        if (scores := [h.score for h in hits if h.passage.id in q.expected])
    ]
    assert len(right) >= 98
    assert sum(score >= UNRELATED_BELOW for score in right) >= 0.93 * len(right)
    best = [hits[0].score for hits in packaged.search_many(ELSEWHERE, k=1, corpus="packaged")]
    assert sum(score < UNRELATED_BELOW for score in best) >= 7
    assert max(best) > min(right)


def test_recall_floor_on_transcripts(encoder: MiniLMEncoder):
    """The made-up episodes, ingested: measured 0.86 / 0.72 over all, 0.75 of the vague ones."""
    asked = transcripts(encoder)
    assert len(asked.queries) == 72
    assert all(q.expected for q in asked.queries)
    ranker = partial(weighted, weight=asked.used)
    figures = evaluate(asked.pools, asked.queries, ranker)
    assert figures.recall_5 >= 0.80
    assert figures.mrr >= 0.66
    vague = [n for n, q in enumerate(asked.queries) if q.style == "vague"]
    figures = evaluate([asked.pools[n] for n in vague], [asked.queries[n] for n in vague], ranker)
    assert figures.recall_5 >= 0.66
