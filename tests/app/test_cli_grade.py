"""``spar grade``: the accepted formats, batches, what is kept, and files that are no transcript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.scale import DIMENSIONS
from tests.commands import CANDIDATES, Spar

STRONG = CANDIDATES / "strong.json"
ANSWER = {
    "id": "one-answer",
    "prompt": "Design fraud detection for a checkout.",
    "question": "How do you handle labels that arrive late?",
    "answer": "I train only on payments older than 60 days, because chargebacks arrive weeks late.",
    "dimension": "data",
}
NAMES = "Ana: I would start from the cost of a false decline.\n\nBen: Why?\n\nAna: It is larger.\n"


@pytest.fixture(scope="module")
def strong() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(STRONG.read_text(encoding="utf-8"))
    return document


def test_a_transcript_is_graded_the_same_in_every_format(
    spar: Spar, strong: dict[str, Any]
) -> None:
    first = spar("grade", STRONG, "--json")
    grade = first.json
    assert first.err == ""
    assert list(grade) == [
        *("id", "engine", "model", "rubric_version", "prompt_version", "level"),
        *("scores", "overall", "flags"),
    ]
    assert (grade["id"], grade["engine"], grade["level"]) == (strong["id"], "offline", "senior")
    assert list(grade["scores"]) == list(DIMENSIONS)
    for score in grade["scores"].values():
        assert list(score) == ["score", "band", "status", "reason", "criteria"]
        for criterion in score["criteria"]:
            for quote in criterion["quotes"]:
                turn = strong["turns"][quote["turn"]]
                assert turn["speaker"] == "candidate"
                assert quote["text"] in turn["text"]
    assert spar("grade", STRONG, "--json").out == first.out  # the same bytes

    lines = spar.cwd / "lines.jsonl"
    lines.write_text("".join(json.dumps(t) + "\n" for t in strong["turns"]), encoding="utf-8")
    as_lines = spar("grade", lines, "--case", "fraud-checkout", "--json").json
    assert as_lines["id"] == "lines"
    assert as_lines["scores"] == grade["scores"]

    text = spar.cwd / "talk.txt"
    said = "".join(f"{t['speaker'].title()}: {t['text']}\n\n" for t in strong["turns"])
    text.write_text("\ufeff" + said, encoding="utf-8")
    as_text = spar("grade", text, "--case", "fraud-checkout", "--level", "staff", "--json").json
    assert as_text["level"] == "staff"
    # A plain text has no stages; what was said, and what it earned, is the same.
    for dimension, score in as_text["scores"].items():
        before = grade["scores"][dimension]["criteria"]
        assert [(c["id"], c["verdict"]) for c in score["criteria"]] == [
            (c["id"], c["verdict"]) for c in before
        ]
    assert not (spar.data / "spar.sqlite3").exists()  # nothing was kept


def test_an_unknown_case_is_graded_on_the_general_rubric_and_kept_on_request(
    spar: Spar, strong: dict[str, Any]
) -> None:
    other = spar.cwd / "other.json"
    other.write_text(json.dumps(strong | {"case": "ride-eta", "mark": 7}), encoding="utf-8")
    saved = spar("grade", other, "--json", "--save")
    name = saved.err.strip().removeprefix("Kept as ").removesuffix(".")
    assert saved.json["overall"]["score"] is not None
    assert all(c["id"].startswith("any.") for c in saved.json["scores"]["data"]["criteria"])
    review = spar("review", name)
    assert review.code == 0, review.err
    assert strong["title"] in review.out
    assert spar("review", name, "--json").json == saved.json | {"id": name}

    imported = spar("import", STRONG)
    assert imported.code == 0
    assert "of 4" in imported.out
    rows = spar("review", "--json").json
    assert len(rows) == 2
    assert rows[0]["case"] == "fraud-checkout"
    assert {r["status"] for r in rows} == {"graded"}


def test_the_candidate_is_named_where_the_text_does_not_tell(spar: Spar) -> None:
    names = spar.cwd / "names.txt"
    names.write_text(NAMES, encoding="utf-8")
    asked = spar("grade", names)
    assert (asked.code, asked.out) == (2, "")
    assert asked.err == "spar: Who is the candidate? Name one of: Ana, Ben (--candidate NAME).\n"
    assert spar("grade", names, "--candidate", "ana", "--json").code == 0
    assert "No speaker is called 'Eva'" in spar("grade", names, "--candidate", "Eva").sentence


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe" * 40, "is no text file"),
        (b"Candidate: text\x00", "binary"),
        (b'{"turns": []}', "has no turns"),
        (b'{"turns": [{"speaker": "candidate"}]}', "has no text"),
        (b'{"turns": [{"speaker": "candidate", "text": "half"', "is not JSON"),
        (b'"just words"', "No speakers found"),
        (b"Notes without any speaker.", "No speakers found"),
        (b"[" * 100_000, "transcript"),
        (b'{"turns": [{"speaker": "candidate", "text": "\\ud800 half"}]}', "half a character"),
        (b'{"level": "boss", "turns": [{"speaker": "candidate", "text": "a"}]}', "level"),
    ],
)
def test_a_file_that_is_no_transcript_is_one_sentence(
    spar: Spar, content: bytes, says: str
) -> None:
    (spar.cwd / "in.json").write_bytes(content)
    assert says in spar("grade", "in.json", "--json").sentence


def test_a_batch_goes_on_past_bad_lines_and_resumes(spar: Spar, strong: dict[str, Any]) -> None:
    separator = ANSWER | {"id": "separator", "answer": f"{ANSWER['answer']}\u2028And more."}
    lines = [
        json.dumps(strong),
        json.dumps(ANSWER),
        "not json",
        json.dumps(ANSWER | {"id": "odd", "dimension": "charm"}),
        "",
        json.dumps({"id": "no-turns", "turns": []}),
        json.dumps([1, 2]),
        json.dumps(ANSWER | {"id": 7}),
        json.dumps(ANSWER | {"id": "half", "answer": "\ud800"}),
        "[" * 100_000,
        json.dumps(separator, ensure_ascii=False),
        json.dumps(ANSWER | {"id": "silent", "answer": ""}),
        json.dumps(ANSWER | {"id": "again"}),
        json.dumps(ANSWER | {"id": "again", "answer": "No idea."}),
    ]
    source, out = spar.cwd / "in.jsonl", spar.cwd / "out.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = spar("grade", "--batch", source, "--out", out)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "7 graded, 6 not.\n"
    whole = out.read_bytes()
    rows = [json.loads(line) for line in whole.decode().removesuffix("\n").split("\n")]
    assert [r["id"] for r in rows] == [
        *(strong["id"], "one-answer", "line-3", "odd", "no-turns", "line-7", 7, "half", "line-10"),
        *("separator", "silent", "again", "again"),
    ]
    bad = [r for r in rows if "error" in r]
    assert [list(r) for r in bad] == [["id", "error"]] * 6
    assert all(r["error"].endswith(".") for r in bad)
    by_id = {r["id"]: r for r in rows}
    one = by_id["one-answer"]
    assert one["overall"] is None
    assert list(one["scores"]) == ["data"]
    assert one["scores"]["data"]["status"] == "graded"
    quotes = [q for c in one["scores"]["data"]["criteria"] for q in c["quotes"]]
    assert quotes
    assert all(q["turn"] == 1 and q["text"] in ANSWER["answer"] for q in quotes)
    assert by_id["silent"]["scores"]["data"]["score"] == 0
    assert by_id[7] == one | {"id": 7}

    # Cut off within the last line, as a kill leaves it: only that line is graded again.
    out.write_bytes(whole[:-40])
    ran = spar("grade", "--batch", source, "--out", out, "--resume")
    assert ran.err == "1 graded, 0 not, 12 there already.\n"
    assert out.read_bytes() == whole
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:11]))
    ran = spar("grade", "--batch", source, "--out", out, "--resume")
    assert ran.code == 0
    assert out.read_bytes() == whole
    refused = spar("grade", "--batch", source, "--out", Path("missing") / "out.jsonl")
    assert "missing" in refused.sentence
