"""The store on real SQLite: owners, conflicts, deletion, and every way a disk can fail."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from agent.errors import ConflictError, NotFoundError, StoreError
from agent.records import Appeal, GradeRecord, InterviewRecord, SelfRating, TurnRecord
from agent.store import Store

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def interview(name="iv1", owner="local", **more):
    fields = {
        "id": name,
        "owner": owner,
        "kind": "case",
        "case_id": None,
        "title": "A talk",
        "prompt": "Design it.",
        "level": "mid",
        "style": "neutral",
        "minutes": 12,
        "variant": "none",
        "seed": 1,
        "engine": "offline",
        "status": "open",
        "created_at": NOW,
    }
    return InterviewRecord.model_validate(fields | more)


def turn(seq, name="iv1", text="words", **more):
    fields = {
        "interview": name,
        "seq": seq,
        "speaker": "candidate" if seq % 2 else "interviewer",
        "act": "answer" if seq % 2 else "say",
        "text": text,
        "at": NOW,
    }
    return TurnRecord.model_validate(fields | more)


def grade(number=1, name="iv1"):
    return GradeRecord(
        id=f"{name}-{number}",
        interview=name,
        created_at=NOW,
        engine="offline",
        document={"id": name, "n": number},
    )


def appeal(number, name="iv1"):
    return Appeal(
        id=f"ap{number}",
        interview=name,
        grade=f"{name}-1",
        criterion="c",
        turn=1,
        text="words",
        before="unmet",
        after="met",
        reason="r",
        created_at=NOW,
    )


def fill(store, name="iv1"):
    store.add_interview(interview(name))
    store.add_turn(turn(0, name, wording="open#0", snapshot={"version": 1}))
    store.add_turn(turn(1, name))
    store.add_grade(grade(1, name))
    store.save_rating(SelfRating(interview=name, ratings={"data": 2.5}, weakest="data"))
    store.add_appeal(appeal(name, name))


def test_what_is_written_is_read(store):
    fill(store)
    assert store.interview("iv1") == interview()
    assert store.interviews() == [interview()]
    assert [t.seq for t in store.turns("iv1")] == [0, 1]
    assert store.turn("iv1", 0) == turn(0, wording="open#0", snapshot={"version": 1})
    assert store.turn("iv1", 9) is None
    assert store.grades("iv1") == [grade()]
    assert store.rating("iv1") == SelfRating(interview="iv1", ratings={"data": 2.5}, weakest="data")
    assert [a.id for a in store.appeals("iv1")] == ["apiv1"]
    assert store.wordings() == {"open#0": 1}


def test_it_is_all_there_after_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path / 'deep' / 'er' / 'spar.sqlite3'}"
    first = Store.open(url)
    fill(first)
    first.close()
    again = Store.open(url)
    assert len(again.turns("iv1")) == 2
    again.close()


def test_turns_come_in_order_and_text_is_verbatim(store):
    store.add_interview(interview())
    text = "Größe → 5 €\n\t{x} '; DROP TABLE turns; -- 🙂"
    for seq in (2, 0, 1):
        store.add_turn(turn(seq, text=text))
    assert [(t.seq, t.text) for t in store.turns("iv1")] == [(n, text) for n in range(3)]


def test_interviews_come_newest_first(store):
    for number in range(3):
        store.add_interview(interview(f"iv{number}", created_at=NOW.replace(hour=number)))
    assert [i.id for i in store.interviews()] == ["iv2", "iv1", "iv0"]


def test_a_rating_is_replaced(store):
    fill(store)
    store.save_rating(SelfRating(interview="iv1", ratings={"data": 1}))
    assert store.rating("iv1") == SelfRating(interview="iv1", ratings={"data": 1})


def test_an_interview_may_have_several_grades(store):
    fill(store)
    store.add_grade(grade(2))
    assert [g.id for g in store.grades("iv1")] == ["iv1-1", "iv1-2"]


def test_a_seq_is_taken_once(store):
    fill(store)
    with pytest.raises(ConflictError, match="answered in another tab or process first"):
        store.add_turn(turn(1, text="mine came later"))
    assert store.turn("iv1", 1).text == "words"


def test_a_grade_id_is_taken_once(store):
    """Two processes that grade the same interview: the second one's is not kept, and says so."""
    fill(store)
    with pytest.raises(ConflictError):
        store.add_grade(grade(1))
    assert len(store.grades("iv1")) == 1


def test_two_threads_answer_once(store):
    store.add_interview(interview())
    store.add_turn(turn(0))
    outcomes = []

    def answer(number):
        try:
            store.add_turn(turn(1, text=f"thread {number}"))
            outcomes.append(f"thread {number}")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=answer, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[:3] == ["conflict"] * 3
    assert store.turn("iv1", 1).text in outcomes


