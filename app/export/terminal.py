"""The report on a terminal. Everything is rich Text: no word of an answer is read as markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.records import Source
from agent.report import DimensionReview, Earned, Gap, Mistake, Report, highlights
from agent.scale import LEVELS, MAX_SCORE
from app.export import parts
from app.export.parts import capital, printable, score_words, words
from app.times import clock

MAX_WIDTH: Final = 100
BAR: Final = 24
DIM: Final = "bright_black"
STYLES: Final = {
    "met": "black on green",
    "partial": "black on yellow",
    "error": "white on red",
}
SIGNS: Final = {"met": "+", "partial": "½", "error": "-"}


def print_report(report: Report, console: Console) -> None:
    """The compact review: headline, dimensions, then what was earned and what to close."""
    _headline(report, console)
    if report.dimensions:
        console.print()
        console.print(_table(report))
    _changes(report, console)
    for review in report.dimensions:
        _dimension(review, console)
    _pointers(report, console)


def print_transcript(report: Report, console: Console) -> None:
    """The transcript with what earned or cost points marked: in colour, or signed without it."""
    if not report.transcript.turns:
        _say(console, "Nothing was said.")
        return
    legend = Text()
    for kind, meaning in parts.KINDS.items():
        legend.append_text(_mark(meaning, kind, console))
        legend.append("  ")
    console.print(legend)
    marks = highlights(report)
    for index, turn in enumerate(report.transcript.turns):
        yours = turn.speaker == "candidate"
        facts = ["You" if yours else "Interviewer", *([words(turn.stage)] if turn.stage else [])]
        if turn.move and not yours:
            facts.append(parts.MOVES.get(turn.move, words(turn.move)))
        if turn.seconds and yours:
            facts.append(clock(turn.seconds))
        console.print()
        _say(console, f"{index}  {' · '.join(facts)}", "bold" if yours else DIM)
        body = Text()
        for piece, kind in parts.segments(turn.text, marks.get(index, ())):
            body.append_text(_mark(piece, kind, console) if kind else Text(printable(piece)))
        _indented(console, body)
        for source in () if yours else parts.turn_sources(turn):
            _indented(console, _source(source))


def print_source(source: Source, console: Console) -> None:
    """The claim behind the question just answered, and where to hear it."""
    _indented(console, _source(source), style=DIM)


def _mark(text: str, kind: str, console: Console) -> Text:
    if console.color_system is None or console.no_color:
        return Text(f"[{SIGNS[kind]} {printable(text)}]")
    return Text(printable(text), style=STYLES[kind])


def _say(console: Console, text: str, style: str = "") -> None:
    for line in Text(printable(text), style=style).wrap(console, _width(console)):
        line.rstrip()
        console.print(line, overflow="fold")


def _width(console: Console) -> int:
    return min(console.width, MAX_WIDTH)


def _indented(console: Console, text: Text, sign: str = "", style: str = "") -> None:
    """Wrapped text under a common margin, a sign in front of its first line."""
    margin = 5 if sign else 3
    lead = Text(f"   {sign} " if sign else "   ", style=style)
    text.expand_tabs(4)
    for line in text.wrap(console, max(_width(console) - margin, 20)):
        line.rstrip()
        console.print(Text.assemble(lead, line), overflow="fold")
        lead = Text(" " * margin)


def _headline(report: Report, console: Console) -> None:
    _say(console, report.title, "bold")
    _say(console, " · ".join(parts.setting_words(report)), DIM)
    console.print()
    if report.overall is None:
        _say(console, "No overall score: fewer than six dimensions were graded.", "bold")
        return
    line = Text(f"{score_words(report.overall)} of 4", style="bold cyan")
    line.append(f"   {report.level} signal: ", style="default not bold")
    line.append(words(report.signal), style="bold default")
    console.print(line)
    levels = (f"{level} {words(report.by_level.get(level))}" for level in LEVELS)
    _say(console, f"The same answers at each level: {', '.join(levels)}", DIM)


def _table(report: Report) -> Table:
    own = any(r.own_rating is not None for r in report.dimensions)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=DIM, pad_edge=False)
    table.add_column("dimension", no_wrap=True)
    table.add_column("0 to 4", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("likely", no_wrap=True)
    if own:
        table.add_column("you", justify="right", no_wrap=True)
    for review in report.dimensions:
        cells = [Text(capital(review.dimension)), *_cells(review)]
        if own:
            cells.append(Text(score_words(review.own_rating), style=DIM))
        table.add_row(*cells)
    return table


def _cells(review: DimensionReview) -> list[Text]:
    if review.score is None:
        return [Text(parts.status_words(review).ljust(BAR), style="italic"), Text("–"), Text("–")]
    return [
        _bar(review.score, review.band),
        Text(score_words(review.score), style="bold"),
        Text(parts.band_words(review.band)),
    ]


def _bar(score: float, band: tuple[float, float] | None) -> Text:
    """Filled up to the score, shaded up to the upper end of the likely range."""
    filled = round(BAR * min(score, MAX_SCORE) / MAX_SCORE)
    upper = max(filled, round(BAR * min(band[1] if band else score, MAX_SCORE) / MAX_SCORE))
    bar = Text("█" * filled, style="cyan")
    bar.append("▒" * (upper - filled), style="cyan")
    return bar.append("·" * (BAR - upper), style=DIM)


def _changes(report: Report, console: Console) -> None:
    console.print()
    _say(console, "What would change the signal", "bold")
    _indented(console, Text(parts.changes_lead(report)))
    for change in parts.telling_changes(report):
        line = Text(f"{parts.change_words(report, change)}. ")
        line.append(f"-> {parts.effect_words(report, change)}", style="cyan")
        _indented(console, line, "•")


def _dimension(review: DimensionReview, console: Console) -> None:
    console.print()
    title = Text(capital(review.dimension), style="bold")
    if review.score is None:
        console.print(title.append(f"  {parts.status_words(review)}", style="italic not bold"))
        _indented(console, Text(printable(review.reason)))
        return
    title.append(f"  {score_words(review.score)}", style="cyan")
    title.append(f"  likely {parts.band_words(review.band)}", style=f"not bold {DIM}")
    console.print(title)
    _label(console, "Earned" if review.earned else "Earned: no sentence earned credit here")
    for item in review.earned:
        sign, style = ("+", "green") if item.met else ("½", "yellow")
        _indented(console, _earned(review, item), sign, style)
    for mistake in review.mistakes:
        _indented(console, _mistake(mistake), "-", "red")
    if review.close_first:
        _label(console, f"Close first: {review.close_first.subject}")
        _gap(console, review.close_first)
    if review.then:
        _label(console, "Then")
        for gap in review.then:
            _indented(console, Text(capital(gap.subject)), "•")
    if review.not_checked:
        _label(console, "Not checked", f"your {', '.join(review.not_checked)}")
    if review.next_drill:
        _label(console, "Next", f"drill on {review.next_drill}")


def _label(console: Console, name: str, rest: str = "") -> None:
    text = Text(name, style="bold")
    if rest:
        text.append(f": {printable(rest)}", style="not bold")
    _indented(console, text)


def _quotes(quotes: Sequence[tuple[int, str]]) -> Text:
    text = Text()
    for turn, words_said in quotes:
        text.append("\n" if text else "")
        text.append(f"“{' '.join(printable(words_said).split())}”", style="italic")
        text.append(f" turn {turn}", style=DIM)
    return text


def _earned(review: DimensionReview, item: Earned) -> Text:
    """One quote is enough here; half credit that "Close first" tells needs none."""
    notes = [parts.credit_words(item), "a risk you raised" if item.risk else ""]
    text = Text(capital(item.statement))
    if shown := [note for note in notes if note]:
        text.append(f" ({', '.join(shown)})", style="cyan")
    if parts.told_below(review, item) or not item.quotes:
        return text
    return text.append("\n").append_text(_quotes(item.quotes[:1]))


def _mistake(mistake: Mistake) -> Text:
    text = Text(f"{parts.mistake_words(mistake)}:\n").append_text(_quotes(mistake.quotes))
    return text.append(f"\nStronger: {mistake.strong}", style="default")


def _gap(console: Console, gap: Gap) -> None:
    _indented(console, Text(printable(parts.found_words(gap))))
    if gap.quotes:
        _indented(console, _quotes(gap.quotes))
        _indented(console, Text(f"The full point: an answer that {gap.statement}."))
    _indented(console, Text("Stronger: ", style="bold").append(gap.strong, style="not bold"))
    if gap.source is not None:
        _indented(console, _source(gap.source))


def _source(source: Source) -> Text:
    label = printable(parts.source_words(source))
    if source.start is not None:
        label += f", {clock(source.start)}"
    text = Text("Listen: ", style=DIM).append(f"{printable(source.text)} {label}")
    url = parts.safe_url(source.url)
    return text.append(f"\n{printable(url)}") if url else text


def _pointers(report: Report, console: Console) -> None:
    console.print()
    if guess := parts.guess_words(report):
        _say(console, guess)
    if progress := parts.progress_words(report):
        _say(console, progress)
    for remark in report.remarks:
        _say(console, remark)
    if report.flags:
        count = len(report.flags)
        what = "1 sentence was" if count == 1 else f"{count} sentences were"
        _say(console, f"{what} not counted as evidence.")
    by = f"{report.engine}, {report.model}" if report.model else report.engine
    _say(console, report.limits, DIM)
    _say(console, f"Graded by {by}; rubric {report.rubric_version}.", DIM)
