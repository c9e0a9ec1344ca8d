"""What the graph's nodes are given to work with; nothing of it is in the graph's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from agent.emphasis import shares
from agent.grounding import Grounding
from agent.memory import point_of
from agent.plans import STAGE_SHARE, Plan, plan_for, stage_practice
from agent.playbook import Playbook
from agent.records import GradeRecord, InterviewRecord
from agent.store import Store
from agent.types import Criterion

REMEMBERED: Final = 1.6

Now = Callable[[], datetime]
Grader = Callable[[InterviewRecord], GradeRecord]


@dataclass(frozen=True)
class Deps:
    """The runtime context of one interview. ``grade`` writes no record; the node does."""

    interview: InterviewRecord
    store: Store
    playbook: Playbook
    grounding: Grounding
    now: Now
    grade: Grader

    @property
    def plan(self) -> Plan:
        """The plan of this interview's length and style."""
        plan = plan_for(self.interview.minutes, self.interview.style)
        if self.interview.kind == "stage":
            return stage_practice(plan)
        return replace(plan, shares=shares(self.interview.weights, STAGE_SHARE))

    def worth(self, criterion: Criterion) -> float:
        """What asking about a criterion is worth in this interview, in points: more where the role
        weighs its stage, and where earlier interviews left its point open."""
        record = self.interview
        value = self.playbook.worth(criterion, record.level)
        value *= record.weights.get(criterion.asked_in, 1.0)
        return value * REMEMBERED if point_of(criterion) in record.remembered else value


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
