"""The packaged notes are complete, and the loader says what is wrong and where."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from knowledge.corpus import load_entries, load_file, load_files, packaged_notes_dir
from knowledge.errors import CorpusError

# Facts counted in the digest of each episode; 215 together. The guide adds its own statements.
EPISODE_NOTES = {
    "mlsdi": 33,
    "arseny": 21,
    "ben": 23,
    "angela": 21,
    "daniel": 21,
    "simon": 24,
    "danny": 15,
    "jakob": 24,
    "nick": 21,
    "mlsd2": 12,
}
SPEAKERS = {
    "Valerii Babushkin",
    "Arseny Kravchenko",
    "Ben Wilson",
    "Angela Ramirez",
    "Daniel Svonava",
    "Simon Stiebellehner",
    "Danny Leybzon",
    "Jakob Graff",
    "Nick Singh",
    "Alexey Grigorev",
}
TWO_HOURS = 7200


def test_every_episode_is_complete():
    counts = Counter(entry.passage.source_id for entry in load_entries())
    assert sum(EPISODE_NOTES.values()) == 215
    assert {key: counts[key] for key in EPISODE_NOTES} == EPISODE_NOTES
    assert set(counts) == {*EPISODE_NOTES, "guide"}
    assert counts["guide"] >= 60


def test_ids_are_unique_and_tell_episode_and_time():
    passages = [entry.passage for entry in load_entries()]
    assert len({p.id for p in passages}) == len(passages)
    for p in passages:
        if p.source_id == "guide":
            assert re.fullmatch(r"guide-[a-z]+-\d+", p.id)
            continue
        assert p.start is not None
        minute, second = divmod(int(p.start), 60)
        assert re.fullmatch(rf"{p.source_id}-{minute:02d}-{second:02d}(-\d)?", p.id), p.id


def test_speakers_and_starts_are_plausible():
    for entry in load_entries():
        p = entry.passage
        if p.source_id != "guide":
            assert p.speaker in SPEAKERS
            assert p.start is not None
            assert 0 < p.start < TWO_HOURS
        assert p.topics
        assert all(cue.endswith((".", "?", "!")) for cue in entry.cues)


def test_urls_point_into_the_episode():
    by_id = {entry.passage.id: entry.passage for entry in load_entries()}
    video = "https://www.youtube.com/watch?v=0RsmRjar66E"
    assert by_id["mlsdi-16-43-2"].url == f"{video}&t=1003"  # 16 * 60 + 43
    assert by_id["daniel-61-41"].url == "https://www.youtube.com/watch?v=gEmSrknGKDE&t=3701"
    assert by_id["guide-fraud-2"].url == f"{video}&t=838"  # cites 13:58
    assert by_id["mlsd2-07-06"].url is None  # no video id is known
    assert by_id["guide-decision-4"].url is None


def test_questions_are_never_shared():
    cues = [cue for entry in load_entries() for cue in entry.cues]
    assert [cue for cue, n in Counter(cues).items() if n > 1] == []


def test_host_is_credited_with_the_host_s_contrast():
    by_id = {entry.passage.id: entry.passage for entry in load_entries()}
    assert by_id["mlsdi-23-07"].speaker == "Alexey Grigorev"


def test_sources_hold_title_and_episode():
    sources = {file.source.key: file.source for file in load_files()}
    assert sources["mlsdi"].title == "ML System Design Interviews"
    assert sources["mlsdi"].episode == "S7E5"
    assert sources["guide"].youtube is None


def copy_of_notes(folder: Path) -> Path:
    return Path(shutil.copytree(packaged_notes_dir(), folder / "notes"))


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("- operations", "- operatoins", r"notes\.\d+\.topics\.\d+"),
        ("  start: 432", "  start: soon", r"notes\.0\.start"),
        ("  title: ", "  titel: ", r"source\.title"),
        ("  section: ", "  chapter: ", r"notes\.0\.section"),
    ],
)
def test_a_broken_field_is_named(tmp_path: Path, old: str, new: str, field: str):
    file = copy_of_notes(tmp_path) / "mlsd2.yaml"
    old = old.replace("432", "426")
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CorpusError, match=rf"^mlsd2\.yaml: {field}: ") as caught:
        load_file(file)
    assert caught.value.file == "mlsd2.yaml"


def test_broken_yaml_and_missing_files_are_named(tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("source: [", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"^broken\.yaml: file: is not valid YAML"):
        load_file(broken)
    with pytest.raises(CorpusError, match=r"^absent\.yaml: file: cannot be read"):
        load_file(tmp_path / "absent.yaml")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CorpusError, match="holds no notes file"):
        load_entries(empty)


def test_a_repeated_id_and_an_unknown_citation_are_named(tmp_path: Path):
    notes = copy_of_notes(tmp_path)
    guide = notes / "guide.yaml"
    original = guide.read_text(encoding="utf-8")
    guide.write_text(original.replace("cites: mlsdi", "cites: nobody", 1), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"guide\.yaml: guide-decision-1\.cites: .*nobody"):
        load_entries(notes)
    guide.write_text(original.replace("id: guide-decision-2", "id: guide-decision-1"), "utf-8")
    with pytest.raises(CorpusError, match=r"guide\.yaml: notes\.id: .*used twice"):
        load_entries(notes)
