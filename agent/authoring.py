"""Checking a case's files: every problem at once, each with its file, entry and field.

``agent.content`` refuses a broken case at its first problem; this is what an author runs while
writing (``spar case check``), and what the tests hold the packaged cases to.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from agent.behaviour import known_behaviours
from agent.content import criteria_files, load_case, load_rubric, read_yaml
from agent.errors import ContentError
from agent.hygiene import content_words, words_of
from agent.judging import targets_of
from agent.scale import TECHNICAL
from agent.types import Case, Criterion, Fact, StageText, Value

MAX_PROBE_WORDS: Final = 29
RUN: Final = 4
# Praise, and telling that something was missed, before the review.
JUDGES: Final = re.compile(
    r"\b(?:great|good (?:answer|point|job|question|idea)|excellent|nice|perfect|awesome|well done|"
    r"impressive|correct|exactly|wonderful|brilliant|interesting|love (?:it|that)|"
    r"miss(?:ed|ing)|forg[eo]t\w*|overlook\w*|left out|you did(?:n'?t| not)|you have(?:n'?t| not)|"
    r"incorrect|weak answer|not quite|that(?:'s| is) wrong)\b",
    re.I,
)


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend; ``file`` is relative to the case's folder."""

    file: str
    entry: str
    field: str
    message: str

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.entry, self.field) if part)
        return f"{where}: {self.message}"


def check_case(folder: Path, sources: Collection[str]) -> list[Problem]:
    """Every problem of the case in ``folder``, by file; ``sources`` are the known passage ids."""
    shapes = [*_shapes(folder)]
    if shapes:
        return sorted(shapes)
    try:
        case = load_case(folder.name, folder.parent)
    except ContentError as error:
        return [Problem("case.yaml", "", "", str(error).partition("case.yaml: ")[2] or str(error))]
    places = _places(folder)
    found = [*_whole(case), *_facts(case), *_stages(case)]
    for criterion in case.criteria:
        file = places.get(criterion.id, "criteria")
        found += [
            Problem(file, criterion.id, field, message)
            for field, message in _criterion(criterion, sources)
        ]
    return sorted(found)


def criterion_problems(criterion: Criterion, sources: Collection[str]) -> list[str]:
    """The problems of one criterion by itself, as ``field: message``."""
    return [f"{field}: {message}" for field, message in _criterion(criterion, sources)]


def _shapes(folder: Path) -> Iterator[Problem]:
    """Files that cannot be read, and entries whose fields are wrong."""
    try:
        if not isinstance(read_yaml(folder / "case.yaml"), dict):
            yield Problem("case.yaml", "", "", "a mapping is expected at the top.")
    except ContentError as error:
        yield Problem("case.yaml", "", "", str(error).partition("case.yaml: ")[2])
    yield from _entries(folder, folder / "facts.yaml", Fact)
    yield from _entries(folder, folder / "stages.yaml", StageText)
    paths = criteria_files(folder)
    if not paths:
        yield Problem("criteria", "", "", "no criteria files")
    for path in paths:
        yield from _entries(folder, path, Criterion)


def _entries(folder: Path, path: Path, model: type[Value]) -> Iterator[Problem]:
    name = path.relative_to(folder).as_posix()
    try:
        rows = read_yaml(path)
    except ContentError as error:
        yield Problem(name, "", "", str(error).removeprefix(f"{path}: "))
        return
    if not isinstance(rows, list):
        yield Problem(name, "", "", "a list is expected at the top.")
        return
    for number, row in enumerate(rows, start=1):
        try:
            model.model_validate(row)
        except ValidationError as error:
            for each in error.errors():
                field = ".".join(str(part) for part in each["loc"])
                message = each["msg"].removeprefix("Value error, ")
                yield Problem(name, _name(row, number), field, f"{message}.")


def _name(row: Any, number: int) -> str:
    named = (row.get("id") or row.get("stage")) if isinstance(row, Mapping) else None
    return str(named or f"entry {number}")


def _places(folder: Path) -> dict[str, str]:
    return {
        str(row["id"]): path.relative_to(folder).as_posix()
        for path in criteria_files(folder)
        for row in read_yaml(path)
    }


