"""Reading content files: cases and the rubric, YAML in, validated values out.

A case is a folder: ``case.yaml`` (openings, variants, twists), ``facts.yaml``, ``stages.yaml``
and ``criteria/*.yaml``. Errors name the file and the field.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from agent.errors import ContentError
from agent.types import (
    PACKAGED,
    Case,
    CaseHead,
    Criterion,
    DimensionText,
    Fact,
    Rubric,
    StageText,
)

Model = TypeVar("Model", bound=BaseModel)
Stamp = tuple[tuple[str, int, int], ...]

DATA = Path(__file__).parent / "data"
CASES = DATA / "cases"
RUBRIC = DATA / "rubric"
_CASE_FILES = ("case.yaml", "facts.yaml", "stages.yaml")


def load_case(case_id: str, root: Path | None = None) -> Case:
    """The case ``case_id`` of ``root`` (the packaged ones by default); ContentError if it is
    missing or broken."""
    root = root or CASES
    folder = root / case_id
    if not (folder / "case.yaml").is_file():
        known = ", ".join(case_ids(root)) or "none"
        raise ContentError(f"There is no case {case_id!r}; known cases: {known}.")
    return _load_case(folder, case_stamp(folder))


def case_stamp(folder: Path) -> Stamp:
    """What a case's files are known by while they are kept: an edit changes it. Packaged files
    never change within a process and are not looked at."""
    if is_packaged(folder):
        return ()
    return stamp_of([*(folder / name for name in _CASE_FILES), *criteria_files(folder)])


def stamp_of(files: Iterable[Path]) -> Stamp:
    """Name, time of change (ns) and size of each file; one that is not there is left out."""
    found = []
    for path in files:
        with contextlib.suppress(OSError):
            state = path.stat()
            found.append((str(path), state.st_mtime_ns, state.st_size))
    return tuple(found)


def is_packaged(path: Path) -> bool:
    """Whether a file or folder is part of the package."""
    return path.is_relative_to(DATA)


def criteria_files(folder: Path) -> list[Path]:
    """A case's files of criteria; hidden ones are an editor's own."""
    found = (folder / "criteria").glob("*.yaml")
    return sorted(path for path in found if not path.name.startswith("."))


def load_head(folder: Path) -> CaseHead:
    """Title and summary of the case in ``folder``; ContentError if they cannot be read."""
    path = folder / "case.yaml"
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ContentError(f"{path}: a mapping is expected at the top.")
    wanted = {name: data.get(name) for name in CaseHead.model_fields}
    return _validated(CaseHead, wanted, path)


def load_rubric(folder: Path | None = None) -> Rubric:
    """The case-independent rubric; ``version`` is a hash of its files."""
    return _load_rubric(folder or RUBRIC)


def case_ids(root: Path | None = None) -> list[str]:
    """Ids of the cases in ``root``, sorted."""
    return sorted(p.parent.name for p in (root or CASES).glob("*/case.yaml"))


@lru_cache(maxsize=64)
def _load_case(folder: Path, _: Stamp) -> Case:
    head = read_yaml(folder / "case.yaml")
    if not isinstance(head, dict):
        raise ContentError(f"{folder / 'case.yaml'}: a mapping is expected at the top.")
    head["facts"] = _read_all(folder / "facts.yaml", Fact)
    head["stages"] = _read_all(folder / "stages.yaml", StageText)
    head["criteria"] = _read_criteria(folder)
    return _validated(Case, head, folder / "case.yaml")


@cache
def _load_rubric(folder: Path) -> Rubric:
    criteria = _read_criteria(folder)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.yaml")):
        digest.update(path.read_bytes())
    fields = {
        "version": digest.hexdigest()[:12],
        "dimensions": _read_all(folder / "dimensions.yaml", DimensionText),
        "stages": _read_all(folder / "stages.yaml", StageText),
        "criteria": criteria,
    }
    return _validated(Rubric, fields, folder)


def _read_criteria(folder: Path) -> tuple[Criterion, ...]:
    return tuple(c for path in criteria_files(folder) for c in _read_all(path, Criterion))


def _read_all(path: Path, model: type[Model]) -> tuple[Model, ...]:
    rows = read_yaml(path)
    if not isinstance(rows, list):
        raise ContentError(f"{path}: a list is expected at the top.")
    found = []
    for number, row in enumerate(rows, start=1):
        name = row.get("id") or row.get("stage") if isinstance(row, Mapping) else None
        found.append(_validated(model, row, path, str(name or f"entry {number}")))
    return tuple(found)


def read_yaml(path: Path) -> Any:
    """The file as YAML; ContentError where it cannot be read or parsed."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - safe loader
    except OSError as error:
        raise ContentError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise ContentError(f"{path}: is not valid YAML ({first}).") from error


def _validated(model: type[Model], data: Any, path: Path, entry: str = "") -> Model:
    try:
        return model.model_validate(data, context={PACKAGED: is_packaged(path)})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the entry"
        where = f"{path}: {entry}: {field}" if entry else f"{path}: {field}"
        raise ContentError(f"{where}: {first['msg'].removeprefix('Value error, ')}.") from error
