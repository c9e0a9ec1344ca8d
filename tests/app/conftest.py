"""The ``spar`` command on a data directory of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Spar


@pytest.fixture
def spar(tmp_path: Path) -> Spar:
    """``spar`` as its own process; nothing was done with it yet."""
    return Spar(tmp_path / "data", tmp_path)
