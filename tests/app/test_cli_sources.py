"""``spar ingest`` and ``spar sources``: one's own podcasts and guides on the command line.

A process of its own costs two seconds for its imports. Each command runs in one at least once; what
else it can say is asked of the same entry point within this process.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from knowledge.encoder import MiniLMEncoder
from knowledge.library import Library
from tests.commands import Ran, Spar
from tests.documents import BREWING, KEEPING, PRUNING, episode, pdf

ROSES = episode("Roses", PRUNING, guests=["rosathorn"], youtube="AAAAAAAAAAA", number=2)
BEER = episode("Beer", BREWING, guests=["brunomalt"], youtube="BBBBBBBBBBB", number=1)
FILE_KEYS = "path outcome source_id title words passages reason warnings".split()  # noqa: SIM905
SOURCE_KEYS = [
    *"id path title kind episode url content_hash words passages".split(),  # noqa: SIM905
    *("guest_speaks", "warnings", "stale", "added"),
]


def wrote(folder: Path, name: str, content: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return folder / name


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose indexes of the packaged guide are built; to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    Library.open(folder, MiniLMEncoder()).close()
    return folder


@pytest.fixture
def spar(empty: Path, tmp_path: Path) -> Spar:
    """Nothing was taken in yet."""
    return Spar(Path(shutil.copytree(empty, tmp_path / "data")), tmp_path)


@pytest.fixture(scope="module")
def filled(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Spar:
    """Two episodes, a guide and a wrong transcript, taken in once; nothing here changes it."""
    cwd = tmp_path_factory.mktemp("sources")
    files = cwd / "files"
    wrote(files, "roses.md", ROSES)
    wrote(files, "beer.md", BEER)
    wrote(files, "guide.pdf", pdf([["The compost heap is turned in May."]], title="Compost"))
    wrote(
        files, "talk.txt", "Chat\n[0:10] A: One.\n[0:30] B: Two.\n[0:20] A: 3.\n[1:00:01] B: 4.\n"
    )
    wrote(files, "zz.md", episode("Bees", PRUNING, guests=["beacomb"]))
    wrote(files, "broken.md", "---\ntitle: [a\n---\n")
    spar = Spar(Path(shutil.copytree(empty, cwd / "data")), cwd)
    done = spar("ingest", "files")
    assert done.code == 0, done.err
    (cwd / "ingest.out").write_text(done.out, encoding="utf-8")
    (cwd / "ingest.err").write_text(done.err, encoding="utf-8")
    return spar


Run = Callable[..., Ran]


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``spar`` in this process, on the data directory of the one given."""

    def run(spar: Spar, *args: str | Path) -> Ran:
        monkeypatch.setenv("SPAR_DATA_DIR", str(spar.data))
        monkeypatch.chdir(spar.cwd)
        monkeypatch.setattr(sys, "argv", ["spar", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run


def listed(run: Run, spar: Spar) -> dict[str, str]:
    """The ids of the sources by their titles."""
    return {row["title"]: row["id"] for row in run(spar, "sources", "--json").json}


def test_ingest_counts_on_standard_output_and_complains_on_standard_error(filled: Spar) -> None:
    out = (filled.cwd / "ingest.out").read_text(encoding="utf-8")
    assert re.fullmatch(
        r"4 added, 0 replaced, 0 unchanged, 2 skipped; \d+ words in 6 passages, \d+:\d\d\.\n", out
    )
    files = filled.cwd / "files"
    assert (filled.cwd / "ingest.err").read_text(encoding="utf-8").splitlines() == [
        f"skipped {files / 'broken.md'}: its front matter is not valid YAML (line 3).",
        f"note    {files / 'talk.txt'}: 1 of 4 turns have no reliable time.",
        f"skipped {files / 'zz.md'}: the same words as {files / 'roses.md'} (Roses).",
    ]


def test_ingest_again_says_so_as_json(within: Run, filled: Spar) -> None:
    files = filled.cwd / "files"
    found = within(filled, "ingest", files, files / "nowhere.md", "--json").json
    assert list(found) == ["files", "seconds"]
    assert found["seconds"] >= 0
    assert [list(row) for row in found["files"]] == [FILE_KEYS] * 7
    rows = {Path(row["path"]).name: row for row in found["files"]}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "nowhere.md": "skipped",
        "beer.md": "unchanged",
        "broken.md": "skipped",
        "guide.pdf": "unchanged",
        "roses.md": "unchanged",
        "talk.txt": "unchanged",
        "zz.md": "skipped",
    }
    assert rows["nowhere.md"]["reason"] == "there is no such file"
    assert rows["beer.md"]["source_id"] == listed(within, filled)["Beer"]
    assert (rows["beer.md"]["title"], rows["beer.md"]["passages"]) == ("Beer", 2)


def test_sources_are_listed(within: Run, filled: Spar) -> None:
    rows = filled("sources", "--json").json
    assert [list(row) for row in rows] == [SOURCE_KEYS] * 4
    assert [(r["title"], r["kind"], r["episode"]) for r in rows] == [
        ("Beer", "podcast", "S1E1"),
        ("Compost", "pdf", None),
        ("Roses", "podcast", "S1E2"),
        ("Chat", "timed text", None),
    ]
    shown = within(filled, "sources")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].split() == ["id", "title", "episode", "kind", "words", "passages"]
    assert [line.split()[0] for line in lines[1:]] == [row["id"] for row in rows]


