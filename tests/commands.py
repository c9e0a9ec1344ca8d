"""Running the real ``spar`` command in a process of its own, over a pipe."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
CANDIDATES = ROOT / "tests" / "agent" / "data" / "candidates"
SPAR = Path(sys.executable).with_name("spar")
PATIENCE = 60.0  # seconds; what is waited for normally comes within two
_FOREIGN = ("OPENAI_", "SPAR_", "LANGSMITH_", "LANGCHAIN_")


@dataclass(frozen=True)
class Ran:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document; the command must have succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line on standard error that a failure leaves, with nothing on standard output."""
        assert self.code == 1, (self.code, self.out[-500:], self.err[-2000:])
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("spar: ")
        assert "Traceback" not in self.err
        assert "unexpectedly" not in self.err
        return lines[0]


@dataclass(frozen=True)
class Spar:
    """The command with a data directory of its own, run from a directory that is not the repo."""

    data: Path
    cwd: Path

    def environment(self, **more: str) -> dict[str, str]:
        """The caller's, without settings of Spar; child processes stay off the network."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        fixed = {
            "SPAR_ENV_FILE": "",
            "SPAR_DATA_DIR": str(self.data),
            "LANGGRAPH_STRICT_MSGPACK": "true",
            "PYTHONPATH": str(ROOT / "tests" / "netguard"),
            "NO_COLOR": "1",
        }
        return kept | fixed | more

    def __call__(self, *args: str | Path, stdin: str | bytes = "", **more: str) -> Ran:
        """Run to the end with ``stdin`` piped in."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [SPAR, *map(str, args)],
            input=given,
            capture_output=True,
            env=self.environment(**more),
            cwd=self.cwd,
            timeout=PATIENCE * 2,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def unread(self, *args: str | Path) -> Ran:
        """Run with standard output going to a pipe that nobody reads, as ``head`` leaves it."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing) as pipe:
            done = subprocess.run(
                [SPAR, *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=subprocess.PIPE,
                env=self.environment(),
                cwd=self.cwd,
                timeout=PATIENCE,
                check=False,
            )
        return Ran(done.returncode, "", done.stderr.decode())

    def start(self, *args: str | Path, **more: str) -> Started:
        """Start it with a pipe that stays open."""
        process = subprocess.Popen(
            [SPAR, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**more),
            cwd=self.cwd,
        )
        return Started(process)


class Started:
    """A command that is running; its output is read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._out = _Reader(process.stdout)
        self._err = _Reader(process.stderr)

    def send(self, text: str) -> None:
        """Write to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def wait_out(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Wait until standard output matches beyond ``after``."""
        return self._out.wait(pattern, after)

    def wait_err(self, pattern: str) -> re.Match[str]:
        """Wait until standard error matches."""
        return self._err.wait(pattern, 0)

    def wait_question(self, after: int = 0) -> int:
        """Wait for an interviewer's turn beyond ``after``; returns where it ends."""
        return self.wait_out(r"\S[^\n]*\n\n", after).end()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> Ran:
        """Close its input, wait for it and return what it left."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(PATIENCE)
        return Ran(code, self._out.rest(), self._err.rest())


class _Reader:
    """Collects a stream in a thread, so that waiting on it can time out."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._raw = b""
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := os.read(self._stream.fileno(), 65536):
            self._pieces.put(piece)
        self._pieces.put(b"")

    def _take(self, seconds: float) -> None:
        try:
            piece = self._pieces.get(timeout=max(seconds, 0.01))
        except queue.Empty:
            return
        self._ended = not piece
        self._raw += piece

    @property
    def text(self) -> str:
        return self._raw.decode(errors="replace")

    def wait(self, pattern: str, after: int) -> re.Match[str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            if found := re.compile(pattern).search(self.text, after):
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.text[after:]!r}"
            assert not self._ended, f"ended without {pattern!r}: {self.text[after:]!r}"
            self._take(left)

    def rest(self) -> str:
        while not self._ended:
            self._take(PATIENCE)
        self._thread.join()
        self._stream.close()
        return self.text
