"""What every test gets: a clean environment, its own data folder and no network."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

_GUARD_DIR = Path(__file__).parent / "netguard"
_FOREIGN_PREFIXES = ("OPENAI_", "SPAR_", "LANGSMITH_", "LANGCHAIN_")
# Told to the test suite itself, not to Spar.
_KEPT = {
    "SPAR_REQUIRE_BROWSER",
    "SPAR_SCREENSHOTS",
    "SPAR_TEST_MODEL",
    "SPAR_TEST_MODEL_URL",
}

_FIXED = {
    "SPAR_ENV_FILE": "",  # a developer's .env is not read
    "LANGGRAPH_STRICT_MSGPACK": "true",  # unregistered types in graph state are errors
    "LANGSMITH_TRACING": "false",
}


def _clean_environment() -> None:
    """Drop the developer's settings. Also before collection: test modules import the product."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN_PREFIXES) and name not in _KEPT:
            del os.environ[name]
    os.environ.update(_FIXED)


_clean_environment()

# Under a name of its own: Python may have loaded another "sitecustomize" at start-up.
_spec = importlib.util.spec_from_file_location("spar_netguard", _GUARD_DIR / "sitecustomize.py")
assert _spec is not None
assert _spec.loader is not None
netguard = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(netguard)

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No setting of the developer, a data folder of the test's own, guarded child processes."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN_PREFIXES) and name not in _KEPT:
            monkeypatch.delenv(name)
    for name, value in _FIXED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPAR_DATA_DIR", str(tmp_path_factory.mktemp("spar-data")))
    monkeypatch.setenv("PYTHONPATH", str(_GUARD_DIR))
    # Tests say themselves whether they want colour.
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Fail a test that tried to leave the machine, even where the product caught the error."""
    netguard.blocked.clear()
    yield
    if netguard.blocked:
        pytest.fail(f"left the machine: {', '.join(netguard.blocked)}")
