"""What the renderers share: words for values, the pieces of a turn, safe links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from agent.records import Source
from agent.report import Change, DimensionReview, Earned, Gap, Mistake, Report
from agent.transcript import Turn
from app.times import clock

Span = tuple[int, int, str]

KINDS: Final = {"met": "earned credit", "partial": "earned half", "error": "cost points"}
STATUS_WORDS: Final = {"not_assessed": "not assessed", "unscored": "not graded"}
MOVES: Final = {
    "brief": "the task",
    "ask": "question",
    "reply": "answer to your question",
    "probe": "follow-up",
    "hint": "hint",
    "challenge": "challenge",
    "move_on": "next topic",
    "twist": "twist",
    "wrap_up": "wrap-up",
    "repeat": "repeated",
    "close": "close",
}
FLAGS: Final = {
    "copied": "repeats the interviewer's words",
    "instruction": "addresses the grader",
    "list": "a list of terms without a statement",
    "gibberish": "no sentence",
    "language": "not in English",
}
_TURN_REF = re.compile(r"\(turn (\d{1,5})\)")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Row:
    """One dimension of the candidate's own rating beside the score; ``gap`` is own minus score."""

    dimension: str
    own: float
    score: float | None
    gap: float | None


def words(name: str | None) -> str:
    """A signal, stage or status in words: ``lean_yes`` is "lean yes"; None is "no signal"."""
    return "no signal" if name is None else name.replace("_", " ")


def score_words(score: float | None) -> str:
    """A score with one decimal; a dash where there is none (never a zero)."""
    return "–" if score is None else f"{score:.1f}"


def band_words(band: tuple[float, float] | None) -> str:
    """The likely range: ``2–3``, or one number where both ends agree."""
    if band is None:
        return "–"
    low, high = band
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def status_words(review: DimensionReview) -> str:
    """Why there is no score, in two words."""
    return STATUS_WORDS.get(review.status, words(review.status))


def capital(text: str) -> str:
    """The text with its first letter raised and the rest as it is."""
    return text[:1].upper() + text[1:]


def points_words(points: int) -> str:
    """``3 points``, ``1 point``; the sign is dropped."""
    count = abs(points)
    return f"{count} point" if count == 1 else f"{count} points"


def credit_words(item: Earned) -> str:
    """How the credit came: unprompted, when asked, after hints; empty where it is unknown."""
    if item.hints:
        return "after a hint" if item.hints == 1 else f"after {item.hints} hints"
    if item.prompted is None:
        return ""
    return "when asked" if item.prompted else "unprompted"


def told_below(review: DimensionReview, item: Earned) -> bool:
    """Half credit whose words and other half are told under "Close first"."""
    first = review.close_first
    return not item.met and first is not None and first.criterion == item.criterion


def mistake_words(mistake: Mistake) -> str:
    """What an error cost, as one sentence without its stop."""
    return f"It cost {points_words(mistake.points)} that your answer {mistake.statement}"


def found_words(gap: Gap) -> str:
    """What stands in place of the point. Half of a point is told by its quotes, which follow."""
    return "Half of it is there." if gap.quotes else gap.found


def progress_words(report: Report) -> str | None:
    """What became of the points that earlier interviews left open, in up to three sentences."""
    if not report.improvements:
        return None
    parts: list[str] = []
    for verdict, say in (
        ("met", "now said"),
        ("partial", "half of it now"),
        ("unmet", "still open"),
    ):
        subjects = [i.subject for i in report.improvements if i.verdict == verdict]
        if subjects:
            parts.append(f"{capital(say) if parts else say}: {'; '.join(subjects)}")
    return f"Open in your earlier interviews and {'. '.join(parts)}."


def change_words(report: Report, change: Change) -> str:
    """What would have to be said, or left out, for this change."""
    if any(change.criterion == m.criterion for r in report.dimensions for m in r.mistakes):
        return f"An answer that no longer {change.statement}"
    return f"An answer that {change.statement}"


def effect_words(report: Report, change: Change) -> str:
    """What the change would do to the dimension and to the signal."""
    effect = f"{change.dimension} {score_words(change.score)}"
    if change.signal != report.signal:
        return f"{effect}, {report.level} signal {words(change.signal)}"
    return effect


def telling_changes(report: Report) -> tuple[Change, ...]:
    """The changes that show: in the signal or in the dimension's score."""
    scores = {r.dimension: r.score for r in report.dimensions}
    return tuple(
        c for c in report.changes if c.signal != report.signal or c.score != scores.get(c.dimension)
    )


