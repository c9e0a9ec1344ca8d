"""``spar ingest`` and ``spar sources``: the user's own podcasts and guides."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError
from app.services import open_services
from app.terminals import out_console
from app.times import clock
from knowledge.types import Passage, SourceRecord

if TYPE_CHECKING:
    from knowledge.ingest import IngestReport, Progress

_LINE_EVERY_SECONDS = 10.0


def take_in(paths: Sequence[Path], *, as_json: bool) -> int:
    """Ingest files and folders; returns the exit code (1 where nothing could be used)."""
    from knowledge.encoder import MiniLMEncoder
    from knowledge.ingest import ingest

    started = time.monotonic()
    with contextlib.closing(open_services()) as services:
        library = services.library.opened()
        # One text at a time leaves half of two cores idle; two workers with a thread each do not.
        encoder = MiniLMEncoder(threads=1, cache_size=0)
        with _shown() as show:
            report = ingest(library, encoder, paths, show)
    if not report.files:
        raise InputError("There is no file to read there (.md, .txt, .srt, .vtt, .pdf).")
    seconds = time.monotonic() - started
    if as_json:
        rows = [asdict(f) for f in report.files]
        print(json.dumps({"files": rows, "seconds": round(seconds, 1)}, ensure_ascii=False))
    else:
        _print_report(report, seconds)
    used = report.count("added") + report.count("replaced") + report.count("unchanged")
    return 0 if used else 1


def list_sources(*, as_json: bool) -> None:
    """The user's sources; the packaged guide is part of Spar."""
    with contextlib.closing(open_services()) as services:
        records = services.library.opened().sources()
    if as_json:
        print(json.dumps([_row(r) for r in records], ensure_ascii=False, indent=1))
        return
    if not records:
        print("No sources of your own yet. Add some with: spar ingest PATH", file=sys.stderr)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("id", "title", "episode", "kind", "words", "passages", ""):
        table.add_column(name, overflow="fold")
    for r in records:
        cells = (r.id, r.title, r.episode or "", r.kind, f"{r.words:,}", str(r.passages))
        table.add_row(*(Text(c) for c in cells), "stale" if r.stale is not None else "")
    out_console().print(table)
    if any(r.stale is not None for r in records):
        print(
            "stale: passages of an earlier version of the file; spar sources show ID says why.",
            file=sys.stderr,
        )


def show_source(source_id: str, *, as_json: bool) -> None:
    """One source and its passages."""
    with contextlib.closing(open_services()) as services:
        library = services.library.opened()
        record = _known(library.sources(), source_id)
        passages = library.source_passages(source_id)
    if as_json:
        rows = [p.model_dump(mode="json") for p in passages]
        print(json.dumps(_row(record) | {"passages": rows}, ensure_ascii=False, indent=1))
        return
    from rich.text import Text

    console = out_console()
    episode = f", {record.episode}" if record.episode else ""
    console.print(Text(f"{record.title}{episode}", style="bold"))
    console.print(Text(f"{record.kind}, {record.words:,} words, from {record.path}"))
    for remark in record.remarks:
        console.print(Text(remark))
    section: str | None = None
    for passage in passages:
        if passage.section and passage.section != section:
            console.print()
            console.print(Text(passage.section, style="bold"))
        section = passage.section
        console.print(Text(_with_time(passage)))


def remove_source(source_id: str, *, yes: bool) -> None:
    """Forget a source; its file is not touched."""
    with contextlib.closing(open_services()) as services:
        library = services.library.opened()
        record = _known(library.sources(), source_id)
        if not yes:
            if not sys.stdin.isatty():
                raise InputError("Say --yes to remove it without being asked.")
            answer = input(f"Remove {record.title} ({record.passages} passages)? [y/N] ")
            if answer.strip().lower() not in ("y", "yes"):
                print("Nothing was removed.", file=sys.stderr)
                return
        count = library.remove_source(source_id)
    print(f"Removed {record.title}: {count} passages.", file=sys.stderr)


def _known(records: Sequence[SourceRecord], source_id: str) -> SourceRecord:
    for record in records:
        if record.id == source_id:
            return record
    raise InputError(f"There is no source {source_id!r}; spar sources lists them.")


def _row(record: SourceRecord) -> dict[str, object]:
    return record.model_dump(mode="json", exclude={"sketch"})


def _with_time(passage: Passage) -> str:
    if passage.start is None:
        return passage.text
    about = "about " if passage.approximate else ""
    return f"[{about}{clock(passage.start)}] {passage.text}"


def _print_report(report: IngestReport, seconds: float) -> None:
    for file in report.files:
        if file.outcome == "skipped":
            print(f"skipped {file.path}: {file.reason}.", file=sys.stderr)
        for warning in file.warnings:
            print(f"note    {file.path}: {warning}", file=sys.stderr)
    new = [f for f in report.files if f.outcome in ("added", "replaced")]
    words, passages = sum(f.words for f in new), sum(f.passages for f in new)
    print(
        f"{report.count('added')} added, {report.count('replaced')} replaced, "
        f"{report.count('unchanged')} unchanged, {report.count('skipped')} skipped; "
        f"{words:,} words in {passages:,} passages, {clock(seconds)}."
    )


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Progress on standard error: a bar at a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}", markup=False),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None, rate="")
        started = time.monotonic()

        def show(now: Progress) -> None:
            rate = now.done / 1000 / max(0.1, time.monotonic() - started)
            bar.update(
                task,
                description=Path(now.path).name[:40],
                completed=now.files,
                total=now.of_files,
                rate=f"{rate:,.0f} kB/s",
            )

        yield show


class _Lines:
    """A line every ten seconds: files done, the rate and the time left."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()

    def __call__(self, now: Progress) -> None:
        moment = time.monotonic()
        if moment - self._last < _LINE_EVERY_SECONDS or not now.done:
            return
        self._last = moment
        spent = moment - self._started
        left = spent * (now.total - now.done) / now.done
        rate = now.done / 1000 / spent
        print(
            f"{now.files} of {now.of_files} files, {rate:,.0f} kB/s, {clock(left)} left",
            file=sys.stderr,
            flush=True,
        )
