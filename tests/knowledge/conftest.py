"""One encoder and one packaged library for the whole folder; both are read-only here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knowledge.encoder import MiniLMEncoder
from knowledge.library import Library
from knowledge.types import Passage


@pytest.fixture(scope="session")
def encoder() -> MiniLMEncoder:
    return MiniLMEncoder()


@pytest.fixture(scope="session")
def packaged(encoder: MiniLMEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library.open(tmp_path_factory.mktemp("library"), encoder) as library:
        yield library


@pytest.fixture(scope="session")
def queries_file() -> Path:
    return Path(__file__).with_name("queries.yaml")


@pytest.fixture(scope="session")
def user_passage() -> Callable[..., Passage]:
    def make(passage_id: str, text: str, source: str = "garden", **more: object) -> Passage:
        values: dict[str, object] = {
            "id": passage_id,
            "corpus": "user",
            "text": text,
            "source_id": source,
            "title": "Gardening at home",
        }
        return Passage.model_validate(values | more)

    return make
