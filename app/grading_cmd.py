"""``spar grade``: one transcript, one kept interview, or a batch."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from agent.errors import InputError, SparError, TranscriptError, WhoIsCandidateError
from agent.grade import Grade
from agent.grading import grade_transcript
from agent.playbook import Playbook, playbook_for
from agent.records import GradeRecord
from agent.scale import DIMENSIONS, OFFLINE, Dimension, Engine, Level
from agent.settings import Settings, load_settings
from agent.transcript import Transcript, Turn, read_transcript
from app.engines import ModelSource, check_engine
from app.export.parts import score_words
from app.services import Services, case_book, open_services
from knowledge.encoder import MiniLMEncoder
from knowledge.errors import KnowledgeError

Grader = Callable[[Transcript, Dimension | None], Grade]


SHOWN: Final = 4


class Marker(Protocol):
    """Grades a transcript; ``only`` one answer in one dimension."""

    def __call__(
        self,
        transcript: Transcript,
        playbook: Playbook,
        *,
        level: Level | None = None,
        only: Dimension | None = None,
    ) -> Grade:
        """The grade."""
        ...


@dataclass(frozen=True)
class Request:
    """What to grade and how; ``engine`` None leaves it to the settings, or to the interview."""

    what: str
    case: str | None
    level: Level | None
    candidate: str | None
    as_json: bool
    save: bool
    engine: Engine | None = None


def grade_one(request: Request) -> None:
    """Grade a file or an interview and print the report, or the document with ``--json``."""
    if request.case is not None:
        case_book(load_settings()).folder(request.case)
    path = Path(request.what)
    if path.is_file():
        _grade_file(path, request)
    elif path.exists():
        raise InputError(f"{path} is not a file.")
    elif path.suffix or path.name != request.what:
        raise InputError(f"There is no file {path}.")
    else:
        _grade_interview(request)


def _grade_file(path: Path, request: Request) -> None:
    transcript = _read(path, request)
    if request.case is not None:
        transcript = transcript.model_copy(update={"case": request.case})
    settings = load_settings()
    playbook = playbook_for(transcript, MiniLMEncoder(), cases=case_book(settings))
    document = _marker(settings, check_engine(request.engine, settings))(
        transcript, playbook, level=request.level
    ).document()
    if request.save:
        with contextlib.closing(open_services()) as services:
            record = services.interviews.keep(transcript, document)
        print(f"Kept as {record.id}.", file=sys.stderr)
    if request.as_json:
        _print_json(document)
        return
    from agent.report import build_report, packaged_sources

    _print_report(build_report(transcript, document, playbook, packaged_sources()))


def _grade_interview(request: Request) -> None:
    """Grade a kept interview; one that was graded before gets a second record if it differs."""
    with contextlib.closing(open_services()) as services:
        record = services.store.interview(request.what)
        if record.status == "open":
            raise InputError(
                f"The interview {record.id} is not over; go on with: "
                f"spar interview --resume {record.id}"
            )
        before = services.store.grades(record.id)
        grade = services.interviews.grade(record.id, engine=request.engine)
        _say_what_changed(before, grade)
        if request.level is not None and request.level != record.level:
            grade = _at_level(services, record.id, request.level)
        if request.as_json:
            _print_json(grade.document)
            return
        _print_report(services.report(record.id, grade.document))


def _say_what_changed(before: Sequence[GradeRecord], grade: GradeRecord) -> None:
    """Beside an earlier grade of another engine, model or rubric: what differs, on stderr."""
    if not before or before[-1].id == grade.id:
        return
    from agent.llm.regrading import difference

    print(
        f"Graded again ({grade.engine}); the earlier grade is kept. What differs:", file=sys.stderr
    )
    for item in difference(before[-1].document, grade.document):
        if not item.same:
            old, new = (score_words(s) for s in (item.old, item.new))
            verdicts = ", ".join(f"{c.id} {c.old} -> {c.new}" for c in item.criteria[:SHOWN])
            more = f" and {len(item.criteria) - SHOWN} more" if len(item.criteria) > SHOWN else ""
            print(f"  {item.dimension}: {old} -> {new}. {verdicts}{more}", file=sys.stderr)


def _at_level(services: Services, interview: str, level: Level) -> Any:
    from agent.records import GradeRecord

    kept = services.interviews.grade(interview)
    overall = dict(kept.document["overall"])
    overall["signal"] = overall["by_level"][level]
    document = kept.document | {"level": level, "overall": overall}
    return GradeRecord.model_validate(kept.model_dump() | {"document": document})


def _read(path: Path, request: Request) -> Transcript:
    """Read the file; asks who the candidate is where there is a terminal to ask at."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TranscriptError(f"{path} is no text file (not UTF-8).") from error
    except OSError as error:
        raise TranscriptError(f"{path} cannot be read ({error.strerror}).") from error

    def read(candidate: str | None) -> Transcript:
        return read_transcript(text, path.stem, candidate=candidate, level=request.level)

    try:
        transcript = read(request.candidate)
    except WhoIsCandidateError as error:
        if not sys.stdin.isatty():
            raise
        transcript = read(input(f"Who is the candidate? ({', '.join(error.speakers)}) "))
    if not _is_text(transcript.model_dump()):
        raise TranscriptError(f"{path} holds what is no text (half a character).")
    return transcript


