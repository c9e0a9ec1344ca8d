"""The ``spar`` command and the pages, on data directories of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services import Services, open_services
from tests.commands import Spar


@pytest.fixture
def spar(tmp_path: Path) -> Spar:
    """``spar`` as its own process; nothing was done with it yet."""
    return Spar(tmp_path / "data", tmp_path)


@pytest.fixture(scope="module")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for a module of page tests: its services are opened once."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def one_data_directory(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of this test are drawn over the module's directory."""
    monkeypatch.setenv("SPAR_DATA_DIR", str(shared_data))


@pytest.fixture(scope="module")
def services(shared_data: Path) -> Iterator[Services]:
    """The services behind the pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPAR_DATA_DIR", str(shared_data))
        opened = open_services()
    yield opened
    opened.close()
