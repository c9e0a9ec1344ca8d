"""The packaged cases and one's own beside them; the small case that a new one starts from."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from agent.authoring import check_case
from agent.casebook import KINDS, PORTFOLIO, VECTORS, CaseBook, packaged
from agent.content import CASES, case_ids, case_stamp
from agent.errors import ContentError, InputError
from agent.levels import PARTIAL_CREDIT
from agent.playbook import Playbook, kept_playbook, playbook_for
from agent.preview import try_answers
from agent.prototypes import load_vectors, phrases_of_case, save_vectors
from agent.scale import LEVELS, TECHNICAL
from agent.service import Interviews, Setup
from agent.template import write_template
from agent.transcript import read_transcript
from knowledge.corpus import load_entries
from tests.agent.support import Clock, Ids, Scripted, play, say, start

MISSING = pytest.mark.skipif(
    not (KINDS / PORTFOLIO / "case.yaml").is_file(), reason="no portfolio content in the package"
)
FRAUD = "fraud-checkout"
SOURCES = {entry.passage.id for entry in load_entries()}
DELAY = (
    "Chargebacks arrive 30 to 60 days after the payment, so I only train on payments older than "
    "60 days."
)


@pytest.fixture
def own(tmp_path):
    """Two cases of one's own, one of them broken, and a file that is none."""
    root = tmp_path / "cases"
    write_template(root, "my-case")
    write_template(root, "half-done")
    (root / "half-done" / "case.yaml").write_text("id: half-done\ntitle: [", encoding="utf-8")
    (root / "notes.txt").write_text("not a case", encoding="utf-8")
    return CaseBook(root)


# Which cases there are


def test_the_packaged_cases_alone():
    book = packaged()
    assert book is packaged()
    assert book.ids() == case_ids()
    assert FRAUD in book.ids()
    assert book.own_ids() == []
    assert CaseBook(None) == book


def test_own_cases_follow_the_packaged_ones(own):
    assert own.ids() == [*case_ids(), "half-done", "my-case"]
    assert own.own_ids() == ["half-done", "my-case"]
    assert own.has("my-case")
    assert own.has(FRAUD)
    assert not own.has("notes.txt")
    assert not own.has(None)
    assert own.load("my-case").title == "My case"
    assert own.load(FRAUD) == packaged().load(FRAUD)
    assert not packaged().has("my-case")


def test_a_data_directory_without_cases_is_none(tmp_path):
    book = CaseBook(tmp_path / "none")
    assert book.ids() == case_ids()
    assert book.own_ids() == []


def test_a_broken_case_is_shown_as_broken_and_breaks_no_other(own):
    heads = own.heads()
    assert list(heads) == own.ids()
    assert heads["half-done"].title == "half-done (broken)"
    assert heads["my-case"].title == "My case"
    assert heads[FRAUD] == packaged().head(FRAUD)
    with pytest.raises(ContentError, match=r"half-done/case\.yaml: is not valid YAML"):
        own.load("half-done")


@pytest.mark.parametrize("text", ["", "- a list", "id: x", "id: Bad Id\ntitle: x\nsummary: x"])
def test_heads_stand_any_case_file(own, text):
    (own.own / "half-done" / "case.yaml").write_text(text, encoding="utf-8")
    assert own.heads()["half-done"].title == "half-done (broken)"


def test_an_unknown_case_names_the_known_ones(own):
    for call in (own.load, own.folder, own.head, own.vectors):
        with pytest.raises(ContentError, match=r"no case 'nope'; known cases: .*my-case\.$"):
            call("nope")


def test_a_packaged_id_wins(own):
    shutil.copytree(CASES / FRAUD, own.own / FRAUD)
    assert own.ids() == [*case_ids(), "half-done", "my-case"]
    assert own.folder(FRAUD) == CASES / FRAUD
    assert own.vectors(FRAUD) == VECTORS / f"{FRAUD}.npz"


