"""The report's renderers: what a candidate typed stays text, and marks sit where they belong."""

from __future__ import annotations

import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from agent.grading import grade_transcript
from agent.playbook import Playbook
from agent.records import Appeal, SelfRating, Source
from agent.report import (
    Change,
    DimensionReview,
    Earned,
    Gap,
    Mistake,
    Report,
    build_report,
    packaged_sources,
)
from agent.scale import DIMENSIONS, Dimension
from agent.transcript import Transcript, read_transcript
from app.export import parts, print_report, print_transcript, to_html, to_markdown, transcript_json
from app.export.chart import chart_svg, chart_text
from app.export.escape import escape, inline, marked
from app.export.markdown import _quoted
from app.times import clock
from knowledge.encoder import MiniLMEncoder

CANDIDATES = Path(__file__).parents[1] / "agent" / "data" / "candidates"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</div></li></main><style>*{display:none}</style>",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;b&gt; &amp; &#60;",
    "**bold** _it_ `code` ~~gone~~ [x](javascript:alert(1)) ![i](http://e.x/a.png)",
    "# title",
    "1. one",
    "- item",
    "    four spaces",
    "> quote",
    "| a | b |",
    "[bold red]styled[/bold red] [/] [link=http://e.x]l[/link] :smile:",
    "back\\slash \\* $x$ @someone #1",
]
LISTEN = Source(
    id="note",
    text="Ask when labels arrive.",
    title="ML System Design Interviews",
    episode="S7E5",
    speaker="Valerii Babushkin",
    start=1270.0,
    url="https://www.youtube.com/watch?v=0RsmRjar66E&t=1270",
)


def review(name: Dimension, score: float | None = 2.5, **fields: Any) -> DimensionReview:
    base: dict[str, Any] = {
        "dimension": name,
        "about": f"what {name} covers",
        "score": score,
        "band": None if score is None else (2.0, 3.0),
        "status": "graded",
        "reason": "1 of 2 criteria met.",
        "own_rating": None,
        "earned": (),
        "mistakes": (),
        "close_first": None,
        "then": (),
        "not_checked": (),
        "next_drill": None,
    }
    return DimensionReview.model_validate(base | fields)


def gap(criterion: str = "data.label-delay", **fields: Any) -> Gap:
    base: dict[str, Any] = {
        "criterion": criterion,
        "subject": "when labels arrive",
        "statement": "says when a label arrives",
        "found": 'I found no sentence about when labels arrive. Nearest: "soon" (turn 1).',
        "quotes": (),
        "strong": "Cut training where labels have matured.",
        "source": LISTEN,
        "points": 3,
        "level": "mid",
        "can_recheck": True,
    }
    return Gap.model_validate(base | fields)


def earned(quotes: tuple[tuple[int, str], ...], **fields: Any) -> Earned:
    base: dict[str, Any] = {
        "criterion": "data.features",
        "statement": "names a feature",
        "met": True,
        "prompted": False,
        "hints": 0,
        "quotes": quotes,
        "risk": False,
    }
    return Earned.model_validate(base | fields)


def report(*answers: str, dimensions: tuple[DimensionReview, ...] = (), **fields: Any) -> Report:
    """A report on answers, each after a question; answer N is turn 2N+1."""
    turns: list[dict[str, Any]] = []
    for answer in answers:
        turns.append({"speaker": "interviewer", "stage": "data", "text": "Where from?"})
        turns.append({"speaker": "candidate", "stage": "data", "text": answer, "seconds": 65})
    base: dict[str, Any] = {
        "title": "Fraud at checkout",
        "level": "senior",
        "minutes": 25,
        "style": "neutral",
        "variant": "weeks",
        "transcript": Transcript.model_validate({"id": "t", "turns": turns}),
        "overall": 2.5,
        "signal": "lean_yes",
        "by_level": {"mid": "yes", "senior": "lean_yes", "staff": "lean_no"},
        "dimensions": dimensions,
        "weakest_guess": None,
        "weakest": dimensions[0].dimension if dimensions else None,
        "changes": (),
        "flags": (),
        "stage_seconds": {"data": 65.0},
        "clock": 65.0,
        "strong_answers": {"data": "A strong answer."},
        "appeals": (),
        "remarks": ("You used 26 of 25 minutes.",),
        "engine": "offline",
        "model": "encoder+detector",
        "rubric_version": "abc",
        "limits": "It reads English only.",
    }
    return Report.model_validate(base | fields)


