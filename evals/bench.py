"""Benchmarks: start-up, first question, time per turn, retrieval, bytes per turn.

``make bench`` prints one Markdown table. Nothing here asserts: targets stand beside the figures.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from agent.grounding import LibraryGrounding
from agent.service import Interviews, Setup
from agent.store import Store
from evals.bench_model import model_turns
from knowledge.encoder import MiniLMEncoder, Vectors
from knowledge.library import Library
from knowledge.types import Passage

ROOT: Final = Path(__file__).parent.parent
STARTS: Final = 5
QUERIES: Final = 50
SYNTHETIC: Final = 50_000
EPISODES: Final = 200
TURNS: Final = 66
VOCABULARY: Final = 20_000
PASSAGE_WORDS: Final = 160
TOPICS: Final = ("labels", "latency", "rollout", "drift", "baseline", "threshold", "features")
TALKED: Final = (*TOPICS, "handle", "system", "demand", "moves")
LONG_TURNS: Final = 40
LONG_WORDS: Final = 300
ANSWER: Final = (
    "The decision is approve, step-up, review or decline before authorisation. A false decline "
    "loses a good customer, a missed fraud costs the amount and the chargeback fee. Chargebacks "
    "land 30 to 60 days later, so I cut the training window there and watch review outcomes for "
    "the fresh part. I would compare against the rules in place on the same matured month. "
)


def main() -> None:
    """Run every benchmark and print the table."""
    print("| what | p50 | max | target |\n|---|---|---|---|")
    for part in (startup, turns, model_turns, retrieval, storage, ingestion):
        for row in part():
            print("| " + " | ".join(row) + " |", flush=True)


def startup() -> Iterator[tuple[str, str, str, str]]:
    """The command line from a cold process."""
    spar = [sys.executable, "-m", "app.cli"]
    yield _row("spar --help", _repeat(lambda: _run([*spar, "--help"])), "< 0.5 s")
    with _folder() as folder:
        first = [_first_question(folder) for _ in range(STARTS)]
    yield _row("spar interview, to the first question", first, "< 3 s")


def _first_question(folder: Path) -> float:
    """Seconds until the first question's first line is on standard output."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "interview"],
        cwd=ROOT,
        env=_environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    while not process.stdout.readline().strip():
        pass
    elapsed = time.perf_counter() - started
    process.kill()
    process.wait()
    return elapsed


def turns() -> Iterator[tuple[str, str, str, str]]:
    """An accepted answer to the next question, and a whole grade, in one process."""
    with _folder() as folder, _interviews(folder) as interviews:
        record = interviews.create(Setup(level="mid", minutes=45, seed=1))
        list(interviews.advance(record.id))
        times: list[float] = []
        while not (standing := interviews.standing(record.id)).over and len(times) < 20:
            answer = f"{ANSWER} Point {len(times)}."
            started = time.perf_counter()
            interviews.accept(record.id, standing.question_seq, answer, seconds=1)
            list(interviews.advance(record.id))
            times.append(time.perf_counter() - started)
        yield _row("turn: answer accepted to next question, 75 words", times, "")
        started = time.perf_counter()
        interviews.grade(record.id, again=True)
        yield _row("grade, answers read before", [time.perf_counter() - started], "< 1 s")


def retrieval() -> Iterator[tuple[str, str, str, str]]:
    """Search over the packaged corpus and over many synthetic passages."""
    encoder = MiniLMEncoder()
    with _folder() as folder:
        with Library.open(folder, encoder) as library:
            found = _searches(library)
        yield _row("search, packaged corpus", found, "< 30 ms")
    with _folder() as folder:
        stand_in = RandomVectors()
        passages = [
            Passage(id=f"s{i}", corpus="user", text=text, source_id="s", title="synthetic")
            for i, text in enumerate(_talk(SYNTHETIC))
        ]
        with Library.from_passages(folder, passages, stand_in) as library:
            found = _searches(library)
        yield _row(f"search, {SYNTHETIC:,} synthetic passages", found, "< 30 ms")


def _searches(library: Library) -> list[float]:
    library.search("warm up", k=1)
    found = []
    for i in range(QUERIES):
        started = time.perf_counter()
        library.search(_query(i), k=5)
        found.append(time.perf_counter() - started)
    return found


