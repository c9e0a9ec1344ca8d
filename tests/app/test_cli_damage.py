"""A data directory that cannot be used: damaged, locked, a file. One sentence, nothing lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from agent.records import InterviewRecord
from agent.store import Store
from tests.commands import Ran, Spar

ANSWER = "Payments younger than 60 days have no label yet, so they stay out of training."


def database(spar: Spar) -> Path:
    spar.data.mkdir(exist_ok=True)
    return spar.data / "spar.sqlite3"


def kept(spar: Spar) -> list[InterviewRecord]:
    store = Store.open(f"sqlite:///{database(spar)}")
    try:
        return store.interviews()
    finally:
        store.close()


def failed(ran: Ran) -> str:
    """The last line of a failed interview, after its progress lines."""
    assert ran.code == 1, ran.err
    assert "Traceback" not in ran.err
    assert "unexpectedly" not in ran.err
    return ran.err.splitlines()[-1]


def test_a_file_that_is_no_database_is_left_as_it_is(spar: Spar) -> None:
    content = bytes(range(256)) * 64
    database(spar).write_bytes(content)
    for line in (["review"], ["interview"], ["delete", "any", "--yes"]):
        assert "database file is damaged" in spar(*line).sentence
    doctor = spar("doctor", "--json")
    assert doctor.code == 1
    assert "database file is damaged" in doctor.out
    assert "Traceback" not in doctor.err
    assert database(spar).read_bytes() == content


def test_a_database_damaged_inside_is_one_sentence(spar: Spar) -> None:
    assert spar("interview", stdin=f"{ANSWER}\n").code == 0
    content = bytearray(database(spar).read_bytes())
    content[1024:] = b"\xa5" * (len(content) - 1024)
    database(spar).write_bytes(content)
    assert "database file is damaged" in spar("review").sentence
    assert "database file is damaged" in failed(spar("interview"))


def test_a_locked_database_is_one_sentence_and_nothing_is_lost(spar: Spar) -> None:
    started = spar.start("interview", "--seed", "1")
    started.wait_question()
    holder = sqlite3.connect(database(spar), isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        started.send(f"{ANSWER}\n\n")
        refused = started.end()
        assert "locked by another program" in failed(refused)
        (record,) = kept(spar)
        assert record.status == "open"
        assert f"Go on with: spar interview --resume {record.id}" in refused.err
        assert "locked by another program" in failed(spar("interview"))
        assert spar("review", "--json").json[0]["id"] == record.id  # reading goes on
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    resumed = spar("interview", "--resume", record.id, stdin=f"{ANSWER}\n")
    assert resumed.code == 0, resumed.err
    assert [r.status for r in kept(spar)] == ["graded"]


def test_a_database_of_another_version_is_refused(spar: Spar) -> None:
    Store.open(f"sqlite:///{database(spar)}").close()
    connection = sqlite3.connect(database(spar))
    connection.execute("UPDATE meta SET schema = 999")
    connection.commit()
    connection.close()
    assert "another version of Spar" in spar("review").sentence


def test_a_data_directory_that_is_a_file_is_one_sentence(spar: Spar) -> None:
    spar.data.write_text("not a folder", encoding="utf-8")
    for line in (["interview"], ["review"], ["search", "labels"]):
        assert "The data directory" in spar(*line).sentence
    assert spar.data.read_text(encoding="utf-8") == "not a folder"
    below = Spar(spar.data / "deeper", spar.cwd)
    assert "The data directory" in below("review").sentence
    doctor = spar("doctor")
    assert doctor.code == 1
    assert "FAIL data: The data directory" in doctor.out
