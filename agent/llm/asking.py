"""The calls behind a grade: one for each dimension at once, then second readings at once.

Prompts are built before any call of a round, so that they depend on the transcript and on replies
alone, never on which call came back first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from agent.llm.excerpts import Excerpts
from agent.llm.fencing import Exhibit
from agent.llm.marking import Ruling, Vote, ask, messages, ruling, shuffled, to_ask_again, votes
from agent.llm.prompts import Prompt
from agent.llm.quoting import Locator
from agent.llm.types import Ask, CallRecord, Completes, Message, ModelError, Reply, Usage
from agent.playbook import Playbook
from agent.scale import Dimension
from agent.tokens import count_tokens
from agent.types import Criterion

WHOLE: Final = 2_400  # tokens of an interview that each of eight calls may hold in full
VIEW: Final = 2_000  # what each of eight calls is shown of a longer one
SHARED: Final = 8 * VIEW  # fewer calls may be shown more
PURSE: Final = 38_500  # prompt tokens of all calls together; second readings live on what is left
NARROW: Final = 1_000  # what a second reading is shown at most
LEAST: Final = 350
MAX_WORKERS: Final = 8
MISSING_SHARE: Final = 0.5
AGAIN: Final = "It can be graded again later."


@dataclass(frozen=True)
class Panel:
    """What every call about one interview shares."""

    playbook: Playbook
    model: Completes
    prompt: Prompt
    exhibit: Exhibit
    rubric: str
    seed: int

    def criteria(self, dimension: Dimension) -> list[Criterion]:
        """The statements of one dimension."""
        return [c for c in self.playbook.criteria if c.dimension == dimension]


@dataclass
class Answered:
    """What came of one dimension: ``fault`` says why there is nothing to score."""

    criteria: Sequence[Criterion]
    first: Mapping[str, Vote] = field(default_factory=dict)
    second: Mapping[str, Vote] = field(default_factory=dict)
    fault: str | None = None
    call: CallRecord | None = None

    def rulings(self) -> dict[str, Ruling]:
        """What stands, by criterion."""
        return {c.id: ruling(c, self.first.get(c.id), self.second.get(c.id)) for c in self.criteria}


def ask_all(
    panel: Panel, dimensions: Sequence[Dimension], workers: int
) -> dict[Dimension, Answered]:
    """Both rounds for these dimensions; never raises ModelError."""
    if not dimensions:
        return {}
    answered = {d: Answered(panel.criteria(d)) for d in dimensions}
    excerpts = Excerpts(panel.exhibit, panel.playbook, count_tokens)
    locator = Locator(panel.exhibit)
    share = SHARED // len(dimensions)
    budget = WHOLE if excerpts.tokens <= WHOLE else max(VIEW, share)
    firsts = {
        d: _ask(panel, d, a.criteria, excerpts.within(d, a.criteria, budget), panel.seed)
        for d, a in answered.items()
        if a.criteria
    }
    for dimension, reply in _run(panel.model, firsts, workers).items():
        found = answered[dimension]
        if isinstance(reply, ModelError):
            found.fault = f"The model could not grade this: {reply} {AGAIN}"
        else:
            found.call = _record(panel, reply)
            found.first = votes(reply.data, found.criteria, locator)
    spent = sum(_size(a.messages) for a in firsts.values())
    _second_round(panel, answered, excerpts, locator, spent, workers)
    for found in answered.values():
        missing = sum(r.verdict == "cannot_assess" for r in found.rulings().values())
        if found.fault is None and missing and missing >= MISSING_SHARE * len(found.criteria):
            found.fault = f"The model left too many statements without a verdict. {AGAIN}"
    return answered


def _second_round(
    panel: Panel,
    answered: Mapping[Dimension, Answered],
    excerpts: Excerpts,
    locator: Locator,
    spent: int,
    workers: int,
) -> None:
    """Read again what is borderline or unproven; where that fails, first readings stand."""
    doubts = {
        d: doubtful
        for d, a in answered.items()
        if a.call is not None and (doubtful := to_ask_again(a.criteria, a.first))
    }
    if not doubts:
        return
    each = max(0, PURSE - spent) // len(doubts)
    seconds: dict[Dimension, Ask] = {}
    orders: dict[Dimension, list[Criterion]] = {}
    for dimension, doubtful in doubts.items():
        chosen, budget = _affordable(panel, dimension, doubtful, each)
        orders[dimension] = shuffled(chosen, panel.seed)
        shown = excerpts.within(dimension, chosen, budget, narrow=True)
        seconds[dimension] = _ask(panel, dimension, orders[dimension], shown, panel.seed + 1)
    for dimension, reply in _run(panel.model, seconds, workers).items():
        found = answered[dimension]
        if isinstance(reply, Reply) and found.call is not None:
            found.second = votes(reply.data, orders[dimension], locator)
            found.call = _record(panel, reply, found.call)


def _affordable(
    panel: Panel, dimension: Dimension, doubtful: Sequence[Criterion], tokens: int
) -> tuple[list[Criterion], int]:
    """The most needed statements for which enough of the interview can still be shown, at least
    one, and the tokens left for the interview."""
    chosen = list(doubtful)
    while True:
        fixed = _size(messages(panel.prompt, panel.exhibit.fence, "", dimension, chosen))
        if tokens - fixed >= LEAST or len(chosen) == 1:
            return chosen, min(NARROW, max(LEAST, tokens - fixed))
        chosen.pop()


def _ask(
    panel: Panel, dimension: Dimension, criteria: Sequence[Criterion], interview: str, seed: int
) -> Ask:
    found = messages(panel.prompt, panel.exhibit.fence, interview, dimension, criteria)
    return ask(found, criteria, seed)


def _run(
    model: Completes, asks: Mapping[Dimension, Ask], workers: int
) -> dict[Dimension, Reply | ModelError]:
    """Every call, at most ``workers`` at a time, in the order they were given."""

    def call(one: Ask) -> Reply | ModelError:
        try:
            return model.complete(one)
        except ModelError as error:
            return error

    if not asks:
        return {}
    most = max(1, min(workers, MAX_WORKERS, len(asks)))
    with ThreadPoolExecutor(max_workers=most, thread_name_prefix="grader") as pool:
        return dict(zip(asks, pool.map(call, asks.values()), strict=True))


def _record(panel: Panel, reply: Reply, before: CallRecord | None = None) -> CallRecord:
    """What is kept of a dimension's calls, both readings together."""
    return CallRecord(
        model=reply.model,
        rung=reply.rung,
        prompt=panel.prompt.id,
        prompt_hash=panel.prompt.hash,
        rubric=panel.rubric,
        seed=panel.seed,
        usage=reply.usage + (before.usage if before else Usage()),
        calls=reply.calls + (before.calls if before else 0),
    )


def _size(prompt: Sequence[Message]) -> int:
    return sum(count_tokens(m.content) for m in prompt)
