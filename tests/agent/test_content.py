"""The packaged content keeps its own rules; a broken file is refused by file and field."""

from __future__ import annotations

import shutil
from statistics import median

import pytest
import yaml

from agent.authoring import JUDGES, check_case, criterion_problems
from agent.casebook import PORTFOLIO, packaged
from agent.content import CASES, RUBRIC, case_ids, load_case, load_rubric
from agent.errors import ContentError
from agent.playbook import Playbook, choose_variant
from agent.prototypes import (
    RUBRIC_VECTORS,
    load_vectors,
    phrase_key,
    phrases_of_case,
    phrases_of_rubric,
)
from agent.scale import DIMENSIONS, LEVELS, STAGES
from agent.wording import phrases
from knowledge.corpus import load_entries

CASE = load_case("fraud-checkout")
RUBRIC_ = load_rubric()
CRITERIA = (*CASE.criteria, *RUBRIC_.criteria)
PROBED = [c for c in CRITERIA if c.behaviour is None]
SOURCES = {e.passage.id for e in load_entries()}


@pytest.fixture
def broken(tmp_path):
    """A copy of the packaged case that a test may break: path of the file, and a loader."""
    shutil.copytree(CASES / "fraud-checkout", tmp_path / "fraud-checkout")

    def edit(name, change):
        path = tmp_path / "fraud-checkout" / name
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(change(data) or data), encoding="utf-8")
        with pytest.raises(ContentError) as caught:
            load_case("fraud-checkout", tmp_path)
        return str(caught.value)

    return edit


def change_first(**fields):
    def change(rows):
        rows[0] |= fields

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("criteria/data.yaml", change_first(points=9), ["data.yaml", "points"]),
        ("criteria/data.yaml", change_first(points=-1), ["data.yaml", "positive criterion"]),
        ("criteria/data.yaml", change_first(colour="red"), ["data.yaml", "colour"]),
        ("criteria/data.yaml", change_first(dimension="lunch"), ["data.yaml", "dimension"]),
        ("criteria/data.yaml", change_first(probes=["One?"]), ["data.yaml", "3 probes"]),
        ("criteria/data.yaml", change_first(hints=["One."]), ["data.yaml", "3 hints"]),
        ("criteria/data.yaml", change_first(cues=[["(open"]]), ["data.yaml", "cue", "(open"]),
        ("criteria/data.yaml", change_first(cues=[[]]), ["data.yaml", "cue group is empty"]),
        ("criteria/data.yaml", change_first(cues=[]), ["data.yaml", "cues are missing"]),
        ("criteria/data.yaml", change_first(deeper=None), ["data.yaml", "deeper is missing"]),
        ("criteria/data.yaml", change_first(id="Bad Id"), ["data.yaml", "Bad Id", "id"]),
        ("criteria/data.yaml", change_first(statement=""), ["data.yaml", "statement"]),
        ("criteria/data.yaml", change_first(variants=["hours"]), ["case.yaml", "'hours'"]),
        ("criteria/data.yaml", lambda rows: rows + rows[:1], ["case.yaml", "used twice"]),
        ("criteria/data.yaml", lambda rows: {"a": rows}, ["data.yaml", "a list is expected"]),
        ("criteria/data.yaml", lambda _: [1], ["data.yaml", "entry 1"]),
        ("facts.yaml", change_first(asks=["One?"]), ["facts.yaml", "volume", "asks"]),
        ("facts.yaml", change_first(terms=[]), ["facts.yaml", "volume", "terms"]),
        ("facts.yaml", change_first(variants={"hours": {"say": "x"}}), ["case.yaml", "'hours'"]),
        ("stages.yaml", change_first(openings=["One?"]), ["stages.yaml", "openings"]),
        ("case.yaml", lambda c: c | {"openings": {"mid": "x"}}, ["case.yaml", "openings"]),
        ("case.yaml", lambda c: c | {"variants": []}, ["case.yaml", "variants"]),
        ("case.yaml", lambda _: [1], ["case.yaml", "a mapping is expected"]),
    ],
)
def test_an_error_names_file_and_field(broken, name, change, words):
    message = broken(name, change)
    assert all(w in message for w in words), message
    assert message.endswith(".")
    assert "\n" not in message


