"""The short talk after the report: fixed questions answered from the stored verdicts."""

from __future__ import annotations

from typing import Literal

from agent.report import DimensionReview, Gap, Report
from agent.scale import Dimension
from agent.wording import quote

Question = Literal["why_not_higher", "what_would_change_it", "strong_answer"]
QUESTIONS: dict[Question, str] = {
    "why_not_higher": "Why not higher?",
    "what_would_change_it": "What would change it?",
    "strong_answer": "Show a strong answer",
}


def debrief(report: Report, dimension: Dimension, question: Question) -> str:
    """The answer in a few sentences; says so where nothing was graded."""
    review = next((r for r in report.dimensions if r.dimension == dimension), None)
    if review is None or (review.status != "graded" and question != "strong_answer"):
        reason = review.reason if review is not None else "It is not part of this grade."
        return f"{dimension.capitalize()} was not graded. {reason}"
    match question:
        case "why_not_higher":
            return _why(review)
        case "what_would_change_it":
            return _change(report, review)
        case "strong_answer":
            return _strong(report, review)


def _why(review: DimensionReview) -> str:
    lines = []
    for mistake in review.mistakes:
        said = "".join(f' ("{quote(text)}", turn {turn})' for turn, text in mistake.quotes[:1])
        lines.append(f"It cost {-mistake.points} points that the answer {mistake.statement}{said}.")
    if review.close_first is not None:
        lines.append(_open_point(review.close_first))
    half = [e for e in review.earned if not e.met]
    if half:
        lines.append(f"{len(half)} point{'s' if len(half) > 1 else ''} counted by less than half.")
    hinted = [e for e in review.earned if e.hints]
    if hinted:
        lines.append(f"Hints took part of {len(hinted)} of the credits.")
    return " ".join(lines) or "Nothing in the rubric was left open here."


def _open_point(gap: Gap) -> str:
    if gap.quotes:
        return (
            f'Half of one point came from "{quote(gap.quotes[0][1])}"; whole, it {gap.statement}.'
        )
    return gap.found


def _change(report: Report, review: DimensionReview) -> str:
    ours = [c for c in report.changes if c.dimension == review.dimension]
    telling = [c for c in ours if c.score != review.score or c.signal != report.signal]
    if telling:
        first = telling[0]
        taken_back = any(m.criterion == first.criterion for m in review.mistakes)
        lead = "Not to have said what" if taken_back else "One sentence that"
        return (
            f"{lead} {first.statement}. It would bring {review.dimension} to "
            f"{first.score:g} and the signal at {report.level} to {_words(first.signal)}."
        )
    if review.close_first is None:
        return "Nothing in the rubric was left open here."
    return f"A sentence that {review.close_first.statement}."


def _strong(report: Report, review: DimensionReview) -> str:
    stages: dict[str, str] = {str(k): v for k, v in report.strong_answers.items()}
    if review.dimension in stages:
        return stages[review.dimension]
    gaps = [g for g in (review.close_first, *review.then) if g is not None]
    return " ".join(g.strong for g in gaps) or "There is no worked answer for this dimension."


def _words(signal: str) -> str:
    return signal.replace("_", " ")


__all__ = ["QUESTIONS", "Question", "debrief"]
