"""``spar review``, ``export`` and ``delete``: what is kept of past interviews."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from agent.errors import InputError
from agent.records import InterviewRecord
from app.services import Services, open_services
from app.terminals import out_console


def list_interviews(*, as_json: bool) -> None:
    """All interviews, newest first."""
    with contextlib.closing(open_services()) as services:
        records = services.store.interviews()
        rows = [_row(services, r) for r in records]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    if not rows:
        print("No interviews yet. Start one with: spar interview", file=sys.stderr)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("id", "started", "title", "level", "min", "status", "overall"):
        table.add_column(name)
    for row in rows:
        overall = "" if row["overall"] is None else f"{row['overall']:.1f}"
        cells = [row["id"], str(row["started"])[:16], row["title"], row["level"], row["minutes"]]
        table.add_row(*(Text(str(c)) for c in (*cells, row["status"], overall)))
    out_console().print(table)


def _row(services: Services, record: InterviewRecord) -> dict[str, object]:
    grades = services.store.grades(record.id)
    overall = grades[-1].document.get("overall") if grades else None
    return {
        "id": record.id,
        "started": record.created_at.isoformat(),
        "title": record.title,
        "case": record.case_id,
        "level": record.level,
        "minutes": record.minutes,
        "status": record.status,
        "parent": record.parent,
        "overall": overall["score"] if overall else None,
    }


def show_review(interview: str, *, as_json: bool, transcript: bool) -> None:
    """One interview's report; ``--json`` prints its grade document."""
    with contextlib.closing(open_services()) as services:
        _must_be_over(services, interview)
        if as_json:
            document = services.interviews.grade(interview).document
            print(json.dumps(document, ensure_ascii=False, indent=1))
            return
        from app.export.terminal import print_report, print_transcript

        report = services.report(interview)
        print_report(report, out_console())
        if transcript:
            print_transcript(report, out_console())


def _must_be_over(services: Services, interview: str) -> None:
    if services.store.interview(interview).status == "open":
        raise InputError(
            f"The interview {interview} is not over; go on with: "
            f"spar interview --resume {interview}"
        )


def export_interview(interview: str, file_format: str, out: Path | None) -> None:
    """Write the interview; an unfinished one can only be exported as JSON."""
    with contextlib.closing(open_services()) as services:
        if file_format == "json":
            document = services.interviews.transcript(interview).document()
            text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        else:
            _must_be_over(services, interview)
            from app.export.html import to_html
            from app.export.markdown import to_markdown

            report = services.report(interview)
            text = to_html(report) if file_format == "html" else to_markdown(report)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}).") from error
    print(f"Written to {out}.", file=sys.stderr)


def delete_interview(interview: str, *, yes: bool) -> None:
    """Delete after asking; without a terminal ``--yes`` is needed."""
    with contextlib.closing(open_services()) as services:
        record = services.store.interview(interview)
        if not yes:
            if not sys.stdin.isatty():
                raise InputError("Deleting needs --yes where nobody can be asked.")
            answer = input(f"Delete {record.title} ({record.id}) and its grades? [y/N] ")
            if answer.strip().lower() not in ("y", "yes"):
                print("Kept.", file=sys.stderr)
                return
        services.store.delete_interview(interview)
    print(f"Deleted {interview}.", file=sys.stderr)
