"""Interviews as front ends use them: start, answer, hint, skip, resume, redo, grade, recheck.

Streamlit and the terminal both stand on this module. An answer is accepted when its row is
committed; the graph then runs to the next question. Every method works from what is stored, so
another tab, another process or a restart continues the same interview at the same question.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from agent.answers import clean_answer
from agent.casebook import PORTFOLIO, CaseBook, packaged
from agent.content import load_rubric
from agent.deps import Deps, Spending, spending
from agent.emphasis import JobFit, read_job, weights_of
from agent.errors import ConflictError, EngineError, InputError, NotFoundError, StoreError
from agent.graded import graded
from agent.grading import rubric_version
from agent.grounding import Grounding, NoGrounding
from agent.levels import HINT_COST
from agent.memory import LOOK_BACK, still_open
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
from agent.rows import imported, transcript_of
from agent.scale import OFFLINE, OPENAI, Engine, Level, Role, Stage, Style
from agent.settings import OWNER
from agent.state import restore
from agent.store import Store
from agent.transcript import Transcript, seconds_by_stage
from knowledge.encoder import Encoder

if TYPE_CHECKING:
    from agent.llm.engine import ModelEngine

PROMPT_CHARS: Final = 8_000
FORESEEN: Final = 16


def _now() -> datetime:
    return datetime.now(UTC)


def _no_model() -> ModelEngine:
    raise EngineError("No model is set (SPAR_MODEL).")


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
    engine: Engine = OFFLINE


@dataclass(frozen=True)
class Standing:
    """Where an interview stands: all a front end shows before the next answer.

    ``question_seq`` is the row an answer replies to; ``hint_cost`` is the share of the point's
    credit that the next hint would cost, None where there is none to take; ``spending`` what a
    model has cost, where one was asked.
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
    spending: Spending | None = None


@dataclass(frozen=True)
class Interviews:
    """The service. ``encoder``, ``grounding``, ``now`` and ``new_id`` are arguments so that tests
    put in their own; ``model`` gives the model-backed engine or raises EngineError."""

    store: Store
    encoder: Encoder
    grounding: Grounding = field(default_factory=NoGrounding)
    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    cases: CaseBook = field(default_factory=packaged)
    model: Callable[[], ModelEngine] = _no_model

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
            engine=setup.engine,
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

        deps = self.deps(record)
        yield from begin(deps)
        self._foresee(deps)

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

        deps = self.deps(record)
        yield from resume(deps, before.snapshot or {}, last.seq)
        self._foresee(deps)

    def _foresee(self, deps: Deps) -> None:
        """While the candidate thinks, find what a model's turn needs, so that it waits for nothing
        but the model."""
        if deps.voice is None:
            return
        record = self.store.interview(deps.interview.id)
        if record.status != "open":
            return
        kept = next((t.snapshot for t in reversed(self.store.turns(record.id)) if t.snapshot), {})
        done = {*kept.get("met", ()), *kept.get("asked", ())}
        left = [c for c in deps.playbook.askable() if c.id not in done]
        self.grounding.prepare(sorted(left, key=lambda c: -deps.worth(c))[:FORESEEN])
        _ = deps.playbook.secrets

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
            spending=spending((t.call for t in turns), self._limit(record)),
        )

    def switch(self, interview: str, engine: Engine) -> InterviewRecord:
        """Let another engine go on with an open interview; EngineError where it cannot run."""
        record = self.store.interview(interview)
        if record.engine == engine:
            return record
        if record.status != "open":
            raise ConflictError("This interview has already ended.")
        if engine == OPENAI:
            self.model()
        record = record.model_copy(update={"engine": engine})
        self.store.update_interview(record)
        return record

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

    def grade(
        self, interview: str, *, again: bool = False, engine: Engine | None = None
    ) -> GradeRecord:
        """The interview's grade: the last one that is kept, or graded now where there is none.

        ``again`` and ``engine`` (unless that one's whole grade is the last) add one more record; of
        a model's grade only what is still unscored is asked again. EngineError where an engine
        asked for cannot run.
        """
        record = self.store.interview(interview)
        kept = self.store.grades(interview)
        stands = bool(kept) and kept[-1].engine == engine and kept[-1].whole
        if kept and not again and (engine is None or stands):
            return kept[-1]
        if engine == OPENAI:
            self.model()
        chosen = engine or (kept[-1].engine if kept else record.engine)
        try:
            for grade in self._graded(record, kept, chosen):
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

    def keep(self, transcript: Transcript, document: dict[str, Any]) -> InterviewRecord:
        """Keep an imported transcript and its grade as an interview of its own."""
        playbook = playbook_for(transcript, self.encoder, cases=self.cases)
        kept = imported(transcript, document, self.new_id(), playbook.variant, self.now())
        self.store.add_interview(kept.record, kept.rows, kept.grade)
        return kept.record

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
        deps = Deps(
            interview=record,
            store=self.store,
            playbook=self._playbook(record),
            grounding=self.grounding,
            now=self.now,
            grade=lambda r: self._graded(r, self.store.grades(r.id), r.engine),
        )
        if record.engine == OFFLINE:
            return deps
        try:
            model = self.model()
        except EngineError as error:
            return replace(deps, voiceless=str(error))
        voice = model.voice(rubric_version(deps.playbook), record.seed)
        return replace(deps, voice=voice, limit=model.limit)

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

    def _graded(
        self, record: InterviewRecord, kept: Sequence[GradeRecord], engine: str
    ) -> list[GradeRecord]:
        transcript = transcript_of(record, self.store.turns(record.id))
        model = self._model_or_none() if engine == OPENAI else None
        return graded(record, transcript, self._playbook(record), kept, model, self.now)

    def _limit(self, record: InterviewRecord) -> float | None:
        model = self._model_or_none() if record.engine == OPENAI else None
        return model.limit if model is not None else None

    def _model_or_none(self) -> ModelEngine | None:
        try:
            return self.model()
        except EngineError:
            return None

    def _hint_cost(
        self, record: InterviewRecord, turns: list[TurnRecord], kept: dict[str, object] | None
    ) -> float | None:
        if record.status != "open" or not turns or kept is None:
            return None
        from agent.lines import hinted

        state = restore(record.id, kept)
        criterion = hinted(state, self.deps(record))
        if criterion is None:
            return None
        taken = state["hints"].get(criterion.id, 0)
        if taken >= len(criterion.hints):
            return None
        return HINT_COST[taken + 1]


def _title(prompt: str) -> str:
    words = prompt.split()
    return " ".join(words[:9]) + ("..." if len(words) > 9 else "")


__all__ = ["Interviews", "NotFoundError", "Setup", "Standing", "transcript_of"]
