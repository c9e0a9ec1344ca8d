"""Taking in the user's own files: read, cut, encoded and kept, one file after the other.

A file is known by its path and by its content. What did not change is not read again; a changed
file replaces its passages in one step; the same content under another name is taken once. A file
that cannot be used is reported with its reason and never stops the rest; where an earlier version
of it was taken in, that one is kept and marked as stale. Killed at any moment, the same call goes
on where it stopped and ends at the same index.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np

from knowledge.chunking import Chunk, chunks
from knowledge.documents import Document, UnreadableError
from knowledge.encoder import DIMENSION, Encoder, Vectors
from knowledge.library import Library, indexed_text
from knowledge.reading import SUFFIXES, read_document
from knowledge.reading.podcast import guest_speaks
from knowledge.types import Passage, SourceRecord

MAX_BYTES: Final = 50_000_000
SKETCH: Final = 64
SAME_SHARE: Final = 0.7
_SKETCH_WORDS = 8
_WORKERS = 2
_HEAD_BYTES = 4096
_MAX_PASSAGE_CHARS = 20_000

Outcome = Literal["added", "replaced", "unchanged", "skipped"]


class _DoubleError(UnreadableError):
    """Another source holds what this file holds."""


@dataclass(frozen=True)
class FileReport:
    """What became of one file; ``reason`` says why it was skipped. One that was skipped names a
    source only where passages of its earlier version are kept."""

    path: str
    outcome: Outcome
    source_id: str | None = None
    title: str | None = None
    words: int = 0
    passages: int = 0
    reason: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far an ingest is; ``done`` of ``total`` bytes were dealt with."""

    files: int
    of_files: int
    done: int
    total: int
    path: str


@dataclass
class IngestReport:
    """Every file's report, in the order in which they were dealt with."""

    files: list[FileReport] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """How many files ended so."""
        return sum(1 for f in self.files if f.outcome == outcome)


def ingest(
    library: Library,
    encoder: Encoder,
    paths: Sequence[Path],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> IngestReport:
    """Take in every readable file of ``paths`` (files, or folders with all that is below them)."""
    report = IngestReport()
    files, missing = _collect(paths)
    report.files += missing
    total = sum(size for _, size in files)
    done = 0
    known = {s.id: s for s in library.sources()}
    for number, (path, size) in enumerate(files):
        name = _printable(path)
        on_progress(Progress(number, len(files), done, total, name))
        try:
            made = _take(library, encoder, path, known)
        except (UnreadableError, OSError) as error:
            made = _left_out(library, path, known, error)
        report.files.append(made)
        done += size
    on_progress(Progress(len(files), len(files), done, total, ""))
    return report


def source_id_of(path: Path) -> str:
    """A readable name of a file that no other path has."""
    slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:60] or "source"
    return f"{slug}-{_digest(str(path).encode())[:6]}"


def passages_of(document: Document, source_id: str) -> list[Passage]:
    """The document's passages; an id names its content, so that equal content keeps its id."""
    found: list[Passage] = []
    seen: set[str] = set()
    for chunk in chunks(document):
        passage = _passage(document, source_id, chunk)
        if passage.id in seen:
            continue
        seen.add(passage.id)
        found.append(passage)
    return found


def _passage(document: Document, source_id: str, chunk: Chunk) -> Passage:
    text = chunk.text[:_MAX_PASSAGE_CHARS]
    first = chunk.turns[0]
    named = f"{first.section}\n{first.start}\n{text}".encode("utf-8", "replace")
    return Passage(
        id=f"{source_id}:{_digest(named)[:10]}",
        corpus="user",
        text=text,
        source_id=source_id,
        title=document.title,
        section=first.section,
        episode=document.episode,
        speaker=chunk.speaker,
        start=first.start,
        end=chunk.end,
        approximate=first.approximate,
        url=_link(document.youtube, first.start),
    )


def _link(youtube: str | None, start: float | None) -> str | None:
    if youtube is None or start is None:
        return None
    return f"https://www.youtube.com/watch?v={youtube}&t={int(start)}"


