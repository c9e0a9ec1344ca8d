"""How meaning (cosine) and words (BM25) are combined into one score.

``python -m knowledge.measure`` compares the methods on labelled queries. The product uses
``weighted``: its score is bounded and comparable between queries, which rank fusion is not.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import NamedTuple

LEXICAL_WEIGHT = 0.1
# Speech repeats its words and wanders: there matching words tell more than in a written note.
SPOKEN_WEIGHT = 0.3
TEXT_WEIGHT = 0.3
BM25_HALF = 3.0
UNRELATED_BELOW = 0.3
_RRF_K = 60


class Candidate(NamedTuple):
    """A passage in the running.

    ``cosine`` is the best over the passage's vectors (-1..1) and ``text_cosine`` that of its
    text alone; ``bm25`` is 0 or more, 0 when no word matched; ``terms`` is how many words of the
    query were looked up.
    """

    id: str
    cosine: float
    text_cosine: float
    bm25: float
    terms: int


Ranked = list[tuple[str, float]]
Ranker = Callable[[Sequence[Candidate]], Ranked]


def dense_only(candidates: Sequence[Candidate]) -> Ranked:
    """By cosine alone."""
    return _sorted([(c.id, c.cosine) for c in candidates])


def tempered(candidates: Sequence[Candidate]) -> Ranked:
    """By ``similarity``: cosines with the text's own share, no words."""
    return _sorted([(c.id, similarity(c)) for c in candidates])


def lexical_only(candidates: Sequence[Candidate]) -> Ranked:
    """By BM25 alone; passages that share no word are left out."""
    return _sorted([(c.id, c.bm25) for c in candidates if c.bm25 > 0])


def reciprocal_rank(candidates: Sequence[Candidate]) -> Ranked:
    """Sum of 1 / (60 + rank) over both rankings."""
    totals = dict.fromkeys((c.id for c in candidates), 0.0)
    for ranking in (dense_only(candidates), lexical_only(candidates)):
        for rank, (passage_id, _) in enumerate(ranking, start=1):
            totals[passage_id] += 1 / (_RRF_K + rank)
    return _sorted(list(totals.items()))


def word_share(candidate: Candidate) -> float:
    """BM25 as 0..1: the mean per query word, half at ``BM25_HALF``, so length does not inflate."""
    if candidate.bm25 <= 0 or candidate.terms == 0:
        return 0.0
    mean = candidate.bm25 / candidate.terms
    return mean / (mean + BM25_HALF)


def similarity(candidate: Candidate) -> float:
    """0..1: the best cosine, tempered by the text's own; a cue alone must not decide."""
    mixed = (1 - TEXT_WEIGHT) * candidate.cosine + TEXT_WEIGHT * candidate.text_cosine
    return min(1.0, max(0.0, mixed))


def weighted_score(candidate: Candidate, weight: float = LEXICAL_WEIGHT) -> float:
    """0..1: mostly the similarity, and a share for matching words.

    Comparable between queries: cosines are, and the words' share is bounded. Measured on the
    packaged notes and on the sample of transcripts: 96% of the right passages among the first five
    reach UNRELATED_BELOW, and the best passages for 85% of forty questions about other subjects do
    not. The rest overlap (0.25 to 0.42), and what is worded vaguely scores low, so search leaves
    nothing out: a floor that keeps every such question away drops a fifth of the right passages or
    more.
    """
    return (1 - weight) * similarity(candidate) + weight * word_share(candidate)


def by_corpus(candidates: Sequence[Candidate], packaged: Container[str]) -> Ranked:
    """By ``weighted_score`` with each corpus's own weight: what ``Library.search`` uses.

    Spoken passages are put on the scale of the notes, so that equal likeness scores equally.
    """
    scale = (1 - LEXICAL_WEIGHT) / (1 - SPOKEN_WEIGHT)
    return _sorted(
        [
            (c.id, weighted_score(c))
            if c.id in packaged
            else (c.id, min(1.0, scale * weighted_score(c, SPOKEN_WEIGHT)))
            for c in candidates
        ]
    )


def weighted(candidates: Sequence[Candidate], weight: float = LEXICAL_WEIGHT) -> Ranked:
    """By ``weighted_score`` with one weight for all."""
    return _sorted([(c.id, weighted_score(c, weight)) for c in candidates])


def _sorted(scores: Ranked) -> Ranked:
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))