class RandomVectors:
    """Stands in for the encoder where only the index is measured: a vector from the text's hash."""

    fingerprint = "random-vectors"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, 384) unit vectors."""
        rows = [np.random.default_rng(abs(hash(t)) % 2**32).normal(size=384) for t in texts]
        out = np.asarray(rows, np.float32)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return out


def storage() -> Iterator[tuple[str, str, str, str]]:
    """Database growth over a long interview, against the bytes of its transcript."""
    words = ANSWER.split()
    rng = np.random.default_rng(0)
    with _folder() as folder:
        with _interviews(folder) as interviews:
            empty = _size(folder)
            said = answered = 0
            while answered < LONG_TURNS:
                record = interviews.create(Setup(level="mid", minutes=45, seed=answered))
                list(interviews.advance(record.id))
                while answered < LONG_TURNS:
                    standing = interviews.standing(record.id)
                    if standing.over:
                        break
                    answer = " ".join(rng.choice(words, LONG_WORDS))
                    interviews.accept(record.id, standing.question_seq, answer, seconds=1)
                    list(interviews.advance(record.id))
                    answered += 1
                said += sum(len(t.text.encode()) for t in interviews.store.turns(record.id))
        grown = _size(folder) - empty
    ratio = f"{grown / said:.2f} x transcript"
    yield (f"disk over {LONG_TURNS} turns of {LONG_WORDS} words", ratio, f"{grown:,} B", "< 2 x")


def ingestion() -> Iterator[tuple[str, str, str, str]]:
    """A library of made-up episodes taken in by the command line, and searched."""
    with _folder() as folder:
        source = folder / "episodes"
        source.mkdir()
        words = _write_episodes(source)
        started = time.perf_counter()
        _run([sys.executable, "-m", "app.cli", "ingest", str(source)], folder, timeout=3_600)
        spent = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_000_000
        name = f"ingest, {EPISODES} episodes, {words / 1e6:.1f} M words"
        yield (name, f"{spent / 60:.1f} min", f"{memory:.2f} GB", "< 12 min, < 1 GB")
        with Library.open(folder, MiniLMEncoder()) as library:
            yield _row("search, packaged and that library", _searches(library), "< 30 ms")


def _write_episodes(folder: Path) -> int:
    """Episodes in the podcast format, about 8,000 words each; how many words in all."""
    rng = np.random.default_rng(0)
    talk = _talk(EPISODES * TURNS)
    total = 0
    for number in range(EPISODES):
        lines: list[dict[str, object]] = []
        second = 0
        for turn in range(TURNS):
            if turn % 6 == 0:
                lines.append({"header": f"Chapter {turn // 6}"})
            said = next(talk).split()
            asked, told = said[:20], said[20 : int(rng.integers(80, PASSAGE_WORDS))]
            for who, text in (("Host", f"{' '.join(asked)}?"), ("Guest", f"{' '.join(told)}.")):
                count = len(text.split())
                lines.append({"line": text, "sec": second, "who": who})
                second += count // 2
                total += count
        head = {"title": f"Episode {number}", "guests": ["guest"], "transcript": lines}
        text = json.dumps(head)  # JSON is YAML
        (folder / f"episode-{number:03}.md").write_text(f"---\n{text}\n---\n", encoding="utf-8")
    return total


@contextmanager
def _interviews(folder: Path) -> Iterator[Interviews]:
    encoder = MiniLMEncoder()
    store = Store.open(f"sqlite:///{folder / 'spar.sqlite3'}")
    with Library.open(folder, encoder) as library:
        yield Interviews(store, encoder, LibraryGrounding(library))
    store.close()


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.glob("spar.sqlite3*"))


def _talk(passages: int) -> Iterator[str]:
    """Passages of 160 words whose frequencies fall as those of speech do (Zipf's law); the words
    of the queries are among the commonest that are no function words."""
    words = np.asarray([f"word{i}" for i in range(VOCABULARY)], dtype=object)
    words[50 : 50 + len(TALKED)] = TALKED
    share = 1 / np.arange(1, VOCABULARY + 1) ** 1.05
    rng = np.random.default_rng(0)
    for _ in range(passages):
        yield " ".join(words[rng.choice(VOCABULARY, PASSAGE_WORDS, p=share / share.sum())])


def _query(i: int) -> str:
    return f"how would you handle {TOPICS[i % len(TOPICS)]} for system {i} when demand moves"


def _row(name: str, seconds: list[float], target: str) -> tuple[str, str, str, str]:
    return (name, _nice(statistics.median(seconds)), _nice(max(seconds)), target)


def _nice(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _repeat(action: Callable[[], object]) -> list[float]:
    return [_timed(action) for _ in range(STARTS)]


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _run(command: list[str], folder: Path | None = None, timeout: float = 60) -> None:
    environment = _environment(folder) if folder is not None else None
    subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=timeout
    )


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "SPAR_DATA_DIR": str(folder), "SPAR_ENV_FILE": ""}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


if __name__ == "__main__":
    main()