@MISSING
def test_the_portfolio_is_known_and_not_listed(own):
    for book in (packaged(), own):
        assert book.has(PORTFOLIO)
        assert PORTFOLIO not in book.ids()
        assert PORTFOLIO not in book.heads()
        assert book.folder(PORTFOLIO) == KINDS / PORTFOLIO
        assert book.load(PORTFOLIO).facts == ()
        assert book.vectors(PORTFOLIO) == VECTORS / f"{PORTFOLIO}.npz"


@MISSING
def test_a_portfolio_interview_has_no_case_of_its_own(service):
    record = service.create(Setup(kind="portfolio", case_id=FRAUD, seed=3))
    assert (record.kind, record.case_id, record.stage) == ("portfolio", PORTFOLIO, None)
    assert record.prompt == packaged().load(PORTFOLIO).openings["senior"]


def test_vectors_lie_in_the_package_or_beside_ones_own_case(own, encoder):
    assert packaged().vectors(FRAUD) == VECTORS / f"{FRAUD}.npz"
    assert own.vectors(FRAUD) == VECTORS / f"{FRAUD}.npz"
    path = own.vectors("my-case")
    assert path == own.own / ".my-case.npz"
    texts = phrases_of_case(own.load("my-case"))
    assert save_vectors(path, texts, encoder) == len(set(texts))
    assert len(load_vectors(path)) == len(set(texts))
    # The table is no case.
    assert own.own_ids() == ["half-done", "my-case"]


def test_a_transcript_of_ones_own_case_is_read_by_it(own, encoder):
    told = {"case": "my-case", "turns": [{"speaker": "candidate", "text": "A model."}]}
    read = read_transcript(json.dumps(told), "x")
    mine = playbook_for(read, encoder, cases=own)
    assert mine.case is not None
    assert mine.case.id == "my-case"
    assert playbook_for(read, encoder).case is None


# Edited while Spar runs


