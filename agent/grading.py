"""Grading a transcript offline: verdicts with verbatim words, then arithmetic.

The engine reads only the candidate's own sentences. A verdict of met or partial always carries the
words that earned it, checked here to be a substring of that turn; a missing one says what was
looked for and shows the nearest sentences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.behaviour import Scene, Seen, observe
from agent.coverage import Coverage
from agent.evidence import Found, Unit, units_of
from agent.grade import CriterionGrade, DimensionGrade, Flag, Grade, Overall, Quote
from agent.hygiene import Heard
from agent.judging import PARAMETERS
from agent.language import is_english
from agent.levels import (
    ANSWER_SHARE,
    MIN_GRADED,
    SOLID_SHARE,
    Weighed,
    band,
    level_signal,
    on_grid,
    raw_score,
    solid_points,
)
from agent.playbook import Playbook
from agent.scale import DIMENSIONS, LEVELS, OFFLINE, Dimension, Level, Signal, Verdict
from agent.sentences import Span
from agent.transcript import Transcript, hints_taken
from agent.types import Criterion

FRAGILE: Final = 0.12
SHOWN_WITHIN: Final = 0.15
SUBSTANCE: Final = 2
MAX_TURN_CHARS: Final = 20_000
LANGUAGE_REASON: Final = (
    "The answers are not in English, the only language the offline engine reads; they are not "
    "graded rather than graded low."
)
ONE_STAGE: Final = "Only one stage was practised."
NOT_RAISED: Final = "Neither asked about nor raised."
LIMITS: Final = (
    "Graded offline by Spar's embedded engine: it compares your sentences with authored phrasings "
    "and checks that the needed concepts are there. It can miss an unusual wording, cannot check "
    "your numbers and reads English only."
)
BY_MODEL: Final = (
    "Graded by a model: code checked that every quoted word is yours and added the points, but the "
    "verdicts are the model's. It can misjudge, and it takes your numbers as given."
)


def limits_of(grade: Grade) -> str:
    """What a reader should know of the engine behind a grade."""
    return LIMITS if grade.engine == OFFLINE else BY_MODEL


@dataclass(frozen=True)
class Reading:
    """A transcript read once: what regrading, rechecking and reports share."""

    transcript: Transcript
    playbook: Playbook
    units: tuple[Unit, ...]
    found: tuple[Found, ...]
    foreign: bool


def read(transcript: Transcript, playbook: Playbook) -> Reading:
    """Read every candidate turn against every criterion."""
    units = units_in(transcript)
    said = " ".join(t.text for t in transcript.turns if t.speaker == "candidate")
    foreign = bool(said.strip()) and not is_english(said)
    found = () if foreign else tuple(playbook.detector.read(units))
    return Reading(transcript, playbook, units, found, foreign)


def units_in(transcript: Transcript) -> tuple[Unit, ...]:
    """The candidate's sentences and neighbouring pairs in order, flagged where no evidence."""
    heard = Heard([transcript.prompt])
    units: list[Unit] = []
    for index, turn in enumerate(transcript.turns):
        if turn.speaker == "interviewer":
            heard.add(turn.text)
        else:
            units.extend(units_of(turn.text[:MAX_TURN_CHARS], index, heard))
    return tuple(units)


def grade_transcript(
    transcript: Transcript,
    playbook: Playbook,
    *,
    level: Level | None = None,
    only: Dimension | None = None,
) -> Grade:
    """Grade a transcript; ``only``: one answer in one dimension, always graded, no overall."""
    reading = read(transcript, playbook)
    level = level or transcript.level
    coverage = Coverage(transcript.turns, playbook)
    reached = coverage.reached() if only is None else frozenset({only})
    practised = practised_in(playbook)
    judged = _judge_all(reading, coverage)
    wanted: Sequence[Dimension] = DIMENSIONS if only is None else (only,)
    share = SOLID_SHARE if only is None else ANSWER_SHARE
    scores = {
        d: _dimension(d, reading, judged, reached, share)
        if d in practised or only is not None
        else empty(own(d, playbook, judged), "not_assessed", ONE_STAGE)
        for d in wanted
    }
    return Grade(
        id=transcript.id,
        engine=OFFLINE,
        model=model_version(),
        rubric_version=rubric_version(playbook),
        prompt_version=None,
        level=level,
        scores=scores,
        overall=overall(scores, level) if only is None else None,
        flags=_language_flag(reading) if reading.foreign else flags_of(reading.units),
    )


