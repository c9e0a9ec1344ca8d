"""How well passages are found: ``python -m evals.retrieval`` measures every method on both corpora
and writes ``reports/retrieval.md``.

The packaged notes are asked with ``tests/knowledge/queries.yaml``. For transcripts there is a
made-up sample (``datasets/retrieval``): eight episodes in the podcast format and questions with the
words that answer them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from knowledge.encoder import Encoder, MiniLMEncoder
from knowledge.fusion import LEXICAL_WEIGHT, SPOKEN_WEIGHT, Candidate
from knowledge.ingest import ingest
from knowledge.library import Library
from knowledge.measure import DEFAULT_QUERIES, Figures, Labelled, evaluate, load_queries, methods

SAMPLE: Final = Path(__file__).parent / "datasets" / "retrieval"
REPORT: Final = Path(__file__).parent / "reports" / "retrieval.md"
WEIGHTS: Final = (0.1, 0.2, 0.3, 0.4, 0.5)
DEPTH: Final = 50
SPLIT_WORDS: Final = 6


class Asked(NamedTuple):
    """A corpus's queries and what search ranks for each."""

    name: str
    queries: list[Labelled]
    pools: list[list[Candidate]]
    used: float


def packaged(encoder: Encoder) -> Asked:
    """The packaged notes."""
    queries = load_queries(DEFAULT_QUERIES)
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder), encoder) as library:
        pools = library.candidates([q.query for q in queries], k=DEPTH, corpus="packaged")
    return Asked("packaged notes", queries, pools, LEXICAL_WEIGHT)


def transcripts(encoder: Encoder) -> Asked:
    """The made-up episodes, ingested as a user would."""
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder), encoder) as library:
        ingest(library, encoder, [SAMPLE / "episodes"])
        queries = spoken_queries(library)
        pools = library.candidates([q.query for q in queries], k=DEPTH, corpus="user")
    return Asked("transcripts (made up)", queries, pools, SPOKEN_WEIGHT)


def spoken_queries(library: Library) -> list[Labelled]:
    """The sample's queries with the ids of the passages that hold the answering words."""
    episodes = {s.id: Path(s.path).stem for s in library.sources()}
    texts = [
        (p.id, episodes[p.source_id], " ".join(p.text.split()))
        for p in library.passages()
        if p.corpus == "user"
    ]
    rows: Any = yaml.safe_load((SAMPLE / "queries.yaml").read_text(encoding="utf-8"))["queries"]
    found = []
    for row in rows:
        ids: set[str] = set()
        for place in (row, *row.get("also", ())):
            ids |= _holding(" ".join(place["says"].split()), place["episode"], texts)
        found.append(Labelled(row["style"], row["q"], frozenset(ids)))
    return found


def _holding(says: str, episode: str, texts: Sequence[tuple[str, str, str]]) -> set[str]:
    """Passages of the episode that hold the words; where they were cut in two, both."""
    own = [(i, text) for i, slug, text in texts if slug == episode]
    whole = {i for i, text in own if says in text}
    words = says.split()
    ends = (" ".join(words[:SPLIT_WORDS]), " ".join(words[-SPLIT_WORDS:]))
    return whole or {i for i, text in own if any(end in text for end in ends)}


def report(asked: Sequence[Asked]) -> str:
    """The tables as Markdown."""
    lines = [
        "# Retrieval",
        "",
        "A query counts as found when any passage that answers it is among the first. The weights",
        "were chosen on these queries, so read the used ones as a best case; the transcripts and",
        "all queries were written by language models.",
    ]
    for part in asked:
        styles = sorted({q.style for q in part.queries})
        lines += ["", f"## {part.name.capitalize()}", ""]
        for style in (None, *styles):
            chosen = [n for n, q in enumerate(part.queries) if style in (None, q.style)]
            lines += [
                f"{style or 'all'}: {len(chosen)} queries",
                "",
                "| method | recall@1 | recall@5 | MRR |",
                "|---|---|---|---|",
            ]
            pools = [part.pools[n] for n in chosen]
            queries = [part.queries[n] for n in chosen]
            for name, ranker in methods(WEIGHTS, part.used).items():
                lines.append(_row(name, evaluate(pools, queries, ranker)))
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, figures: Figures) -> str:
    return f"| {name} | {' | '.join(f'{figure:.2f}' for figure in figures)} |"


def main() -> None:
    """Measure, write the report and print it."""
    encoder = MiniLMEncoder()
    REPORT.write_text(report([packaged(encoder), transcripts(encoder)]), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