def test_a_source_is_shown_passage_by_passage(within: Run, filled: Spar) -> None:
    ids = listed(within, filled)
    found = within(filled, "sources", "show", ids["Roses"], "--json").json
    assert list(found) == SOURCE_KEYS  # the passages stand where their number was
    assert [p["section"] for p in found["passages"]] == ["The beginning", "The rest"]
    assert [p["start"] for p in found["passages"]] == [0, 120]
    shown = filled("sources", "show", ids["Roses"])
    assert (shown.code, shown.err) == (0, "")
    words = " ".join(shown.out.split())
    assert words.startswith("Roses, S1E2 podcast, ")
    assert "The beginning [0:00] Hanna Host: Welcome to the garden hour." in words
    assert "The rest [2:00] Hanna Host: How much water" in words
    assert "until next week in the garden." in words
    talk = " ".join(within(filled, "sources", "show", ids["Chat"]).out.split())
    assert "1 of 4 turns have no reliable time. [0:10] A: One. B: Two." in talk


def test_an_estimated_time_says_so(within: Run, spar: Spar) -> None:
    long = " ".join(f"This is sentence {n} of a very long answer." for n in range(40))
    wrote(spar.cwd, "a.txt", f"[0:10] Ann: {long}\n[5:10] Bob: Thank you.\n")
    assert within(spar, "ingest", "a.txt").code == 0
    shown = within(spar, "sources", "show", listed(within, spar)["a"]).out
    # 360 words in two pieces over five minutes: the second is said half-way.
    assert re.findall(r"^\[(.*?)\]", shown, re.M) == ["0:10", "about 2:40"]


def test_what_was_taken_in_is_found_with_its_minute(within: Run, filled: Spar) -> None:
    query = "which hops for somebody who brews for the first time"
    hit = within(filled, "search", query, "-k", "1", "--json").json[0]
    assert (hit["corpus"], hit["title"], hit["episode"]) == ("user", "Beer", "S1E1")
    assert (hit["speaker"], hit["section"]) == ("Bruno Malt", "The rest")
    assert hit["url"] == "https://www.youtube.com/watch?v=BBBBBBBBBBB&t=120"
    assert "Saaz" in hit["text"]
    text = " ".join(within(filled, "search", query, "-k", "1", "--corpus", "user").out.split())
    assert "Bruno Malt, Beer, S1E1, 2:00, https://www.youtube.com/watch?v=BBBBBBBBBBB&t=120" in text
    packaged = within(filled, "search", query, "--corpus", "packaged", "--json").json
    assert {h["corpus"] for h in packaged} == {"packaged"}


@pytest.mark.parametrize(
    "line",
    ["ingest", "ingest --nosuch x", "sources nosuch", "sources show", "sources remove --yes"],
)
def test_a_usage_error_exits_2(within: Run, filled: Spar, line: str) -> None:
    done = within(filled, *line.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: ")
    assert "Traceback" not in done.err


NO_SOURCE = "spar: There is no source 'nope'; spar sources lists them."
NO_FILE = "spar: There is no file to read there (.md, .txt, .srt, .vtt, .pdf)."


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("sources show nope --json", NO_SOURCE),
        ("sources remove nope --yes", NO_SOURCE),
        ("ingest data", NO_FILE),
        ("ingest data --json", NO_FILE),
    ],
)
def test_a_failure_exits_1_with_one_sentence(
    within: Run, filled: Spar, line: str, says: str
) -> None:
    assert within(filled, *line.split()).sentence == says


def test_a_failure_of_the_real_command(filled: Spar) -> None:
    assert filled("sources", "show", "nope").sentence == NO_SOURCE


def test_nothing_is_removed_without_a_yes(within: Run, filled: Spar) -> None:
    before = listed(within, filled)
    said = within(filled, "sources", "remove", before["Roses"]).sentence
    assert said == "spar: Say --yes to remove it without being asked."
    assert listed(within, filled) == before