def edit(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_an_edited_case_shows_at_the_next_use(own, encoder):
    folder = own.own / "my-case"
    before = own.load("my-case")
    assert own.load("my-case") is before
    kept = kept_playbook("my-case", "usual", None, encoder, own)
    assert kept_playbook("my-case", "usual", None, encoder, own) is kept

    edit(folder / "case.yaml", "title: My case", "title: Your case")
    assert own.load("my-case").title == "Your case"
    edit(folder / "facts.yaml", "About a million requests a day.", "About two million.")
    edit(folder / "stages.yaml", "Write here what", "Tell us what")
    (folder / "criteria" / "operations.yaml").unlink()
    after = kept_playbook("my-case", "usual", None, encoder, own)
    assert after.facts.say("volume") == "About two million."
    assert after.case is not None
    assert all((s.strong_answer or "").startswith("Tell us what") for s in after.case.stages)
    gone = {c.id for c in before.criteria if c.asked_in == "operations"}
    assert gone
    assert {c.id for c in kept.criteria} >= gone
    assert not {c.id for c in after.criteria} & gone
    # Untouched again, it is kept again; gone, it is none at once.
    assert kept_playbook("my-case", "usual", None, encoder, own) is after
    shutil.rmtree(folder)
    assert kept_playbook("my-case", "usual", None, encoder, own).case is None


def test_an_edit_that_leaves_the_size_shows_too(own):
    edit(own.own / "my-case" / "case.yaml", "title: My case", "title: My cafe")
    first = own.load("my-case").title
    edit(own.own / "my-case" / "case.yaml", "title: My cafe", "title: My cave")
    assert (first, own.load("my-case").title) == ("My cafe", "My cave")


def test_a_case_that_is_broken_and_mended_is_read_again(own, encoder):
    file = own.own / "my-case" / "facts.yaml"
    text = file.read_text(encoding="utf-8")
    before = kept_playbook("my-case", "usual", None, encoder, own).case
    file.write_text("- id: [", encoding="utf-8")
    for read in (own.load, lambda i: kept_playbook(i, "usual", None, encoder, own)):
        with pytest.raises(ContentError, match=r"my-case/facts\.yaml: is not valid YAML"):
            read("my-case")
    file.write_text(text, encoding="utf-8")
    assert kept_playbook("my-case", "usual", None, encoder, own).case == before


def test_files_that_an_editor_hides_are_no_criteria(own):
    criteria = own.own / "my-case" / "criteria"
    before = own.load("my-case")
    (criteria / ".#data.yaml").symlink_to("somebody@somewhere.1234")
    (criteria / "._data.yaml").write_bytes(b"\x00\x05\x16\x07")
    assert own.load("my-case") is before
    assert check_case(own.own / "my-case", SOURCES) == []


def test_a_packaged_case_is_read_once_and_not_looked_at_again(own):
    assert case_stamp(CASES / FRAUD) == ()
    assert own.stamp(FRAUD) == ()
    assert own.load(FRAUD) is own.load(FRAUD) is packaged().load(FRAUD)
    names = [name.rpartition("/")[2] for name, _, _ in own.stamp("my-case")]
    assert names[:3] == ["case.yaml", "facts.yaml", "stages.yaml"]
    assert len(names) == 3 + len(TECHNICAL)


def test_a_table_that_was_written_again_is_read_again(own, encoder):
    path = own.vectors("my-case")
    assert load_vectors(path) == {}
    save_vectors(path, ["one phrase"], encoder)
    assert len(load_vectors(path)) == 1
    assert load_vectors(path) is load_vectors(path)
    save_vectors(path, ["one phrase", "another one"], encoder)
    assert len(load_vectors(path)) == 2
    assert [p.name for p in own.own.glob(".*")] == [path.name]


@pytest.fixture
def under_way(store, encoder, tmp_path):
    """The fraud case as one's own and an interview on it, with errors and both sides of a
    contradiction said; the service, the interview, the case's folder and the last turn's state."""

    def begin(answer, **setup):
        root = tmp_path / "cases"
        folder = root / "my-fraud"
        shutil.copytree(CASES / FRAUD, folder)
        edit(folder / "case.yaml", f"id: {FRAUD}", "id: my-fraud")
        book = CaseBook(root)
        shutil.copy(VECTORS / f"{FRAUD}.npz", book.vectors("my-fraud"))
        service = Interviews(store, encoder, now=Clock(), new_id=Ids(), cases=book)
        record = start(service, Setup(case_id="my-fraud", seed=3, **setup))
        say(service, record.id, "Let us start.")
        row = say(service, record.id, answer)
        return service, record.id, folder, row.snapshot

    return begin


WRONG = ("metrics.accuracy-headline", "metrics.default-half-cut", "validation.random-split")
APART = "contradiction.random-split-with-adversaries"


def said_of(*names):
    """What makes these errors, a sentence each; of a contradiction both sides."""
    by_id = {c.id: c for c in packaged().load(FRAUD).criteria}
    texts = []
    for name in names:
        sides = by_id[name].contradiction
        texts += [by_id[name].meets[0]] if sides is None else [sides.first[0], sides.second[0]]
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts)


def keep_only(folder, wanted):
    """Leave only those rows of the criteria that are wanted, and no twist (it names some)."""
    for file in (folder / "criteria").glob("*.yaml"):
        rows = yaml.safe_load(file.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump([r for r in rows if wanted(r)]), encoding="utf-8")
    head = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    (folder / "case.yaml").write_text(yaml.safe_dump(head | {"twists": []}), encoding="utf-8")


def to_the_end(service, interview):
    """The turns that follow, to the grade."""
    rows = [say(service, interview, "I would think about it a little.")]
    while rows[-1].speaker == "interviewer" and len(rows) < 60:
        rows.append(say(service, interview, "I would think about it a little."))
    assert service.store.interview(interview).status == "graded"
    assert service.grade(interview).document["scores"]
    return rows