def quoting(text: str) -> Report:
    """A report in which ``text`` stands everywhere where a candidate's words can."""
    said = f"before {text} after"
    item = earned(((1, text),))
    half = earned(((3, text),), criterion="data.label-delay", met=False, prompted=True, hints=1)
    mistake = Mistake(
        criterion="data.split",
        statement="splits at random",
        quotes=((5, text),),
        strong="Split by time.",
        source=LISTEN,
        points=-3,
    )
    data = review(
        "data",
        earned=(item, half),
        mistakes=(mistake,),
        close_first=gap(quotes=((3, text),)),
        then=(gap("data.other", found=f'Nothing. Nearest: "{text}" (turn 1).'),),
        not_checked=(text,),
        next_drill="data: when labels arrive",
    )
    appeal = {
        "id": "a", "interview": "t", "grade": "g", "criterion": "data.label-delay", "turn": 1,
        "text": text, "before": "unmet", "after": "partial", "reason": text,
        "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return report(
        said,
        said,
        said,
        title=text,
        dimensions=(data,),
        flags=({"kind": "list", "turn": 1, "text": text},),
        appeals=(Appeal.model_validate(appeal),),
    )


class Page(HTMLParser):
    """Element names, marked text by kind, text of the turns and every attribute."""

    VOID = frozenset({"meta", "line", "rect", "circle"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.marks: list[tuple[str, str]] = []
        self.turns: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {k: v or "" for k, v in attrs}
        self.seen.add(tag)
        assert not [k for k in known if k.startswith("on") or k == "src"]
        if "href" in known:
            self.links.append(known["href"])
        if "id" in known:
            self.ids.append(known["id"])
        if tag in self.VOID:
            return
        self.open.append((tag, known.get("class", "")))
        if known.get("class") == "text":
            self.turns.append("")
        if tag == "mark":
            self.marks.append((known["class"], ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if any(tag == "mark" for tag, _ in self.open):
            self.marks[-1] = (self.marks[-1][0], self.marks[-1][1] + data)
        if ("div", "text") in self.open:
            self.turns[-1] += data


def terminal(made: Report, *, color: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None
    )
    print_report(made, console)
    print_transcript(made, console)
    return out.getvalue()


def plain(markdown: str) -> str:
    """What a Markdown reader shows, whitespace folded."""
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", shown)).split())


@pytest.mark.parametrize("text", HOSTILE)
def test_html_shows_what_was_typed_and_marks_it(text: str):
    page = Page(to_html(quoting(text)))
    assert not page.open
    assert not page.seen & {"script", "img", "iframe", "form", "link"}
    assert page.turns[1] == f"before {text} after"
    assert page.turns == ["Where from?", f"before {text} after"] * 3
    # After the three of the legend, in the order of the turns.
    assert page.marks[3:] == [("met", text), ("partial", text), ("error", text)]
    assert page.text.count(text) >= 9


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_what_was_typed(text: str):
    source = to_markdown(quoting(text))
    shown = plain(source)
    folded = " ".join(text.split())
    for sign in "✓½✗":
        assert f"before {folded} {sign} after" in shown
    assert f"“{folded}” (turn 5)" in shown
    rendered = MarkdownIt("commonmark").enable("table").render(source)
    assert not re.search(r"<(script|img|code|style|h1>title)", rendered)
    assert 'href="javascript' not in rendered
    assert 'href="http://e.x' not in rendered


@pytest.mark.parametrize("text", HOSTILE)
def test_terminal_shows_what_was_typed(text: str):
    shown = " ".join(terminal(quoting(text), width=400).split())
    folded = " ".join(text.split())
    for sign in "+½-":
        assert f"before [{sign} {folded}] after" in shown
    assert f"“{folded}” turn 5" in shown


def test_terminal_colours_the_quotes_and_lets_no_escape_through():
    made = quoting("[bold]red\x1b[35m\x9b2J")
    shown = terminal(made, color=True)
    assert "\x1b[30;42m[bold]red\ufffd[35m\ufffd2J\x1b[0m" in shown
    assert "\x1b[37;41m[bold]red" in shown
    assert "\x1b[35m" not in shown
    assert "\x9b" not in shown


def test_terminal_fits_eighty_columns():
    words = "the label arrives after sixty days and so the window ends there " * 20
    made = quoting(words.strip())
    lines = terminal(made).splitlines()
    assert max(map(len, lines)) <= 80


@given(st.text(max_size=200), st.data())
def test_segments_join_to_the_text(text: str, data: st.DataObject):
    bound = st.integers(-5, len(text) + 5)
    spans = data.draw(st.lists(st.tuples(bound, bound, st.sampled_from(list(parts.KINDS)))))
    pieces = parts.segments(text, spans)
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece for piece, _ in pieces)


@given(st.text(max_size=80), st.text(min_size=1, max_size=80), st.text(max_size=80))
def test_segments_cut_at_the_span(before: str, quote: str, after: str):
    pieces = parts.segments(before + quote + after, [(len(before), len(before + quote), "met")])
    assert [p for p in pieces if p[1]] == [(quote, "met")]


MARKUP = st.text(st.sampled_from("ab1 *_`~<>[]()!#&;:/\\|+-=.@$\n\t\"'{}x"), max_size=60)


@given(MARKUP | st.text(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_markdown_escaping_is_literal(text: str, start: int, end: int):
    expected = " ".join(parts.printable(text).split())
    assert plain(f"- {inline(text)}") == expected
    assert plain(f"# {inline(text)}") == expected
    assert plain("\n".join(_quoted(marked(text, ())))) == expected
    spans = [(start, end, "met")]
    shown = plain("\n".join(_quoted(marked(text, spans)))).replace("✓", "")
    assert "".join(shown.split()) == "".join(expected.replace("✓", "").split())


@given(st.text(max_size=100), st.integers(0, 9))
def test_turn_references_join_to_the_text(text: str, turns: int):
    whole = f"{text} (turn 3) (turn 12)"
    pieces = parts.linked(whole, turns)
    assert "".join(piece for piece, _ in pieces) == whole
    assert all(turn is None or turn < turns for _, turn in pieces)


def test_whitespace_of_an_answer_is_kept():
    text = "plan:\n    step one\n\n\tstep two  end"
    made = report(text)
    assert Page(to_html(made)).turns[1] == text
    shown = MarkdownIt("commonmark").render(to_markdown(made))
    assert "plan:<br />\n\xa0\xa0\xa0\xa0step one</p>\n<p>\xa0\xa0\xa0\xa0step two" in shown


def test_html_is_self_contained_and_its_links_lead_somewhere():
    made = quoting("the label arrives late")
    source = to_html(made)
    page = Page(source)
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert {"turn-1", "turn-3", "turn-5", "data", "transcript"} <= set(inside)
    assert set(inside) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {LISTEN.url}
    assert not re.search(r"@import|url\(", source)
    assert "Valerii Babushkin, ML System Design Interviews, S7E5, " in page.text
    assert "21:10" in page.text


def test_every_part_is_there_in_order():
    made = quoting("the label arrives late").model_copy(
        update={
            "changes": (
                Change(
                    criterion="data.label-delay",
                    dimension="data",
                    statement="says when a label arrives",
                    score=3.0,
                    signal="yes",
                ),
                Change(
                    criterion="data.split",
                    dimension="data",
                    statement="splits at random",
                    score=3.0,
                    signal="lean_yes",
                ),
            )
        }
    )
    wanted = [
        "Senior signal: lean yes", "Earned", "unprompted", "after a hint",
        "It cost 3 points that your answer splits at random", "Close first: when labels arrive",
        "Not checked:", "Next: drill on data: when labels arrive", "Why not higher?",
        "What would change the signal", "An answer that says when a label arrives",
        "senior signal yes", "An answer that no longer splits at random", "A strong answer.",
        "Where from?", "1:05", "of 25 minutes", "You used 26 of 25 minutes.",
        "a list of terms without a statement", "partial", "It reads English only.", "offline",
        "encoder+detector", "abc",
    ]  # fmt: skip
    page = Page(to_html(made))
    for shown in (" ".join(page.text.split()), plain(to_markdown(made))):
        at = 0
        for words in wanted:
            position = shown.find(words, at)
            assert position >= 0, words
            at = position


def test_sources_of_an_interviewer_turn_are_shown_and_checked():
    claim = LISTEN.model_dump(mode="json")
    bad = claim | {"url": "javascript:alert(1)", "title": "Bad", "unknown": 1}
    turns = [
        {"speaker": "interviewer", "text": "When?", "move": "probe", "sources": [claim, bad]},
        {"speaker": "interviewer", "text": "So?", "sources": [7, {"id": 3}, "x"]},
        {"speaker": "interviewer", "text": "And?", "sources": {"id": "x"}},
    ]
    made = report(transcript=Transcript.model_validate({"id": "t", "turns": turns}))
    page = Page(to_html(made))
    assert "follow-up" in page.text
    assert page.text.count("Ask when labels arrive.") == 2
    assert [link for link in page.links if not link.startswith("#")] == [LISTEN.url]
    assert "javascript" not in to_markdown(made)
    shown = terminal(made)
    assert "javascript" not in shown
    assert str(LISTEN.url) in shown


def test_no_score_is_shown_otherwise_than_zero():
    made = report(
        "x",
        dimensions=(
            review("framing", 0.0, band=(0.0, 0.0)),
            review("metrics", None, status="not_assessed", reason="Neither asked nor raised."),
            review("data", None, status="unscored", reason="Not in English."),
        ),
        overall=None,
        signal=None,
        by_level={"mid": None, "senior": None, "staff": None},
    )
    assert chart_text(made.dimensions) == (
        "Framing 0.0, likely 0; Metrics not assessed; Data not graded."
    )
    assert str(chart_svg(made.dimensions)).count("<circle") == 1
    shown = " ".join(Page(to_html(made)).text.split())
    lines = terminal(made).splitlines()
    for text in (shown, plain(to_markdown(made)), " ".join(lines)):
        assert "No overall score" in text
        assert "not assessed" in text
        assert "not graded" in text
        assert "Not in English." in text
    table = {line.split()[0]: line for line in lines if line[:7] in ("Framing", "Metrics")}
    assert "0.0" not in table["Metrics"]


def test_own_ratings_stand_beside_the_scores():
    made = report(
        "x",
        dimensions=(
            review("framing", 2.5, own_rating=3.0),
            review("metrics", 2.0, own_rating=2.0),
            review("data", 3.0, own_rating=1.5),
            review("serving", None, status="not_assessed", own_rating=2.0),
        ),
        weakest_guess="data",
        weakest="metrics",
    )
    assert [parts.gap_words(r.gap) for r in parts.own_ratings(made)] == [
        "+0.5",
        "same",
        "−1.5",
        "–",
    ]
    assert "own rating 3.0" in chart_text(made.dimensions)
    assert str(chart_svg(made.dimensions)).count('class="own"') == 4
    sentence = "You took data for your weakest; the lowest score is metrics."
    for text in (Page(to_html(made)).text, to_markdown(made), terminal(made)):
        assert sentence in text
    assert "Your own rating" not in Page(to_html(report("x"))).text


def test_words_for_values():
    assert [clock(s) for s in (0, 5, 65.9, 600, 3661, -3, float("nan"))] == [
        "0:00", "0:05", "1:05", "10:00", "1:01:01", "0:00", "0:00",
    ]  # fmt: skip
    assert [parts.words(s) for s in ("lean_yes", "strong_no", None)] == [
        "lean yes",
        "strong no",
        "no signal",
    ]
    assert [parts.score_words(s) for s in (2.5, 3.0, 0.0, None)] == ["2.5", "3.0", "0.0", "–"]
    assert [parts.band_words(b) for b in ((2.0, 3.0), (3.5, 3.5), None)] == ["2–3", "3.5", "–"]
    assert parts.safe_url("https://a.b/c?d=e") == "https://a.b/c?d=e"
    for bad in ("javascript:alert(1)", "data:text/html,x", "https://a b", " https://a", "", None):
        assert parts.safe_url(bad) is None
    assert escape("a *b*\r\n# c") == "a \\*b\\*\n\\# c"


def test_transcript_json_is_the_contracts():
    made = report("größer <b>")
    document = json.loads(transcript_json(made))
    assert document == made.transcript.document()
    assert read_transcript(transcript_json(made), "again") == made.transcript
    assert "größer <b>" in transcript_json(made)


@pytest.fixture(scope="module")
def playbook() -> Playbook:
    return Playbook.load("fraud-checkout", MiniLMEncoder(), variant="weeks")


def graded(transcript: Transcript, playbook: Playbook) -> Report:
    rating = SelfRating(interview="t", ratings=dict.fromkeys(DIMENSIONS, 2.0), weakest="data")
    document = grade_transcript(transcript, playbook).document()
    return build_report(transcript, document, playbook, packaged_sources(), rating=rating)


@pytest.mark.parametrize("name", ["strong", "mid", "copied"])
def test_a_real_interview_renders_with_its_quotes_marked(name: str, playbook: Playbook):
    text = (CANDIDATES / f"{name}.json").read_text("utf-8")
    made = graded(read_transcript(text, name), playbook)
    page = Page(to_html(made))
    assert not page.open
    assert page.turns == [t.text for t in made.transcript.turns]
    said = {text for r in made.dimensions for e in r.earned for _, text in e.quotes}
    said |= {text for r in made.dimensions for m in r.mistakes for _, text in m.quotes}
    assert {text for _, text in page.marks[3:]} <= said
    assert bool(page.marks[3:]) == bool(said)
    assert plain(to_markdown(made))
    assert max(map(len, terminal(made).splitlines())) <= 80


def test_an_empty_interview_renders(playbook: Playbook):
    made = graded(Transcript(id="t"), playbook)
    assert all(r.status == "not_assessed" for r in made.dimensions)
    for text in (Page(to_html(made)).text, to_markdown(made), terminal(made)):
        assert "No overall score" in text
        assert "not assessed" in text
        assert "Nothing was said." in text
    assert Page(to_html(report())).seen
    assert to_markdown(report())
    assert terminal(report())


def test_an_interview_in_another_language_is_not_graded(playbook: Playbook):
    answer = (
        "Ich würde zuerst fragen, wann eine Rückbuchung bei uns ankommt, und die letzten sechzig "
        "Tage nicht zum Trainieren verwenden, weil dort noch Betrug fehlt."
    )
    made = graded(report(answer).transcript, playbook)
    assert all(r.status == "unscored" for r in made.dimensions)
    for text in (Page(to_html(made)).text, plain(to_markdown(made)), terminal(made)):
        assert "not graded" in text
        assert "not in English" in " ".join(text.split())
        assert "wann eine Rückbuchung" in " ".join(text.split())
