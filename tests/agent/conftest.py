"""One encoder for the whole folder (it is slow to load), one real case, a service on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.grade import Grade
from agent.grading import grade_transcript
from agent.grounding import Grounding, NoGrounding
from agent.playbook import Playbook
from agent.service import Interviews
from agent.store import Store
from agent.transcript import Transcript, read_transcript
from knowledge.encoder import MiniLMEncoder
from tests.agent.support import CANDIDATES, Clock, Ids


@pytest.fixture(scope="session")
def encoder() -> MiniLMEncoder:
    return MiniLMEncoder()


@pytest.fixture(scope="session")
def playbook(encoder: MiniLMEncoder) -> Playbook:
    """The fraud case in the variant where labels take weeks."""
    return Playbook.load("fraud-checkout", encoder, variant="weeks")


@pytest.fixture(scope="session")
def general(encoder: MiniLMEncoder) -> Playbook:
    """The case-independent rubric alone."""
    return Playbook.load(None, encoder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store.open(f"sqlite:///{tmp_path / 'spar.sqlite3'}")
    yield found
    found.close()


@pytest.fixture
def service(store: Store, encoder: MiniLMEncoder) -> Interviews:
    return Interviews(store, encoder, now=Clock(), new_id=Ids())


@pytest.fixture(scope="session")
def make_service(
    encoder: MiniLMEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Interviews]]:
    """Services on databases of their own, for interviews that several tests only look at."""
    stores: list[Store] = []

    def make(grounding: Grounding | None = None) -> Interviews:
        folder = tmp_path_factory.mktemp("interviews")
        stores.append(Store.open(f"sqlite:///{folder / 'spar.sqlite3'}"))
        return Interviews(
            stores[-1], encoder, grounding=grounding or NoGrounding(), now=Clock(), new_id=Ids()
        )

    yield make
    for found in stores:
        found.close()


@pytest.fixture(scope="session")
def candidates() -> dict[str, Transcript]:
    """The written candidates by name."""
    return {
        p.stem: read_transcript(p.read_text(encoding="utf-8"), p.stem)
        for p in sorted(CANDIDATES.glob("*.json"))
    }


@pytest.fixture(scope="session")
def grades(candidates: dict[str, Transcript], playbook: Playbook) -> dict[str, Grade]:
    """Every candidate graded once."""
    return {name: grade_transcript(t, playbook) for name, t in candidates.items()}