@pytest.mark.parametrize(("minutes", "level"), [(12, "senior"), (25, "mid"), (45, "staff")])
def test_an_interview_goes_on_without_the_errors_its_case_no_longer_has(under_way, minutes, level):
    answer = f"{DELAY} {said_of(*WRONG, APART)}"
    service, interview, folder, state = under_way(answer, minutes=minutes, level=level)
    left = set(state["errors"]) - set(state.get("challenged", []))
    assert len(left & set(WRONG)) >= 2
    assert {f"{APART}#first", f"{APART}#second"} <= set(state["sides"])
    assert state["met"]
    keep_only(folder, lambda row: row.get("polarity") != "negative")
    rows = to_the_end(service, interview)
    assert not {row.target for row in rows} & {*WRONG, APART}


def test_an_interview_goes_on_whatever_is_left_of_its_case(under_way):
    """Facts, variants, twists and most criteria gone; then the whole case."""
    answer = f"{DELAY} {said_of(*WRONG, APART)}"
    service, interview, folder, _ = under_way(answer, minutes=45, level="mid")
    head = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    head |= {"variants": [{"id": "other", "title": "Another"}]}
    (folder / "case.yaml").write_text(yaml.safe_dump(head), encoding="utf-8")
    (folder / "facts.yaml").write_text("[]", encoding="utf-8")
    keep_only(folder, lambda row: row["id"] == "data.label-definition")
    assert say(service, interview, "How many reviewers do we have?").speaker == "interviewer"
    assert say(service, interview, act="hint").move == "hint"
    shutil.rmtree(folder)
    assert say(service, interview, act="hint").move == "hint"
    to_the_end(service, interview)


def test_an_interview_waits_for_a_case_that_is_being_mended(under_way):
    service, interview, folder, _ = under_way(DELAY, minutes=25, level="mid")
    seq = service.standing(interview).question_seq
    text = (folder / "facts.yaml").read_text(encoding="utf-8")
    (folder / "facts.yaml").write_text("- id: [", encoding="utf-8")
    service.accept(interview, seq, "The label is the chargeback.")
    with pytest.raises(ContentError, match=r"facts\.yaml: is not valid YAML"):
        list(service.advance(interview))
    (folder / "facts.yaml").write_text(text, encoding="utf-8")
    assert "".join(service.advance(interview))
    to_the_end(service, interview)


# The template


