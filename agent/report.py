"""The review of a graded interview, as values: pure functions over what is stored.

Nothing is judged here again. Earned and missing points come from the grade document, what a strong
answer says and where to listen from the criteria; front ends only lay it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.grade import CriterionGrade, DimensionGrade, Flag, Grade
from agent.grounding import source_of
from agent.levels import Weighed, level_signal, on_grid, raw_score
from agent.memory import improvements
from agent.playbook import Playbook
from agent.records import Appeal, Improvement, InterviewRecord, SelfRating, Source, TurnRecord
from agent.scale import DIMENSIONS, LEVELS, SIGNALS, Dimension, Level, Signal, Stage
from agent.transcript import Transcript, Turn, hints_taken, seconds_by_stage
from agent.types import Criterion, Value

SourceOf = Callable[[str], Source | None]
_NUMBER = re.compile(
    r"(?<![\w.])[€$£]?\d[\d,.]*\s?(?:%|[kKmM]\b|ms\b|million|days?|weeks?|hours?|minutes?)?"
)


class Earned(Value):
    """Credit, with the words that earned it. ``met`` False: half of it."""

    criterion: str
    statement: str
    met: bool
    prompted: bool | None
    hints: int
    quotes: tuple[tuple[int, str], ...]
    risk: bool


class Gap(Value):
    """A point not (fully) made: what was found instead, how a strong answer says it, where to
    listen."""

    criterion: str
    subject: str
    statement: str
    found: str
    quotes: tuple[tuple[int, str], ...]
    strong: str
    source: Source | None
    points: int
    level: Level
    can_recheck: bool


class Mistake(Value):
    """An error that was made, in the candidate's words."""

    criterion: str
    statement: str
    quotes: tuple[tuple[int, str], ...]
    strong: str
    source: Source | None
    points: int


class DimensionReview(Value):
    """One dimension of the report."""

    dimension: Dimension
    about: str
    score: float | None
    band: tuple[float, float] | None
    status: str
    reason: str
    own_rating: float | None
    earned: tuple[Earned, ...]
    mistakes: tuple[Mistake, ...]
    close_first: Gap | None
    then: tuple[Gap, ...]
    not_checked: tuple[str, ...]
    next_drill: str | None


class Change(Value):
    """What meeting one more criterion would do."""

    criterion: str
    dimension: Dimension
    statement: str
    score: float
    signal: Signal


class Report(Value):
    """Everything the review shows."""

    title: str
    level: Level
    minutes: int | None
    style: str | None
    variant: str | None
    transcript: Transcript
    overall: float | None
    signal: Signal | None
    by_level: dict[Level, Signal | None]
    dimensions: tuple[DimensionReview, ...]
    weakest_guess: Dimension | None
    weakest: Dimension | None
    changes: tuple[Change, ...]
    flags: tuple[Flag, ...]
    stage_seconds: dict[str, float]
    clock: float
    strong_answers: dict[Stage, str]
    appeals: tuple[Appeal, ...]
    remarks: tuple[str, ...]
    improvements: tuple[Improvement, ...] = ()
    engine: str
    model: str | None
    rubric_version: str
    limits: str


def build_report(
    transcript: Transcript,
    document: Mapping[str, Any],
    playbook: Playbook,
    source_of: SourceOf,
    *,
    record: InterviewRecord | None = None,
    turns: Sequence[TurnRecord] = (),
    rating: SelfRating | None = None,
    appeals: Sequence[Appeal] = (),
) -> Report:
    """Put a report together. ``source_of`` resolves a note id; None leaves the source out."""
    from agent.grading import limits_of

    grade = Grade.model_validate(document)
    hints = hints_taken(transcript.turns)
    reviews = tuple(
        _review(d, grade.scores[d], playbook, source_of, rating, hints)
        for d in DIMENSIONS
        if d in grade.scores
    )
    graded = [r for r in reviews if r.score is not None]
    spent = seconds_by_stage(transcript.turns)
    overall = grade.overall
    return Report(
        title=transcript.title or transcript.id,
        level=grade.level,
        minutes=record.minutes if record else None,
        style=record.style if record else None,
        variant=record.variant if record else None,
        transcript=transcript,
        overall=overall.score if overall else None,
        signal=overall.signal if overall else None,
        by_level=overall.by_level if overall else dict.fromkeys(LEVELS),
        dimensions=reviews,
        weakest_guess=rating.weakest if rating else None,
        weakest=min(graded, key=lambda r: r.score or 0.0).dimension if graded else None,
        changes=_changes(grade, playbook, hints),
        flags=grade.flags,
        stage_seconds=spent,
        clock=round(sum(spent.values()), 1),
        strong_answers=_strong_answers(playbook),
        appeals=tuple(appeals),
        remarks=_remarks(transcript, record),
        improvements=improvements(record.remembered if record else (), document, playbook),
        engine=grade.engine,
        model=grade.model,
        rubric_version=grade.rubric_version,
        limits=limits_of(grade),
    )


