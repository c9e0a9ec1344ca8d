"""What the graph's nodes are given to work with; nothing of it is in the graph's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from agent.emphasis import shares
from agent.grounding import Grounding
from agent.llm.types import CallRecord, Usage
from agent.memory import point_of
from agent.plans import STAGE_SHARE, Plan, plan_for, stage_practice
from agent.playbook import Playbook
from agent.records import GradeRecord, InterviewRecord, TurnRecord
from agent.store import Store
from agent.types import Criterion

if TYPE_CHECKING:
    from agent.llm.voice import Voice

REMEMBERED: Final = 1.6

Now = Callable[[], datetime]
Grader = Callable[[InterviewRecord], Sequence[GradeRecord]]


@dataclass(frozen=True)
class Deps:
    """The runtime context of one interview. ``grade`` writes no record; the node does.

    ``voice`` speaks the turns of an interview with a model; where there should be one and is not,
    ``voiceless`` says why. ``limit`` is what the model may cost in it, in US dollars.
    """

    interview: InterviewRecord
    store: Store
    playbook: Playbook
    grounding: Grounding
    now: Now
    grade: Grader
    voice: Voice | None = None
    voiceless: str = ""
    limit: float | None = None

    @property
    def plan(self) -> Plan:
        """The plan of this interview's length and style."""
        plan = plan_for(self.interview.minutes, self.interview.style)
        if self.interview.kind == "stage":
            return stage_practice(plan)
        return replace(plan, shares=shares(self.interview.weights, STAGE_SHARE))

    def over_limit(self, rows: Iterable[TurnRecord]) -> str:
        """Why the model is not asked any more in this interview, or nothing."""
        spent = spending(r.call for r in rows)
        if self.limit is None or spent is None or spent.known < self.limit:
            return ""
        return f"The spending limit of this interview (${self.limit:.2f}) is reached."

    def worth(self, criterion: Criterion) -> float:
        """What asking about a criterion is worth in this interview, in points: more where the role
        weighs its stage, and where earlier interviews left its point open."""
        record = self.interview
        value = self.playbook.worth(criterion, record.level)
        value *= record.weights.get(criterion.asked_in, 1.0)
        return value * REMEMBERED if point_of(criterion) in record.remembered else value


@dataclass(frozen=True)
class Spending:
    """What calls to a model have used. ``cost`` in US dollars, None where a price is not known;
    ``known`` of those that have one; ``limit`` likewise, None without one."""

    usage: Usage
    calls: int
    cost: float | None
    limit: float | None
    known: float = 0.0


def spending(records: Iterable[CallRecord | None], limit: float | None = None) -> Spending | None:
    """The sum over the calls behind turns or grades; None where no model was asked."""
    calls = [r for r in records if r is not None]
    if not calls:
        return None
    costs = [c.cost for c in calls if c.cost is not None]
    known = sum(costs)
    return Spending(
        usage=sum((c.usage for c in calls), Usage()),
        calls=sum(c.calls for c in calls),
        cost=known if len(costs) == len(calls) else None,
        known=known,
        limit=limit,
    )


class NodeRuntime(Protocol):
    """What a node sees of LangGraph's ``Runtime``, so that nodes can be imported without it."""

    @property
    def context(self) -> Deps:
        """What to work with."""
        ...

    @property
    def stream_writer(self) -> Callable[[Any], None]:
        """Takes each piece of what is said."""
        ...


Update = dict[str, Any]
