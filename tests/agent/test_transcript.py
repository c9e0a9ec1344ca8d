"""Reading transcripts: every accepted form, and one clear sentence for everything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import TranscriptError, WhoIsCandidateError
from agent.transcript import MAX_TRANSCRIPT_CHARS, Transcript, read_transcript

TURNS = [
    {"speaker": "interviewer", "stage": "framing", "text": "Design it."},
    {"speaker": "candidate", "stage": "framing", "text": "Rules first."},
]
WHOLE = {
    "id": "one",
    "title": "A talk",
    "case": None,
    "prompt": "Design it.",
    "level": "mid",
    "turns": TURNS,
}
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["turns", "speaker", "text", "id", "level", "case", "stage", "prompt"]
                ),
                st.text(max_size=4),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


def said(transcript: Transcript) -> list[tuple[str, str]]:
    return [(t.speaker, t.text) for t in transcript.turns]


EXPECTED = [("interviewer", "Design it."), ("candidate", "Rules first.")]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WHOLE),
        json.dumps(WHOLE, indent=2),
        "\ufeff" + json.dumps(WHOLE),
        json.dumps(TURNS),
        "\n".join(json.dumps(t) for t in TURNS),
        "\r\n\r\n".join(json.dumps(t) for t in TURNS),
        "Interviewer: Design it.\nCandidate: Rules first.",
        "interviewer: Design it.\r\n\r\ncandidate: Rules first.\r\n",
        "\ufeffInterviewer: Design it.\nCandidate: Rules first.\n",
        "**Interviewer:** Design it.\n\n**Candidate:** Rules first.",
        "Interviewer:\nDesign it.\nCandidate:\nRules first.",
        "Host: Design it.\nMe: Rules first.",
        "Q: Design it.\nA: Rules first.",
    ],
)
def test_every_form_says_the_same(text):
    assert said(read_transcript(text, "file")) == EXPECTED


def test_one_turn_is_a_transcript():
    found = read_transcript(json.dumps(TURNS[1]), "file")
    assert said(found) == EXPECTED[1:]


def test_the_head_is_read():
    found = read_transcript(json.dumps(WHOLE), "file")
    assert (found.id, found.title, found.case, found.prompt, found.level) == (
        "one",
        "A talk",
        None,
        "Design it.",
        "mid",
    )
    assert read_transcript(json.dumps(TURNS), "file").id == "file"
    assert read_transcript(json.dumps(WHOLE | {"id": None}), "file").id == "file"
    assert read_transcript(json.dumps(WHOLE | {"id": 7}), "file").id == "7"
    assert read_transcript(json.dumps(WHOLE | {"level": None}), "file").level == "senior"
    assert read_transcript(json.dumps(WHOLE), "file", level="staff").level == "staff"


def test_unknown_keys_are_kept():
    turn = TURNS[1] | {"at": "2026-03-02T10:00:00Z", "mood": {"calm": [1, 2]}, "seconds": 12.5}
    found = read_transcript(json.dumps(WHOLE | {"turns": [TURNS[0], turn], "room": "B"}), "file")
    document = found.document()
    assert document["room"] == "B"
    assert document["turns"][1]["mood"] == {"calm": [1, 2]}
    assert document["turns"][1]["at"] == "2026-03-02T10:00:00Z"
    assert document["turns"][1]["seconds"] == 12.5


def test_written_and_read_again_it_is_the_same():
    found = read_transcript(json.dumps(WHOLE | {"room": "B"}), "file")
    assert read_transcript(json.dumps(found.document()), "other") == found
    assert list(found.document()["turns"][0])[:3] == ["speaker", "stage", "text"]


def test_plain_text_keeps_colons_inside_an_answer():
    text = (
        "Interviewer: Which metric?\n"
        "Candidate: Two things.\nMetric: recall at a fixed review budget.\nNote: per week."
    )
    found = read_transcript(text, "file")
    assert len(found.turns) == 2
    assert "Metric: recall" in found.turns[1].text


def test_names_that_come_back_are_speakers():
    text = "Ann: Design it.\nBob: Rules first.\nAnn: Then?\nBob: Trees.\nPlan: none."
    with pytest.raises(WhoIsCandidateError) as caught:
        read_transcript(text, "file")
    assert caught.value.speakers == ["Ann", "Bob"]
    assert "--candidate NAME" in str(caught.value)
    found = read_transcript(text, "file", candidate="bob")
    assert [t.speaker for t in found.turns] == ["interviewer", "candidate"] * 2
    assert found.turns[3].text == "Trees.\nPlan: none."


@pytest.mark.parametrize(
    ("names", "candidate"),
    [
        (["Interviewer", "Candidate"], "Candidate"),
        (["Interviewer", "Dana"], "Dana"),
        (["AI", "user"], "user"),
        (["bot", "Dana"], "Dana"),
    ],
)
def test_who_is_the_candidate(names, candidate):
    rows = [{"speaker": n, "text": "words"} for n in names]
    found = read_transcript(json.dumps(rows), "file")
    assert [t.speaker for t in found.turns] == [
        "candidate" if n == candidate else "interviewer" for n in names
    ]


@pytest.mark.parametrize("names", [["Ann", "Bob"], ["Ann"], ["Host", "Ann", "Bob"], ["me", "you"]])
def test_who_is_the_candidate_is_asked(names):
    rows = [{"speaker": n, "text": "words"} for n in names]
    with pytest.raises(WhoIsCandidateError, match="Who is the candidate"):
        read_transcript(json.dumps(rows), "file")


def test_an_unknown_candidate_is_named_with_the_speakers():
    with pytest.raises(TranscriptError, match="No speaker is called 'Zoe'; the speakers are: in"):
        read_transcript(json.dumps(TURNS), "file", candidate="Zoe")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The transcript is empty."),
        ("\ufeff \n\t", "The transcript is empty."),
        ("PK\x03\x04\x00\x00", "The file holds binary data; a transcript is text or JSON."),
        ("no speakers here", "No speakers found"),
        ("[]", "The transcript has no turns."),
        ("{}", "The transcript has no turns."),
        ('{"turns": {}}', "The transcript has no turns."),
        ('{"turns": [1]}', "Turn 0 of the transcript has no text."),
        ('{"turns": [{"text": "x"}]}', "Turn 0 of the transcript has no speaker."),
        ('[{"speaker": "candidate", "text": 5}]', "Turn 0 of the transcript has no text."),
        ('{"speaker": "candidate"\n', "Line 1 of the transcript is not JSON."),
        ('{"a": 1}\n{"b": ', "Line 2 of the transcript is not JSON."),
        (json.dumps(WHOLE | {"level": "junior"}), "The transcript is not valid at level"),
        (json.dumps(WHOLE | {"case": 5}), "The transcript is not valid at case"),
        (
            json.dumps([TURNS[0] | {"stage": "lunch"}, TURNS[1]]),
            "The transcript is not valid at turns.0.stage",
        ),
        ("[" * 200_000, "The transcript"),
    ],
)
def test_one_sentence_says_what_is_wrong(text, message):
    with pytest.raises(TranscriptError) as caught:
        read_transcript(text, "file")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_huge_file_is_refused_before_it_is_parsed():
    with pytest.raises(TranscriptError, match=r"longer than 2,000,000 characters\.$"):
        read_transcript("x" * (MAX_TRANSCRIPT_CHARS + 1), "file")


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    try:
        found = read_transcript(text, "file")
    except TranscriptError:
        return
    assert found.turns


@given(JSON)
@settings(max_examples=300)
def test_any_json_is_read_or_refused(value):
    try:
        found = read_transcript(json.dumps(value), "file")
    except TranscriptError:
        return
    assert {t.speaker for t in found.turns} <= {"interviewer", "candidate"}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "speaker": st.sampled_from(["candidate", "interviewer"]),
                "text": st.text(max_size=30),
            },
            optional={
                "stage": st.one_of(st.none(), st.just("data"), st.text(max_size=3)),
                "seconds": st.one_of(st.none(), st.floats(), st.text(max_size=2)),
                "zz": JSON,
            },
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=200)
def test_near_valid_turns_are_read_or_refused(rows):
    try:
        found = read_transcript("\n".join(json.dumps(r) for r in rows), "file")
    except TranscriptError:
        return
    assert [t.text for t in found.turns] == [r["text"] for r in rows]