def test_at_a_terminal_it_is_asked(
    within: Run, spar: Spar, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote(spar.cwd, "a.txt", "Some words.")
    within(spar, "ingest", "a.txt")
    name = listed(within, spar)["a"]
    asked: list[str] = []
    answers = iter(["n", "", " Yes "])

    def answer(text: str) -> str:
        asked.append(text)
        return next(answers)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    for _ in range(2):
        assert within(spar, "sources", "remove", name) == Ran(0, "", "Nothing was removed.\n")
        assert listed(within, spar) == {"a": name}
    assert within(spar, "sources", "remove", name) == Ran(0, "", "Removed a: 1 passages.\n")
    assert listed(within, spar) == {}
    assert asked == ["Remove a (1 passages)? [y/N] "] * 3


def test_where_nothing_can_be_used_the_exit_code_is_1(within: Run, spar: Spar) -> None:
    empty = within(spar, "sources")
    assert (empty.code, empty.out) == (0, "")
    assert empty.err == "No sources of your own yet. Add some with: spar ingest PATH\n"
    assert within(spar, "sources", "--json").json == []
    wrote(spar.cwd, "a.txt", b"\x00\x01")
    done = spar("ingest", "a.txt", "nowhere.md", "a.txt/b.md")
    assert done.code == 1
    assert re.fullmatch(
        r"0 added, 0 replaced, 0 unchanged, 3 skipped; 0 words in 0 passages, 0:\d\d\.\n", done.out
    )
    assert done.err.splitlines() == [
        "skipped nowhere.md: there is no such file.",
        "skipped a.txt/b.md: there is no such file.",
        f"skipped {spar.cwd / 'a.txt'}: it is binary, not text.",
    ]
    found = within(spar, "ingest", "a.txt", "--json")
    assert (found.code, found.err) == (1, "")
    assert [row["reason"] for row in json.loads(found.out)["files"]] == ["it is binary, not text"]
    assert within(spar, "sources", "--json").json == []


def test_a_change_a_removal_and_a_return(within: Run, spar: Spar) -> None:
    file = wrote(spar.cwd / "files", "bees.md", episode("Bees", KEEPING[:4], guests=["beacomb"]))
    first = within(spar, "ingest", "files")
    assert first.out.startswith("1 added, 0 replaced, 0 unchanged, 0 skipped; ")
    wrote(spar.cwd / "files", "bees.md", episode("Bees", KEEPING, guests=["beacomb"]))
    second = within(spar, "ingest", file)
    assert second.out.startswith("0 added, 1 replaced, 0 unchanged, 0 skipped; ")
    bees = listed(within, spar)["Bees"]
    query = ("search", "oxalic acid against the varroa mite", "--corpus", "user", "--json")
    assert "oxalic" in within(spar, *query).json[0]["text"]

    removed = spar("sources", "remove", bees, "--yes")
    assert (removed.code, removed.out, removed.err) == (0, "", "Removed Bees: 2 passages.\n")
    assert within(spar, *query).json == []
    assert within(spar, "sources", "--json").json == []
    assert file.is_file()
    assert within(spar, "ingest", "files").out.startswith("1 added")
    assert listed(within, spar) == {"Bees": bees}


def test_a_file_that_cannot_be_read_any_more_is_said_to_be_stale(within: Run, spar: Spar) -> None:
    file = wrote(spar.cwd / "files", "heap.txt", "Turn the heap in May, and keep it moist.")
    wrote(spar.cwd / "files", "bees.md", episode("Bees", KEEPING, guests=["beacomb"]))
    assert within(spar, "ingest", "files").code == 0
    wrote(spar.cwd / "files", "heap.txt", b"\x00\x01")
    done = within(spar, "ingest", "files")
    assert done.out.startswith("0 added, 0 replaced, 1 unchanged, 1 skipped; 0 words in 0 ")
    why = "it is binary, not text, so it cannot be read any more"
    assert done.err == f"skipped {file}: {why}; the passages of its earlier version are kept.\n"
    heap = listed(within, spar)["heap"]
    row = within(spar, "ingest", file, "--json")
    assert row.code == 1
    (told,) = json.loads(row.out)["files"]
    assert (told["outcome"], told["source_id"], told["passages"]) == ("skipped", heap, 1)

    assert {r["title"]: r["stale"] for r in within(spar, "sources", "--json").json} == {
        "Bees": None,
        "heap": why,
    }
    shown = within(spar, "sources")
    assert [line.split()[-1] for line in shown.out.splitlines()[1:]] == ["2", "stale"]
    assert shown.err == (
        "stale: passages of an earlier version of the file; spar sources show ID says why.\n"
    )
    text = " ".join(within(spar, "sources", "show", heap).out.split())
    assert f"Stale: {why}; these are the passages of its earlier version. Turn the heap" in text
    found = within(spar, "search", "turn the heap", "--corpus", "user", "-k", "1", "--json").json
    assert found[0]["source_id"] == heap

    wrote(spar.cwd / "files", "heap.txt", "Turn the heap in June.")
    assert within(spar, "ingest", "files").out.startswith("0 added, 1 replaced, 1 unchanged, 0 ")
    assert "stale" not in within(spar, "sources").out


def test_a_file_name_that_is_not_utf8_is_reported(within: Run, spar: Spar) -> None:
    folder = spar.cwd / "files"
    wrote(folder, "good.txt", "Some words of a good file.")
    wrote(folder, "caf\udce9.txt", "Some words of a file with a strange name.")
    done = within(spar, "ingest", "files", "no\udce9.md", "--json")
    assert [(Path(r["path"]).name, r["outcome"], r["reason"]) for r in done.json["files"]] == [
        ("no?.md", "skipped", "there is no such file"),
        ("caf?.txt", "skipped", "its name is not valid UTF-8"),
        ("good.txt", "added", None),
    ]
