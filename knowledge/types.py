"""The values the knowledge package hands out: frozen and compared by content."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Corpus = Literal["packaged", "user"]
CorpusChoice = Literal["packaged", "user", "all"]
Row = dict[str, str | float | None]


class Passage(BaseModel):
    """One searchable claim or excerpt with where it comes from.

    ``start`` and ``end`` are seconds into the recording, null where the source is not one or
    gives no time; ``approximate`` marks a start that was estimated. ``topics`` are interview
    stages. ``speaker`` is the full name of whoever speaks most; null where nobody is credited.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    corpus: Corpus
    text: str = Field(min_length=1)
    source_id: str
    title: str
    section: str | None = None
    episode: str | None = None
    speaker: str | None = None
    start: float | None = Field(default=None, ge=0)
    end: float | None = Field(default=None, ge=0)
    approximate: bool = False
    url: str | None = None
    topics: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """Title and section, as they stand above the text."""
        return " | ".join(part for part in (self.title, self.section) if part)


class SourceRecord(BaseModel):
    """One ingested file. ``content_hash`` is of its bytes, ``sketch`` of what is said in it;
    ``words`` and ``passages`` count what was kept, ``added`` is an ISO time. ``guest_speaks``
    says whether a guest whom the file names is among its speakers; null where it names none.
    ``stale`` says why the file as it is now could not be taken in, while an earlier version's
    passages are kept; null where they are of the present one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    path: str
    title: str
    kind: str
    episode: str | None = None
    url: str | None = None
    content_hash: str
    sketch: tuple[str, ...] = ()
    words: int
    passages: int
    guest_speaks: bool | None = None
    warnings: tuple[str, ...] = ()
    stale: str | None = None
    added: str

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for whoever reads its passages: that they are of an earlier version, and the
        warnings."""
        if self.stale is None:
            return self.warnings
        earlier = f"Stale: {self.stale}; these are the passages of its earlier version."
        return (earlier, *self.warnings)


class Hit(BaseModel):
    """A passage found for a query.

    ``score`` lies in 0..1 and means the same for every query (see ``knowledge.fusion``), so a
    caller may drop hits below a fixed threshold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    passage: Passage
    score: float = Field(ge=0, le=1)

    def as_row(self) -> Row:
        """The flat row of ``spar search --json``, with its keys in the order documented there."""
        p = self.passage
        return {
            "id": p.id,
            "corpus": p.corpus,
            "text": p.text,
            "score": self.score,
            "source_id": p.source_id,
            "title": p.title,
            "section": p.section,
            "episode": p.episode,
            "speaker": p.speaker,
            "start": p.start,
            "end": p.end,
            "url": p.url,
        }


class Entry(BaseModel):
    """A passage with its cues: short questions it answers, indexed beside its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passage: Passage
    cues: tuple[str, ...] = ()

    @property
    def indexed_texts(self) -> tuple[str, ...]:
        """Every text that gets a vector of its own: the passage first, then its cues."""
        return (self.passage.text, *self.cues)
