"""The repository as an installation: packages, pins, settings and start-up cost."""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "app", "evals", "knowledge")
SETTINGS = {
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "SPAR_MODEL",
    "SPAR_GRADER_MODEL",
    "SPAR_MODEL_TIMEOUT",
    "SPAR_SPEND_LIMIT",
    "SPAR_DATA_DIR",
    "SPAR_DATABASE_URL",
    "SPAR_CHROMA_URL",
    "SPAR_TRACING",
}
# Read by tests and set-up, no settings of the product's user.
INTERNAL = {"SPAR_ENV_FILE", "SPAR_REQUIRE_BROWSER"}
# Each takes from half a second to two seconds to import.
HEAVY = ("openai", "langgraph", "chromadb", "streamlit", "onnxruntime")

REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,_-]+\])?==([^\s;]+)", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    """The versions a requirements file pins, by package (several where markers differ)."""
    found: dict[str, set[str]] = {}
    for package, version in REQUIREMENT.findall((ROOT / name).read_text("utf-8")):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_the_one_in_this_repository(package):
    module = importlib.import_module(package)
    assert Path(module.__file__ or "").parent == ROOT / package


def test_packages_are_ours_from_a_neutral_folder_too(tmp_path):
    """A foreign top-level ``evals`` among the dependencies would win over an editable install."""
    try:
        importlib.metadata.distribution("spar")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("spar is not installed")
    code = f"import {', '.join(PACKAGES)}; print({'.__file__, '.join(PACKAGES)}.__file__)"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == [str(ROOT / package / "__init__.py") for package in PACKAGES]


def test_no_module_of_app_shadows_another():
    """Streamlit puts app/ first on sys.path: its modules then hide any of the same name."""
    ours = {path.stem for path in (ROOT / "app").glob("*.py")} - {"__init__"}
    ours |= {path.parent.name for path in (ROOT / "app").glob("*/*.py")}
    installed = {
        name
        for name, owners in importlib.metadata.packages_distributions().items()
        if owners != ["spar"]
    }
    assert not ours & ({*PACKAGES, "tests"} | sys.stdlib_module_names | installed)


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "requirements-bootstrap.txt"]
)
def test_requirements_are_pinned_hashed_and_name_no_index(name):
    text = (ROOT / name).read_text("utf-8")
    entries = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for entry in entries.splitlines():
        assert REQUIREMENT.match(entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text
    assert "index-url" not in text


def test_every_declared_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    bare = re.compile(r"^[A-Za-z0-9._-]+")

    def names(requirements):
        return {bare.findall(each)[0].lower() for each in requirements}

    assert names(project["project"]["dependencies"]) <= pins("requirements.txt").keys()
    assert names(project["dependency-groups"]["dev"]) <= pins("requirements-dev.txt").keys()


def test_development_pins_hold_the_runtime_pins():
    runtime, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_torch_is_not_required():
    assert "torch" not in pins("requirements-dev.txt")


def test_env_example_lists_every_setting_with_a_comment():
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    listed = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert sorted(listed) == sorted(SETTINGS)
    for before, line in itertools.pairwise(lines):
        if line.partition("=")[0] in SETTINGS:
            assert before.startswith("# "), f"{line} has no comment line"


def test_env_example_copied_as_it_is_changes_nothing(monkeypatch):
    from agent.settings import Settings, load_settings

    monkeypatch.delenv("SPAR_DATA_DIR")
    monkeypatch.setenv("SPAR_ENV_FILE", str(ROOT / ".env.example"))
    fields = Settings.model_fields.values()
    assert {field.validation_alias for field in fields} == SETTINGS
    assert load_settings().model_dump() == {
        name: field.default for name, field in Settings.model_fields.items()
    }


def test_code_reads_no_setting_that_env_example_lacks():
    named = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"""["'](SPAR_[A-Z_]*[A-Z])["']""", path.read_text("utf-8"))
    }
    assert named <= SETTINGS | INTERNAL


def test_importing_the_commands_is_light(tmp_path):
    if not (ROOT / "app" / "cli.py").exists():
        pytest.skip("app/cli.py does not exist yet")
    code = f"import sys, app.cli; print(*[m for m in {HEAVY} if m in sys.modules])"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == []


def test_a_test_cannot_leave_the_machine(request):
    """The guard holds, in this process and in the processes that a test starts."""
    conftest = next(
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == str(ROOT / "tests" / "conftest.py")
    )
    with pytest.raises(conftest.netguard.NetworkBlockedError, match=r"look up 'example\.invalid'"):
        socket.create_connection(("example.invalid", 80))
    with (
        socket.socket() as sock,
        pytest.raises(conftest.netguard.NetworkBlockedError, match=r"connect to '192\.0\.2\.1'"),
    ):
        sock.connect(("192.0.2.1", 80))
    conftest.netguard.blocked.clear()

    code = "import socket; socket.create_connection(('example.invalid', 80))"
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "NetworkBlockedError" in child.stderr


def test_loopback_stays_open():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_the_environment_of_a_test_is_clean():
    assert "OPENAI_API_KEY" not in os.environ
    assert os.environ["SPAR_ENV_FILE"] == ""
    assert Path(os.environ["SPAR_DATA_DIR"]).is_dir()
