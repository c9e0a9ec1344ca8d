"""Rows and transcripts: what is kept of an interview in the contract's form, and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.records import GradeRecord, InterviewRecord, TurnRecord
from agent.settings import OWNER
from agent.transcript import Transcript, Turn


def transcript_of(record: InterviewRecord, turns: list[TurnRecord]) -> Transcript:
    """Rows as a transcript: what was said, in order; ``/hint`` and the like leave no turn."""
    said = [t for t in turns if t.act in ("say", "answer")]
    fields = {
        "id": record.id,
        "title": record.title,
        "case": record.case_id,
        "prompt": record.prompt,
        "level": record.level,
        "variant": record.variant,
        "minutes": record.minutes,
        "style": record.style,
        "turns": [_turn(t) for t in said],
    }
    return Transcript.model_validate(record.extra | fields)


def _turn(row: TurnRecord) -> Turn:
    fields = {
        "speaker": row.speaker,
        "stage": row.stage,
        "text": row.text,
        "move": row.move,
        "target": row.target,
        "seconds": row.seconds,
        "typing_seconds": row.typing_seconds,
        "at": row.at.isoformat(),
        "sources": [s.model_dump(mode="json", exclude_none=True) for s in row.sources] or None,
        "engine": row.engine,
        "fallback_reason": row.fallback_reason,
    }
    return Turn.model_validate(row.extra | {k: v for k, v in fields.items() if v is not None})


@dataclass(frozen=True)
class Imported:
    """A transcript from elsewhere as it is kept."""

    record: InterviewRecord
    rows: tuple[TurnRecord, ...]
    grade: GradeRecord


def imported(
    transcript: Transcript, document: dict[str, Any], name: str, variant: str, at: datetime
) -> Imported:
    """A transcript and its grade document under the new id ``name``."""
    record = InterviewRecord(
        id=name,
        owner=OWNER,
        kind="case",
        case_id=transcript.case,
        title=transcript.title or transcript.id,
        prompt=transcript.prompt,
        level=transcript.level,
        style="neutral",
        minutes=45,
        variant=variant,
        seed=0,
        engine=document["engine"],
        status="graded",
        created_at=at,
        ended_at=at,
        extra=transcript.model_extra or {},
    )
    rows = tuple(
        TurnRecord(
            interview=name,
            seq=seq,
            speaker=turn.speaker,
            act="say" if turn.speaker == "interviewer" else "answer",
            text=turn.text,
            stage=turn.stage,
            move=turn.move,
            target=turn.target,
            at=at,
            seconds=turn.seconds,
            typing_seconds=turn.typing_seconds,
            extra=turn.model_extra or {},
        )
        for seq, turn in enumerate(transcript.turns)
    )
    grade = GradeRecord(
        id=f"{name}-1",
        interview=name,
        created_at=at,
        engine=document["engine"],
        document=document | {"id": name},
    )
    return Imported(record, rows, grade)
