"""The packaged corpus: own-words notes on podcast episodes and on the preparation guide.

One YAML file a source in ``knowledge/data/notes``: a ``source`` header and ``notes``. A note
of the guide may ``cite`` an episode; it then carries that episode's code and, where the guide
gives a minute, its time and link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from knowledge.errors import CorpusError
from knowledge.types import Entry, Passage

Topic = Literal[
    "framing",
    "metrics",
    "data",
    "modeling",
    "serving",
    "validation",
    "operations",
    "communication",
]
Text = Annotated[str, Field(min_length=1)]
_FILE_ORDER = (
    "mlsdi",
    "arseny",
    "ben",
    "angela",
    "daniel",
    "simon",
    "danny",
    "jakob",
    "nick",
    "mlsd2",
    "guide",
)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
    """Where notes come from: an episode (``youtube`` is its video id) or the guide."""

    key: Text
    title: Text
    episode: str | None
    guests: tuple[Text, ...]
    youtube: str | None
    slug: str | None

    def link(self, start: float | None) -> str | None:
        """The video at ``start`` seconds; null where there is no video or no time."""
        if self.youtube is None or start is None:
            return None
        return f"https://www.youtube.com/watch?v={self.youtube}&t={int(start)}"


class Note(_Strict):
    """One claim in our own words. ``start`` in seconds; ``approximate`` marks an untimed turn."""

    id: Text
    text: Text
    cites: str | None = None
    speaker: str | None = None
    start: int | None = Field(default=None, ge=0)
    approximate: bool = False
    section: Text
    topics: tuple[Topic, ...] = Field(min_length=1)
    questions: tuple[Text, ...] = Field(min_length=2, max_length=3)


class NotesFile(_Strict):
    """The content of one YAML file."""

    source: Source
    notes: tuple[Note, ...] = Field(min_length=1)


def packaged_notes_dir() -> Path:
    """The folder of packaged notes."""
    return Path(str(resources.files("knowledge").joinpath("data", "notes")))


def load_file(path: Path) -> NotesFile:
    """Read and check one notes file.

    Raises CorpusError naming the file and the field (``notes.3.topics.0``).
    """
    try:
        raw: Any = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506 - a safe loader
    except OSError as error:
        raise CorpusError(path.name, "file", f"cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise CorpusError(path.name, "file", f"is not valid YAML ({error})") from error
    try:
        return NotesFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise CorpusError(path.name, field, first["msg"]) from error


def load_files(directory: Path | None = None) -> tuple[NotesFile, ...]:
    """All notes files of a folder, known sources first, then by name."""
    folder = directory or packaged_notes_dir()
    paths = sorted(folder.glob("*.yaml"), key=_file_rank)
    if not paths:
        raise CorpusError(str(folder), "file", "holds no notes file")
    return tuple(load_file(path) for path in paths)


def load_entries(directory: Path | None = None) -> tuple[Entry, ...]:
    """The packaged corpus in a stable order.

    Raises CorpusError when a file is broken, an id is used twice or a cited source is unknown.
    """
    files = load_files(directory)
    sources = {file.source.key: file.source for file in files}
    entries = [
        Entry(passage=_passage(note, file.source, sources), cues=note.questions)
        for file in files
        for note in file.notes
    ]
    _check_unique(entries, files)
    return tuple(entries)


def _file_rank(path: Path) -> tuple[int, str]:
    known = path.stem in _FILE_ORDER
    return (_FILE_ORDER.index(path.stem) if known else len(_FILE_ORDER), path.name)


def _passage(note: Note, source: Source, sources: Mapping[str, Source]) -> Passage:
    told_in = source
    if note.cites is not None:
        if note.cites not in sources:
            raise CorpusError(
                f"{source.key}.yaml", f"{note.id}.cites", f"no source is called {note.cites!r}"
            )
        told_in = sources[note.cites]
    return Passage(
        id=note.id,
        corpus="packaged",
        text=note.text,
        source_id=source.key,
        title=source.title,
        section=note.section,
        episode=told_in.episode,
        speaker=note.speaker,
        start=note.start,
        approximate=note.approximate,
        url=told_in.link(note.start),
        topics=note.topics,
    )


def _check_unique(entries: Sequence[Entry], files: Sequence[NotesFile]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.passage.id in seen:
            name = f"{entry.passage.source_id}.yaml"
            raise CorpusError(name, "notes.id", f"{entry.passage.id!r} is used twice")
        seen.add(entry.passage.id)
    if len({file.source.key for file in files}) != len(files):
        raise CorpusError("notes", "source.key", "two files share one source key")


_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