def test_the_template_is_a_case_without_a_problem(tmp_path):
    folder = write_template(tmp_path, "my-case")
    assert folder == tmp_path / "my-case"
    assert [str(p) for p in check_case(folder, SOURCES)] == []
    case = CaseBook(tmp_path).load("my-case")
    assert (case.id, set(case.openings)) == ("my-case", set(LEVELS))
    assert [s.stage for s in case.stages] == list(TECHNICAL)
    assert {c.asked_in for c in case.criteria} == set(TECHNICAL)
    assert all(c.refines is not None for c in case.criteria)
    first = (folder / "case.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith("spar case check my-case")


@pytest.mark.parametrize("case_id", ["12", "no", "2024-01-01", "1e5", "null", "a" * 41])
def test_a_name_that_yaml_could_take_for_something_else(tmp_path, case_id):
    folder = write_template(tmp_path, case_id)
    assert check_case(folder, SOURCES) == []
    assert CaseBook(tmp_path).head(case_id).id == case_id


@pytest.mark.parametrize(
    "case_id", ["", "x", "My-Case", "../up", "a/b", "-a", "a b", "é1", "a" * 42]
)
def test_a_name_that_is_none_is_refused_and_nothing_written(tmp_path, case_id):
    with pytest.raises(InputError, match="lower-case letters, digits and hyphens"):
        write_template(tmp_path, case_id)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "my-case").mkdir()
    (tmp_path / "my-case" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        write_template(tmp_path, "my-case")
    assert [p.name for p in (tmp_path / "my-case").iterdir()] == ["notes.txt"]


def test_an_interview_on_the_template_is_held_to_its_grade(store, encoder, tmp_path):
    write_template(tmp_path, "my-case")
    book = CaseBook(tmp_path)
    service = Interviews(store, encoder, now=Clock(), new_id=Ids(), cases=book)
    setup = Setup(case_id="my-case", level="mid", minutes=25, seed=3)
    record = play(service, setup, Scripted())
    turns = service.store.turns(record.id)
    assert record.status == "graded"
    assert {t.stage for t in turns if t.speaker == "interviewer"} >= set(TECHNICAL)
    assert service.grade(record.id).document["overall"]["score"] is not None
    # Gone from the disk, it can still be read by the case-independent rubric.
    shutil.rmtree(tmp_path / "my-case")
    assert service.grade(record.id, again=True).document["scores"]


# Trying answers


def test_answers_are_read_one_by_one(encoder):
    readings = try_answers(packaged(), FRAUD, [DELAY, "Let me think."], encoder)
    first, second = readings
    assert [r.answer for r in readings] == [DELAY, "Let me think."]
    met = {c.criterion: c for c in first.found if c.verdict == "met"}
    assert "data.label-delay" in met
    assert met["data.label-delay"].quote in DELAY
    playbook = Playbook.load(FRAUD, encoder)
    share = {"met": 1.0, "partial": PARTIAL_CREDIT, "error": 1.0}
    points = sum(playbook.by_id[c.criterion].points * share[c.verdict] for c in first.found)
    assert first.credit == pytest.approx(points)
    assert (second.credit, second.found) == (0, ())


def test_what_an_answer_left_open_is_asked_next(encoder):
    book = Playbook.load(FRAUD, encoder)
    probes = {c.probes[0]: c for c in book.askable()}
    (nothing,) = try_answers(packaged(), FRAUD, ["Let me think."], encoder)
    assert nothing.next_question in probes
    best = probes[nothing.next_question]
    assert book.worth(best, "senior") == max(book.worth(c, "senior") for c in book.askable())
    (said,) = try_answers(packaged(), FRAUD, [best.meets[0]], encoder)
    assert best.id in {c.criterion for c in said.found}
    assert said.next_question != nothing.next_question


def test_a_question_is_told_its_fact(encoder, tmp_path):
    write_template(tmp_path, "my-case")
    book = CaseBook(tmp_path)
    asked = "How many requests do we handle a day?"
    (reading,) = try_answers(book, "my-case", [asked], encoder)
    assert reading.told == ("About a million requests a day.",)


def test_an_error_costs_unless_it_is_set_right(encoder):
    book = Playbook.load(FRAUD, encoder)
    error = book.by_id["validation.random-split"]
    right = book.by_id[error.corrected_by[0]]
    (made,) = try_answers(packaged(), FRAUD, [error.meets[0]], encoder)
    assert ("validation.random-split", "error") in {(c.criterion, c.verdict) for c in made.found}
    assert made.credit < 0
    (mended,) = try_answers(packaged(), FRAUD, [f"{error.meets[0]} {right.meets[0]}"], encoder)
    found = {c.criterion: c.verdict for c in mended.found}
    assert found[right.id] == "met"
    assert error.id not in found


def test_one_side_of_a_contradiction_is_no_error(encoder):
    book = Playbook.load(FRAUD, encoder)
    sides = [c.contradiction.first for c in book.criteria if c.contradiction is not None]
    texts = [text for side in sides for text in side]
    for reading in try_answers(packaged(), FRAUD, texts, encoder):
        errors = {c.criterion for c in reading.found if c.verdict == "error"}
        assert not {e for e in errors if book.by_id[e].contradiction is not None}, reading.answer
