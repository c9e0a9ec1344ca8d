"""Opening Spar on one data directory: settings, database, encoder, library, interviews.

Both front ends start here. Nothing heavy happens before it is needed: the library (Chroma) opens at
the first search, in the background where ``warm`` is called.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.casebook import CaseBook
from agent.errors import StoreError
from agent.grounding import LibraryGrounding
from agent.playbook import Playbook, playbook_for
from agent.report import Report, SourceOf, build_report, packaged_sources
from agent.scale import OPENAI, Stage
from agent.service import Interviews
from agent.settings import Settings, load_settings, quiet_tracing
from agent.store import Store
from agent.transcript import Transcript, read_transcript
from app.engines import ModelSource, default_engine
from knowledge.encoder import Encoder, MiniLMEncoder
from knowledge.types import CorpusChoice, Hit

if TYPE_CHECKING:
    from knowledge.library import Library

SAMPLE = Path(__file__).parent / "data" / "sample.json"


class LazyLibrary:
    """The library, opened once by whoever asks first; safe between threads."""

    def __init__(self, settings: Settings, encoder: Encoder) -> None:
        self._settings = settings
        self._encoder = encoder
        self._lock = threading.Lock()
        self._library: Library | None = None

    def opened(self) -> Library:
        """The open library; KnowledgeError if it cannot be opened."""
        with self._lock:
            if self._library is None:
                from knowledge.library import Library

                self._library = Library.open(
                    self._settings.folder, self._encoder, self._settings.chroma_url
                )
            return self._library

    def search(self, query: str, k: int = 5, corpus: CorpusChoice = "all") -> Sequence[Hit]:
        """The ``k`` best passages."""
        return self.opened().search(query, k=k, corpus=corpus)

    def close(self) -> None:
        """Close it if it was opened."""
        with self._lock:
            if self._library is not None:
                self._library.close()
                self._library = None


@dataclass(frozen=True)
class Services:
    """Everything a front end needs; close it when done."""

    settings: Settings
    store: Store
    encoder: Encoder
    library: LazyLibrary
    interviews: Interviews = field(repr=False)
    engines: ModelSource
    warming: list[threading.Thread] = field(default_factory=list, repr=False)

    def report(self, interview: str, document: dict[str, Any] | None = None) -> Report:
        """The review of a graded interview, with its latest grade or the one given."""
        record = self.store.interview(interview)
        if document is None:
            document = self.interviews.grade(interview).document
        transcript = self.interviews.transcript(interview)
        return build_report(
            transcript,
            document,
            self.playbook_for(transcript, record.stage),
            _sources(),
            record=record,
            rating=self.store.rating(interview),
            appeals=self.store.appeals(interview),
        )

    def playbook_for(self, transcript: Transcript, stage: Stage | None = None) -> Playbook:
        """The case that a transcript names, of the packaged ones and the user's own."""
        return playbook_for(transcript, self.encoder, stage, self.interviews.cases)

    def sample_report(self) -> Report:
        """A real graded interview that ships with Spar."""
        kept = json.loads(SAMPLE.read_text(encoding="utf-8"))
        transcript = read_transcript(json.dumps(kept["transcript"]), "sample")
        playbook = Playbook.load(transcript.case, self.encoder, variant=kept["variant"])
        return build_report(transcript, kept["grade"], playbook, _sources())

    def warm(self) -> None:
        """Load the state machine and the encoder, and open the library, while the user reads."""

        def load() -> None:
            from agent.opening import preload
            from knowledge.errors import KnowledgeError

            preload()
            try:
                self.encoder.encode(["warm"])
                self.library.opened()
            except KnowledgeError:
                return  # whoever needs it gets the error, with its reason
            if default_engine(self.settings) == OPENAI:
                self.engines.preload()

        thread = threading.Thread(target=load, daemon=True, name="spar-warm")
        self.warming.append(thread)
        thread.start()

    def close(self) -> None:
        """Give everything back."""
        self.interviews.grounding.close()
        for thread in self.warming:
            thread.join()  # native code that still loads must not be torn down
        self.library.close()
        self.store.close()


def case_book(settings: Settings) -> CaseBook:
    """The packaged cases and those in the data directory."""
    return CaseBook(settings.folder / "cases")


def open_services(settings: Settings | None = None) -> Services:
    """Open the data directory; StoreError in one sentence where it cannot be used."""
    settings = settings or load_settings()
    quiet_tracing(settings)
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The data directory {settings.folder} cannot be used ({error.strerror})."
        ) from error
    encoder = MiniLMEncoder()
    store = Store.open(settings.database)
    library = LazyLibrary(settings, encoder)
    cases = case_book(settings)
    engines = ModelSource(settings)
    interviews = Interviews(store, encoder, LibraryGrounding(library), cases=cases, model=engines)
    return Services(settings, store, encoder, library, interviews, engines)


@cache
def _sources() -> SourceOf:
    return packaged_sources()


__all__ = ["Services", "case_book", "open_services"]
