"""``spar interview`` at a real terminal: typing, pasting, leaving, coming back, the debrief.

Every wait is for output. The terminal's own signs tell when a prompt is ready: bracketed paste is
switched on as it appears and off as it is answered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest

from agent.answers import MAX_ANSWER_CHARS
from agent.records import InterviewRecord, SelfRating, TurnRecord
from agent.store import Store
from tests.commands import PATIENCE, SPAR, Spar

ON, OFF = "\x1b[?2004h", "\x1b[?2004l"
WHERE = "\x1b[6n"  # asks the terminal where the cursor is
ENTER, CTRL_C, CTRL_D = "\r", "\x03", "\x04"
CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b\][^\x07]*\x07")
CLARIFY = "How late do fraud labels arrive, and who pays for a stolen card?"
PASTED = (
    "Labels are chargebacks.\n\nThey arrive 60 days late.\n\n\n/hint\n\nSo I wait before I train."
)


def paste(text: str) -> str:
    """As a terminal sends it: line ends are carriage returns."""
    return f"\x1b[200~{text}\x1b[201~".replace("\n", "\r")


class Terminal:
    """A pseudo-terminal with ``spar`` in it."""

    def __init__(self, spar: Spar, *args: str) -> None:
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        environment = spar.environment(TERM="xterm-256color")
        self._process = subprocess.Popen(
            [SPAR, *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=spar.cwd,
            start_new_session=True,
        )
        os.close(theirs)
        self._raw = ""
        self._mark = 0

    def type(self, keys: str) -> None:
        """Press keys; what is waited for next must come after them."""
        self._mark = len(self._raw)
        given = keys.encode()
        while given:  # the terminal takes a few kilobytes at a time
            _, ready, _ = select.select([self._own], [self._own], [], PATIENCE)
            assert ready or self._read(0)
            if ready:
                given = given[os.write(self._own, given[:512]) :]
            self._read(0)

    def wait(self, *signs: str) -> str:
        """Wait for each of ``signs`` in turn; returns the words shown since the last keys."""
        deadline = time.monotonic() + PATIENCE
        for sign in signs:
            while (found := self._raw.find(sign, self._mark)) < 0:
                left = deadline - time.monotonic()
                assert left > 0, f"no {sign!r} in {self._raw[self._mark :]!r}"
                assert self._read(left), f"ended without {sign!r}: {self._raw[self._mark :]!r}"
            self._mark = found + len(sign)
        return self.screen

    def prompt(self) -> None:
        """Wait for the first prompt."""
        self.wait(ON, "of 12:00")

    def send(self, keys: str) -> None:
        """Type something that submits, and wait for the next prompt."""
        self.type(keys)
        self.wait(OFF, ON, "of 12:00")

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read(PATIENCE):
            pass
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._own)

    @property
    def screen(self) -> str:
        """All that was shown, without control sequences."""
        return CODES.sub("", self._raw).replace("\r\n", "\n")

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._own], [], [], seconds)
        if not ready:
            return seconds == 0
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            piece = os.read(self._own, 65536).decode(errors="replace")
            self._raw += piece
            for _ in range(piece.count(WHERE)):
                os.write(self._own, b"\x1b[30;1R")  # as a terminal answers: line 30, column 1
            return bool(piece)
        return False


@contextlib.contextmanager
def terminal(spar: Spar, *args: str) -> Iterator[Terminal]:
    opened = Terminal(spar, *args)
    try:
        yield opened
    finally:
        opened.close()


def kept(spar: Spar) -> tuple[list[InterviewRecord], list[TurnRecord], SelfRating | None]:
    """All interviews, and the newest one's rows and self-rating."""
    store = Store.open(f"sqlite:///{spar.data / 'spar.sqlite3'}")
    try:
        records = store.interviews()
        newest = records[0].id
        return records, store.turns(newest), store.rating(newest)
    finally:
        store.close()


