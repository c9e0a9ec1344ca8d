"""``spar case``: the cases there are, and one of one's own from its start to an interview on it;
what a role, a job description, one stage or another case make of ``spar interview``.

A process of its own costs two seconds for its imports. Each command that does something runs in
one at least once; what else it can say is asked of the same entry point within this process.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.casebook import KINDS, PORTFOLIO
from agent.content import CASES, case_ids
from agent.emphasis import ROLES
from agent.records import InterviewRecord, TurnRecord
from agent.store import Store
from app import cli
from tests.commands import Ran, Spar

ASKED = "How many requests do we handle a day?"
DELAY = (
    "Chargebacks arrive 30 to 60 days after the payment, so I only train on payments older than "
    "60 days."
)
JOB = """Senior Machine Learning Engineer, Ads Ranking
You will own the models that predict the probability of a click for every ad in our auction.
- Train and serve ranking models at hundreds of thousands of requests per second.
- Build the feature store and the streaming pipelines that feed them.
- Be on call for the serving stack, with a tight latency budget.
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Spar:
    """One data directory with the untouched template in it; nothing here changes the case."""
    folder = tmp_path_factory.mktemp("cases")
    spar = Spar(folder / "data", folder)
    made = spar("case", "new", "my-case")
    assert made.code == 0, made.err
    assert made.out == f"{own(spar)}\n"
    assert made.err == (
        "A small case that works. Change its files, then: spar case check my-case\n"
    )
    return spar


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``spar`` in this process, on the data directory of the one given."""

    def within(spar: Spar, *args: str | Path, stdin: str | bytes = "") -> Ran:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setenv("SPAR_DATA_DIR", str(spar.data))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.chdir(spar.cwd)
        monkeypatch.setattr(sys, "argv", ["spar", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return within


def own(spar: Spar, case_id: str = "my-case") -> Path:
    return spar.data / "cases" / case_id


def broken(folder: Path) -> Path:
    """A copy of the template with two things to mend in one file."""
    file = folder / "facts.yaml"
    text = file.read_text(encoding="utf-8")
    text = text.replace("- how many\n", "- (open\n").replace("  topic: requests a day\n", "")
    file.write_text(text, encoding="utf-8")
    return folder


def kept(spar: Spar, ran: Ran) -> tuple[InterviewRecord, list[TurnRecord]]:
    """The interview that a command held, and its rows."""
    found = re.search(r"^Interview (\w+):", ran.err, re.M)
    assert found, ran.err
    store = Store.open(f"sqlite:///{spar.data / 'spar.sqlite3'}")
    try:
        return store.interview(found[1]), store.turns(found[1])
    finally:
        store.close()


# The list


def test_the_cases_are_listed_ones_own_last(run: Run, shared: Spar) -> None:
    rows = run(shared, "case", "--json").json
    assert [r["id"] for r in rows] == [*case_ids(), "my-case"]
    assert [r["id"] for r in rows if r["own"]] == ["my-case"]
    assert rows[-1] == {
        "id": "my-case",
        "title": "My case",
        "own": True,
        "folder": str(own(shared)),
    }
    text = run(shared, "case")
    assert text.code == 0
    for row in rows:
        assert re.search(rf"^{row['id']} +{re.escape(row['title'][:20])}", text.out, re.M)
    assert text.out.count("your own") == 1


def test_a_broken_case_is_listed_as_broken_and_an_own_copy_of_a_packaged_one_is_not(
    run: Run,
    spar: Spar,
) -> None:
    own(spar, "mine").mkdir(parents=True)
    (own(spar, "mine") / "case.yaml").write_text("id: [", encoding="utf-8")
    shutil.copytree(CASES / "fraud-checkout", own(spar, "fraud-checkout"))
    rows = {r["id"]: r for r in run(spar, "case", "--json").json}
    assert rows["mine"]["title"] == "mine (broken)"
    # A packaged id wins.
    assert rows["fraud-checkout"]["own"] is False
    told = run(spar, "case", "check", "mine")
    assert told.code == 1
    assert told.out.startswith("case.yaml: is not valid YAML (")


# New


def test_a_case_that_is_there_is_not_written_over(run: Run, shared: Spar) -> None:
    before = (own(shared) / "case.yaml").read_bytes()
    assert "There is a case 'my-case' already" in run(shared, "case", "new", "my-case").sentence
    assert "already" in run(shared, "case", "new", "fraud-checkout").sentence
    assert "lower-case letters" in run(shared, "case", "new", "My Case").sentence
    assert "lower-case letters" in run(shared, "case", "new", "../up").sentence
    (shared.data / "cases" / "a-folder").mkdir()
    assert "is there already" in run(shared, "case", "new", "a-folder").sentence
    assert (own(shared) / "case.yaml").read_bytes() == before


@pytest.mark.parametrize("line", ["case new", "case check", "case preview", "case nosuch"])
def test_a_usage_error_exits_2(run: Run, shared: Spar, line: str) -> None:
    done = run(shared, *line.split())
    assert done.code == 2
    assert re.match(r"Usage: .*spar case", done.err)
    assert done.out == ""


# Check


def test_a_case_without_a_problem_exits_0_and_its_vectors_are_kept(run: Run, shared: Spar) -> None:
    done = shared("case", "check", "my-case")
    assert (done.code, done.out, done.err) == (0, "", "my-case: no problem.\n")
    assert (shared.data / "cases" / ".my-case.npz").stat().st_size > 1_000
    assert run(shared, "case", "check", own(shared), "--json").json == []


def test_every_problem_is_told_by_file_entry_and_field(
    run: Run, shared: Spar, tmp_path: Path
) -> None:
    folder = broken(Path(shutil.copytree(own(shared), tmp_path / "copy")))
    done = run(shared, "case", "check", folder)
    assert done.code == 1
    assert done.out.startswith("facts.yaml: volume: topic: ")
    assert done.err == "copy: 1 problem.\n"
    told = run(shared, "case", "check", folder, "--json")
    assert told.code == 1
    assert told.out.startswith("[\n {")
    assert '"file": "facts.yaml"' in told.out
    # The shape first; then what the patterns are.
    file = folder / "facts.yaml"
    text = file.read_text(encoding="utf-8").replace("- id: volume\n", "- id: volume\n  topic: x\n")
    file.write_text(text, encoding="utf-8")
    again = run(shared, "case", "check", folder)
    assert again.code == 1
    assert re.search(r"^facts\.yaml: volume: terms: .*regular expression", again.out, re.M)
    # A folder elsewhere is checked where it is, and nothing is kept of it.
    assert not list(tmp_path.glob(".*.npz"))


def test_a_folder_with_a_packaged_name_is_not_taken_for_the_packaged_case(
    run: Run, shared: Spar, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(CASES / "fraud-checkout", tmp_path / "fraud-checkout"))
    for command in ("check", "preview"):
        assert "rename the folder" in run(shared, "case", command, folder).sentence
    assert run(shared, "case", "check", CASES / "fraud-checkout").code == 0


def test_an_unknown_case_is_one_sentence(run: Run, shared: Spar) -> None:
    for command in ("check", "preview"):
        assert (
            "There is no case 'nope'; known cases: "
            in run(shared, "case", command, "nope").sentence
        )


# Preview


def test_answers_are_read_as_json(run: Run, shared: Spar) -> None:
    tried = (DELAY, "Let me think.", "")
    told = run(shared, "case", "preview", "fraud-checkout", *tried, "--json").json
    assert [list(r) for r in told] == [["answer", "credit", "found", "told", "next_question"]] * 3
    assert [r["answer"] for r in told] == list(tried)
    assert told[0]["credit"] > 0
    assert "data.label-delay" in {c["criterion"] for c in told[0]["found"]}
    assert all(c["quote"] in DELAY for c in told[0]["found"])
    assert [(r["credit"], r["found"]) for r in told[1:]] == [(0, [])] * 2


def test_answers_are_read_as_text_by_the_cases_folder(run: Run, shared: Spar) -> None:
    text = run(shared, "case", "preview", own(shared), DELAY, ASKED, stdin="Not read.")
    assert text.code == 0, text.err
    blocks = re.split(r"^Answer \d: ([\d.]+) points\n", text.out, flags=re.M)
    assert blocks[0] == ""
    assert [float(n) > 0 for n in blocks[1::2]] == [True, False]  # a question earns nothing
    assert re.search(r'^  (?:met|partial) +\S+label-delay \(turn words: "Chargeb', blocks[2], re.M)
    assert "  fact     About a million requests a day.\n" in blocks[4]
    assert all(re.search(r"^  next     .+\?$", block, re.M) for block in blocks[2::2])


def test_paragraphs_of_standard_input_are_answers_whatever_their_bytes(
    run: Run, shared: Spar
) -> None:
    given = f"{ASKED}\n\n  \nOne\nanswer.\n \nA café.\n\nA fourth.\n\nA fifth.\n".encode("latin-1")
    done = shared("case", "preview", "my-case", "--json", stdin=given)
    assert done.err == "spar: 2 more not tried.\n"
    assert [r["answer"] for r in done.json] == [ASKED, "One\nanswer.", "A caf\ufffd."]
    assert done.json[0]["told"] == ["About a million requests a day."]


def test_a_preview_that_cannot_be(run: Run, shared: Spar, tmp_path: Path) -> None:
    assert (
        "Give an answer to try" in run(shared, "case", "preview", "my-case", stdin="\n \n").sentence
    )
    folder = broken(Path(shutil.copytree(own(shared), tmp_path / "copy")))
    said = run(shared, "case", "preview", folder, "An answer.").sentence
    assert said.startswith("spar: facts.yaml: volume: topic: ")
    assert said.endswith("lists all 1).")


# Interviews on it


def test_an_interview_on_ones_own_case(run: Run, shared: Spar) -> None:
    ran = run(shared, "interview", "--case", "my-case", "--seed", "3", stdin=f"{ASKED}\n")
    assert ran.code == 0, ran.err
    record, rows = kept(shared, ran)
    assert (record.case_id, record.title, record.status) == ("my-case", "My case", "graded")
    assert rows[0].text.startswith(record.prompt)
    assert "About a million requests a day." in ran.out


def test_a_job_description_chooses_the_case_and_says_so(run: Run, shared: Spar) -> None:
    job = shared.cwd / "job.txt"
    job.write_text(JOB, encoding="utf-8")
    ran = shared("interview", "--job", job, "--role", "ml-engineer", stdin="A model.\n")
    assert ran.code == 0, ran.err
    record, _ = kept(shared, ran)
    first = ran.err.splitlines()[0]
    assert re.fullmatch(r"By the job description: case ads-click, more on serving, .+\.", first)
    assert (record.case_id, record.role) == ("ads-click", "ml-engineer")
    assert record.weights["serving"] > ROLES["ml-engineer"]["serving"]


def test_a_job_description_that_cannot_be_used(run: Run, shared: Spar) -> None:
    for missing in ("nosuch.txt", "."):
        done = run(shared, "interview", "--job", missing)
        assert (done.code, done.out) == (2, "")
        assert "There is no file" in done.err
    (shared.cwd / "short.txt").write_text("Ads engineer", encoding="utf-8")
    assert "is too short" in run(shared, "interview", "--job", "short.txt").sentence
    (shared.cwd / "bytes.txt").write_bytes(b"\xff\xfe\xfa" * 30)
    assert "cannot be read as text" in run(shared, "interview", "--job", "bytes.txt").sentence
    assert run(shared, "interview", "--role", "manager").code == 2


def test_one_stage_of_another_case_for_a_role_and_a_job(run: Run, shared: Spar) -> None:
    """A case that is named stays, whatever the job description suggests."""
    (shared.cwd / "job.txt").write_text(JOB, encoding="utf-8")
    line = "--kind stage --stage data --case churn-list --role data-scientist --level mid --seed 3"
    said = "ok, let's start\n\nI take customers who left.\n\nEach Monday.\n"
    ran = run(shared, "interview", *line.split(), "--job", "job.txt", stdin=said)
    assert ran.code == 0, ran.err
    record, rows = kept(shared, ran)
    assert (record.kind, record.stage, record.case_id) == ("stage", "data", "churn-list")
    assert ran.err.startswith("By the job description: more on serving, ")
    assert record.role == "data-scientist"
    assert record.weights["serving"] > ROLES["data-scientist"]["serving"]
    probed = {r.stage for r in rows if r.move in ("probe", "move_on")}
    assert probed == {"data"}


@pytest.mark.skipif(
    not (KINDS / PORTFOLIO / "case.yaml").is_file(), reason="no portfolio content in the package"
)
def test_a_project_of_ones_own(run: Run, shared: Spar) -> None:
    ran = run(
        shared, "interview", "--kind", "portfolio", "--seed", "3", stdin="I built a ranker.\n"
    )
    assert ran.code == 0, ran.err
    record, _ = kept(shared, ran)
    assert (record.kind, record.case_id, record.status) == ("portfolio", PORTFOLIO, "graded")
