"""Interviews as front ends run them: accepting, resuming after a kill, redo, grade, recheck."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.errors import (
    AnswerError,
    ConflictError,
    ContentError,
    InputError,
    NotFoundError,
    StoreError,
)
from agent.grading import grade_transcript
from agent.records import SelfRating, TurnRecord
from agent.scale import DIMENSIONS
from agent.service import Interviews, Setup
from agent.store import Store
from agent.transcript import read_transcript
from tests.agent.support import Clock, Scripted, play, say, start

SHORT = Setup(level="mid", minutes=12, seed=3)


@pytest.fixture
def again(tmp_path, encoder):
    """The same database as another process sees it."""
    opened = []

    def reopen() -> Interviews:
        opened.append(Store.open(f"sqlite:///{tmp_path / 'spar.sqlite3'}"))
        return Interviews(opened[-1], encoder, now=Clock())

    yield reopen
    for store in opened:
        store.close()


@pytest.mark.parametrize(
    ("setup", "error", "message"),
    [
        (Setup(minutes=3), InputError, "5 to 120 minutes"),
        (Setup(kind="stage"), InputError, "Say which stage to practise"),
        (Setup(case_id="none-such"), ContentError, "no case 'none-such'"),
        (Setup(case_id=None), InputError, "needs a case or a prompt"),
        (Setup(case_id=None, prompt="  "), InputError, "needs a case or a prompt"),
        (Setup(case_id=None, prompt="x" * 8001), InputError, "longer than 8,000 characters"),
    ],
)
def test_a_setup_that_cannot_be_is_refused_and_nothing_kept(service, setup, error, message):
    with pytest.raises(error, match=message):
        service.create(setup)
    assert service.store.interviews() == []


def test_what_a_new_interview_is(service):
    record = service.create(Setup(level="senior", minutes=25, seed=5, stage="data"))
    assert (record.status, record.style, record.engine) == ("open", "quiet", "offline")
    assert record.stage is None  # a whole case has no stage of its own
    assert record.variant == service.create(Setup(seed=5)).variant
    other = service.create(Setup(case_id=None, prompt="Rank " + "a feed " * 20))
    assert (other.case_id, other.variant) == (None, "none")
    assert other.title.endswith("...")
    assert len(other.title.split()) == 9


def test_begin_speaks_once(service):
    record = service.create(SHORT)
    first = "".join(service.begin(record.id))
    assert first
    assert "".join(service.begin(record.id)) == ""
    assert "".join(service.advance(record.id)) == ""
    assert [t.text for t in service.store.turns(record.id)] == [first]


def test_what_is_streamed_is_what_is_kept(service):
    record = start(service, SHORT)
    service.accept(record.id, 0, "How many reviewers do we have?", seconds=12.34)
    pieces = list(service.advance(record.id))
    turns = service.store.turns(record.id)
    assert "".join(pieces) == turns[-1].text
    assert len(pieces) > 3
    assert turns[1].text == "How many reviewers do we have?"
    assert turns[1].seconds == 12.3


def test_the_standing_shows_where_it_is(service):
    record = start(service, SHORT)
    say(service, record.id, "How many reviewers do we have?", seconds=30)
    standing = service.standing(record.id)
    assert standing.question_seq == 2
    assert not standing.over
    assert (standing.clock, standing.total_seconds) == (30.0, 720)
    assert [t.seq for t in standing.turns] == [0, 1, 2]
    empty = service.create(SHORT)
    assert service.standing(empty.id).question_seq == -1


def test_an_answer_that_is_none_changes_nothing(service):
    record = start(service, SHORT)
    for text in ("", " \n", "\x00", "x" * 20_001):
        with pytest.raises(AnswerError):
            service.accept(record.id, 0, text)
    assert len(service.store.turns(record.id)) == 1
    row = service.accept(record.id, 0, "typed text is not kept with a command", act="hint")
    assert (row.act, row.text) == ("hint", "")


def test_a_question_is_answered_once(service, again):
    record = start(service, SHORT)
    other = again()
    service.accept(record.id, 0, "Mine.")
    with pytest.raises(ConflictError, match="answered in another tab or process first"):
        other.accept(record.id, 0, "Theirs.")
    with pytest.raises(ConflictError):
        service.accept(record.id, 1, "To my own answer.")
    with pytest.raises(ConflictError):
        service.accept(record.id, 5, "To no question.")
    assert [t.text for t in service.store.turns(record.id)][1:] == ["Mine."]


def test_while_one_process_speaks_another_finds_the_turn(service, again):
    record = start(service, SHORT)
    other = again()
    service.accept(record.id, 0, "How many reviewers do we have?")
    mine = service.advance(record.id)
    first = next(mine)
    assert list(other.advance(record.id)) == []
    text = first + "".join(mine)
    assert [t.text for t in other.store.turns(record.id)][2:] == [text]


def test_two_processes_advance_at_once_and_one_turn_is_spoken(service, again):
    record = start(service, SHORT)
    services = [service, again()]
    service.accept(record.id, 0, "How many reviewers do we have?")
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda s: "".join(s.advance(record.id)), services))
    turns = service.store.turns(record.id)
    assert [t.speaker[0] for t in turns] == list("ici")
    assert set(told) <= {turns[-1].text, ""}
    assert turns[-1].text in told


def test_after_the_end_nothing_is_accepted(service):
    record = start(service, SHORT)
    say(service, record.id, act="done")
    with pytest.raises(ConflictError, match="already ended"):
        service.accept(record.id, 0, "One more thing.")
    assert "".join(service.advance(record.id)) == ""
    assert service.standing(record.id).over


def test_killed_before_the_first_turn(service, again):
    record = service.create(SHORT)
    service.begin(record.id)  # never consumed
    other = again()
    assert other.standing(record.id).question_seq == -1
    assert "".join(other.advance(record.id)) == other.store.turns(record.id)[0].text


def test_killed_between_the_answer_and_the_next_question(service, again):
    record = start(service, SHORT)
    service.accept(record.id, 0, "How many reviewers do we have?", seconds=9)
    service.advance(record.id)  # the generator is dropped before it starts
    other = again()
    assert len(other.store.turns(record.id)) == 2
    text = "".join(other.advance(record.id))
    assert "Twelve" in text
    assert other.standing(record.id).clock == 9.0
    assert "".join(other.advance(record.id)) == ""


def test_killed_in_the_middle_of_speaking(service, again):
    record = start(service, SHORT)
    service.accept(record.id, 0, "How many reviewers do we have?")
    speaking = service.advance(record.id)
    first = next(speaking)
    speaking.close()
    other = again()
    turns = other.store.turns(record.id)
    assert len(turns) == 3
    assert turns[-1].text.startswith(first)
    assert other.standing(record.id).question_seq == 2
    assert "".join(other.advance(record.id)) == ""
    assert say(other, record.id, "That is all I need.").seq == 4


def test_killed_before_the_grade(service, again):
    record = start(service, SHORT)
    service.accept(record.id, 0, act="done")
    service.advance(record.id)
    other = again()
    assert other.store.grades(record.id) == []
    "".join(other.advance(record.id))
    assert len(other.store.grades(record.id)) == 1
    assert other.store.interview(record.id).status == "graded"


def test_killed_between_the_grade_and_the_close(service, again):
    record = start(service, SHORT)
    service.accept(record.id, 0, act="done")
    (grade,) = service.deps(record).grade(record)
    service.store.add_grade(grade)
    other = again()
    "".join(other.advance(record.id))
    assert other.store.grades(record.id) == [grade]
    assert other.store.interview(record.id).status == "graded"


def test_a_resumed_interview_goes_on_as_it_would_have(make_service):
    """Reopened before every turn or not: the same words."""
    answers = ["How many reviewers?", "ok, let's start", *["Rules first, then a model."] * 3]
    told = []
    for reopened in (False, True):
        service = make_service()
        record = start(service, SHORT)
        for text in answers:
            if reopened:
                store = Store.open(service.store._engine.url.render_as_string())
                other = Interviews(store, service.encoder, now=Clock())
                say(other, record.id, text)
                store.close()
            else:
                say(service, record.id, text)
        told.append([t.text for t in service.store.turns(record.id)])
    assert told[0] == told[1]


def test_rows_out_of_order_are_not_continued(service):
    record = start(service, SHORT)
    row = TurnRecord(
        interview=record.id, seq=4, speaker="candidate", act="answer", text="x", at=service.now()
    )
    service.store.add_turn(row)
    with pytest.raises(StoreError, match="out of order"):
        "".join(service.advance(record.id))


def test_an_unknown_interview(service):
    for call in (service.standing, service.grade, service.transcript, service.playbook):
        with pytest.raises(NotFoundError, match=r"^There is no interview 'none'\.$"):
            call("none")
    with pytest.raises(NotFoundError):
        "".join(service.advance("none"))


@pytest.fixture(scope="module")
def finished(make_service):
    service = make_service()
    return service, play(service, SHORT, Scripted())


def test_a_redo_shares_the_start_and_both_are_graded(finished):
    service, record = finished
    turns = service.store.turns(record.id)
    seq = next(t.seq for t in turns if t.move == "probe")
    fork = service.redo(record.id, seq)
    assert (fork.parent, fork.fork_seq, fork.status) == (record.id, seq, "open")
    shared = service.store.turns(fork.id)
    assert [t.text for t in shared] == [t.text for t in turns[: seq + 1]]
    standing = service.standing(fork.id)
    assert standing.question_seq == seq
    assert not standing.over
    say(service, fork.id, "We alert on the decline rate and go back to the rules.")
    say(service, fork.id, act="done")
    assert service.grade(fork.id).document["id"] == fork.id
    assert service.grade(record.id).document["id"] == record.id
    assert service.store.turns(record.id) == turns
    assert service.store.interview(record.id).status == "graded"


def test_a_redo_starts_at_a_question(finished):
    service, record = finished
    for seq in (1, 999, -1):
        with pytest.raises(InputError, match="one of the interviewer's questions"):
            service.redo(record.id, seq)


def test_a_redo_outlives_its_parent(service):
    record = start(service, SHORT)
    say(service, record.id, "How many reviewers?")
    fork = service.redo(record.id, 2)
    service.store.delete_interview(record.id)
    assert say(service, fork.id, "ok, let's start").seq == 4


def test_shared_rows_are_not_counted_as_seen_twice(service):
    record = start(service, SHORT)
    say(service, record.id, "ok, let's start")
    seen = service.store.wordings()
    service.redo(record.id, 2)
    assert service.store.wordings() == seen


def test_the_grade_is_kept_and_a_second_is_another(finished):
    service, record = finished
    first = service.grade(record.id)
    assert service.grade(record.id) == first
    second = service.grade(record.id, again=True)
    assert second.id != first.id
    assert second.document == first.document
    assert service.store.grades(record.id) == [first, second]


def test_an_open_interview_can_be_graded_as_it_stands(service):
    record = start(service, SHORT)
    say(service, record.id, "We train on payments older than 60 days.")
    grade = service.grade(record.id)
    assert list(grade.document["scores"]) == list(DIMENSIONS)
    assert service.store.interview(record.id).status == "graded"


def test_the_transcript_has_what_was_said_and_nothing_else(service):
    record = start(service, SHORT)
    say(service, record.id, act="hint")
    say(service, record.id, "Rules first.", seconds=7)
    transcript = service.transcript(record.id)
    assert [t.speaker[0] for t in transcript.turns] == list("iici")
    document = transcript.document()
    assert document["turns"][2]["seconds"] == 7
    assert "snapshot" not in json.dumps(document)
    assert read_transcript(json.dumps(document), "x") == transcript


def test_an_exported_interview_gets_the_same_grade_again(finished):
    service, record = finished
    document = service.transcript(record.id).document()
    read = read_transcript(json.dumps(document), "file")
    book = service.playbook(record.id)
    again = grade_transcript(read, book, level=record.level).document()
    assert again == service.grade(record.id).document


def test_an_import_is_kept_with_its_grade(service, candidates, grades):
    kept = service.keep(candidates["weak"], grades["weak"].document())
    assert kept.status == "graded"
    assert len(service.store.turns(kept.id)) == len(candidates["weak"].turns)
    document = service.grade(kept.id).document
    assert document == grades["weak"].document() | {"id": kept.id}
    assert service.standing(kept.id).over


def test_recheck_keeps_both_verdicts_and_changes_no_grade(finished):
    service, record = finished
    grade = service.grade(record.id)
    row = next(
        c
        for s in grade.document["scores"].values()
        for c in s["criteria"]
        if c["polarity"] == "positive" and not c["id"].startswith("any.communication")
    )
    turn = next(
        i for i, t in enumerate(service.transcript(record.id).turns) if t.speaker == "candidate"
    )
    text = service.transcript(record.id).turns[turn].text
    appeal = service.recheck(record.id, row["id"], turn, text)
    assert appeal.before == row["verdict"]
    assert appeal.after in ("met", "partial", "unmet")
    assert service.store.appeals(record.id)[-1] == appeal
    assert service.grade(record.id) == grade
    with pytest.raises(InputError):
        service.recheck(record.id, row["id"], turn, "never said")


def test_a_rating_is_kept(finished):
    service, record = finished
    rating = SelfRating(interview=record.id, ratings={"data": 3}, weakest="serving")
    service.rate(rating)
    assert service.store.rating(record.id) == rating


def test_nothing_accepted_is_lost_on_a_full_disk(service, again):
    record = start(service, SHORT)
    with service.store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    accepted = []

    def fill():
        for number in range(30):
            text = f"Answer {number}: " + " ".join(str(hash((number, n))) for n in range(300))
            seq = service.standing(record.id).question_seq
            service.accept(record.id, seq, text, seconds=1)
            accepted.append(text)
            "".join(service.advance(record.id))

    with pytest.raises(StoreError, match="The disk is full"):
        fill()
    other = again()
    said = [t.text for t in other.store.turns(record.id) if t.speaker == "candidate"]
    assert said == accepted
    "".join(other.advance(record.id))
    assert other.store.turns(record.id)[-1].speaker == "interviewer"