@pytest.mark.slow
def test_an_interview_is_typed_left_resumed_and_debriefed(spar: Spar) -> None:
    with terminal(spar, "interview", "--seed", "7", "--level", "mid") as talk:
        talk.prompt()
        assert "A blank line or /send submits." in talk.screen
        assert "[framing] (metrics)" in talk.screen  # the rail at mid
        talk.send(CLARIFY + ENTER + ENTER)
        talk.send(paste(PASTED) + ENTER + "One more line." + ENTER + "/send" + ENTER)
        _, rows, _ = kept(spar)
        said = [r for r in rows if r.speaker == "candidate"]
        assert [(r.act, r.text) for r in said] == [
            ("answer", CLARIFY),
            ("answer", f"{PASTED}\nOne more line."),
        ]
        assert all(r.typing_seconds is not None for r in said)
        talk.send("/hint" + ENTER)
        talk.type("Half a thought" + CTRL_C)
        talk.wait("Kept. Go on with: spar interview --resume ")
        assert talk.end() == 130
        assert "Traceback" not in talk.screen
        assert "Aborted" not in talk.screen
    records, rows, _ = kept(spar)
    assert [r.status for r in records] == ["open"]
    assert [r.act for r in rows if r.speaker == "candidate"] == ["answer", "answer", "hint"]

    with terminal(spar, "interview", "--resume", records[0].id) as talk:
        talk.prompt()
        assert rows[-1].text in talk.screen
        talk.type("done" + ENTER + ENTER)
        talk.wait("Enter skips.", "framing: ")
        talk.type(ENTER)
        talk.wait("Graded by offline", "Enter leaves.", "\r\n? ")
        talk.type("what now" + ENTER)
        talk.wait("For example: why data", "\r\n? ")
        for words in ("why data", "change serving", "strong metrics"):
            talk.type(words + ENTER)
            shown = talk.wait(words + "\r\n", "\r\n? ")
            answer = shown.rsplit(words, 1)[1].removesuffix("? ")
            assert len(answer.strip()) > 20
        talk.type(ENTER)
        talk.wait("Kept as ")
        assert talk.end() == 0
    records, after, rating = kept(spar)
    assert [r.status for r in records] == ["graded"]
    assert after[: len(rows)] == rows
    assert after[-1].act == "done"
    assert rating is None


@pytest.mark.slow
def test_a_refused_text_comes_back_a_redo_asks_again_and_a_rating_is_kept(spar: Spar) -> None:
    with terminal(spar, "interview", "--seed", "7") as talk:
        talk.prompt()
        too_long = "word " * (MAX_ANSWER_CHARS // 5) + "end"
        talk.send(paste(too_long) + ENTER + ENTER)
        assert "characters; at most 20,000 are taken" in talk.screen
        talk.send("\x7f" * 4 + ENTER + ENTER)  # the text is back; four characters fewer will do
        _, rows, _ = kept(spar)
        assert [len(r.text) for r in rows if r.act == "answer"] == [MAX_ANSWER_CHARS - 1]

        talk.send("/redo" + ENTER)
        records, rows, _ = kept(spar)
        assert records[0].parent == records[1].id
        assert f"(again, as interview {records[0].id})" in talk.screen
        talk.type(CTRL_D)
        talk.wait(f"--resume {records[0].id}")
        assert talk.end() == 130

    with terminal(spar, "interview", "--resume", records[0].id) as talk:
        talk.prompt()
        talk.type("/done" + ENTER)
        talk.wait("framing: ")
        for answer in ("2.5", "9", "none", "1,5", "", "", "", "3"):
            talk.type(answer + ENTER)
            talk.wait(": ")
        talk.type("Data" + ENTER)
        talk.wait("? ")
        talk.type(CTRL_D)
        talk.wait("Kept as ")
        assert talk.end() == 0
    _, _, rating = kept(spar)
    assert rating is not None
    assert rating.ratings == {
        "framing": 2.5,
        "metrics": 4.0,
        "modeling": 1.5,
        "communication": 3.0,
    }
    assert rating.weakest == "data"