def practised_in(playbook: Playbook) -> frozenset[Dimension]:
    """The dimensions an interview over this playbook's scope is about."""
    if len(playbook.scope) > 1:
        return frozenset(DIMENSIONS)
    return frozenset(d for d in DIMENSIONS if d in playbook.scope or d == "communication")


def model_version() -> str:
    """Names the embedded grader: the encoder and a hash of the detector's weights."""
    digest = hashlib.sha256(PARAMETERS.read_bytes()).hexdigest()[:8]
    return f"minilm-l6-v2-int8+detector-{digest}"


def rubric_version(playbook: Playbook) -> str:
    """A hash over the criteria that apply, so that a changed case or rubric shows."""
    return playbook.version


@dataclass(frozen=True)
class Judged:
    """One verdict as it is shown and as it is weighed."""

    grade: CriterionGrade
    weighed: Weighed


def _judge_all(reading: Reading, coverage: Coverage) -> Mapping[str, Judged]:
    """Verdict per criterion: technical ones first, since manner counts only with substance."""
    playbook = reading.playbook
    best = _best(reading.found)
    nearest = playbook.detector.nearest_all(reading.units) if not reading.foreign else {}
    hints = hints_taken(reading.transcript.turns)
    judged: dict[str, Judged] = {}
    for criterion in (c for c in playbook.criteria if c.behaviour is None):
        verdict, spans, strength = _technical(criterion, best)
        judged[criterion.id] = _verdict(
            criterion, verdict, spans, strength, reading, coverage, hints, nearest
        )
    judged = {name: taken_back(item, playbook, judged) for name, item in judged.items()}
    earned = [
        j for j in judged.values() if j.grade.polarity == "positive" and j.grade.verdict == "met"
    ]
    scene = _scene(reading)
    for criterion in (c for c in playbook.criteria if c.behaviour is not None):
        seen = _manner(criterion, scene, len(earned))
        judged[criterion.id] = _verdict(
            criterion, seen.verdict, seen.spans, 1.0, reading, coverage, hints, nearest
        )
    return judged


def taken_back(item: Judged, playbook: Playbook, judged: Mapping[str, Judged]) -> Judged:
    """A misconception is not charged to a candidate who has also said what sets it right."""
    criterion = playbook.by_id[item.grade.id]
    if item.grade.polarity == "positive" or item.grade.verdict != "met":
        return item
    right = [c for c in criterion.corrected_by if c in judged and judged[c].grade.verdict == "met"]
    if not right:
        return item
    said = judged[right[0]].grade.quotes[0].text
    grade = item.grade.model_copy(
        update={
            "verdict": "unmet",
            "quotes": (),
            "prompted": None,
            "reason": f'Not charged, since you also said: "{_short(said)}".',
        }
    )
    return Judged(grade, replace(item.weighed, verdict="unmet", fragile=False))


def _best(found: Sequence[Found]) -> Mapping[str, tuple[Found, ...]]:
    """Per criterion: the strongest evidence, preferring a single sentence, and one more place."""
    by_name: dict[str, list[Found]] = {}
    for item in found:
        by_name.setdefault(item.criterion, []).append(item)
    best = {}
    for name, items in by_name.items():
        top = [f for f in items if f.verdict == items[0].verdict]
        close = [f for f in top if f.strength >= items[0].strength - SHOWN_WITHIN]
        single = [f for f in close if f.span.first == f.span.last]
        first = max(single or close, key=lambda f: f.similar)
        others = [f for f in top if not _overlap(f.span, first.span)]
        best[name] = (first, *others[:1])
    return best


