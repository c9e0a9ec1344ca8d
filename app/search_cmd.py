"""``spar search``: claims of the guide with who said them, where and when."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from app.services import open_services
from app.terminals import out_console
from app.times import clock
from knowledge.fusion import UNRELATED_BELOW
from knowledge.types import CorpusChoice, Passage


def search(
    query: str | None, batch: Path | None, *, k: int, corpus: CorpusChoice, as_json: bool
) -> None:
    """Print the ``k`` best passages of one query, or a JSON list a line for each of a file."""
    with contextlib.closing(open_services()) as services:
        library = services.library
        if batch is not None:
            for line in _queries(batch):
                hits = library.search(line, k=k, corpus=corpus) if line else []
                print(json.dumps([h.as_row() for h in hits], ensure_ascii=False))
            return
        if not (query or "").strip():
            raise InputError("The query is empty.")
        found = library.search(query or "", k=k, corpus=corpus)
        if found and found[0].score < UNRELATED_BELOW and not as_json:
            print("Nothing fits well; these come nearest.", file=sys.stderr)
        groups = [] if as_json else library.opened().joined(found)
    if as_json:
        print(json.dumps([h.as_row() for h in found], ensure_ascii=False, indent=1))
        return
    _print(groups)


def _queries(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text.") from error


def _print(groups: Sequence[tuple[Passage, ...]]) -> None:
    from rich.text import Text

    console = out_console()
    for group in groups:
        passage = group[0]
        console.print(Text("\n".join(p.text for p in group)))
        start = passage.start
        minute = clock(start) if start is not None else ""
        parts = [passage.speaker, passage.title, passage.episode, minute, passage.url]
        console.print(Text("  " + ", ".join(p for p in parts if p), style="dim"))
        console.print()