def changes_lead(report: Report) -> str:
    """The sentence before the changes; tells when none of them moves the signal."""
    if report.signal is None:
        return "There is no signal to change: fewer than six dimensions were graded."
    if not telling_changes(report):
        return "No single point would change the signal or a score."
    if any(c.signal != report.signal for c in report.changes):
        return f"Each of these alone, all else equal, at {report.level}:"
    return f"No single point would change the {report.level} signal. These would lift a score most:"


def own_ratings(report: Report) -> tuple[Row, ...]:
    """The candidate's own ratings beside the scores; empty when none was given."""
    return tuple(
        Row(
            dimension=r.dimension,
            own=r.own_rating,
            score=r.score,
            gap=None if r.score is None else r.own_rating - r.score,
        )
        for r in report.dimensions
        if r.own_rating is not None
    )


def gap_words(gap: float | None) -> str:
    """Own rating against the score: ``+0.5`` is half a point above what was shown."""
    if gap is None:
        return "–"
    return "same" if abs(gap) < 0.05 else f"{gap:+.1f}".replace("-", "−")


def guess_words(report: Report) -> str:
    """The weakest dimension as guessed and as graded; empty without a guess."""
    if report.weakest_guess is None:
        return ""
    if report.weakest is None:
        return f"You took {report.weakest_guess} for your weakest; nothing was graded."
    scores = {r.dimension: r.score for r in report.dimensions}
    if scores.get(report.weakest_guess) == scores[report.weakest]:
        return f"You took {report.weakest_guess} for your weakest; nothing scored lower."
    return (
        f"You took {report.weakest_guess} for your weakest; the lowest score is {report.weakest}."
    )


def setting_words(report: Report) -> tuple[str, ...]:
    """Level, length and style of the interview, where they are known."""
    found = [f"{report.level} level"]
    if report.minutes is not None:
        found.append(f"{report.minutes} minutes")
    if report.style is not None:
        found.append(f"{report.style} interviewer")
    if report.clock:
        found.append(f"{clock(report.clock)} answering")
    return tuple(found)


def safe_url(url: str | None) -> str | None:
    """The address if it is a web address, so that no other scheme becomes a link."""
    if url is None or not re.match(r"https?://[^\s\x00-\x1f]+\Z", url, re.I):
        return None
    return url


def source_words(source: Source) -> str:
    """Speaker, title, episode: who says it and where."""
    parts = [source.speaker, source.title, source.episode]
    return ", ".join(p for p in parts if p)


def turn_sources(turn: Turn) -> tuple[Source, ...]:
    """The sources a turn brought along; imported turns may carry anything, so each is checked."""
    raw = (turn.model_extra or {}).get("sources")
    found = []
    for item in raw if isinstance(raw, list) else ():
        if not isinstance(item, dict):
            continue
        known = {k: v for k, v in item.items() if k in Source.model_fields}
        try:
            found.append(Source.model_validate(known))
        except ValidationError:
            continue
    return tuple(found)


def turn_extra(turn: Turn, name: str) -> str:
    """One of a turn's optional text keys, empty where it is absent or no text."""
    value = (turn.model_extra or {}).get(name)
    return value if isinstance(value, str) else ""


def segments(text: str, spans: Sequence[Span]) -> list[tuple[str, str]]:
    """The text cut into (piece, kind); kind is empty outside the spans.

    The pieces joined are the text, whatever the spans are: they are clipped, and a stretch that
    an earlier one covers is left out.
    """
    pieces: list[tuple[str, str]] = []
    at = 0
    for start, end, kind in sorted(spans):
        first, last = max(start, at), min(end, len(text))
        if first >= last:
            continue
        if first > at:
            pieces.append((text[at:first], ""))
        pieces.append((text[first:last], kind))
        at = last
    if at < len(text):
        pieces.append((text[at:], ""))
    return pieces


def linked(text: str, turns: int) -> list[tuple[str, int | None]]:
    """The text cut at its "(turn N)" references: (piece, N), N None for plain text or no such
    turn."""
    pieces: list[tuple[str, int | None]] = []
    at = 0
    for match in _TURN_REF.finditer(text):
        if int(match[1]) >= turns:
            continue
        pieces += [(text[at : match.start()], None), (match[0], int(match[1]))]
        at = match.end()
    pieces.append((text[at:], None))
    return [(piece, turn) for piece, turn in pieces if piece]


def printable(text: str) -> str:
    """The text with control characters (escape sequences among them) made visible as U+FFFD;
    tabs and line ends stay."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