def test_an_owner_sees_only_their_own(tmp_path):
    url = f"sqlite:///{tmp_path / 'spar.sqlite3'}"
    mine, theirs = Store.open(url), Store.open(url, owner="other")
    fill(mine)
    theirs.add_interview(interview("iv2", owner="other"))
    assert [i.id for i in theirs.interviews()] == ["iv2"]
    assert [i.id for i in mine.interviews()] == ["iv1"]
    assert theirs.turn("iv1", 0) is None
    assert theirs.wordings() == {}
    rating = SelfRating(interview="iv1", ratings={})
    for forbidden in (
        lambda: theirs.interview("iv1"),
        lambda: theirs.turns("iv1"),
        lambda: theirs.grades("iv1"),
        lambda: theirs.rating("iv1"),
        lambda: theirs.appeals("iv1"),
        lambda: theirs.add_turn(turn(2)),
        lambda: theirs.add_grade(grade(2)),
        lambda: theirs.save_rating(rating),
        lambda: theirs.add_appeal(appeal(2)),
        lambda: theirs.delete_interview("iv1"),
        lambda: theirs.update_interview(interview(status="graded")),
    ):
        with pytest.raises(NotFoundError, match=r"^There is no interview 'iv1'\.$"):
            forbidden()
    assert mine.interview("iv1").status == "open"
    assert len(mine.turns("iv1")) == 2
    mine.close()
    theirs.close()


def test_deleting_takes_everything_along(store, tmp_path):
    fill(store)
    fill(store, "iv2")
    store.delete_interview("iv1")
    with pytest.raises(NotFoundError):
        store.interview("iv1")
    assert len(store.turns("iv2")) == 2
    store.close()
    with sqlite3.connect(tmp_path / "spar.sqlite3") as raw:
        for table in ("turns", "grades", "self_ratings", "appeals"):
            rows = raw.execute(f"select count(*) from {table} where interview = 'iv1'")
            assert rows.fetchone() == (0,), table
    raw.close()


def test_a_row_needs_its_interview(store):
    with pytest.raises(NotFoundError):
        store.add_turn(turn(0, "nowhere"))


def test_a_shared_start_is_kept_as_one(store):
    """An interview and its rows are one commit: with a bad row there is no interview."""
    fill(store)
    rows = [turn(0, "iv2"), turn(0, "iv2")]
    with pytest.raises((StoreError, sa.exc.IntegrityError)):
        store.add_interview(interview("iv2"), rows)
    assert [i.id for i in store.interviews()] == ["iv1"]


def one_sentence(caught, *words):
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert "Traceback" not in text
    assert "sqlalche.me" not in text
    assert all(w in text for w in words), text


@pytest.mark.parametrize("garbage", [b"not a database, but long enough to be read as one" * 50])
def test_a_file_that_is_no_database(tmp_path, garbage):
    path = tmp_path / "spar.sqlite3"
    path.write_bytes(garbage)
    with pytest.raises(StoreError) as caught:
        Store.open(f"sqlite:///{path}")
    one_sentence(caught, "damaged", "spar.sqlite3")
    assert path.read_bytes() == garbage


def test_a_damaged_database(tmp_path):
    path = tmp_path / "spar.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    store.add_interview(interview())
    for seq in range(40):
        store.add_turn(turn(seq, text=os.urandom(2000).hex()))
    store.close()
    body = bytearray(path.read_bytes())
    body[4096:] = b"\xa5" * (len(body) - 4096)
    path.write_bytes(body)
    with pytest.raises(StoreError) as caught, closing(Store.open(f"sqlite:///{path}")) as found:
        found.turns("iv1")
    one_sentence(caught, "damaged")


def test_a_damaged_record(store, tmp_path):
    fill(store)
    with sqlite3.connect(tmp_path / "spar.sqlite3") as raw:
        raw.execute("update turns set body = x'0102' where seq = 1")
    raw.close()
    with pytest.raises(StoreError) as caught:
        store.turns("iv1")
    one_sentence(caught, "A record in the database is damaged")
    assert store.turn("iv1", 0) is not None


def test_a_folder_that_is_a_file(tmp_path):
    """Stands for every place that cannot be written, also when the tests run as root."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreError) as caught:
        Store.open(f"sqlite:///{tmp_path / 'data' / 'spar.sqlite3'}")
    one_sentence(caught, "data")


def test_a_database_that_is_a_folder(tmp_path):
    (tmp_path / "spar.sqlite3").mkdir()
    with pytest.raises(StoreError) as caught:
        Store.open(f"sqlite:///{tmp_path / 'spar.sqlite3'}")
    one_sentence(caught, "cannot be opened")


def test_a_full_disk_loses_nothing_that_was_accepted(store):
    fill(store)
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    accepted = 1

    def add_until_it_is_full():
        nonlocal accepted
        for seq in range(2, 200):
            store.add_turn(turn(seq, text=os.urandom(3000).hex()))
            accepted = seq

    with pytest.raises(StoreError) as caught:
        add_until_it_is_full()
    one_sentence(caught, "The disk is full", "not saved", "nothing before it is lost")
    assert [t.seq for t in store.turns("iv1")] == list(range(accepted + 1))
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=100000")
    store.add_turn(turn(accepted + 1))
    assert len(store.turns("iv1")) == accepted + 2


def test_another_program_holds_the_lock(store, tmp_path):
    fill(store)
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    other = sqlite3.connect(tmp_path / "spar.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as caught:
        store.add_turn(turn(2))
    one_sentence(caught, "locked by another program")
    assert len(store.turns("iv1")) == 2
    other.execute("ROLLBACK")
    other.close()
    store.add_turn(turn(2))


def test_a_database_of_another_version(tmp_path):
    path = tmp_path / "spar.sqlite3"
    Store.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as raw:
        raw.execute("update meta set schema = 99")
    raw.close()
    with pytest.raises(StoreError, match=r"another version of Spar \(schema 99"):
        Store.open(f"sqlite:///{path}")


def test_every_commit_is_flushed(store):
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
