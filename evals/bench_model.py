"""Benchmarks of the model-backed engine, on a scripted server that answers at once.

What is measured is Spar's own part: a bare streaming call of the openai package with the same
prompt, on the same server in the same run, stands beside it.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.grounding import LibraryGrounding
from agent.llm.client import ModelClient
from agent.llm.engine import ModelEngine
from agent.llm.wire import Endpoint
from agent.service import Interviews, Setup
from agent.store import Store
from agent.tokens import count_tokens
from knowledge.encoder import MiniLMEncoder, Vectors
from knowledge.library import Library
from tests.brains import Interviewer, is_turn
from tests.scripted import ScriptedServer

TURNS: Final = 22
WARM: Final = 3
AT_ONCE: Final = 50
SENTENCES: Final = (
    "The decision is approve, step-up, review or decline before authorisation, in 120 ms.",
    "A false decline loses a good customer, a missed fraud costs the amount and the fee.",
    "Chargebacks land 30 to 60 days later, so I cut the training window there.",
    "I compare with the rules in place on the same matured month, at equal declines.",
    "Features are read from an online store and logged with the score that used them.",
    "We alert on the decline rate by country and go back to the rules with one switch.",
    "First logistic regression on velocity features, then boosted trees if they save more.",
    "Shadow for two weeks, then one percent of the traffic, then five, by account.",
    "The fraud team's lead owns the threshold, the on-call engineer owns the fallback.",
    "Reviewers see the top of the queue and a random part of it, so labels stay honest.",
    "Merchants differ, so I watch recall of fraud value by merchant size.",
    "If the score does not arrive in time the rules decide and the payment is logged.",
)
Row = tuple[str, str, str, str]


class Timed:
    """The real encoder; ``spent`` adds up the seconds it took."""

    def __init__(self) -> None:
        self._inner = MiniLMEncoder()
        self.spent = 0.0

    @property
    def fingerprint(self) -> str:
        """The real one's."""
        return self._inner.fingerprint

    def encode(self, texts: list[str]) -> Vectors:
        """(n, 384) unit vectors."""
        started = time.perf_counter()
        try:
            return self._inner.encode(texts)
        finally:
            self.spent += time.perf_counter() - started


@dataclass
class _Held:
    """What one interview measured, in seconds and tokens."""

    added: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)


def model_turns() -> Iterator[Row]:
    """One long interview, then fifty at once."""
    with ScriptedServer(Interviewer(pieces=None)) as server:
        endpoint = Endpoint(model="bench", base_url=server.base_url)
        engine = ModelEngine(ModelClient(endpoint), ModelClient(endpoint))
        encoder: Any = Timed()
        with (
            tempfile.TemporaryDirectory() as folder,
            Library.open(Path(folder), encoder) as library,
        ):
            store = Store.open(f"sqlite:///{folder}/bench.sqlite3")
            found = Interviews(store, encoder, LibraryGrounding(library), model=lambda: engine)
            held = _hold(found, encoder, engine, server)
            yield from _rows(held)
            yield from _tokens(_once([r.body for r in server.requests if is_turn(r)]))
            asked = len(server.requests)
            interview = store.interviews()[0].id
            found.grade(interview, again=True, engine="openai")
            graded = [r.body for r in server.requests[asked:]]
            total = sum(_size(b) for b in graded)
            yield (f"prompt tokens, grading ({len(graded)} calls)", f"{total:,}", "", "< 40,000")
            yield _at_once(found)
            store.close()


