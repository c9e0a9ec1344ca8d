"""Interviews as front ends use them: start, answer, hint, skip, resume, redo, grade, recheck.

Streamlit and the terminal both stand on this module. An answer is accepted when its row is
committed; the graph then runs to the next question. Every method works from what is stored, so
another tab, another process or a restart continues the same interview at the same question.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from agent.answers import clean_answer
from agent.casebook import PORTFOLIO, CaseBook, packaged
from agent.content import load_rubric
from agent.deps import Deps
from agent.emphasis import JobFit, read_job, weights_of
from agent.errors import ConflictError, InputError, NotFoundError, StoreError
from agent.grading import ENGINE, grade_transcript
from agent.grounding import Grounding, NoGrounding
from agent.levels import HINT_COST
from agent.memory import LOOK_BACK, still_open, verdicts_of
from agent.plans import default_style, plan_for
from agent.playbook import Playbook, choose_variant, kept_playbook, playbook_for
from agent.records import (
    Act,
    Appeal,
    GradeRecord,
    InterviewRecord,
    Kind,
    SelfRating,
    TurnRecord,
)
from agent.scale import Level, Role, Stage, Style
from agent.settings import OWNER
from agent.state import restore
from agent.store import Store
from agent.transcript import Transcript, Turn, seconds_by_stage
from knowledge.encoder import Encoder

PROMPT_CHARS: Final = 8_000


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return secrets.token_hex(6)


FIRST_CASE = "fraud-checkout"
STAGE_WORDS: Final[dict[Stage, str]] = {
    "framing": "what is decided, for whom, and what a mistake costs",
    "metrics": "how you would measure it",
    "data": "the data and the labels",
    "modeling": "the baseline and the model",
    "serving": "how it is served",
    "validation": "how you would test it and roll it out",
    "operations": "how it is watched and run",
    "wrap_up": "the summary",
}


@dataclass(frozen=True)
class Setup:
    """What a new interview is to be."""

    case_id: str | None = FIRST_CASE
    prompt: str | None = None
    kind: Kind = "case"
    stage: Stage | None = None
    level: Level = "senior"
    style: Style | None = None
    minutes: int = 12
    seed: int | None = None
    role: Role | None = None
    job: str | None = None


@dataclass(frozen=True)
class Standing:
    """Where an interview stands: all a front end shows before the next answer.

    ``question_seq`` is the row an answer replies to; ``hint_cost`` is the share of the point's
    credit that the next hint would cost, None where there is none to take.
    """

    record: InterviewRecord
    turns: tuple[TurnRecord, ...]
    question_seq: int
    over: bool
    stage: Stage
    visited: tuple[str, ...]
    clock: float
    total_seconds: int
    stage_seconds: dict[str, float]
    hint_cost: float | None


@dataclass(frozen=True)
class Interviews:
    """The service. ``encoder``, ``grounding``, ``now`` and ``new_id`` are arguments so that tests
    and other engines put in their own."""

    store: Store
    encoder: Encoder
    grounding: Grounding = field(default_factory=NoGrounding)
    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    cases: CaseBook = field(default_factory=packaged)

    # Running an interview

    def create(self, setup: Setup) -> InterviewRecord:
        """Commit a new interview; ``begin`` then speaks the first turn."""
        style = setup.style or default_style(setup.level)
        plan_for(setup.minutes, style)
        if setup.kind == "stage" and setup.stage is None:
            raise InputError("Say which stage to practise (--stage).")
        seed = setup.seed if setup.seed is not None else secrets.randbelow(1_000_000)
        case_id = PORTFOLIO if setup.kind == "portfolio" else setup.case_id
        case = self.cases.load(case_id) if case_id is not None else None
        if case is None and not (setup.prompt or "").strip():
            raise InputError("An interview needs a case or a prompt.")
        prompt = case.openings[setup.level] if case is not None else (setup.prompt or "").strip()
        if setup.kind == "stage" and setup.stage is not None:
            prompt = f"{prompt} Today only one part of it: {STAGE_WORDS[setup.stage]}."
        if len(prompt) > PROMPT_CHARS:
            raise InputError(f"The prompt is longer than {PROMPT_CHARS:,} characters.")
        record = InterviewRecord(
            id=self.new_id(),
            owner=OWNER,
            kind=setup.kind,
            stage=setup.stage if setup.kind == "stage" else None,
            case_id=case_id,
            title=case.title if case is not None else _title(prompt),
            prompt=prompt,
            level=setup.level,
            style=style,
            minutes=setup.minutes,
            variant=choose_variant(case, seed),
            seed=seed,
            engine=ENGINE,
            role=setup.role,
            weights=self._weights(setup),
            remembered=still_open(self._recent_grades(), setup.level),
            status="open",
            created_at=self.now(),
        )
        self.store.add_interview(record)
        return record

    def begin(self, interview: str) -> Iterator[str]:
        """Speak the opening turn (nothing if it was spoken already)."""
        record = self.store.interview(interview)
        if self.store.turns(interview):
            return
        from agent.opening import begin

        yield from begin(self.deps(record))

    def accept(
        self,
        interview: str,
        question_seq: int,
        text: str = "",
        *,
        act: Act = "answer",
        seconds: float | None = None,
        typing_seconds: float | None = None,
    ) -> TurnRecord:
        """Commit what the candidate did in reply to row ``question_seq``.

        AnswerError for text that cannot be kept; ConflictError when that question was answered
        elsewhere or the interview is over. Nothing is changed in either case.
        """
        text = clean_answer(text) if act == "answer" else ""
        record = self.store.interview(interview)
        turns = self.store.turns(interview)
        if record.status != "open":
            raise ConflictError("This interview has already ended.")
        if not turns or turns[-1].seq != question_seq or turns[-1].speaker != "interviewer":
            raise ConflictError("This question was answered in another tab or process first.")
        row = TurnRecord(
            interview=interview,
            seq=question_seq + 1,
            speaker="candidate",
            act=act,
            text=text,
            stage=turns[-1].stage,
            at=self.now(),
            seconds=round(seconds, 1) if seconds is not None else None,
            typing_seconds=round(typing_seconds, 1) if typing_seconds is not None else None,
        )
        self.store.add_turn(row)
        return row

    def advance(self, interview: str) -> Iterator[str]:
        """Deliver the accepted row that was not answered yet; yields the next turn's words.

        Does nothing when the interview waits for the candidate. Also picks up after a kill:
        an interview without a first turn begins, an accepted row is delivered, a finished one is
        graded.
        """
        record = self.store.interview(interview)
        turns = self.store.turns(interview)
        if not turns:
            yield from self.begin(interview)
            return
        last = turns[-1]
        if record.status != "open" or last.speaker == "interviewer":
            return
        before = next((t for t in reversed(turns) if t.snapshot is not None), None)
        if before is None or before.seq != last.seq - 1:
            raise StoreError("This interview's rows are out of order and cannot be continued.")
        from agent.graph import resume

        yield from resume(self.deps(record), before.snapshot or {}, last.seq)

    def standing(self, interview: str) -> Standing:
        """Where the interview stands now."""
        record = self.store.interview(interview)
        turns = self.store.turns(interview)
        kept = next((t.snapshot for t in reversed(turns) if t.snapshot is not None), None)
        state = restore(interview, kept or {})
        spoken = [t for t in turns if t.speaker == "interviewer"]
        clock = sum(t.seconds or 0.0 for t in turns)
        return Standing(
            record=record,
            turns=tuple(turns),
            question_seq=spoken[-1].seq if spoken else -1,
            over=record.status != "open",
            stage=state["stage"],
            visited=tuple(state["visited"]),
            clock=clock,
            total_seconds=record.minutes * 60,
            stage_seconds=seconds_by_stage(turns),
            hint_cost=self._hint_cost(record, turns, kept),
        )

    def redo(self, interview: str, question_seq: int) -> InterviewRecord:
        """A new interview that shares the rows up to that question, to answer it again."""
        record = self.store.interview(interview)
        turns = self.store.turns(interview)
        shared = [t for t in turns if t.seq <= question_seq]
        if not shared or shared[-1].seq != question_seq or shared[-1].speaker != "interviewer":
            raise InputError("A redo starts at one of the interviewer's questions.")
        if shared[-1].snapshot is None:
            raise InputError("This interview was not held here, so it cannot be redone.")
        fork = record.model_copy(
            update={
                "id": self.new_id(),
                "status": "open",
                "created_at": self.now(),
                "ended_at": None,
                "parent": record.id,
                "fork_seq": question_seq,
            }
        )
        rows = [t.model_copy(update={"interview": fork.id, "wording": None}) for t in shared]
        self.store.add_interview(fork, rows)
        return fork

    # Grading and review

    def grade(self, interview: str, *, again: bool = False) -> GradeRecord:
        """The interview's grade; graded now if it was not, or ``again`` as one more record."""
        record = self.store.interview(interview)
        kept = self.store.grades(interview)
        if kept and not again:
            return kept[-1]
        grade = self._grade_record(record, number=len(kept) + 1)
        try:
            self.store.add_grade(grade)
        except ConflictError:
            return self.store.grades(interview)[-1]
        if record.status != "graded":
            ended = record.ended_at or self.now()
            self.store.update_interview(
                record.model_copy(update={"status": "graded", "ended_at": ended})
            )
        return grade

    def transcript(self, interview: str) -> Transcript:
        """The interview in the contract's form: turns as said, commands left out."""
        record = self.store.interview(interview)
        return transcript_of(record, self.store.turns(interview))

    def keep(self, transcript: Transcript, document: dict[str, object]) -> InterviewRecord:
        """Keep an imported transcript and its grade as an interview of its own."""
        playbook = playbook_for(transcript, self.encoder, cases=self.cases)
        record = InterviewRecord(
            id=self.new_id(),
            owner=OWNER,
            kind="case",
            case_id=transcript.case,
            title=transcript.title or transcript.id,
            prompt=transcript.prompt,
            level=transcript.level,
            style="neutral",
            minutes=45,
            variant=playbook.variant,
            seed=0,
            engine=ENGINE,
            status="graded",
            created_at=self.now(),
            ended_at=self.now(),
            extra=transcript.model_extra or {},
        )
        rows = [
            TurnRecord(
                interview=record.id,
                seq=seq,
                speaker=turn.speaker,
                act="say" if turn.speaker == "interviewer" else "answer",
                text=turn.text,
                stage=turn.stage,
                move=turn.move,
                target=turn.target,
                at=self.now(),
                seconds=turn.seconds,
                typing_seconds=turn.typing_seconds,
                extra=turn.model_extra or {},
            )
            for seq, turn in enumerate(transcript.turns)
        ]
        grade = GradeRecord(
            id=f"{record.id}-1",
            interview=record.id,
            created_at=self.now(),
            engine=ENGINE,
            document=document | {"id": record.id},
        )
        self.store.add_interview(record, rows, grade)
        return record

    def recheck(self, interview: str, criterion: str, turn: int, text: str) -> Appeal:
        """ "I did say this": read the words pointed at against one criterion; both verdicts stay.

        The words must stand in that candidate turn. The appeal is kept beside the grade, which is
        not changed.
        """
        from agent.recheck import recheck

        grade = self.grade(interview)
        record = self.store.interview(interview)
        verdict = recheck(self.transcript(interview), self._playbook(record), criterion, turn, text)
        before = next(
            (
                c["verdict"]
                for d in grade.document["scores"].values()
                for c in d["criteria"]
                if c["id"] == criterion
            ),
            None,
        )
        if before is None:
            raise InputError(f"There is no criterion {criterion!r} in this grade.")
        appeal = Appeal(
            id=self.new_id(),
            interview=interview,
            grade=grade.id,
            criterion=criterion,
            turn=turn,
            text=text,
            before=before,
            after=verdict.verdict,
            reason=verdict.reason,
            created_at=self.now(),
        )
        self.store.add_appeal(appeal)
        return appeal

    def rate(self, rating: SelfRating) -> None:
        """Keep the candidate's own rating, given before the scores are shown."""
        self.store.save_rating(rating)

    # Inside

    def deps(self, record: InterviewRecord) -> Deps:
        """What the graph's nodes work with."""
        return Deps(
            interview=record,
            store=self.store,
            playbook=self._playbook(record),
            grounding=self.grounding,
            now=self.now,
            grade=lambda r: self._grade_record(r, number=1),
        )

    def playbook(self, interview: str) -> Playbook:
        """The interview's case and rubric."""
        return self._playbook(self.store.interview(interview))

    def _playbook(self, record: InterviewRecord) -> Playbook:
        return kept_playbook(record.case_id, record.variant, record.stage, self.encoder, self.cases)

    def _weights(self, setup: Setup) -> dict[Stage, float]:
        """Emphasis by role and job description; none leaves every stage as it is."""
        if setup.job is None or not setup.job.strip():
            return weights_of(setup.role) if setup.role is not None else {}
        return weights_of(setup.role, self.job_fit(setup.job).weights)

    def job_fit(self, job: str) -> JobFit:
        """Stages and cases that a job description asks for; InputError if it says too little."""
        return read_job(job, self.cases, load_rubric(), self.encoder)

    def _recent_grades(self) -> list[GradeRecord]:
        """The newest grade of each of the newest interviews that have verdicts to remember, newest
        first; imported ones have none."""
        graded = (r for r in self.store.interviews() if r.status == "graded")
        kept = (self.store.grades(r.id) for r in graded)
        telling = (grades[-1] for grades in kept if grades and grades[-1].memory)
        return list(islice(telling, LOOK_BACK))

    def _grade_record(self, record: InterviewRecord, *, number: int) -> GradeRecord:
        transcript = transcript_of(record, self.store.turns(record.id))
        playbook = self._playbook(record)
        document = grade_transcript(transcript, playbook, level=record.level).document()
        return GradeRecord(
            id=f"{record.id}-{number}",
            interview=record.id,
            created_at=self.now(),
            engine=ENGINE,
            document=document,
            memory=verdicts_of(document, playbook),
        )

    def _hint_cost(
        self, record: InterviewRecord, turns: list[TurnRecord], kept: dict[str, object] | None
    ) -> float | None:
        if record.status != "open" or not turns or kept is None:
            return None
        from agent.speaking import hinted

        state = restore(record.id, kept)
        criterion = hinted(state, self.deps(record))
        if criterion is None:
            return None
        taken = state["hints"].get(criterion.id, 0)
        if taken >= len(criterion.hints):
            return None
        return HINT_COST[taken + 1]


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


def _title(prompt: str) -> str:
    words = prompt.split()
    return " ".join(words[:9]) + ("..." if len(words) > 9 else "")


__all__ = ["Interviews", "NotFoundError", "Setup", "Standing", "transcript_of"]