def _marker(settings: Settings, engine: Engine) -> Marker:
    """What grades a transcript with this engine."""
    if engine == OFFLINE:
        return grade_transcript
    model = ModelSource(settings)()

    def by_model(
        transcript: Transcript,
        playbook: Playbook,
        *,
        level: Level | None = None,
        only: Dimension | None = None,
    ) -> Grade:
        return model.grade(transcript, playbook, level or transcript.level, only=only).grade

    return by_model


def grade_batch(source: Path, out: Path, engine: Engine, *, resume: bool) -> None:
    """Grade each line of ``source``; a line that cannot be graded gives ``{"id", "error"}``."""
    if not source.is_file():
        raise InputError(f"There is no file {source}.")
    if out.exists() and out.samefile(source):
        raise InputError("--out names the input file; it would be overwritten.")
    done = _already(out) if resume else Counter()
    there = done.total()
    settings = load_settings()
    encoder = MiniLMEncoder()
    cases = case_book(settings)
    marker = _marker(settings, engine)

    def grader(transcript: Transcript, only: Dimension | None) -> Grade:
        return marker(transcript, playbook_for(transcript, encoder, cases=cases), only=only)

    graded = failed = 0
    try:
        with source.open(encoding="utf-8", errors="replace") as lines:
            _mend(out) if resume else None
            with out.open("a" if resume else "w", encoding="utf-8") as results:
                for row in _batch(lines, grader, done):
                    failed += "error" in row
                    graded += "error" not in row
                    _write_row(results, row)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}.") from error
    skipped = f", {there} there already" if resume else ""
    print(f"{graded} graded, {failed} not{skipped}.", file=sys.stderr)


def _write_row(results: IO[str], row: dict[str, Any]) -> None:
    results.write(json.dumps(row, ensure_ascii=False) + "\n")
    results.flush()


def _batch(lines: Iterable[str], grader: Grader, done: Counter[str]) -> Iterator[Any]:
    """A result for every line that ``done`` does not count; an id may come more than once."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        given: Any = f"line-{number}"
        item: Any = None
        problem = None
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            problem = f"Line {number} is not JSON."
        if isinstance(item, dict) and item.get("id") is not None:
            given = item["id"]
        if not _is_text(item):
            problem = f"Line {number} holds what is no text (half a character)."
            given = f"line-{number}" if not _is_text(given) else given
        if done[str(given)]:
            done[str(given)] -= 1
        elif problem is not None:
            yield {"id": given, "error": problem}
        else:
            yield _row(item, str(given), line, grader) | {"id": given}


def _is_text(value: Any) -> bool:
    """Whether every string in ``value`` can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _row(item: Any, name: str, line: str, grader: Grader) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {"id": name, "error": "The line is no JSON object."}
    try:
        if "answer" in item:
            return _grade_answer(item, name, grader)
        transcript = read_transcript(line, name)
        return grader(transcript, None).document()
    except (SparError, KnowledgeError) as error:
        return {"id": name, "error": str(error)}


def _grade_answer(item: dict[str, Any], name: str, grader: Grader) -> dict[str, Any]:
    """One answer: always graded in its own dimension, quotes at turn 1."""
    dimension = item.get("dimension")
    known: Dimension | None = next((d for d in DIMENSIONS if d == dimension), None)
    if known is None:
        return {"id": name, "error": f"Unknown dimension {dimension!r}."}
    if not isinstance(item["answer"], str):
        return {"id": name, "error": "The answer is no text."}
    case = item.get("case")
    transcript = Transcript(
        id=name,
        prompt=str(item.get("prompt") or ""),
        case=str(case) if case is not None else None,
        turns=(
            Turn(speaker="interviewer", text=str(item.get("question") or "")),
            Turn(speaker="candidate", text=item["answer"]),
        ),
    )
    return grader(transcript, known).document()


def _already(out: Path) -> Counter[str]:
    """How many results each id has; a line cut off by a kill does not count."""
    return Counter(str(json.loads(line)["id"]) for line in _whole_lines(out))


def _mend(out: Path) -> None:
    """Drop a line that was cut off, so that appending starts on a line of its own."""
    kept = "".join(f"{line}\n" for line in _whole_lines(out)).encode()
    if out.is_file() and out.read_bytes() != kept:
        mended = out.with_name(f"{out.name}.mended")
        mended.write_bytes(kept)
        mended.replace(out)


def _whole_lines(out: Path) -> list[str]:
    """The results in ``out``. Not ``splitlines``: a quote may hold a Unicode line separator."""
    if not out.is_file():
        return []
    lines = []
    for line in out.read_text(encoding="utf-8", errors="replace").split("\n"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            json.loads(line)["id"]
            lines.append(line)
    return lines


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1))


def _print_report(report: Any) -> None:
    from app.export.terminal import print_report
    from app.terminals import out_console

    print_report(report, out_console())
