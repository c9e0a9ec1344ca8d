"""The command line's manners: help, exit codes, one sentence for a failure; search and doctor."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands import Spar

COMMANDS = (
    "app interview grade review export import delete case ingest search sources doctor".split()  # noqa: SIM905
)
HIT_KEYS = "id corpus text score source_id title section episode speaker start end url".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def spar(tmp_path_factory: pytest.TempPathFactory) -> Spar:
    """One data directory for the file: nothing here keeps an interview."""
    folder = tmp_path_factory.mktemp("manners")
    return Spar(folder / "data", folder)


def test_every_command_has_help_with_an_example(spar: Spar) -> None:
    overview = spar("--help")
    assert overview.code == 0
    listed = re.findall(r"^  (\w+) {2,}\S", overview.out.partition("Commands:")[2], re.M)
    assert sorted(listed) == sorted(COMMANDS)
    for command in COMMANDS:
        shown = spar(command, "--help")
        assert (shown.code, shown.err) == (0, "")
        assert f"Example: spar {command}" in shown.out
    for command in ("grade", "review", "import", "search", "ingest", "sources", "doctor"):
        assert "--json" in spar(command, "--help").out


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nosuch",
        "interview --nosuch",
        "interview --level junior",
        "interview --minutes 4",
        "interview --minutes 121",
        "interview --minutes soon",
        "interview --kind stage",
        "interview --engine local",
        "grade",
        "grade --batch in.jsonl",
        "grade file.json --batch in.jsonl --out out.jsonl",
        "import missing.json",
        "export",
        "export abc --format pdf",
        "delete",
        "search",
        "search words --batch queries.txt",
        "search words -k 0",
        "search words --corpus none",
        "app --port 0",
    ],
)
def test_a_usage_error_exits_2(spar: Spar, line: str) -> None:
    done = spar(*line.split())
    assert done.code == 2
    assert done.err.startswith("Usage: spar")
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("interview --engine openai", "set SPAR_MODEL. The offline engine needs nothing."),
        ("grade file.json --engine openai", "set SPAR_MODEL. The offline engine needs nothing."),
        ("interview --case nope", "known cases: ads-click, "),
        ("interview --resume nope", "no interview 'nope'"),
        ("interview --transcript-out missing/here.json", "cannot be written"),
        ("interview --transcript-out .", "cannot be written"),
        ("grade nope", "no interview 'nope'"),
        ("grade .", "is not a file"),
        ("grade file.json --case nope", "known cases: ads-click, "),
        ("grade --batch nope.jsonl --out out.jsonl", "no file nope.jsonl"),
        ("grade --batch file.json --out file.json", "would be overwritten"),
        ("review nope", "no interview 'nope'"),
        ("export nope", "no interview 'nope'"),
        ("delete nope --yes", "no interview 'nope'"),
        ("search --batch nope.txt", "cannot be read"),
    ],
)
def test_a_failure_exits_1_with_one_sentence(spar: Spar, line: str, says: str) -> None:
    (spar.cwd / "file.json").write_text('{"turns": []}', encoding="utf-8")
    assert says in spar(*line.split()).sentence
    assert (spar.cwd / "file.json").read_text(encoding="utf-8") == '{"turns": []}'


def test_debug_shows_the_traceback(spar: Spar) -> None:
    done = spar("review", "nope", "--debug")
    assert done.code == 1
    assert "Traceback (most recent call last)" in done.err
    assert "NotFoundError: There is no interview 'nope'." in done.err


def test_search_prints_passages_in_the_contracts_shape(spar: Spar) -> None:
    question = "when do fraud labels arrive"
    hits = spar("search", question, "-k", "3", "--json").json
    assert len(hits) == 3
    scores = [h["score"] for h in hits]
    assert scores == sorted(scores, reverse=True)
    for hit in hits:
        assert list(hit) == HIT_KEYS
        for key in ("id", "corpus", "text", "source_id", "title"):
            assert isinstance(hit[key], str)
            assert hit[key]
        assert isinstance(hit["score"], float)
        for key in ("section", "episode", "speaker"):
            assert hit[key] is None or isinstance(hit[key], str)
        for key in ("start", "end"):
            assert hit[key] is None or isinstance(hit[key], int | float)
        if hit["url"] is not None:
            # https://www.youtube.com/watch?v=ID&t=SECONDS
            url = re.fullmatch(r"https://www\.youtube\.com/watch\?v=[\w-]{11}&t=(\d+)", hit["url"])
            assert url
            assert int(url[1]) == int(hit["start"])
    assert any(h["url"] for h in hits)

    queries = spar.cwd / "queries.txt"
    queries.write_text(f"{question}\n\nfeature store\n{'x' * 100_000}\n", encoding="utf-8")
    batch = spar("search", "--batch", queries, "-k", "3", "--corpus", "packaged")
    assert batch.code == 0, batch.err
    lists = [json.loads(line) for line in batch.out.splitlines()]
    assert len(lists) == 4
    assert lists[0] == hits
    assert lists[1] == []
    assert len(lists[2]) == 3
    assert [list(h) for h in lists[2]] == [HIT_KEYS] * 3

    text = spar("search", question, "-k", "3")
    assert text.code == 0
    linked = next(h for h in hits if h["url"])
    assert linked["url"] in text.out
    assert linked["speaker"] in text.out
    assert "The query is empty." in spar("search", " ").sentence


def test_doctor_names_the_engine_and_checks_everything(spar: Spar) -> None:
    found = spar("doctor", "--json").json
    assert found["engine"] == "offline"
    names = [c["name"] for c in found["checks"]]
    assert names == ["engine", "cases", "data directory", "database", "encoder", "library"]
    assert all(c["ok"] and c["text"] for c in found["checks"])

    key = spar("doctor", OPENAI_API_KEY="sk-not-a-key")
    assert key.code == 0
    assert "a key alone changes nothing" in key.out
    assert "sk-not-a-key" not in key.out + key.err
    model = spar("doctor", SPAR_MODEL="some-model")
    assert model.out.startswith("ok   engine: offline. The openai engine needs OPENAI_API_KEY")


def test_a_reader_that_goes_away_is_no_traceback(spar: Spar) -> None:
    done = spar.unread("search", "when do fraud labels arrive", "-k", "3", "--json")
    assert done.code == 1
    assert done.err == ""


def test_settings_come_from_a_file_in_the_working_directory(tmp_path: Path) -> None:
    spar = Spar(tmp_path / "elsewhere", tmp_path)
    (tmp_path / ".env").write_text("SPAR_MODEL=some-model\n", encoding="utf-8")
    assert "The openai engine needs OPENAI_API_KEY" in spar("doctor", SPAR_ENV_FILE=".env").out