def test_broken_yaml_and_missing_files_are_named(tmp_path):
    folder = tmp_path / "fraud-checkout"
    shutil.copytree(CASES / "fraud-checkout", folder)
    (folder / "facts.yaml").write_text("- id: [open", encoding="utf-8")
    with pytest.raises(ContentError, match=r"facts\.yaml: is not valid YAML"):
        load_case("fraud-checkout", tmp_path)
    (folder / "facts.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ContentError, match=r"facts\.yaml: is not valid YAML"):
        load_case("fraud-checkout", tmp_path)
    (folder / "facts.yaml").unlink()
    with pytest.raises(ContentError, match=r"facts\.yaml: cannot be read"):
        load_case("fraud-checkout", tmp_path)
    with pytest.raises(ContentError, match=r"no case 'other'; known cases: fraud-checkout\.$"):
        load_case("other", tmp_path)
    with pytest.raises(ContentError, match=r"known cases: none\.$"):
        load_case("other", tmp_path / "empty")


def test_the_rubric_version_follows_its_files(tmp_path):
    shutil.copytree(RUBRIC, tmp_path / "rubric")
    assert load_rubric(tmp_path / "rubric").version == RUBRIC_.version
    shutil.copytree(RUBRIC, tmp_path / "other")
    path = tmp_path / "other" / "stages.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert load_rubric(tmp_path / "other").version != RUBRIC_.version


@pytest.mark.parametrize("case_id", case_ids())
def test_what_a_case_has(case_id):
    case = load_case(case_id)
    assert len(case.criteria) >= 40
    assert len(case.facts) >= 24
    assert len(case.variants) >= 2
    assert {t.kind for t in case.twists} == {"constraint", "incident"}
    assert any(c.polarity == "negative" and c.contradiction is None for c in case.criteria)
    assert sum(1 for c in case.criteria if c.contradiction is not None) >= 2
    assert any(c.risk for c in case.criteria)
    assert {c.level for c in case.criteria} == set(LEVELS)
    named = {s for c in case.criteria for s in c.sources}
    assert len(named) >= 15
    # The hidden versions differ in what is told, and every version has facts and criteria.
    told = {v.id: tuple(f.told(v.id).say for f in case.facts) for v in case.variants}
    assert len(set(told.values())) == len(case.variants)


def test_what_there_is():
    assert "fraud-checkout" in case_ids()
    assert [v.id for v in CASE.variants] == ["minutes", "days", "weeks"]
    assert {c.dimension for c in RUBRIC_.criteria} == set(DIMENSIONS)
    assert {s.stage for s in RUBRIC_.stages} == set(STAGES)
    assert [d.dimension for d in RUBRIC_.dimensions] == list(DIMENSIONS)


def test_the_label_delay_differs_by_variant():
    delay = next(f for f in CASE.facts if f.id == "label-delay")
    assert len({delay.told(v.id).say for v in CASE.variants}) == 3


def test_the_seed_chooses_the_variant():
    chosen = [choose_variant(CASE, seed) for seed in range(30)]
    assert chosen == [choose_variant(CASE, seed) for seed in range(30)]
    assert set(chosen) == {v.id for v in CASE.variants}
    assert choose_variant(None, 1) == "none"


def test_what_a_case_refines_is_in_the_rubric():
    general = {c.id for c in RUBRIC_.criteria}
    refined = {c.refines for c in CASE.criteria} - {None}
    assert refined <= general
    assert not general & {c.id for c in CASE.criteria}


def test_a_refined_criterion_is_replaced(playbook):
    ids = [c.id for c in playbook.criteria]
    assert len(ids) == len(set(ids))
    refined = {c.refines for c in playbook.case.criteria} - {None}
    assert not refined & set(ids)


@pytest.mark.parametrize("level", LEVELS)
def test_a_variant_has_only_its_own_criteria(encoder, level):
    for variant in CASE.variants:
        book = Playbook.load("fraud-checkout", encoder, variant=variant.id)
        assert all(not c.variants or variant.id in c.variants for c in book.criteria)
        assert all(book.worth(c, level) > 0 for c in book.askable())


@pytest.mark.parametrize("criterion", RUBRIC_.criteria, ids=lambda c: c.id)
def test_a_criterion_keeps_the_rules_of_its_kind(criterion):
    assert criterion_problems(criterion, SOURCES) == []


@pytest.mark.parametrize("case_id", [*case_ids(), PORTFOLIO])
def test_a_packaged_case_has_no_problem(case_id):
    folder = packaged().folder(case_id)
    assert [str(p) for p in check_case(folder, SOURCES)] == []
    assert len(packaged().load(case_id).criteria) >= 40


@pytest.mark.parametrize("case_id", ["", *case_ids(), PORTFOLIO])
def test_the_vectors_are_those_of_the_content(case_id):
    """After a change of content: python -m evals.build CASE."""
    if case_id:
        texts = phrases_of_case(packaged().load(case_id))
        table = load_vectors(packaged().vectors(case_id))
    else:
        texts, table = phrases_of_rubric(RUBRIC_), load_vectors(RUBRIC_VECTORS)
    assert {phrase_key(t) for t in texts} == set(table)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("criteria/data.yaml", change_first(cues=[["zebra"]]), ["cues", "every group"]),
        ("criteria/data.yaml", change_first(cues=[["(open"]]), ["cues", "regular expression"]),
        ("criteria/data.yaml", change_first(points=9), ["points"]),
        ("criteria/data.yaml", change_first(sources=["nobody-1"]), ["sources", "nobody-1"]),
        ("criteria/data.yaml", change_first(refines="any.none"), ["refines", "any.none"]),
        ("criteria/data.yaml", change_first(corrected_by=["no.such"]), ["corrected_by"]),
        ("criteria/data.yaml", change_first(deeper="So?? Why?"), ["deeper", "one question"]),
        ("criteria/data.yaml", change_first(probes=["A?", "A?", "B?"]), ["probes", "the same"]),
        (
            "criteria/data.yaml",
            change_first(probes=["w " * 40 + "?", "A?", "B?"]),
            ["probes", "29"],
        ),
        ("facts.yaml", change_first(terms=["zebra"]), ["volume", "terms", "none stands in"]),
        ("facts.yaml", change_first(terms=["(open"]), ["volume", "terms", "regular expression"]),
        ("stages.yaml", change_first(strong_answer=None), ["strong_answer", "is missing"]),
        ("stages.yaml", change_first(openings=["Great, go on?", "A?", "B?"]), ["judges"]),
        ("stages.yaml", lambda rows: rows[1:], ["framing", "no openings"]),
    ],
)
def test_an_author_is_told_file_entry_and_field(tmp_path, name, change, words):
    folder = tmp_path / "fraud-checkout"
    shutil.copytree(CASES / "fraud-checkout", folder)
    path = folder / name
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(change(data) or data), encoding="utf-8")
    problems = check_case(folder, SOURCES)
    assert {p.file for p in problems} <= {name, "criteria"}
    assert any(all(w in str(p) for w in words) for p in problems), problems


def test_a_probe_that_gives_its_answer_away_is_found():
    told = PROBED[0].meets[0].rstrip(".")
    leading = PROBED[0].model_copy(update={"probes": (f"Would you say {told}?", "A?", "B?")})
    assert any("gives its answer away" in p for p in criterion_problems(leading, SOURCES))


def test_the_interviewer_does_not_judge():
    for name, options in phrases().items():
        for text in options:
            assert JUDGES.search(text) is None, (name, text)
    for stage in (*CASE.stages, *RUBRIC_.stages):
        for text in stage.openings:
            assert JUDGES.search(text) is None, text


def test_the_interviewer_is_brief():
    said = [p for c in PROBED for p in c.probes]
    said += [o for s in (*CASE.stages, *RUBRIC_.stages) for o in s.openings]
    said += [o for options in phrases().values() for o in options]
    assert median(len(text.split()) for text in said) < 25
    assert all(text.count("?") <= 2 for text in said)


def test_wordings_are_not_shared():
    probes = [p for c in PROBED for p in c.probes]
    assert len(set(probes)) == len(probes)
