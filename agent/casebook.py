"""Which cases there are: the packaged ones, and the user's own in the data directory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from agent.content import CASES, Stamp, case_ids, case_stamp, load_case, load_head
from agent.errors import ContentError
from agent.prototypes import RUBRIC_VECTORS
from agent.types import Case, CaseHead

VECTORS: Final = CASES.parent / "vectors"
KINDS: Final = CASES.parent / "kinds"
PORTFOLIO: Final = "portfolio"


@dataclass(frozen=True)
class CaseBook:
    """Cases by id. A packaged id wins over one of the user's own."""

    own: Path | None = None

    def ids(self) -> list[str]:
        """Every case, the packaged ones first, each part sorted."""
        packaged = case_ids()
        return packaged + [i for i in self.own_ids() if i not in packaged]

    def has(self, case_id: str | None) -> bool:
        """Whether there is such a case; the portfolio walkthrough counts, though it is listed
        nowhere."""
        return case_id is not None and any(
            (root / case_id / "case.yaml").is_file() for root in self._roots()
        )

    def own_ids(self) -> list[str]:
        """The user's own cases, sorted."""
        return case_ids(self.own) if self.own is not None and self.own.is_dir() else []

    def folder(self, case_id: str) -> Path:
        """Where a case's files lie; ContentError where there is no such case."""
        for root in self._roots():
            if (root / case_id / "case.yaml").is_file():
                return root / case_id
        known = ", ".join(self.ids()) or "none"
        raise ContentError(f"There is no case {case_id!r}; known cases: {known}.")

    def load(self, case_id: str) -> Case:
        """The whole case; ContentError if it is missing or broken."""
        folder = self.folder(case_id)
        return load_case(case_id, folder.parent)

    def stamp(self, case_id: str) -> Stamp:
        """What tells one version of a case's files from another; ContentError if it is missing."""
        return case_stamp(self.folder(case_id))

    def head(self, case_id: str) -> CaseHead:
        """Title and summary alone, without reading the rest."""
        return load_head(self.folder(case_id))

    def heads(self) -> dict[str, CaseHead]:
        """Title and summary of every case; one of the user's own that is broken goes by its id."""
        found = {}
        for case_id in self.ids():
            try:
                found[case_id] = self.head(case_id)
            except ContentError:
                found[case_id] = CaseHead(id=case_id, title=f"{case_id} (broken)", summary=case_id)
        return found

    def vectors(self, case_id: str) -> Path:
        """The table of its phrasings' vectors: packaged, or kept beside the user's own cases."""
        if self.own is not None and self.folder(case_id).parent == self.own:
            return self.own / f".{case_id}.npz"
        return VECTORS / f"{case_id}.npz"

    def tables(self, case_id: str | None) -> list[Path]:
        """The tables of vectors that a case's interview needs; without a case the rubric's."""
        return [RUBRIC_VECTORS, *([self.vectors(case_id)] if case_id is not None else [])]

    def _roots(self) -> list[Path]:
        return [CASES, KINDS, *([self.own] if self.own is not None else [])]


@cache
def packaged() -> CaseBook:
    """The packaged cases alone."""
    return CaseBook()