def _overlap(a: Span, b: Span) -> bool:
    return a.turn == b.turn and a.start < b.end and b.start < a.end


def _technical(
    criterion: Criterion, best: Mapping[str, tuple[Found, ...]]
) -> tuple[Verdict, tuple[Span, ...], float]:
    if criterion.contradiction is not None:
        first = best.get(f"{criterion.id}#first")
        second = best.get(f"{criterion.id}#second")
        if first and second and not _overlap(first[0].span, second[0].span):
            spans = (first[0].span, second[0].span)
            return "met", spans, min(first[0].strength, second[0].strength)
        return "unmet", (), 0.0
    items = best.get(criterion.id, ())
    if not items:
        return "unmet", (), 0.0
    return items[0].verdict, tuple(i.span for i in items), items[0].strength


def _manner(criterion: Criterion, scene: Scene, earned: int) -> Seen:
    seen = observe(criterion.behaviour or "", scene)
    if criterion.polarity == "positive" and earned < SUBSTANCE:
        return Seen("unmet")
    if criterion.polarity == "negative" and seen.verdict == "partial":
        return Seen("unmet")
    return seen


def _verdict(
    criterion: Criterion,
    verdict: Verdict,
    spans: Sequence[Span],
    strength: float,
    reading: Reading,
    coverage: Coverage,
    hints: Mapping[str, int],
    nearest: Mapping[str, Sequence[Span]],
) -> Judged:
    turns = reading.transcript.turns
    quotes = tuple(Quote(turn=s.turn, text=s.text) for s in spans)
    for quote in quotes:
        if quote.text not in turns[quote.turn].text:
            raise AssertionError(f"quote of {criterion.id} is not verbatim")
    prompted = None
    if verdict in ("met", "partial") and criterion.behaviour is None:
        prompted = coverage.prompted(criterion, min(s.turn for s in spans))
    reason = _reason(criterion, verdict, nearest.get(criterion.id, ()))
    grade = CriterionGrade(
        id=criterion.id,
        polarity=criterion.polarity,
        points=criterion.points,
        verdict=verdict,
        prompted=prompted,
        quotes=quotes,
        reason=reason,
    )
    margin = strength - reading.playbook.detector.met_at
    weighed = Weighed(
        criterion=criterion.id,
        points=criterion.points,
        level=criterion.level,
        verdict=verdict,
        strength=strength,
        hints=hints.get(criterion.id, 0),
        fragile=verdict == "met" and margin < FRAGILE,
    )
    return Judged(grade, weighed)


def _reason(criterion: Criterion, verdict: Verdict, nearest: Sequence[Span]) -> str:
    if criterion.polarity == "negative":
        return f"Said: {criterion.statement}." if verdict == "met" else "Not found."
    if verdict == "met":
        return f"{_sentence(criterion.statement)}."
    if verdict == "partial":
        return f"Half of it: the full statement is: {criterion.statement}."
    found = f"I found no sentence about {criterion.subject}."
    if nearest:
        near = "; ".join(f'"{_short(s.text)}" (turn {s.turn})' for s in nearest)
        found += f" Nearest: {near}."
    return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(text: str, words: int = 24) -> str:
    parts = text.split()
    return " ".join(parts[:words]) + (" ..." if len(parts) > words else "")


def _scene(reading: Reading) -> Scene:
    turns = reading.transcript.turns
    usable = {u.span.turn for u in reading.units if u.flag is None}
    nothing = frozenset(
        i for i, t in enumerate(turns) if t.speaker == "candidate" and i not in usable
    )
    by_turn: dict[int, list[Found]] = {}
    by_id = reading.playbook.by_id
    for item in reading.found:
        if "#" not in item.criterion and by_id[item.criterion].polarity == "positive":
            by_turn.setdefault(item.span.turn, []).append(item)
    return Scene(turns, by_turn, nothing, reading.playbook.facts, reading.playbook.encoder)