def _hold(found: Interviews, encoder: Timed, engine: ModelEngine, server: ScriptedServer) -> _Held:
    """One 45-minute interview of TURNS turns with answers of about 75 words."""
    held = _Held()
    record = found.create(Setup(level="mid", minutes=45, style="neutral", seed=1, engine="openai"))
    list(found.advance(record.id))
    said = itertools.cycle(SENTENCES)
    for turn in range(TURNS):
        standing = found.standing(record.id)
        if standing.over:
            break
        answer = " ".join([*itertools.islice(said, 5), f"That is point {turn}."])
        _wait_for_passages(found)
        encoder.spent = 0.0
        started = time.perf_counter()
        found.accept(record.id, standing.question_seq, answer, seconds=20)
        pieces = found.advance(record.id)
        next(pieces)
        first = time.perf_counter() - started
        encoded = encoder.spent
        list(pieces)
        row = found.store.turns(record.id)[-1]
        if row.call is None or turn < WARM:
            continue
        bare = _bare(engine.interviewer, server.requests[-1].body)
        held.added.append(first - bare)
        held.apart.append(first - bare - encoded)
        held.calls.append(row.call.calls)
    return held


def _wait_for_passages(found: Interviews) -> None:
    """The candidate thinks: what is looked up in the background is there by then."""
    import threading

    for thread in threading.enumerate():
        if thread.name == "spar-passages":
            thread.join()


def _bare(client: ModelClient, body: dict[str, Any]) -> float:
    """Seconds to the first text of the same request, with the openai package alone."""
    from agent.llm.wire import client_of

    asked = client_of(client.endpoint, client.patience.silence)
    started = time.perf_counter()
    stream = asked.chat.completions.create(**body)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            found = time.perf_counter() - started
            stream.close()
            return found
    raise RuntimeError("the scripted server said nothing")


def _rows(held: _Held) -> Iterator[Row]:
    yield _millis("time to the first visible text, added to a bare call", held.added, "< 80 ms")
    yield _millis("of it outside the text encoder", held.apart, "< 20 ms")
    mean = statistics.mean(held.calls)
    yield (f"calls a turn, {len(held.calls)} turns", f"{mean:.2f}", str(max(held.calls)), "1.0")


def _tokens(bodies: list[dict[str, Any]]) -> Iterator[Row]:
    """Prompt tokens over the interview, and what each prompt shares with the one before."""
    total = sum(_size(b) for b in bodies)
    shared = sum(count_tokens(_common(_flat(a), _flat(b))) for a, b in itertools.pairwise(bodies))
    later = sum(_size(b) for b in bodies[1:])
    name = f"prompt tokens, interviewer ({len(bodies)} calls)"
    yield (name, f"{total:,}", "", "< 60,000")
    yield (
        "of it identical to the previous prompt's beginning",
        f"{shared / later:.0%}",
        "",
        "> 60%",
    )


def _once(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the bare calls, each of which repeats the request before it."""
    return [b for i, b in enumerate(bodies) if i == 0 or b["messages"] != bodies[i - 1]["messages"]]


def _at_once(found: Interviews) -> Row:
    """AT_ONCE interviews in one process, three turns each, from threads of their own."""

    def one(seed: int) -> float:
        record = found.create(Setup(minutes=12, seed=seed, engine="openai"))
        list(found.advance(record.id))
        worst = 0.0
        for turn in range(3):
            standing = found.standing(record.id)
            started = time.perf_counter()
            found.accept(record.id, standing.question_seq, " ".join(SENTENCES[turn : turn + 5]))
            list(found.advance(record.id))
            worst = max(worst, time.perf_counter() - started)
        rows = found.store.turns(record.id)
        assert all(r.fallback_reason is None for r in rows)
        return worst

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        worst = list(pool.map(one, range(AT_ONCE)))
    name = f"slowest turn of {AT_ONCE} interviews at once"
    return (name, f"{statistics.median(worst):.1f} s", f"{max(worst):.1f} s", "")


def _millis(name: str, seconds: list[float], target: str) -> Row:
    p50, most = statistics.median(seconds) * 1000, max(seconds) * 1000
    return (name, f"{p50:.0f} ms", f"{most:.0f} ms", target)


def _flat(body: dict[str, Any]) -> str:
    return "".join(f"<{m['role']}>{m['content']}" for m in body["messages"])


def _size(body: dict[str, Any]) -> int:
    return count_tokens(_flat(body))


def _common(a: str, b: str) -> str:
    size = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    return b[:size]
