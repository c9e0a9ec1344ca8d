"""An interview in the terminal or over a pipe, from the first turn to the report."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TextIO

from agent.errors import AnswerError, ConflictError, InputError, SparError
from agent.records import Act, InterviewRecord
from agent.scale import Engine
from agent.service import Setup, Standing
from app.engines import spending_words, used_words
from app.services import Services, open_services

MAX_PATH: Final = 255
COMMANDS: Final[dict[str, str]] = {
    "/hint": "hint",
    "hint": "hint",
    "/skip": "skip",
    "skip": "skip",
    "/repeat": "repeat",
    "repeat": "repeat",
    "/redo": "redo",
    "redo": "redo",
    "/done": "done",
    "done": "done",
}


class Reply(Protocol):
    """One message of the candidate."""

    text: str
    typing_seconds: float | None


class Candidate(Protocol):
    """Where the candidate's messages come from."""

    def next(self, standing: Standing) -> Reply | None:
        """The next message, or None at the end of input."""
        ...

    def refused(self, text: str) -> None:
        """``text`` was not taken; where it can be mended, the next message starts from it."""
        ...

    def left_over(self) -> int:
        """How many messages were not read."""
        ...


class Line:
    """A message from a pipe."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.typing_seconds: float | None = None


class Paragraphs:
    """Messages from a pipe: paragraphs ended by a blank line or the end of input."""

    def __init__(self, stream: TextIO) -> None:
        self._messages = self._split(stream)

    def next(self, standing: Standing) -> Line | None:
        """The next paragraph."""
        text = next(self._messages, None)
        return Line(text) if text is not None else None

    def refused(self, text: str) -> None:
        """Nothing: who feeds a pipe still has the text."""

    def left_over(self) -> int:
        """Paragraphs not read yet."""
        return sum(1 for _ in self._messages)

    @staticmethod
    def _split(stream: TextIO) -> Iterator[str]:
        lines: list[str] = []
        for line in stream:
            if line.strip():
                lines.append(line.rstrip("\n"))
            elif lines:
                yield "\n".join(lines)
                lines = []
        if lines:
            yield "\n".join(lines)


@dataclass(frozen=True)
class Wish:
    """What else the command line asked for. ``job`` is a file with a job description, by which the
    case is chosen too where ``choose_case`` says that none was named."""

    resume: str | None = None
    transcript_out: Path | None = None
    job: Path | None = None
    choose_case: bool = False
    engine: Engine | None = None


def run_interview(setup: Setup, wish: Wish) -> None:
    """Start or resume an interview and see it through to its report."""
    resume, transcript_out = wish.resume, wish.transcript_out
    if transcript_out is not None and (
        transcript_out.is_dir() or not transcript_out.absolute().parent.is_dir()
    ):
        raise InputError(f"{transcript_out} cannot be written.")
    with contextlib.closing(open_services()) as services:
        setup = replace(setup, prompt=_prompt(setup.prompt))
        if wish.job is not None and resume is None:
            setup = _suited(services, setup, wish.job, choose_case=wish.choose_case)
        record = _record(services, setup, resume)
        if resume is not None and wish.engine is not None and record.status == "open":
            record = services.interviews.switch(record.id, wish.engine)
        interactive = sys.stdin.isatty() and sys.stdout.isatty()
        candidate = _candidate(interactive=interactive)
        _announce(record, resumed=resume is not None, interactive=interactive)
        talk = Conversation(services, record.id, candidate, interactive=interactive)
        try:
            final = talk.run()
        except (KeyboardInterrupt, SparError):
            print(f"\nKept. Go on with: spar interview --resume {talk.id}", file=sys.stderr)
            raise
        _finish(services, final, interactive=interactive, transcript_out=transcript_out)
        if left := candidate.left_over():
            noun = "paragraph" if left == 1 else "paragraphs"
            print(f"spar: the interview was over; {left} {noun} left unread.", file=sys.stderr)


class Conversation:
    """The loop: show, read, accept, advance. ``id`` is the interview's; a redo changes it.

    ``clock`` gives the seconds by which answers are timed.
    """

    def __init__(
        self,
        services: Services,
        interview: str,
        candidate: Candidate,
        *,
        interactive: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interviews = services.interviews
        self._services = services
        self.id = interview
        self._candidate = candidate
        self._interactive = interactive
        self._clock = clock
        self._shown = clock()

    def run(self) -> str:
        """Run to the end of the interview; returns its id (a redo's, if one was made)."""
        self._open()
        while True:
            standing = self._interviews.standing(self.id)
            if standing.over:
                return self.id
            reply = self._candidate.next(standing)
            if reply is None:
                self._accept(standing, "", "done", None)
                self._speak()
                return self.id
            self._take(standing, reply)

    def _open(self) -> None:
        """The first turn; on a resume the question that stands, or what a kill left undelivered."""
        before = self._interviews.standing(self.id)
        pieces = list(self._interviews.advance(self.id))
        if pieces:
            self._say("".join(pieces))
        elif not before.over and before.turns:
            last = [t for t in before.turns if t.speaker == "interviewer"][-1]
            self._say(last.text)
        if self._interactive:
            self._services.warm()

    def _take(self, standing: Standing, reply: Reply) -> None:
        command = COMMANDS.get(reply.text.strip().lower())
        if command == "redo":
            self._redo(standing)
            return
        act: Act = command or "answer"  # type: ignore[assignment]
        try:
            self._accept(standing, reply.text, act, reply.typing_seconds)
        except AnswerError as error:
            print(f"spar: {error}", file=sys.stderr)
            self._candidate.refused(reply.text)
            return
        self._show_source(standing)
        self._speak()

    def _accept(
        self, standing: Standing, text: str, act: Act, typing_seconds: float | None
    ) -> None:
        seconds = self._clock() - self._shown
        try:
            self._interviews.accept(
                self.id,
                standing.question_seq,
                text,
                act=act,
                seconds=seconds,
                typing_seconds=typing_seconds,
            )
        except ConflictError as error:
            kept = f" Your text is kept here:\n{text}" if text else ""
            raise ConflictError(f"{error}{kept}") from error

    def _speak(self) -> None:
        started = False
        for piece in self._interviews.advance(self.id):
            if not started:
                print(flush=True)
                started = True
            print(piece, end="", flush=True)
        if started:
            print("\n", flush=True)
            self._say_who_spoke()
        self._shown = self._clock()

    def _say_who_spoke(self) -> None:
        """Where a model should have spoken and did not, why; and when its money runs out."""
        standing = self._interviews.standing(self.id)
        last = standing.turns[-1]
        if last.fallback_reason:
            print(f"spar: offline here: {last.fallback_reason}", file=sys.stderr)
        if warning := spending_words(standing.spending):
            print(f"spar: {warning}", file=sys.stderr)

    def _say(self, text: str) -> None:
        print(f"\n{text}\n", flush=True)
        self._shown = self._clock()

    def _redo(self, standing: Standing) -> None:
        """Answer the last answered question again, in a new interview that shares the rest."""
        answered = [t for t in standing.turns if t.act == "answer"]
        if not answered:
            print("spar: nothing was answered yet.", file=sys.stderr)
            return
        fork = self._interviews.redo(self.id, answered[-1].seq - 1)
        self.id = fork.id
        question = self._interviews.standing(fork.id).turns[-1]
        print(f"(again, as interview {fork.id})", file=sys.stderr)
        self._say(question.text)

    def _show_source(self, standing: Standing) -> None:
        """The source of the question that was just answered."""
        question = standing.turns[-1]
        if question.sources:
            from app.export.terminal import print_source
            from app.terminals import out_console

            for source in question.sources:
                print_source(source, out_console())


def _prompt(given: str | None) -> str | None:
    """The prompt itself, or the text of the file it names."""
    if given is None or "\n" in given or len(given) > MAX_PATH or not Path(given).is_file():
        return given
    return _text_of(Path(given))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text.") from error


def _suited(services: Services, setup: Setup, job: Path, *, choose_case: bool) -> Setup:
    """The interview that a job description asks for; says what it decided."""
    text = _text_of(job)
    fit = services.interviews.job_fit(text)
    chosen = ""
    case_id = setup.case_id
    if choose_case and setup.kind != "portfolio":
        case_id = fit.cases[0] if fit.cases else case_id
        chosen = f"case {case_id}, " if fit.cases else "it points to none of the cases; "
    more = [s for s, w in sorted(fit.weights.items(), key=lambda p: -p[1]) if w > 1][:3]
    print(f"By the job description: {chosen}more on {', '.join(more)}.", file=sys.stderr)
    return replace(setup, case_id=case_id, job=text)


def _record(services: Services, setup: Setup, resume: str | None) -> InterviewRecord:
    if resume is None:
        return services.interviews.create(setup)
    record = services.store.interview(resume)
    if record.status != "open":
        raise InputError(f"The interview {resume} has ended; read it with: spar review {resume}")
    return record


def _candidate(*, interactive: bool) -> Candidate:
    if interactive:
        from app.prompting import TerminalCandidate

        return TerminalCandidate()
    with contextlib.suppress(AttributeError):
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    return Paragraphs(sys.stdin)


def _announce(record: InterviewRecord, *, resumed: bool, interactive: bool) -> None:
    word = "Resumed" if resumed else "Interview"
    facts = f"{record.title}, {record.level}, {record.minutes} minutes, {record.engine}"
    print(f"{word} {record.id}: {facts}", file=sys.stderr)
    if interactive:
        print(
            "A blank line or /send submits. /hint /skip /repeat /redo /done. Ctrl-C leaves; "
            "everything sent is kept.",
            file=sys.stderr,
        )


def _finish(
    services: Services, interview: str, *, interactive: bool, transcript_out: Path | None
) -> None:
    from app.export.terminal import print_report
    from app.terminals import out_console

    services.interviews.grade(interview)
    if transcript_out is not None:
        _write_transcript(services, interview, transcript_out)
    if interactive:
        from app.prompting import ask_rating

        rating = ask_rating(interview)
        if rating is not None:
            services.interviews.rate(rating)
    report = services.report(interview)
    print_report(report, out_console())
    if interactive:
        from app.prompting import talk_over

        talk_over(report)
    if used := used_words(services.interviews.standing(interview).spending):
        print(used, file=sys.stderr)
    print(f"Kept as {interview}. Read it again: spar review {interview}", file=sys.stderr)


def _write_transcript(services: Services, interview: str, path: Path) -> None:
    document = services.interviews.transcript(interview).document()
    try:
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from error
