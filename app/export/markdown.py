"""The report in Markdown. What the candidate wrote is escaped: it shows as it was typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from agent.debrief import QUESTIONS, debrief
from agent.records import Source
from agent.report import DimensionReview, Earned, Gap, Report, highlights
from agent.scale import LEVELS
from agent.transcript import Turn
from app.export import parts
from app.export.escape import SIGNS, inline, marked
from app.export.parts import capital, score_words, words
from app.times import clock

_URL_UNSAFE: Final = re.compile(r"[\s()<>\\\[\]`]")


def to_markdown(report: Report) -> str:
    """The whole report, in the order of the page."""
    blocks = [
        *_headline(report),
        "## By dimension",
        *(block for review in report.dimensions for block in _dimension(report, review)),
        *_changes(report),
        *_own(report),
        *_strong(report),
        *_transcript(report),
        *_time(report),
        *_flags(report),
        *_appeals(report),
        *_grader(report),
    ]
    return "\n\n".join(blocks) + "\n"


def _headline(report: Report) -> Iterator[str]:
    yield f"# {inline(report.title)}"
    yield " · ".join(parts.setting_words(report))
    if report.overall is None:
        yield "**No overall score.** Fewer than six dimensions were graded, so there is no signal."
    else:
        signal = f"**{score_words(report.overall)} of 4. {capital(report.level)} signal: "
        yield f"{signal}{words(report.signal)}.**"
        levels = (f"{level} {words(report.by_level.get(level))}" for level in LEVELS)
        yield f"The same answers at each level: {', '.join(levels)}."
    if report.dimensions:
        rows = [["Dimension", "Score", "Likely", "Your rating"]]
        rows += [
            [
                capital(r.dimension),
                parts.status_words(r) if r.score is None else score_words(r.score),
                parts.band_words(r.band),
                score_words(r.own_rating),
            ]
            for r in report.dimensions
        ]
        yield _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def _changes(report: Report) -> Iterator[str]:
    yield "## What would change the signal"
    yield parts.changes_lead(report)
    found = parts.telling_changes(report)
    if found:
        yield "\n".join(
            f"{n}. {inline(parts.change_words(report, c))}. → {parts.effect_words(report, c)}"
            for n, c in enumerate(found, start=1)
        )


def _own(report: Report) -> Iterator[str]:
    rows = parts.own_ratings(report)
    guess = parts.guess_words(report)
    if not rows and not guess:
        return
    yield "## Your own rating"
    if guess:
        yield guess
    if rows:
        yield _table(
            [["Dimension", "You", "Score", "Difference"]]
            + [
                [
                    capital(row.dimension),
                    score_words(row.own),
                    score_words(row.score),
                    parts.gap_words(row.gap),
                ]
                for row in rows
            ]
        )


def _dimension(report: Report, review: DimensionReview) -> Iterator[str]:
    name = capital(review.dimension)
    if review.score is None:
        yield f"### {name}: {parts.status_words(review)}"
        yield f"{inline(review.reason)} This is no zero: it does not enter the overall score."
        return
    yield f"### {name} {score_words(review.score)}, likely {parts.band_words(review.band)}"
    yield inline(review.reason)
    yield "**Earned.**" if review.earned else "**Earned.** No sentence earned credit here."
    if review.earned:
        yield "\n".join(_earned(review, item) for item in review.earned)
    for mistake in review.mistakes:
        yield f"**{inline(parts.mistake_words(mistake))}:** {_quotes(mistake.quotes)}"
        yield f"*Stronger:* {inline(mistake.strong)}{_listen(mistake.source)}"
    if review.close_first:
        yield from _gap("Close first", review.close_first)
    for gap in review.then:
        yield from _gap("Then", gap)
    if review.not_checked:
        yield f"**Not checked:** your {inline(', '.join(review.not_checked))}."
    if review.next_drill:
        yield f"**Next:** drill on {inline(review.next_drill)}"
    for question in ("why_not_higher", "what_would_change_it"):
        answer = debrief(report, review.dimension, question)
        yield f"*{QUESTIONS[question]}* {inline(answer)}"


def _quotes(quotes: Sequence[tuple[int, str]]) -> str:
    return " · ".join(f"“{inline(text)}” (turn {turn})" for turn, text in quotes)


def _earned(review: DimensionReview, item: Earned) -> str:
    notes = [
        *(["half credit"] if not item.met else []),
        *([parts.credit_words(item)] if parts.credit_words(item) else []),
        *(["a risk you raised"] if item.risk else []),
    ]
    note = f" ({', '.join(notes)})" if notes else ""
    below = parts.told_below(review, item)
    rest = '; see "Close first" below' if below else f": {_quotes(item.quotes)}"
    return f"- {inline(capital(item.statement))}{note}{rest}"


def _gap(name: str, gap: Gap) -> Iterator[str]:
    text = f"**{name}: {inline(gap.subject)}.** {inline(parts.found_words(gap))}"
    if gap.quotes:
        text += f" {_quotes(gap.quotes)} The full point: an answer that {inline(gap.statement)}."
    yield text
    yield f"*Stronger:* {inline(gap.strong)}{_listen(gap.source)}"


def _listen(source: Source | None) -> str:
    return "" if source is None else f" *Listen:* {inline(source.text)} ({_where(source)})"


def _where(source: Source) -> str:
    label = inline(parts.source_words(source))
    if source.start is not None:
        label += f", {clock(source.start)}"
    url = parts.safe_url(source.url)
    return f"[{label}]({_URL_UNSAFE.sub(_percent, url)})" if url else label


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _strong(report: Report) -> Iterator[str]:
    if report.strong_answers:
        yield "## Strong worked answers"
    for stage, text in report.strong_answers.items():
        yield f"**{capital(words(stage))}.** {inline(text)}"


def _transcript(report: Report) -> Iterator[str]:
    yield "## Transcript"
    if not report.transcript.turns:
        yield "Nothing was said."
        return
    yield ", ".join(f"{SIGNS[kind]} {meaning}" for kind, meaning in parts.KINDS.items())
    marks = highlights(report)
    for index, turn in enumerate(report.transcript.turns):
        yield _turn_head(index, turn)
        shown = marked(turn.text, marks.get(index, ()))
        yield "\n".join(_quoted(shown))
        if turn.speaker == "interviewer":
            for source in parts.turn_sources(turn):
                yield f"Source: {inline(source.text)} ({_where(source)})"


def _quoted(shown: Sequence[str]) -> Iterator[str]:
    """Block quote lines; a backslash keeps each break inside a paragraph."""
    for number, line in enumerate(shown):
        follows = number + 1 < len(shown) and bool(shown[number + 1])
        yield f"> {line}\\" if line and follows else f"> {line}".rstrip()


def _turn_head(index: int, turn: Turn) -> str:
    facts = ["You" if turn.speaker == "candidate" else "Interviewer"]
    if turn.stage:
        facts.append(words(turn.stage))
    if turn.move and turn.speaker == "interviewer":
        facts.append(inline(parts.MOVES.get(turn.move, words(turn.move))))
    if turn.seconds and turn.speaker == "candidate":
        facts.append(clock(turn.seconds))
    return f"**Turn {index}** · {' · '.join(facts)}"


def _time(report: Report) -> Iterator[str]:
    yield "## Time"
    if report.stage_seconds:
        rows = [["Stage", "Answering"]]
        rows += [[capital(words(s)), clock(n)] for s, n in report.stage_seconds.items()]
        limit = f" of {report.minutes} minutes" if report.minutes else ""
        yield _table([*rows, ["**Total**", f"**{clock(report.clock)}**{limit}"]])
    else:
        yield "No answering times were recorded."
    if progress := parts.progress_words(report):
        yield inline(progress)
    if report.remarks:
        yield "\n".join(f"- {inline(remark)}" for remark in report.remarks)


def _flags(report: Report) -> Iterator[str]:
    if report.flags:
        yield "## Not counted as evidence"
        yield "\n".join(
            f"- Turn {f.turn}, {inline(parts.FLAGS.get(f.kind, words(f.kind)))}: “{inline(f.text)}”"
            for f in report.flags
        )


def _appeals(report: Report) -> Iterator[str]:
    if report.appeals:
        yield "## Points you asked to be read again"
        yield "\n".join(
            f"- **{inline(a.criterion)}**, {words(a.before)} → {words(a.after)}. "
            f"{inline(a.reason)} {_quotes([(a.turn, a.text)])}"
            for a in report.appeals
        )


def _grader(report: Report) -> Iterator[str]:
    yield "## How this was graded"
    yield inline(report.limits)
    facts = [
        f"Engine: {inline(report.engine)}",
        f"Model: {inline(report.model or 'none')}",
        f"Rubric: {inline(report.rubric_version)}",
        *([f"Variant: {inline(report.variant)}"] if report.variant else []),
        f"Interview: {inline(report.transcript.id)}",
    ]
    yield "\n".join(f"- {fact}" for fact in facts)
