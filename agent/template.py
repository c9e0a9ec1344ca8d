"""The small whole case that ``spar case new`` writes: a point a dimension, to be replaced."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from agent.content import load_rubric
from agent.errors import InputError
from agent.scale import LEVELS, TECHNICAL
from agent.types import Criterion

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,40}")
_HEADER: Final = (
    "# The fields are explained in docs/authoring.md. Check with: spar case check {id}\n"
)


def write_template(root: Path, case_id: str) -> Path:
    """Write the case ``case_id`` under ``root``; its folder. InputError for a name that is none or
    is taken."""
    if _ID.fullmatch(case_id) is None:
        raise InputError("A case's id is made of lower-case letters, digits and hyphens.")
    folder = root / case_id
    if folder.exists():
        raise InputError(f"{folder} is there already.")
    (folder / "criteria").mkdir(parents=True)
    header = _HEADER.format(id=case_id)
    _write(folder / "case.yaml", header, _head(case_id))
    _write(folder / "facts.yaml", header, [_fact()])
    _write(folder / "stages.yaml", header, [_stage(s.stage, s.openings) for s in _stages()])
    for stage in TECHNICAL:
        criterion = _example(stage)
        _write(folder / "criteria" / f"{stage}.yaml", header, [_changed(criterion)])
    return folder


def _head(case_id: str) -> dict[str, Any]:
    title = case_id.replace("-", " ").capitalize()
    opening = (
        f"{title}: say in two or three sentences what the company does, what is to be decided and "
        "for whom. Design the system that does it."
    )
    return {
        "id": case_id,
        "title": title,
        "summary": f"{title}: one paragraph for whoever chooses a case.",
        "openings": dict.fromkeys(LEVELS, opening),
        "variants": [{"id": "usual", "title": "How things are"}],
        "twists": [],
    }


def _fact() -> dict[str, Any]:
    return {
        "id": "volume",
        "topic": "requests a day",
        "stage": "framing",
        "asks": [
            "How many requests do we handle a day?",
            "What is the daily volume?",
            "What scale are we talking about?",
        ],
        "terms": ["how many", "volume", "scale"],
        "near_asks": ["How many requests does a competitor handle?"],
        "say": "About a million requests a day.",
        "values": [{"number": 1_000_000, "unit": "requests?|a day|daily", "tolerance": 0.25}],
    }


def _stage(stage: str, openings: tuple[str, ...]) -> dict[str, Any]:
    return {
        "stage": stage,
        "openings": list(openings),
        "strong_answer": "Write here what a strong candidate says about this stage of your case.",
    }


def _stages() -> list[Any]:
    return [s for s in load_rubric().stages if s.stage in TECHNICAL]


def _example(stage: str) -> Criterion:
    return next(
        c
        for c in load_rubric().criteria
        if c.asked_in == stage and c.polarity == "positive" and c.behaviour is None
    )


def _changed(criterion: Criterion) -> dict[str, Any]:
    """A case-independent criterion as the start of the case's own."""
    data = criterion.model_dump(mode="json", exclude_defaults=True)
    general = data["id"]
    return data | {
        "id": f"{criterion.dimension}.example-{general.rpartition('.')[2]}",
        "refines": general,
        "probes": [f"In your case: {probe[0].lower()}{probe[1:]}" for probe in criterion.probes],
    }


def _write(path: Path, header: str, data: Any) -> None:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(header + text, encoding="utf-8")