def _review(
    dimension: Dimension,
    graded: DimensionGrade,
    playbook: Playbook,
    source_of: SourceOf,
    rating: SelfRating | None,
    hints: Mapping[str, int],
) -> DimensionReview:
    about = next(d.about for d in playbook.rubric.dimensions if d.dimension == dimension)
    known = [(c, playbook.by_id[c.id]) for c in graded.criteria if c.id in playbook.by_id]
    earned = tuple(
        _earned(c, criterion, hints)
        for c, criterion in known
        if c.polarity == "positive" and c.verdict in ("met", "partial")
    )
    mistakes = tuple(
        Mistake(
            criterion=c.id,
            statement=criterion.statement,
            quotes=_quotes(c),
            strong=criterion.strong,
            source=_first_source(criterion, source_of),
            points=c.points,
        )
        for c, criterion in known
        if c.polarity == "negative" and c.verdict == "met"
    )
    gaps = sorted(
        (
            _gap(c, criterion, source_of, case=playbook.case is not None)
            for c, criterion in known
            if c.polarity == "positive" and c.verdict in ("unmet", "partial")
        ),
        key=lambda g: (LEVELS.index(g.level) > 1, -g.points, LEVELS.index(g.level)),
    )
    if graded.status != "graded":
        gaps = []
    own = rating.ratings.get(dimension) if rating else None
    return DimensionReview(
        dimension=dimension,
        about=about,
        score=graded.score,
        band=graded.band,
        status=graded.status,
        reason=graded.reason,
        own_rating=own,
        earned=tuple(sorted(earned, key=lambda e: not e.met)),
        mistakes=mistakes,
        close_first=gaps[0] if gaps else None,
        then=tuple(gaps[1:4]),
        not_checked=_not_checked(earned),
        next_drill=f"{dimension}: {gaps[0].subject}" if gaps else None,
    )


def _earned(c: CriterionGrade, criterion: Criterion, hints: Mapping[str, int]) -> Earned:
    return Earned(
        criterion=c.id,
        statement=criterion.statement,
        met=c.verdict == "met",
        prompted=c.prompted,
        hints=hints.get(c.id, 0),
        quotes=_quotes(c),
        risk=criterion.risk and c.prompted is False and c.verdict == "met",
    )


def _gap(c: CriterionGrade, criterion: Criterion, source_of: SourceOf, *, case: bool) -> Gap:
    return Gap(
        criterion=c.id,
        subject=criterion.subject,
        statement=criterion.statement,
        found=c.reason,
        quotes=_quotes(c),
        strong=_strong(criterion, case=case),
        source=_first_source(criterion, source_of),
        points=criterion.points,
        level=criterion.level,
        can_recheck=criterion.behaviour is None and criterion.contradiction is None,
    )


def _strong(criterion: Criterion, *, case: bool) -> str:
    """How a strong answer says it; case-independent examples come from other systems."""
    elsewhere = case and criterion.id.startswith("any.") and criterion.behaviour is None
    return f"In another system: {criterion.strong}" if elsewhere else criterion.strong


def _quotes(c: CriterionGrade) -> tuple[tuple[int, str], ...]:
    return tuple((q.turn, q.text) for q in c.quotes)


def _first_source(criterion: Criterion, source_of: SourceOf) -> Source | None:
    for name in criterion.sources:
        if (source := source_of(name)) is not None:
            return source
    return None


def _not_checked(earned: Sequence[Earned]) -> tuple[str, ...]:
    """Numbers in the words that earned credit: they were taken as given."""
    found: list[str] = []
    for item in earned:
        for _, text in item.quotes:
            found.extend(m.group().strip(" ,.") for m in _NUMBER.finditer(text))
    return tuple(dict.fromkeys(n for n in found if len(n) > 1))[:6]