def _dimension(
    dimension: Dimension,
    reading: Reading,
    judged: Mapping[str, Judged],
    reached: frozenset[Dimension],
    share: float,
) -> DimensionGrade:
    rows = own(dimension, reading.playbook, judged)
    if reading.foreign:
        return empty(rows, "unscored", LANGUAGE_REASON)
    return scored(rows, share, reached=dimension in reached)


def scored(rows: Sequence[Judged], share: float, *, reached: bool) -> DimensionGrade:
    """Points, score and band from the verdicts of one dimension; not assessed where it was neither
    reached nor raised. What could not be assessed counts neither for nor against."""
    raised = any(j.grade.verdict in ("met", "partial") for j in rows)
    if not reached and not raised:
        return empty(rows, "not_assessed", NOT_RAISED)
    weighed = [j.weighed for j in rows if j.grade.verdict != "cannot_assess"]
    return DimensionGrade(
        score=on_grid(raw_score(weighed, share)),
        band=band(weighed, share),
        status="graded",
        reason=_summary(weighed, share),
        criteria=tuple(j.grade for j in rows),
    )


def own(dimension: Dimension, playbook: Playbook, judged: Mapping[str, Judged]) -> list[Judged]:
    """The verdicts of one dimension, in the order of its criteria."""
    return [judged[c.id] for c in playbook.criteria if c.dimension == dimension]


def empty(rows: Sequence[Judged], status: str, reason: str) -> DimensionGrade:
    """A dimension without a score, and why."""
    criteria = tuple(
        j.grade.model_copy(
            update={"verdict": "cannot_assess", "quotes": (), "prompted": None, "reason": reason}
        )
        for j in rows
    )
    return DimensionGrade.model_validate(
        {"score": None, "band": None, "status": status, "reason": reason, "criteria": criteria}
    )


def _summary(weighed: Sequence[Weighed], share: float) -> str:
    met = sum(w.verdict == "met" and w.points > 0 for w in weighed)
    partial = sum(w.verdict == "partial" and w.points > 0 for w in weighed)
    errors = sum(w.verdict == "met" and w.points < 0 for w in weighed)
    total = sum(w.points > 0 for w in weighed)
    text = f"{met} of {total} criteria met, {partial} in part"
    text += f", {errors} error{'s' if errors > 1 else ''}" if errors else ""
    return f"{text}; {solid_points(weighed, share):.0f} points make it solid."


def overall(scores: Mapping[Dimension, DimensionGrade], level: Level) -> Overall:
    """Mean and signals of the graded dimensions; null throughout where they are too few."""
    graded: dict[str, float] = {d: s.score for d, s in scores.items() if s.score is not None}
    if len(graded) < MIN_GRADED:
        return Overall(score=None, signal=None, by_level=dict.fromkeys(LEVELS))
    mean = sum(graded.values()) / len(graded)
    by_level: dict[Level, Signal | None] = {n: level_signal(graded, n) for n in LEVELS}
    return Overall(score=round(mean, 1), signal=by_level[level], by_level=by_level)


def flags_of(units: Sequence[Unit]) -> tuple[Flag, ...]:
    """The sentences that are no evidence."""
    flags = [
        Flag(kind=u.flag, turn=u.span.turn, text=_short(u.span.text, 40))
        for u in units
        if u.flag is not None and u.span.first == u.span.last
    ]
    return tuple(flags[:50])


def _language_flag(reading: Reading) -> tuple[Flag, ...]:
    turns = reading.transcript.turns
    first = next(i for i, t in enumerate(turns) if t.speaker == "candidate" and t.text.strip())
    return (Flag(kind="language", turn=first, text=_short(turns[first].text, 12)),)
