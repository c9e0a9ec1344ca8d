"""Every page, run by Streamlit's own test harness on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.records import SelfRating, Source
from agent.service import Setup
from agent.store import Store
from app.services import Services
from app.times import clock
from app.ui.past import compared
from app.ui.text import cut, marked, plain, sentence, source_link, verdict
from tests.app.driving import answer, clean, click, current, page

pytestmark = pytest.mark.usefixtures("one_data_directory")

ROOT = Path(__file__).parents[2]
CANDIDATES = ROOT / "tests" / "agent" / "data" / "candidates"
PRACTICE, REVIEW, PAST, SEARCH = (
    f"screens/{p}.py" for p in ("practice", "review", "past", "search")
)
LABELS = (
    "Chargebacks arrive 30 to 60 days after the payment, so I only train on payments older than "
    "60 days and watch reviewer decisions for the fresh ones."
)


def texts(at: AppTest) -> str:
    """All that is on the page, HTML as it is sent."""
    parts = [e.value for kind in (at.title, at.caption, at.markdown, at.error) for e in kind]
    return "\n".join([*parts, *(str(e.proto.body) for e in at.get("html"))])


def labels(at: AppTest) -> list[str]:
    return [b.label for b in at.button]


def started(services: Services, **setup: object) -> str:
    """A new interview whose first question was asked."""
    record = services.interviews.create(Setup(**{"minutes": 12, "seed": 7, **setup}))  # type: ignore[arg-type]
    list(services.interviews.begin(record.id))
    return record.id


def reply(services: Services, interview: str, text: str = "", act: str = "answer") -> None:
    seq = services.interviews.standing(interview).question_seq
    services.interviews.accept(interview, seq, text, act=act, seconds=20.0)  # type: ignore[arg-type]
    list(services.interviews.advance(interview))


def graded(services: Services, *said: str, rated: bool = True) -> str:
    """A finished interview in which ``said`` was said."""
    interview = started(services)
    for text in said:
        if not services.interviews.standing(interview).over:
            reply(services, interview, text)
    if not services.interviews.standing(interview).over:
        reply(services, interview, act="done")
    if rated:
        services.interviews.rate(
            SelfRating(interview=interview, ratings={"data": 4.0}, weakest="data")
        )
    return interview


def candidate(name: str) -> list[str]:
    turns = json.loads((CANDIDATES / f"{name}.json").read_text(encoding="utf-8"))["turns"]
    return [t["text"] for t in turns if t["speaker"] == "candidate"]


# Home


def test_home_starts_with_two_choices_and_no_form() -> None:
    at = page()
    assert {"Start 12 minutes", "Read a graded interview"} <= set(labels(at))
    assert "no key, nothing leaves this machine" in texts(at)
    assert not at.expander[0].proto.expanded


def test_home_starts_an_interview_of_the_chosen_length_and_level(services: Services) -> None:
    at = page()
    at.radio(key="minutes").set_value(25)
    at.segmented_control(key="level").set_value("mid")
    at.number_input(key="seed").set_value(3)
    click(at, "start-other")
    record = services.store.interview(current(at))
    assert (record.minutes, record.level, record.seed) == (25, "mid", 3)


def test_home_lists_what_is_not_finished(services: Services) -> None:
    interview = started(services)
    at = click(page(), f"continue-{interview}")
    assert current(at) == interview
    assert services.store.turns(interview)[0].text[:40] in texts(at)


# Practice


def test_a_whole_interview_from_the_first_click_to_the_report(services: Services) -> None:
    at = click(page(), "start")
    interview = current(at)
    for text in candidate("mid"):
        if not at.chat_input:
            break
        answer(at, text)
        assert services.store.turns(interview)[-1].speaker == "interviewer" or not at.chat_input
    if at.chat_input:
        click(at, "end-now")
    assert at.title[0].value == "Before the scores"
    at.select_slider(key=f"rate-{interview}-data").set_value("2.5")
    at.selectbox(key=f"weakest-{interview}").set_value("operations")
    click(at, "rate")
    assert services.store.rating(interview) == SelfRating(
        interview=interview, ratings={"data": 2.5}, weakest="operations"
    )
    assert "of 4" in texts(at)
    assert all(t.seconds is not None for t in services.store.turns(interview) if t.act == "answer")


def test_what_is_said_is_never_interpreted(services: Services) -> None:
    interview = started(services)
    said = "<script>alert(1)</script> <b>bold</b> **stars** $x$ :smile: `code` [a](http://b)"
    at = answer(page(PRACTICE, interview=interview), said)
    assert services.store.turns(interview)[1].text == said
    shown = next(str(e.proto.body) for e in at.get("html") if "alert(1)" in str(e.proto.body))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &lt;b&gt;bold&lt;/b&gt; **stars** $x$" in shown
    assert not any("alert(1)" in m.value for m in at.markdown)


def test_a_refused_answer_is_kept_and_can_be_sent_again(services: Services) -> None:
    interview = started(services)
    long = "labels " * 3_000
    at = answer(page(PRACTICE, interview=interview), long)
    assert "at most 20,000" in at.warning[0].value.replace("\\", "")
    box = at.text_area(key=f"box-{interview}")
    assert box.value == long
    assert len(services.store.turns(interview)) == 1
    box.set_value("labels, in short")
    click(at, "resend")
    assert services.store.turns(interview)[1].text == "labels, in short"
    assert not at.text_area


def test_a_question_answered_in_another_tab_keeps_the_text(services: Services) -> None:
    interview = started(services)
    at = page(PRACTICE, interview=interview)
    reply(services, interview, "From the other tab: how many reviewers are there?")
    answer(at, "From this tab")
    assert "answered in another tab" in at.warning[0].value
    assert at.text_area(key=f"box-{interview}").value == "From this tab"
    click(at, "reload")
    assert at.text_area(key=f"box-{interview}").value == "From this tab"
    click(at, "resend")
    said = [t.text for t in services.store.turns(interview) if t.speaker == "candidate"]
    assert said[1] == "From this tab"


def test_text_for_an_interview_that_ended_elsewhere_is_kept(services: Services) -> None:
    interview = started(services)
    at = page(PRACTICE, interview=interview)
    reply(services, interview, act="done")
    answer(at, "Too late")
    assert "already ended" in at.warning[0].value
    assert at.text_area(key=f"box-{interview}").value == "Too late"


def test_a_command_that_comes_too_late_just_shows_what_is(services: Services) -> None:
    interview = started(services)
    at = page(PRACTICE, interview=interview)
    reply(services, interview, act="done")
    click(at, "skip")
    assert at.title[0].value == "Before the scores"


def test_an_accepted_answer_is_delivered_on_the_next_visit(services: Services) -> None:
    interview = started(services)
    seq = services.interviews.standing(interview).question_seq
    services.interviews.accept(interview, seq, "How many reviewers are there?")
    at = page(PRACTICE, interview=interview)
    turns = services.store.turns(interview)
    assert turns[-1].speaker == "interviewer"
    assert len(turns) == 3
    assert turns[-1].text[:30] in texts(at)


def test_the_hint_says_its_cost_or_why_there_is_none(services: Services) -> None:
    interview = started(services)
    at = page(PRACTICE, interview=interview)
    assert at.button(key="hint").disabled
    assert at.button(key="hint").label == "No hint here"
    assert "question is open" in at.button(key="hint").help
    at = page(PRACTICE, interview=_probed(services))
    assert at.button(key="hint").label == "Hint (costs 25% of this point)"
    click(at, "hint")
    assert at.button(key="hint").label == "Next hint (50% of this point in all)"
    assert "You asked for a hint." in texts(at)


def _probed(services: Services) -> str:
    """An interview that stands at a probe."""
    interview = started(services)
    for text in ("I am ready to begin.", LABELS, "That is the whole design."):
        reply(services, interview, text)
        if services.interviews.standing(interview).hint_cost is not None:
            return interview
    pytest.fail("no probe came")


def test_a_source_opens_only_after_its_question_was_answered(services: Services) -> None:
    interview = _probed(services)
    row = services.store.turns(interview)[-1]
    source = Source(id="x", text="A claim <i>as said</i>.", title="A talk", start=75.0)
    shown = row.model_copy(update={"sources": (source,)})
    _replace(services.store, shown.model_dump_json(), interview, row.seq)
    at = page(PRACTICE, interview=interview)
    assert "as said" not in texts(at)
    click(at, "skip")
    assert "A claim &lt;i&gt;as said&lt;/i&gt;." in texts(at)
    assert "A talk, 1:15" in texts(at)


def _replace(store: Store, body: str, interview: str, seq: int) -> None:
    import sqlite3
    import zlib

    path = store._engine.url.database
    assert path is not None
    with sqlite3.connect(path) as connection:
        connection.execute(
            "update turns set body = ? where interview = ? and seq = ?",
            (zlib.compress(body.encode()), interview, seq),
        )
    connection.close()


def test_the_stage_rail_is_shown_at_mid_only(services: Services) -> None:
    assert 'class="rail"' in texts(page(PRACTICE, interview=started(services, level="mid")))
    for level in ("senior", "staff"):
        assert 'class="rail"' not in texts(page(PRACTICE, interview=started(services, level=level)))


def test_the_ledger_and_the_clock_show_time_used(services: Services) -> None:
    interview = started(services)
    reply(services, interview, "How many reviewers are there?")
    at = page(PRACTICE, interview=interview)
    assert "Opening and sketch</td><td>0:20" in texts(at)
    assert "0:20 / 12:00" in texts(at)


def test_redo_opens_a_copy_at_the_last_question(services: Services) -> None:
    interview = started(services)
    reply(services, interview, "How many reviewers are there?")
    at = click(page(PRACTICE, interview=interview), "redo")
    again = services.store.interview(current(at))
    assert (again.parent, again.fork_seq) == (interview, 0)
    assert len(services.store.turns(again.id)) == 1


def test_practice_without_an_interview_says_so() -> None:
    assert "No interview is open here." in texts(page(PRACTICE))


# Own rating and review


def test_the_own_rating_is_asked_once_even_when_skipped(services: Services) -> None:
    interview = graded(services, LABELS, rated=False)
    at = page(REVIEW, interview=interview)
    assert at.title[0].value == "Before the scores"
    assert "of 4" not in texts(at)
    click(at, "rate-skip")
    assert at.title[0].value != "Before the scores"
    assert page(REVIEW, interview=interview).title[0].value != "Before the scores"


def test_the_review_of_an_open_interview_leads_back_to_it(services: Services) -> None:
    at = page(REVIEW, interview=started(services))
    assert at.chat_input


def test_the_review_shows_own_ratings_and_answers_back(services: Services) -> None:
    interview = graded(services, *candidate("mid"))
    at = page(REVIEW, interview=interview)
    shown = texts(at)
    assert "Your own rating: 4.0" in shown
    assert "You took data for your weakest" in shown
    assert "Graded offline" in plain_text(shown)
    assert '<mark class="met"' in shown
    click(at, "why_not_higher-data")
    assert "Why not higher?</div>" in texts(at)
    assert len(at.get("download_button")) == 3


def plain_text(shown: str) -> str:
    return shown.replace("\\", "")


def test_a_sentence_pointed_at_is_read_again_and_both_verdicts_stay(services: Services) -> None:
    interview = graded(services, *candidate("mid"))
    report = services.report(interview)
    gap = next(
        (r.dimension, g)
        for r in report.dimensions
        for g in (r.close_first, *r.then)
        if g is not None and g.can_recheck
    )
    at = page(REVIEW, interview=interview)
    click(at, f"recheck-{gap[0]}")
    assert "Choose the sentence first." in texts(at)
    at.selectbox(key=f"sentence-{gap[0]}").set_value(0)
    click(at, f"recheck-{gap[0]}")
    (appeal,) = services.store.appeals(interview)
    assert f"First verdict: {appeal.before}. Read again: <b>{appeal.after}</b>" in texts(at)


def test_not_assessed_looks_unlike_a_zero(services: Services) -> None:
    at = page(REVIEW, interview=graded(services, LABELS))
    shown = texts(at)
    assert verdict("graded", 0.0) == "0.0"
    statuses = {r.status for r in services.report(current(at)).dimensions}
    if "not_assessed" in statuses:
        assert '<span class="none">not assessed</span>' in shown


def test_a_question_of_the_transcript_can_be_answered_again(services: Services) -> None:
    interview = graded(services, LABELS)
    at = click(page(REVIEW, interview=interview), "redo-0")
    assert services.store.interview(current(at)).parent == interview


def test_the_packaged_interview_is_a_report_to_read() -> None:
    at = click(page(), "sample")
    assert current(at) == "sample"
    assert "ships with Spar" in texts(at)
    assert "I did say this" not in [e.label for e in at.expander]


# Past, search, errors


def test_past_interviews_open_and_delete_after_a_second_click(services: Services) -> None:
    interview = graded(services, LABELS)
    at = page(PAST)
    assert f"delete-now-{interview}" in {b.key for b in at.button}
    click(at, f"delete-now-{interview}")
    assert interview not in {r.id for r in services.store.interviews()}
    assert f"delete-now-{interview}" not in {b.key for b in at.button}


def test_a_second_attempt_is_compared_with_the_first(services: Services) -> None:
    first = graded(services, "I would use a model.")
    again = services.interviews.redo(first, 0).id
    reply(services, again, LABELS)
    reply(services, again, act="done")
    at = page(PAST)
    assert "Compare with the first attempt" in [e.label for e in at.expander]


def test_compared_tells_scores_from_what_was_not_assessed() -> None:
    # Data rises by 1.5; framing was not assessed the first time, so there is no change to tell.
    first = {
        "scores": {
            "data": {"score": 1.0, "status": "graded"},
            "framing": {"score": None, "status": "not_assessed"},
        },
        "overall": {"score": None},
    }
    second = {
        "scores": {
            "data": {"score": 2.5, "status": "graded"},
            "framing": {"score": 0.0, "status": "graded"},
        },
        "overall": {"score": 1.9},
    }
    table = compared(first, second)
    assert "<td>Data</td><td>1.0</td><td>2.5</td><td>+1.5</td>" in table
    assert "<td>Framing</td><td>not assessed</td><td>0.0</td><td>–</td>" in table


def test_search_finds_claims_with_speaker_and_minute() -> None:
    at = page(SEARCH)
    clean(at.text_input(key="query").set_value("when do fraud labels arrive").run())
    assert "youtube.com/watch" in texts(at)
    assert "Valerii" in texts(at)


@pytest.mark.parametrize("path", [PRACTICE, REVIEW])
def test_an_unknown_interview_is_one_sentence(path: str) -> None:
    at = page(path, interview="nowhere")
    assert [e.value.replace("\\", "") for e in at.error] == ["There is no interview 'nowhere'."]


def test_a_damaged_database_is_one_sentence_on_every_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPAR_DATA_DIR", str(tmp_path))
    (tmp_path / "spar.sqlite3").write_bytes(b"not a database at all, " * 300)
    for at in (page(), page(PRACTICE, interview="x"), page(REVIEW, interview="x"), page(PAST)):
        assert len(at.error) == 1
        assert "damaged" in at.error[0].value
        assert not at.chat_input


# Texts


def test_plain_takes_every_sign_literally() -> None:
    assert plain("a *b* [c](d) $e$ :f: <g>") == (r"a \*b\* \[c\]\(d\) \$e\$ \:f\: \<g\>")


def test_marked_escapes_inside_and_outside_the_marks() -> None:
    assert marked("a <b> c", [(2, 5, "met")]) == (
        'a <mark class="met" title="earned credit">&lt;b&gt;</mark> c'
    )


def test_a_source_links_only_to_web_addresses() -> None:
    bad = Source(id="x", text="t", title="A <talk>", url="javascript:alert(1)")
    assert source_link(bad) == "A &lt;talk&gt;"
    good = bad.model_copy(update={"url": 'https://a.b/?x=1&t="2', "start": 61.0})
    assert source_link(good).startswith('<a href="https://a.b/?x=1&amp;t=&quot;2"')


def test_small_texts() -> None:
    assert clock(754.9) == "12:34"
    assert sentence("names an owner") == "Names an owner."
    assert cut("one two three", 9) == "one two …"