def _take(
    library: Library, encoder: Encoder, path: Path, known: dict[str, SourceRecord]
) -> FileReport:
    """Read one file and keep it, unless it is known."""
    if _printable(path) != str(path):
        raise UnreadableError("its name is not valid UTF-8")
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
    data = path.read_bytes()
    content = _digest(data)
    source_id = source_id_of(path)
    before = known.get(source_id)
    if before is not None and before.content_hash == content:
        if before.stale is not None:
            library.mark_stale(before, None)
        return FileReport(
            str(path), "unchanged", source_id, before.title, before.words, before.passages
        )
    for other in list(known.values()):
        if other.content_hash == content and other.id != source_id:
            if not Path(other.path).exists():  # the file was moved
                library.remove_source(known.pop(other.id).id)
                continue
            raise _DoubleError(f"the same content as {other.path}")
    document = read_document(path, data, beside_episodes=_beside_episodes(path))
    sketch = _sketch(document)
    warnings = list(document.warnings)
    double = _double(source_id, sketch, known.values())
    own = guest_speaks(document)
    if double is not None:
        if not own or double.guest_speaks:
            raise _DoubleError(f"the same words as {double.path} ({double.title})")
        warnings.append(f"{double.path} holds the same words; it was taken out.")
    passages = passages_of(document, source_id)
    record = SourceRecord(
        id=source_id,
        path=str(path),
        title=document.title,
        kind=document.kind,
        episode=document.episode,
        url=_link(document.youtube, 0),
        content_hash=content,
        sketch=sketch,
        words=document.words,
        passages=len(passages),
        guest_speaks=own,
        warnings=tuple(warnings),
        added=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    vectors = _encoded(encoder, passages)
    if double is not None:
        # First: killed between the two, the next call takes both in again.
        library.remove_source(double.id)
        del known[double.id]
    library.replace_source(record, passages, vectors)
    known[source_id] = record
    return FileReport(
        str(path),
        "added" if before is None else "replaced",
        source_id,
        document.title,
        document.words,
        len(passages),
        warnings=tuple(warnings),
    )


def _left_out(
    library: Library,
    path: Path,
    known: dict[str, SourceRecord],
    error: UnreadableError | OSError,
) -> FileReport:
    """A file that cannot be used; the earlier version of it that could is kept and marked."""
    name = _printable(path)
    before = known.get(source_id_of(path)) if name == str(path) else None
    why = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
    if before is None:
        return FileReport(name, "skipped", reason=why)
    if isinstance(error, OSError):
        why = f"cannot be read any more ({error.strerror})"
    elif not isinstance(error, _DoubleError):
        why = f"{why}, so it cannot be read any more"
    if before.stale != why:
        library.mark_stale(before, why)
    return FileReport(
        name,
        "skipped",
        before.id,
        before.title,
        before.words,
        before.passages,
        f"{why}; the passages of its earlier version are kept",
    )


def _collect(paths: Sequence[Path]) -> tuple[list[tuple[Path, int]], list[FileReport]]:
    """Files with their sizes in a fixed order, and a report of each path that is none."""
    files: dict[Path, int] = {}
    missing = []
    for path in paths:
        try:
            if path.is_dir():
                for found in _below(path.resolve()):
                    files.setdefault(found, found.stat().st_size)
            elif path.is_file():
                files.setdefault(path.resolve(), path.stat().st_size)
            else:
                reason = "there is no such file"
                missing.append(FileReport(_printable(path), "skipped", reason=reason))
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
            missing.append(FileReport(_printable(path), "skipped", reason=reason))
    return list(files.items()), missing


def _below(folder: Path) -> Iterator[Path]:
    """Readable kinds of files below a folder; links that lead out of it are not followed."""
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(n for n in folders if not n.startswith("."))
        for name in sorted(names):
            path = Path(root) / name
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_file() and path.resolve().is_relative_to(folder):
                yield path


def _beside_episodes(path: Path) -> bool:
    """Whether another Markdown file of the folder has front matter with a transcript."""
    if path.suffix.lower() not in (".md", ".markdown"):
        return False
    for other in sorted(path.parent.glob("*.md")):
        if other == path or not other.is_file():
            continue
        try:
            with other.open("rb") as file:
                head = file.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace")
        except OSError:
            continue
        if head.startswith("---") and re.search(r"^(?:transcript|guests|ids):", head, re.M):
            return True
    return False


def _sketch(document: Document) -> tuple[str, ...]:
    """The smallest hashes of the longer turns: equal for equal talk, however it is titled."""
    hashes = {
        _digest(" ".join(turn.text.lower().split()).encode("utf-8", "replace"))[:12]
        for turn in document.turns
        if turn.words >= _SKETCH_WORDS
    }
    return tuple(sorted(hashes)[:SKETCH])


def _double(
    source_id: str, sketch: Sequence[str], known: Iterable[SourceRecord]
) -> SourceRecord | None:
    """Another source that holds nearly the same words."""
    if len(sketch) < _SKETCH_WORDS:
        return None
    for other in known:
        if other.id != source_id and other.sketch:
            both = set(sketch) | set(other.sketch)
            smallest = set(sorted(both)[:SKETCH])
            shared = smallest & set(sketch) & set(other.sketch)
            if len(shared) >= SAME_SHARE * len(smallest):
                return other
    return None


def _encoded(encoder: Encoder, passages: Sequence[Passage]) -> Vectors:
    """Vectors of all passages; two at a time, since one text does not fill two cores."""
    texts = [indexed_text(p) for p in passages]
    if not texts:
        return np.empty((0, DIMENSION), dtype=np.float32)
    with ThreadPoolExecutor(_WORKERS) as pool:
        rows = list(pool.map(lambda text: encoder.encode([text])[0], texts))
    return np.stack(rows)


def _printable(path: Path) -> str:
    """The path as text that can be written as UTF-8; equal to it, unless its name cannot."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


__all__ = [
    "SUFFIXES",
    "FileReport",
    "IngestReport",
    "Progress",
    "ingest",
    "passages_of",
    "source_id_of",
]
