"""``spar case``: the cases there are, and writing one's own."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.authoring import Problem, check_case
from agent.casebook import CaseBook, packaged
from agent.errors import InputError
from agent.settings import load_settings
from app.services import case_book
from app.terminals import out_console
from knowledge.encoder import MiniLMEncoder

MAX_ANSWERS = 3


def list_cases(*, as_json: bool) -> None:
    """Every case with its title."""
    book = case_book(load_settings())
    rows = [
        {"id": i, "title": head.title, "own": folder.parent == book.own, "folder": str(folder)}
        for i, head in book.heads().items()
        for folder in [book.folder(i)]
    ]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("id", "title", ""):
        table.add_column(name)
    for row in rows:
        mark = "your own" if row["own"] else ""
        table.add_row(Text(str(row["id"])), Text(str(row["title"])), Text(mark))
    out_console().print(table)


def new_case(case_id: str) -> None:
    """Write a small whole case into the data directory, to be changed step by step."""
    from agent.template import write_template

    book = case_book(load_settings())
    if book.has(case_id):
        raise InputError(f"There is a case {case_id!r} already: {book.folder(case_id)}.")
    assert book.own is not None
    folder = write_template(book.own, case_id)
    print(folder)
    print(
        f"A small case that works. Change its files, then: spar case check {case_id}",
        file=sys.stderr,
    )


def check(name: str, *, as_json: bool) -> int:
    """Print every problem by file, entry and field; returns 1 where there are any."""
    folder = _folder(name)
    problems = check_case(folder, _sources())
    if as_json:
        print(json.dumps([_row(p) for p in problems], ensure_ascii=False, indent=1))
        return 1 if problems else 0
    for problem in problems:
        print(problem)
    count = len(problems)
    found = "no problem" if not count else f"{count} problem{'s' if count > 1 else ''}"
    print(f"{folder.name}: {found}.", file=sys.stderr)
    if problems:
        return 1
    _keep_vectors(folder)
    return 0


def _keep_vectors(folder: Path) -> None:
    """So that an interview on the case starts at once."""
    book = case_book(load_settings())
    if book.own is not None and folder.resolve().parent == book.own.resolve():
        from agent.prototypes import phrases_of_case, save_vectors

        case = book.load(folder.name)
        save_vectors(book.vectors(folder.name), phrases_of_case(case), MiniLMEncoder())


def preview(name: str, answers: Sequence[str], *, as_json: bool) -> None:
    """Read up to three answers against a case: what each is credited with, and what is asked next.

    Without answers on the command line, paragraphs of standard input are taken.
    """
    folder = _folder(name)
    if problems := check_case(folder, _sources()):
        raise InputError(f"{problems[0]} (spar case check {name} lists all {len(problems)}).")
    texts = list(answers) or (list(_paragraphs()) if not sys.stdin.isatty() else [])
    if not texts:
        raise InputError("Give an answer to try, or paragraphs on standard input.")
    if len(texts) > MAX_ANSWERS:
        print(f"spar: {len(texts) - MAX_ANSWERS} more not tried.", file=sys.stderr)
    from agent.preview import try_answers

    book = packaged() if packaged().has(folder.name) else CaseBook(folder.parent)
    tried = try_answers(book, folder.name, texts[:MAX_ANSWERS], MiniLMEncoder())
    if as_json:
        print(json.dumps([t.model_dump() for t in tried], ensure_ascii=False, indent=1))
        return
    for number, reading in enumerate(tried, start=1):
        print(f"Answer {number}: {reading.credit:g} points")
        for found in reading.found:
            print(f'  {found.verdict:8} {found.criterion} (turn words: "{found.quote}")')
        for told in reading.told:
            print(f"  fact     {told}")
        print(f"  next     {reading.next_question or 'nothing left to ask'}")


def _folder(name: str) -> Path:
    """A case by its id, or the folder that holds one."""
    path = Path(name)
    if (path / "case.yaml").is_file():
        return _named_apart(path.resolve())
    return case_book(load_settings()).folder(name)


def _named_apart(folder: Path) -> Path:
    """The folder; InputError if a packaged case has its name and would be read in its place."""
    if packaged().has(folder.name) and not packaged().folder(folder.name).samefile(folder):
        raise InputError(f"The packaged case {folder.name!r} has this name; rename the folder.")
    return folder


def _paragraphs() -> Iterator[str]:
    with contextlib.suppress(AttributeError):
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    for part in re.split(r"\n\s*\n", sys.stdin.read()):
        if part.strip():
            yield part.strip()


def _sources() -> set[str]:
    from knowledge.corpus import load_entries

    return {entry.passage.id for entry in load_entries()}


def _row(problem: Problem) -> dict[str, str]:
    return {
        "file": problem.file,
        "entry": problem.entry,
        "field": problem.field,
        "message": problem.message,
    }
