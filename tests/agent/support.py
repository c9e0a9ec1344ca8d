"""Small real parts that the tests of the interview share: a clock, ids, a scripted candidate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.records import InterviewRecord, Source, TurnRecord
from agent.service import Interviews, Setup
from agent.types import Criterion

DATA = Path(__file__).parent / "data"
CANDIDATES = DATA / "candidates"


class Clock:
    """Ten o'clock, and one second later every time it is asked."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


class Ids:
    """iv1, iv2, ..."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"iv{self.count}"


class OneSource:
    """A grounding that has one passage for everything and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []

    def source(self, criterion: Criterion, question: str, shown: Collection[str]) -> Source | None:
        self.asked.append((criterion.id, question, tuple(shown)))
        if "note-1" in shown:
            return None
        return Source(id="note-1", text="A claim.", title="A note")

    def behind(self, criterion: Criterion, shown: Collection[str]) -> Source | None:
        return self.source(criterion, criterion.statement, shown)

    def prepare(self, criteria: Sequence[Criterion]) -> None:
        """Nothing to look up."""

    def close(self) -> None:
        """Nothing to stop."""


Reply = Callable[[TurnRecord], str]

BANK: dict[str | None, list[str]] = {
    None: [
        "How many reviewers do we have?",
        (
            "I would let the present rules stand as the baseline and put a logistic regression "
            "beside them, trained on payments older than 60 days."
        ),
        (
            "The score is a probability, multiplied by the amount, and compared with what a wrong "
            "decline costs us."
        ),
    ],
    "framing": [
        "For each payment the system picks approve, step-up, hold or decline before authorisation.",
        (
            "A missed fraud costs the amount and a fee; a wrong decline costs the margin and "
            "sometimes the customer."
        ),
    ],
    "metrics": [
        (
            "Recall of fraud value at a fixed share of good payments declined, since accuracy is "
            "99.8% by doing nothing."
        ),
        "Euros lost to fraud plus margin lost on good customers, per thousand payments.",
    ],
    "data": [
        "The label is the chargeback, it comes after weeks, so I cut training 60 days back.",
        "Features are joined as of the moment of the payment, from the request log.",
    ],
    "modeling": [
        "First the rules, then logistic regression, then boosted trees if they save more euros.",
    ],
    "serving": [
        (
            "A synchronous call in 120 ms: 30 for lookups, 15 for the model; counters come from "
            "the payment stream."
        ),
    ],
    "validation": [
        "Train on older months, test on a later one, then two weeks of shadow, then 1, 5 and 25%.",
    ],
    "operations": [
        (
            "We alert on the decline rate by country; the on-call engineer goes back to the rules "
            "with one switch."
        ),
    ],
    "wrap_up": ["I would not ship the step-up thresholds before the test is read."],
}


class Scripted:
    """Answers from a bank by the stage of the question, in turn."""

    def __init__(self, bank: dict[str | None, list[str]] = BANK) -> None:
        self._bank = bank
        self._used: dict[str | None, int] = {}

    def __call__(self, question: TurnRecord) -> str:
        options = self._bank.get(question.stage) or self._bank[None]
        number = self._used.get(question.stage, 0)
        self._used[question.stage] = number + 1
        return options[number % len(options)]


def say(
    service: Interviews, interview: str, text: str = "", *, act: str = "answer", seconds: float = 20
) -> TurnRecord:
    """Give one answer and return the turn that follows it (the last row if it was the end)."""
    seq = service.standing(interview).question_seq
    service.accept(interview, seq, text, act=act, seconds=seconds)  # type: ignore[arg-type]
    "".join(service.advance(interview))
    return service.store.turns(interview)[-1]


def start(service: Interviews, setup: Setup) -> InterviewRecord:
    """A new interview with its first turn spoken."""
    record = service.create(setup)
    "".join(service.begin(record.id))
    return record


def play(
    service: Interviews, setup: Setup, reply: Reply, *, seconds: float = 40, limit: int = 80
) -> InterviewRecord:
    """A whole interview, to its grade."""
    record = start(service, setup)
    for _ in range(limit):
        standing = service.standing(record.id)
        if standing.over:
            return service.store.interview(record.id)
        say(service, record.id, reply(standing.turns[-1]), seconds=seconds)
    raise AssertionError("the interview does not end")


def spoken(turns: Iterable[TurnRecord]) -> list[TurnRecord]:
    """The interviewer's rows."""
    return [t for t in turns if t.speaker == "interviewer"]
