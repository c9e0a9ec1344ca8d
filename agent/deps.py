"""What the graph's nodes are given to work with; nothing of it is in the graph's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from agent.grounding import Grounding
from agent.plans import Plan, plan_for, stage_practice
from agent.playbook import Playbook
from agent.records import GradeRecord, InterviewRecord
from agent.store import Store

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
        return stage_practice(plan) if self.interview.kind == "stage" else plan


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
