"""The prompt at a real terminal: several lines, pastes kept whole, a clock below.

A blank line after text or ``/send`` on its own line submits; a paste is inserted as it is and never
submits by itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent.debrief import Question, debrief
from agent.records import SelfRating
from agent.report import Report
from agent.scale import DIMENSIONS, TECHNICAL, Dimension
from agent.service import Standing
from app.times import clock

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

SEND = "/send"
COMMAND_WORDS = ("/hint", "/skip", "/repeat", "/redo", "/done")
DEBRIEF_WORDS: dict[str, Question] = {
    "why": "why_not_higher",
    "change": "what_would_change_it",
    "strong": "strong_answer",
}


class Typed:
    """A message typed or pasted, with the time from the first keystroke."""

    def __init__(self, text: str, typing_seconds: float | None) -> None:
        self.text = text
        self.typing_seconds = typing_seconds


class TerminalCandidate:
    """Reads messages with prompt_toolkit."""

    def __init__(self) -> None:
        self._first_key: float | None = None
        self._session: PromptSession[str] | None = None
        self._refused = ""

    def next(self, standing: Standing) -> Typed | None:
        """One message; None when the candidate leaves with Ctrl-D."""
        from prompt_toolkit.patch_stdout import patch_stdout

        self._first_key = None
        shown = time.monotonic()
        session = self._session = self._session or self._new_session()
        with patch_stdout():
            try:
                text = session.prompt(
                    "> ",
                    default=self._refused,
                    bottom_toolbar=lambda: toolbar(standing, time.monotonic() - shown),
                    refresh_interval=1.0,
                )
            except EOFError:
                raise KeyboardInterrupt from None
        self._refused = ""
        return Typed(message(text), self._typing_seconds())

    def refused(self, text: str) -> None:
        """The next prompt starts with the text, so that nothing typed is lost."""
        self._refused = text

    def left_over(self) -> int:
        """Nothing waits at a terminal."""
        return 0

    def _new_session(self) -> PromptSession[str]:
        from prompt_toolkit import PromptSession

        session: PromptSession[str] = PromptSession(
            multiline=True, key_bindings=_bindings(), prompt_continuation="  "
        )
        session.default_buffer.on_text_changed += self._touched
        return session

    def _typing_seconds(self) -> float | None:
        return time.monotonic() - self._first_key if self._first_key is not None else None

    def _touched(self, _buffer: object) -> None:
        if self._first_key is None:
            self._first_key = time.monotonic()


def message(text: str) -> str:
    """What was typed, without the line that sent it."""
    lines = text.rstrip().split("\n")
    if lines and lines[-1].strip() == SEND:
        lines.pop()
    return "\n".join(lines).strip()


def submits(text: str, line: str) -> bool:
    """Whether Enter on ``line`` at the end of ``text`` sends the message."""
    whole = text.strip()
    if whole in COMMAND_WORDS:
        return True
    if line.strip() == SEND:
        return whole != SEND
    return not line.strip() and bool(whole)


def _bindings() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        document: Any = buffer.document
        if document.is_cursor_at_the_end and submits(buffer.text, document.current_line):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=False)

    return bindings


def toolbar(standing: Standing, waiting: float) -> str:
    """Clock, the rail at mid, and what a hint would cost."""
    parts = [f"{clock(standing.clock + waiting)} of {clock(standing.total_seconds)}"]
    if standing.record.level == "mid":
        parts.append(rail(standing))
    if standing.hint_cost is not None:
        parts.append(f"/hint costs {standing.hint_cost:.0%} of this point")
    return "  |  ".join(parts)


def rail(standing: Standing) -> str:
    """The stages, the current one in brackets, those behind in lower case."""
    return " ".join(
        f"[{s}]" if s == standing.stage else s if s in standing.visited else f"({s})"
        for s in TECHNICAL
    )


def ask_rating(interview: str) -> SelfRating | None:
    """The candidate's own rating before the scores; None when skipped."""
    print("Before the scores: rate yourself, 0 to 4, halves allowed. Enter skips.")
    ratings: dict[Dimension, float] = {}
    try:
        for dimension in DIMENSIONS:
            value = _number(input(f"  {dimension}: "))
            if value is None and not ratings:
                return None
            if value is not None:
                ratings[dimension] = value
        weakest = input("Weakest point (one of the names above): ").strip().lower()
    except EOFError:
        return None
    named: Dimension | None = next((d for d in DIMENSIONS if d == weakest), None)
    return SelfRating(interview=interview, ratings=ratings, weakest=named)


def _number(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return min(4.0, max(0.0, round(value * 2) / 2))


def talk_over(report: Report) -> None:
    """The debrief: a word and a dimension, Enter leaves."""
    print("Ask: why | change | strong, and a dimension (for example: why data). Enter leaves.")
    while True:
        try:
            words = input("? ").split()
        except EOFError:
            return
        if not words:
            return
        question = DEBRIEF_WORDS.get(words[0].lower())
        dimension = next((d for d in DIMENSIONS if words[-1].lower() == d), None)
        if question is None or dimension is None:
            print("For example: why data, change serving, strong metrics.")
            continue
        print(debrief(report, dimension, question))
