"""Finding the passage that stands behind a question, in whatever library is open.

Only passages that really fit are used: the ones the rubric names as the criterion's sources, else
one above a similarity floor; never twice in one interview while another fits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from agent.records import Source
from agent.types import Criterion
from knowledge.errors import KnowledgeError
from knowledge.types import Hit, Passage

FITS: Final = 0.5
NAMED_FITS: Final = 0.25
CANDIDATES: Final = 40
_log = logging.getLogger(__name__)


class Searchable(Protocol):
    """What grounding needs of a library."""

    def search(self, query: str, k: int = 5) -> Sequence[Hit]:
        """The ``k`` best passages, best first."""
        ...


class Grounding(Protocol):
    """Finds the source of a question, or none."""

    def source(self, criterion: Criterion, question: str, shown: Collection[str]) -> Source | None:
        """The passage behind a question about ``criterion``."""
        ...

    def behind(self, criterion: Criterion, shown: Collection[str]) -> Source | None:
        """The passage behind a criterion, whatever the question; looked up before it is needed."""
        ...

    def prepare(self, criteria: Sequence[Criterion]) -> None:
        """Look up what stands behind these criteria, in the background."""
        ...

    def close(self) -> None:
        """Stop looking up."""
        ...


class LibraryGrounding:
    """Grounding in a library; opened by the first question that needs it."""

    def __init__(self, library: Searchable) -> None:
        self._library = library
        self._behind: dict[str, tuple[Hit, ...]] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def source(self, criterion: Criterion, question: str, shown: Collection[str]) -> Source | None:
        """None where nothing fits, or where the library cannot be searched (logged)."""
        return _fitting(criterion, self._hits(f"{question} {criterion.statement}"), shown)

    def behind(self, criterion: Criterion, shown: Collection[str]) -> Source | None:
        """As ``source``, by the criterion alone; kept for the process once it was looked up."""
        query = _query(criterion)
        if query not in self._behind:
            self._behind[query] = self._hits(query)
        return _fitting(criterion, self._behind[query], shown)

    def prepare(self, criteria: Sequence[Criterion]) -> None:
        """Fill what ``behind`` keeps, in one thread; the rest is left while it is at work."""
        with self._lock:
            busy = self._worker is not None and self._worker.is_alive()
            missing = [c for c in criteria if _query(c) not in self._behind]
            if busy or not missing or self._stop.is_set():
                return
            self._worker = threading.Thread(
                target=self._look_up, args=(missing,), daemon=True, name="spar-passages"
            )
            self._worker.start()

    def close(self) -> None:
        """Let the search under way end; nothing is looked up any more."""
        self._stop.set()
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.join()

    def _look_up(self, criteria: Sequence[Criterion]) -> None:
        for criterion in criteria:
            if self._stop.is_set():
                return
            self.behind(criterion, ())

    def _hits(self, query: str) -> tuple[Hit, ...]:
        """None where the library cannot be searched (logged)."""
        try:
            return tuple(self._library.search(query, k=CANDIDATES))
        except KnowledgeError as error:
            _log.warning("No source for this question: %s", error)
            return ()


def _query(criterion: Criterion) -> str:
    return f"{criterion.probes[0] if criterion.probes else ''} {criterion.statement}"


def _fitting(criterion: Criterion, hits: Sequence[Hit], shown: Collection[str]) -> Source | None:
    """The best passage that fits and was not shown yet."""
    fresh = [h for h in hits if h.passage.id not in shown]
    named = [h for h in fresh if h.passage.id in criterion.sources and h.score >= NAMED_FITS]
    fitting = named or [h for h in fresh if h.score >= FITS and _traceable(h)]
    return source_of(fitting[0].passage) if fitting else None


def _traceable(hit: Hit) -> bool:
    """A packaged claim is shown only with its minute; the user's own texts may have none."""
    return hit.passage.corpus == "user" or hit.passage.start is not None


class NoGrounding:
    """No library: questions show no source."""

    def source(self, criterion: Criterion, question: str, shown: Collection[str]) -> Source | None:
        """Always None."""
        return None

    def behind(self, criterion: Criterion, shown: Collection[str]) -> Source | None:
        """Always None."""
        return None

    def prepare(self, criteria: Sequence[Criterion]) -> None:
        """Nothing to look up."""

    def close(self) -> None:
        """Nothing to stop."""


def source_of(passage: Passage) -> Source:
    """A passage as it is kept with a turn."""
    return Source(
        id=passage.id,
        text=passage.text,
        title=passage.title,
        section=passage.section,
        episode=passage.episode,
        speaker=passage.speaker,
        start=passage.start,
        url=passage.url,
    )
