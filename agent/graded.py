"""The grade records of an interview, by either engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from agent.grade import Grade
from agent.grading import grade_transcript
from agent.llm.types import CallRecord
from agent.memory import verdicts_of
from agent.playbook import Playbook
from agent.records import GradeRecord, InterviewRecord
from agent.scale import Dimension, Level
from agent.transcript import Transcript


class ByModel(Protocol):
    """A grade and the calls behind it."""

    @property
    def grade(self) -> Grade:
        """The grade."""
        ...

    @property
    def calls(self) -> Mapping[Dimension, CallRecord]:
        """What each dimension was asked and cost."""
        ...


class GradesByModel(Protocol):
    """The model-backed engine as a grader."""

    def grade(
        self,
        transcript: Transcript,
        playbook: Playbook,
        level: Level,
        seed: int = 0,
        before: dict[str, Any] | None = None,
    ) -> ByModel:
        """A grade; of ``before`` only what is unscored is asked again."""
        ...


def whole(grade: GradeRecord, engine: str) -> bool:
    """Whether this grade is the engine's and nothing in it is left unscored."""
    scores = grade.document["scores"].values()
    return grade.engine == engine and all(s["status"] != "unscored" for s in scores)


def graded(
    record: InterviewRecord,
    transcript: Transcript,
    playbook: Playbook,
    kept: Sequence[GradeRecord],
    model: GradesByModel | None,
    now: Callable[[], datetime],
) -> list[GradeRecord]:
    """The grade by ``model``, or the offline one; where the model graded nothing at all, both, so
    that every interview has a review."""
    found: list[GradeRecord] = []

    def add(grade: Grade, calls: Mapping[Dimension, CallRecord]) -> None:
        document = grade.document()
        found.append(
            GradeRecord(
                id=f"{record.id}-{len(kept) + len(found) + 1}",
                interview=record.id,
                created_at=now(),
                engine=grade.engine,
                document=document,
                memory=verdicts_of(document, playbook),
                calls=dict(calls),
            )
        )

    if model is not None:
        before = next((g.document for g in reversed(kept) if g.engine != "offline"), None)
        result = model.grade(transcript, playbook, record.level, record.seed, before)
        add(result.grade, result.calls)
        if any(s.status == "graded" for s in result.grade.scores.values()):
            return found
    add(grade_transcript(transcript, playbook, level=record.level), {})
    return found