def _changes(
    grade: Grade, playbook: Playbook, hints: Mapping[str, int], count: int = 3
) -> tuple[Change, ...]:
    """The verdicts whose change would lift the overall score most, with the signal then given."""
    scores: dict[str, float] = {d: s.score for d, s in grade.scores.items() if s.score is not None}
    if grade.overall is None or grade.overall.score is None:
        return ()
    found = []
    for dimension, graded in grade.scores.items():
        if graded.score is None:
            continue
        weighed = [_weighed(c, playbook, hints) for c in graded.criteria if c.id in playbook.by_id]
        before = raw_score(weighed)
        for index, item in enumerate(weighed):
            wanted = "unmet" if item.points < 0 else "met"
            if item.verdict == wanted:
                continue
            changed = weighed.copy()
            changed[index] = Weighed(item.criterion, item.points, item.level, wanted)  # type: ignore[arg-type]
            after = raw_score(changed)
            lifted = scores | {dimension: on_grid(after)}
            found.append(
                (
                    after - before,
                    Change(
                        criterion=item.criterion,
                        dimension=dimension,
                        statement=playbook.by_id[item.criterion].statement,
                        score=on_grid(after),
                        signal=level_signal(lifted, grade.level),
                    ),
                )
            )
    found.sort(key=lambda pair: (-SIGNALS.index(pair[1].signal), -pair[0], pair[1].criterion))
    return tuple(change for _, change in found[:count])


def _weighed(c: CriterionGrade, playbook: Playbook, hints: Mapping[str, int]) -> Weighed:
    criterion = playbook.by_id[c.id]
    return Weighed(c.id, c.points, criterion.level, c.verdict, hints=hints.get(c.id, 0))


def _strong_answers(playbook: Playbook) -> dict[Stage, str]:
    stages = playbook.case.stages if playbook.case is not None else ()
    return {s.stage: s.strong_answer for s in stages if s.strong_answer}


def _remarks(transcript: Transcript, record: InterviewRecord | None) -> tuple[str, ...]:
    """What a quiet interviewer let pass, and what else the candidate should know."""
    found = []
    for index, turn in enumerate(transcript.turns):
        words = len(turn.text.split())
        if turn.speaker == "candidate" and words > 400:
            quiet = " The interviewer let it run." if record and record.style == "quiet" else ""
            found.append(f"Turn {index} runs to {words} words.{quiet}")
    seconds = sum(t.seconds or 0.0 for t in transcript.turns)
    if record is not None and seconds > record.minutes * 60:
        found.append(f"You used {seconds / 60:.0f} of {record.minutes} minutes.")
    return tuple(found)


def packaged_sources() -> SourceOf:
    """Resolves ids of the packaged notes without opening any index."""
    from knowledge.corpus import load_entries

    passages = {e.passage.id: e.passage for e in load_entries()}

    def find(name: str) -> Source | None:
        passage = passages.get(name)
        return source_of(passage) if passage is not None else None

    return find


def highlights(report: Report) -> dict[int, list[tuple[int, int, str]]]:
    """Per candidate turn the stretches that earned or cost something: (start, end, kind) with kind
    ``met``, ``partial`` or ``error``; not overlapping, errors first, in order."""
    marks: dict[int, list[tuple[int, int, str]]] = {}
    for review in report.dimensions:
        for mistake in review.mistakes:
            _mark(marks, report.transcript.turns, mistake.quotes, "error")
    for kind, met in (("met", True), ("partial", False)):
        for review in report.dimensions:
            for item in review.earned:
                if item.met == met:
                    _mark(marks, report.transcript.turns, item.quotes, kind)
    return {turn: sorted(spans) for turn, spans in marks.items()}


def _mark(
    marks: dict[int, list[tuple[int, int, str]]],
    turns: Sequence[Turn],
    quotes: Sequence[tuple[int, str]],
    kind: str,
) -> None:
    for turn, text in quotes:
        start = turns[turn].text.find(text)
        end = start + len(text)
        taken = marks.setdefault(turn, [])
        if start >= 0 and all(end <= a or b <= start for a, b, _ in taken):
            taken.append((start, end, kind))