def _whole(case: Case) -> Iterator[Problem]:
    """What needs more than one entry: references, coverage of the stages, shared wordings."""
    general = load_rubric().criteria
    ids = {c.id for c in (*case.criteria, *general)}
    for criterion in case.criteria:
        for other in criterion.corrected_by:
            if other not in ids:
                message = f"there is no criterion {other!r}."
                yield Problem("criteria", criterion.id, "corrected_by", message)
        if criterion.refines is not None and criterion.refines not in {c.id for c in general}:
            message = f"the case-independent rubric has no {criterion.refines!r}."
            yield Problem("criteria", criterion.id, "refines", message)
        if criterion.id in {c.id for c in general}:
            yield Problem("criteria", criterion.id, "id", "the case-independent rubric has it.")
    asked = {c.asked_in for c in case.criteria if c.polarity == "positive"}
    for stage in TECHNICAL:
        if stage not in asked:
            yield Problem("criteria", "", stage, "no positive criterion is asked in this stage.")
    probes = Counter(p for c in (*case.criteria, *general) for p in c.probes)
    for criterion in case.criteria:
        for probe in criterion.probes:
            if probes[probe] > 1:
                message = f"this wording is used twice: {probe!r}."
                yield Problem("criteria", criterion.id, "probes", message)


def _facts(case: Case) -> Iterator[Problem]:
    for fact in case.facts:
        for field, patterns in (("terms", fact.terms), ("values", _units(fact))):
            for pattern in patterns:
                if (message := _no_pattern(pattern)) is not None:
                    yield Problem("facts.yaml", fact.id, field, message)
        if all(_no_pattern(t) is None for t in fact.terms):
            terms = re.compile("|".join(fact.terms), re.I)
            for ask in fact.asks:
                if terms.search(ask) is None:
                    yield Problem("facts.yaml", fact.id, "terms", f"none stands in {ask!r}.")


def _units(fact: Fact) -> list[str]:
    told = [fact.values, *(t.values for t in fact.variants.values())]
    return [value.unit for values in told for value in values]


def _no_pattern(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r} is no regular expression: {error}."
    return None


def _stages(case: Case) -> Iterator[Problem]:
    have = {s.stage: s for s in case.stages}
    for stage in TECHNICAL:
        if stage not in have:
            yield Problem("stages.yaml", stage, "", "the stage has no openings.")
        elif have[stage].strong_answer is None:
            yield Problem("stages.yaml", stage, "strong_answer", "is missing.")
    for text in case.stages:
        for opening in text.openings:
            if (judged := JUDGES.search(opening)) is not None:
                message = f"{judged.group()!r} judges the candidate: {opening!r}."
                yield Problem("stages.yaml", text.stage, "openings", message)


def _criterion(criterion: Criterion, sources: Collection[str]) -> Iterator[tuple[str, str]]:
    if criterion.behaviour is not None:
        if criterion.behaviour not in known_behaviours():
            yield "behaviour", f"{criterion.behaviour!r} is not known."
        return
    for source in criterion.sources:
        if source not in sources:
            yield "sources", f"no passage {source!r}."
    patterns = [p for group in criterion.cues for p in group]
    broken = [m for p in patterns if (m := _no_pattern(p)) is not None]
    yield from (("cues", message) for message in broken)
    if not broken:
        for target in targets_of(criterion):
            for text in target.meets:
                if target.concepts(text) < 1.0:
                    yield "cues", f"not every group matches {text!r}."
    yield from _asked(criterion)


def _asked(criterion: Criterion) -> Iterator[tuple[str, str]]:
    """One short question a probe, three wordings, none with the answer in it."""
    if len(set(criterion.probes)) < len(criterion.probes):
        yield "probes", "two are the same."
    if len(set(criterion.hints)) < len(criterion.hints):
        yield "hints", "two are the same."
    heard = {run for text in criterion.meets for run in runs(text)}
    for probe in criterion.probes:
        if len(probe.split()) > MAX_PROBE_WORDS:
            yield "probes", f"over {MAX_PROBE_WORDS} words: {probe!r}."
        for given in sorted(heard & runs(probe)):
            yield "probes", f"gives its answer away ({given!r}): {probe!r}."
    asked = [("probes", p) for p in criterion.probes]
    singles = (
        ("deeper", criterion.deeper),
        ("harder", criterion.harder),
        ("defence", criterion.defence),
    )
    asked += [(field, text) for field, text in singles if text is not None]
    for field, text in asked:
        if text.count("?") != 1:
            yield field, f"exactly one question is expected: {text!r}."


def runs(text: str, length: int = RUN) -> set[str]:
    """Runs of ``length`` words that say something: two of them at least are no function words."""
    words: Sequence[str] = words_of(text)
    found = (" ".join(words[i : i + length]) for i in range(len(words) - length + 1))
    return {run for run in found if len(content_words(run)) > 1}
