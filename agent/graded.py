"""The grade records of an interview, by either engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from agent.grade import Grade
from agent.grading import grade_transcript
from agent.llm.types import CallRecord
from agent.memory import verdicts_of
from agent.playbook import Playbook
from agent.records import GradeRecord, InterviewRecord
from agent.scale import OPENAI, Dimension
from agent.transcript import Transcript

if TYPE_CHECKING:
    from agent.llm.engine import ModelEngine


def graded(
    record: InterviewRecord,
    transcript: Transcript,
    playbook: Playbook,
    kept: Sequence[GradeRecord],
    model: ModelEngine | None,
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
        before = next((g.document for g in reversed(kept) if g.engine == OPENAI), None)
        result = model.grade(transcript, playbook, record.level, record.seed, before)
        add(result.grade, result.calls)
        if found[-1].scored:
            return found
    add(grade_transcript(transcript, playbook, level=record.level), {})
    return found
