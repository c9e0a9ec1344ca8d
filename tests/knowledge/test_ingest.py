"""Taking in files: what is kept, what is refused and why, and that nothing stops the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.encoder import MiniLMEncoder, Vectors
from knowledge.errors import EncoderError
from knowledge.ingest import (
    MAX_BYTES,
    FileReport,
    IngestReport,
    Progress,
    ingest,
    source_id_of,
)
from knowledge.library import Library, indexed_text
from knowledge.store import PassageStore
from knowledge.types import SourceRecord
from tests.commands import ROOT
from tests.documents import BREWING, KEEPING, PRUNING, episode, locked, pdf
from tests.ingesting import WordsEncoder

ROSES = episode("Roses", PRUNING, guests=["rosathorn"], youtube="AAAAAAAAAAA", number=2)
BEER = episode("Beer", BREWING, guests=["brunomalt"], youtube="BBBBBBBBBBB", number=1)
BEES = episode("Bees", KEEPING, guests=["beacomb"])
# Beer's title and guest over the transcript of the roses.
WRONG = episode("Beer", PRUNING, guests=["brunomalt"], youtube="BBBBBBBBBBB", number=1)


@pytest.fixture
def words() -> WordsEncoder:
    return WordsEncoder()


@pytest.fixture
def library(tmp_path: Path, words: WordsEncoder) -> Iterator[Library]:
    with Library.from_passages(tmp_path / "data", [], words) as library:
        yield library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def write(folder: Path, **files: str | bytes) -> None:
    """Files by name; ``__`` stands for the dot before the suffix."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("__", ".")).write_bytes(data)


def outcomes(report: IngestReport) -> dict[str, str]:
    return {Path(f.path).name: f.outcome for f in report.files}


def reasons(report: IngestReport) -> dict[str, str | None]:
    return {Path(f.path).name: f.reason for f in report.files if f.outcome == "skipped"}


def kept(library: Library) -> dict[str, Any]:
    """Everything in the library but the time at which it was added."""
    records = library.sources()
    return {
        "sources": [r.model_dump(exclude={"added"}) for r in records],
        "passages": {r.id: library.source_passages(r.id) for r in records},
    }


def titles(library: Library) -> list[str]:
    return sorted(r.title for r in library.sources())


def test_what_is_added(library: Library, words: WordsEncoder, folder: Path):
    write(folder, roses__md=ROSES, notes__txt="Compost\n\nTurn the heap in May, and keep it moist.")
    report = ingest(library, words, [folder])
    notes, roses = library.sources()
    assert report.files == [
        FileReport(str(folder / "notes.txt"), "added", notes.id, "notes", 9, 1),
        FileReport(str(folder / "roses.md"), "added", roses.id, "Roses", roses.words, 2),
    ]
    assert [report.count(o) for o in ("added", "replaced", "unchanged", "skipped")] == [2, 0, 0, 0]
    assert roses == SourceRecord(
        id=source_id_of(folder / "roses.md"),
        path=str(folder / "roses.md"),
        title="Roses",
        kind="podcast",
        episode="S1E2",
        url="https://www.youtube.com/watch?v=AAAAAAAAAAA&t=0",
        content_hash=roses.content_hash,
        sketch=roses.sketch,
        words=sum(len(line.split()) for _, line in PRUNING),
        passages=2,
        guest_speaks=True,
        added=roses.added,
    )
    assert roses.added.endswith("+00:00")
    assert (notes.kind, notes.url, notes.guest_speaks) == ("text", None, None)
    first, second = library.source_passages(roses.id)
    assert first.model_dump(exclude={"id", "text"}) == {
        "corpus": "user",
        "source_id": roses.id,
        "title": "Roses",
        "section": "The beginning",
        "episode": "S1E2",
        "speaker": "Rosa Thorn",
        "start": 0.0,
        "end": second.start,
        "approximate": False,
        "url": "https://www.youtube.com/watch?v=AAAAAAAAAAA&t=0",
        "topics": (),
    }
    assert first.text.startswith(f"Hanna Host: {PRUNING[0][1]}\nRosa Thorn: ")
    assert library.passage(first.id) == first
    assert library.source_passages("nobody") == []


def test_a_passage_is_found_with_its_link_and_minute(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, roses__md=ROSES, beer__md=BEER, bees__md=BEES)
    ingest(library, words, [folder])
    best = library.search("the hydrometer shows the same gravity", k=1)[0].passage
    # Said 90 seconds in; the passage starts where its first question does.
    assert "The hydrometer" in best.text
    assert best.start is not None
    assert best.start <= 90 <= (best.end or 90)
    assert best.url == f"https://www.youtube.com/watch?v=BBBBBBBBBBB&t={int(best.start)}"
    assert (best.title, best.episode, best.speaker) == ("Beer", "S1E1", "Bruno Malt")
    unlinked = library.search("oxalic acid in December", k=1)[0].passage
    assert (unlinked.title, unlinked.start, unlinked.url) == ("Bees", 120, None)


def test_the_real_encoder_finds_by_meaning(tmp_path: Path, encoder: MiniLMEncoder, folder: Path):
    write(folder, roses__md=ROSES, beer__md=BEER, bees__md=BEES)
    with Library.open(tmp_path / "data", encoder) as library:
        ingest(library, encoder, [folder])
        hits = library.search("how is ale made at home?", k=2)
        assert [h.passage.title for h in hits] == ["Beer", "Beer"]
        rows = library._store.load()
        fresh = encoder.encode([indexed_text(passage) for passage, _, _ in rows])
        assert [made_by for _, made_by, _ in rows] == [encoder.fingerprint] * len(rows)
        assert np.array_equal(np.stack([vector for _, _, vector in rows]), fresh)


def test_again_changes_nothing(library: Library, words: WordsEncoder, folder: Path):
    write(folder, roses__md=ROSES, beer__md=BEER, broken__md="---\na: [\n---\n")
    first = ingest(library, words, [folder])
    before, calls, revision = kept(library), words.calls, library._store.revision()
    again = ingest(library, words, [folder, folder / "roses.md"])
    assert outcomes(again) == {"beer.md": "unchanged", "roses.md": "unchanged"} | {
        "broken.md": "skipped"
    }
    assert [(f.words, f.passages, f.title) for f in again.files] == [
        (f.words, f.passages, f.title) for f in first.files
    ]
    assert (kept(library), words.calls, library._store.revision()) == (before, calls, revision)


def test_a_changed_file_replaces_its_passages(library: Library, words: WordsEncoder, folder: Path):
    guide = "Spring\n\nPrune early.\n\nSummer\n\n{}\n\nAutumn\n\nPlant late.\n"
    write(folder, roses__txt=guide.format("Water the marigolds."), beer__md=BEER)
    ingest(library, words, [folder])
    before = library.source_passages(source_id_of(folder / "roses.txt"))
    beer = library.source_passages(source_id_of(folder / "beer.md"))
    write(folder, roses__txt=guide.format("Shade the hydrangeas."))
    report = ingest(library, words, [folder])
    assert outcomes(report) == {"roses.txt": "replaced", "beer.md": "unchanged"}
    after = library.source_passages(source_id_of(folder / "roses.txt"))
    assert [p.text for p in after] == ["Prune early.", "Shade the hydrangeas.", "Plant late."]
    assert (after[0], after[2]) == (before[0], before[2])
    assert library.passage(before[1].id) is None
    assert library.source_passages(source_id_of(folder / "beer.md")) == beer
    found = [h.passage for h in library.search("marigolds hydrangeas", k=50, corpus="user")]
    assert found[0] == after[1]
    assert len(found) == len(after) + len(beer)
    # Fewer passages than before: none is left over.
    write(folder, roses__txt="Roses\n\nNothing else.\n")
    ingest(library, words, [folder])
    assert len(library.search("roses", k=50, corpus="user")) == 1 + len(beer)


def test_the_same_content_under_another_name_is_taken_once(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__md=ROSES, b__md=ROSES)
    (folder / "c.md").symlink_to(folder / "a.md")
    for _ in range(2):
        report = ingest(library, words, [folder])
        assert reasons(report) == dict.fromkeys(
            ("b.md", "c.md"), f"the same content as {folder / 'a.md'}"
        )
        assert [r.path for r in library.sources()] == [str(folder / "a.md")]


@pytest.mark.parametrize(("wrong", "right"), [("a__md", "b__md"), ("b__md", "a__md")])
def test_an_episode_with_the_transcript_of_another(
    library: Library, words: WordsEncoder, folder: Path, wrong: str, right: str
):
    write(folder, **{wrong: WRONG, right: ROSES, "c__md": BEES})
    wrong_path = folder / wrong.replace("__", ".")
    first = ingest(library, words, [folder])
    assert titles(library) == ["Bees", "Roses"]
    roses = next(r for r in library.sources() if r.title == "Roses")
    if wrong < right:
        # Nothing was wrong with it before the other came.
        assert reasons(first) == {}
        assert first.files[0].warnings[0].startswith("It names the guest brunomalt, but")
        assert roses.warnings == (f"{wrong_path} holds the same words; it was taken out.",)
    before = kept(library)
    for _ in range(2):
        again = ingest(library, words, [folder])
        assert reasons(again) == {wrong_path.name: f"the same words as {roses.path} (Roses)"}
        assert again.count("unchanged") == 2
        assert kept(library) == before
    # Its own transcript, at last.
    write(folder, **{wrong: BEER})
    assert outcomes(ingest(library, words, [folder]))[wrong_path.name] == "added"
    assert titles(library) == ["Beer", "Bees", "Roses"]


def test_an_episode_that_becomes_a_copy_of_another(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__md=ROSES, b__md=BEER)
    ingest(library, words, [folder])
    roses = folder / "a.md"
    for copy, why in (
        (WRONG, f"the same words as {roses} (Roses)"),
        (ROSES, f"the same content as {roses}"),
    ):
        write(folder, b__md=copy)
        assert reasons(ingest(library, words, [folder])) == {
            "b.md": f"{why}; the passages of its earlier version are kept"
        }
        assert {r.title: r.stale for r in library.sources()} == {"Beer": why, "Roses": None}


def test_a_file_that_cannot_be_read_any_more_keeps_its_passages_and_is_marked(
    tmp_path: Path, library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__txt="Turn the heap in May.", b__pdf=pdf([["Rake the leaves."]]), c__md=BEES)
    ingest(library, words, [folder])
    before = kept(library)
    hits = library.search("turn the heap", k=9)
    write(folder, a__txt=b"\x00\x01", b__pdf=locked(pdf([["Rake."]]), "secret"), d__txt=b"\x00")
    whys = {
        "a": "it is binary, not text, so it cannot be read any more",
        "b": "it is protected by a password, so it cannot be read any more",
        "Bees": None,
    }
    for _ in range(2):
        report = ingest(library, words, [folder])
        assert reasons(report) == {
            "a.txt": f"{whys['a']}; the passages of its earlier version are kept",
            "b.pdf": f"{whys['b']}; the passages of its earlier version are kept",
            "d.txt": "it is binary, not text",
        }
        first = report.files[0]
        assert (first.source_id, first.title, first.words, first.passages) == (
            *(source_id_of(folder / "a.txt"), "a"),
            *(5, 1),
        )
        assert {r.title: r.stale for r in library.sources()} == whys
        assert library.search("turn the heap", k=9) == hits
    stale, _, bees = library.sources()
    assert stale.remarks == (f"Stale: {whys['a']}; these are the passages of its earlier version.",)
    assert bees.remarks == bees.warnings
    with Library.from_passages(tmp_path / "data", [], words) as other:
        assert other.sources() == library.sources()

    # The earlier version is back, or one that can be read.
    write(folder, a__txt="Turn the heap in May.", b__pdf=pdf([["Burn the leaves."]]))
    assert outcomes(ingest(library, words, [folder])) == {
        "a.txt": "unchanged",
        "b.pdf": "replaced",
        "c.md": "unchanged",
        "d.txt": "skipped",
    }
    assert [r.stale for r in library.sources()] == [None] * 3
    after = kept(library)
    assert after["passages"].keys() == before["passages"].keys()
    assert after["sources"][0] == before["sources"][0]


def test_a_file_that_may_not_be_opened_any_more(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__txt="Turn the heap in May.")
    ingest(library, words, [folder])

    def vanish(progress: Progress) -> None:
        if progress.path:
            (folder / "a.txt").unlink()

    report = ingest(library, words, [folder], vanish)
    why = "cannot be read any more (No such file or directory)"
    assert reasons(report) == {"a.txt": f"{why}; the passages of its earlier version are kept"}
    assert [r.stale for r in library.sources()] == [why]


def test_a_mark_is_not_put_on_what_another_process_changed(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__txt="Turn the heap in May.")
    ingest(library, words, [folder])
    (old,) = library.sources()
    write(folder, a__txt="Turn the heap in June.")
    ingest(library, words, [folder])
    library.mark_stale(old, "it is binary")
    assert [r.stale for r in library.sources()] == [None]
    library.remove_source(old.id)
    library.mark_stale(old, "it is binary")
    assert library.sources() == []


def test_files_that_share_some_words_are_both_kept(
    library: Library, words: WordsEncoder, folder: Path
):
    """Four of nine turns are the same: as an opening or an advertisement may be."""
    mixed = episode("Mixed", [*PRUNING[:4], *KEEPING], guests=["rosathorn", "beacomb"])
    write(folder, a__md=ROSES, b__md=mixed, c__md=BEES)
    report = ingest(library, words, [folder / "a.md", folder / "b.md"])
    assert report.count("added") == 2
    # Eight of twelve: 0.67 of them, still not the same.
    assert outcomes(ingest(library, words, [folder / "c.md"])) == {"c.md": "added"}


def test_a_text_copy_of_an_episode_gives_way_to_it(
    library: Library, words: WordsEncoder, folder: Path
):
    plain = "\n".join(f"[{n}:00] {who}: {line}" for n, (who, line) in enumerate(PRUNING))
    write(folder, copy__txt=plain, roses__md=ROSES)
    assert ingest(library, words, [folder]).count("added") == 2
    assert [r.kind for r in library.sources()] == ["podcast"]
    assert reasons(ingest(library, words, [folder])) == {
        "copy.txt": f"the same words as {folder / 'roses.md'} (Roses)"
    }


def test_one_bad_file_never_stops_the_rest(library: Library, words: WordsEncoder, folder: Path):
    write(
        folder,
        a__md=ROSES,
        b__md="---\ntitle: Roses\nguests: [a\ntranscript: []\n---\n",
        c__md="---\ndateadded: 2021-02-30\ntranscript: []\n---\n",
        d__md="A template without front matter.",
        e__txt=b"\x7fELF\x00\x00",
        f__txt="",
        g__pdf=b"%PDF-1.4\nbroken",
        h__pdf=locked(pdf([["secret"]]), "password"),
        i__pdf=pdf([[]]),
        j__srt="no cues",
        k__vtt="WEBVTT\n",
        l__txt="",
        m__txt="This is gone by then.",
        z__md=BEES,
    )
    os.truncate(folder / "l.txt", MAX_BYTES + 1)
    (Path(os.fsdecode(bytes(folder) + b"/n\xe9.txt"))).write_text("Not named in UTF-8.", "utf-8")

    def vanish(progress: Progress) -> None:
        if progress.path.endswith("m.txt"):
            (folder / "m.txt").unlink()

    report = ingest(library, words, [folder], vanish)
    assert reasons(report) == {
        "b.md": "its front matter is not valid YAML (line 4)",
        "c.md": "its front matter holds a value that is not possible",
        "d.md": "no front matter, unlike the episodes beside it",
        "e.txt": "it is binary, not text",
        "f.txt": "it holds no text",
        "g.pdf": "it is no readable PDF (PdfStreamError)",
        "h.pdf": "it is protected by a password",
        "i.pdf": "it holds no text (a scan?)",
        "j.srt": "it holds no text",
        "k.vtt": "it holds no text",
        "l.txt": "it is larger than 50 MB",
        "m.txt": "cannot be read (No such file or directory)",
        "n?.txt": "its name is not valid UTF-8",
    }
    assert titles(library) == ["Bees", "Roses"]
    assert report.count("added") == 2
    json.dumps([f.path for f in report.files], ensure_ascii=False).encode()


def test_what_is_named_but_cannot_be_used(library: Library, words: WordsEncoder, folder: Path):
    write(folder, LICENSE="Words.", a__docx=b"PK", _hidden__txt="Some words of a hidden file.")
    (folder / "_hidden.txt").rename(folder / ".hidden.txt")
    long = folder / ("x" * 300)
    named = [folder / "nowhere.md", folder / "LICENSE", folder / "a.docx", long]
    report = ingest(library, words, [*named, folder / ".hidden.txt"])
    assert [(f.path, f.reason) for f in report.files] == [
        (str(folder / "nowhere.md"), "there is no such file"),
        (str(long), "cannot be read (File name too long)"),
        (str(folder / "LICENSE"), "no suffix is not a format Spar reads"),
        (str(folder / "a.docx"), ".docx is not a format Spar reads"),
        # Named itself, a hidden file is meant.
        (str(folder / ".hidden.txt"), None),
    ]
    assert ingest(library, words, []).files == []


def test_only_readable_kinds_below_a_folder_and_nothing_hidden_or_outside(
    library: Library, words: WordsEncoder, folder: Path
):
    outside = folder.parent / "outside"
    for below in (outside, folder / "deep" / "er", folder / ".git"):
        below.mkdir(parents=True)
    write(outside, secret__txt="Nobody was asked for these words.")
    write(folder / ".git", packed__txt="Hidden in a hidden folder.")
    write(folder / "deep" / "er", B__TXT="Found below, whatever its case.")
    write(folder, a__txt="Found at the top.", x__docx=b"PK", LICENSE="Not read.")
    (folder / ".hidden.txt").write_text("Hidden by its name.", encoding="utf-8")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "around").symlink_to(folder)
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "dangling.txt").symlink_to(folder / "nowhere.txt")
    os.mkfifo(folder / "pipe.txt")
    report = ingest(library, words, [folder])
    assert [f.path for f in report.files] == [
        str(folder / "a.txt"),
        str(folder / "deep" / "er" / "B.TXT"),
    ]
    # A folder reached by a link that was named is read, under its own name.
    report = ingest(library, words, [folder / "linked"])
    assert [(f.path, f.outcome) for f in report.files] == [(str(outside / "secret.txt"), "added")]


def test_a_guide_is_read_where_there_are_no_episodes(
    library: Library, words: WordsEncoder, folder: Path
):
    guides = folder / "guides"
    guides.mkdir()
    text = "# A guide\n\nHow to {}.\n"
    write(folder, roses__md=ROSES, _template__md=text.format("write"), notes__txt="Words of notes.")
    write(guides, one__md=text.format("prune"), two__md=text.format("water"))
    write(guides, three__md=f"---\ntitle: Three\n---\n{text.format('dig')}")
    report = ingest(library, words, [folder])
    assert reasons(report) == {"_template.md": "no front matter, unlike the episodes beside it"}
    assert report.count("added") == 5


def test_a_file_is_taken_once_however_often_it_is_named(
    library: Library, words: WordsEncoder, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    write(folder, a__txt="Some words.")
    monkeypatch.chdir(folder)
    report = ingest(library, words, [Path("a.txt"), folder, Path(), folder / "." / "a.txt"])
    assert [(f.path, f.outcome) for f in report.files] == [(str(folder / "a.txt"), "added")]


def test_progress_ends_where_everything_was_dealt_with(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__txt="12345", b__txt="", c__txt="Some words.")
    seen: list[Progress] = []
    ingest(library, words, [folder], seen.append)
    names = [str(folder / name) for name in ("a.txt", "b.txt", "c.txt")]
    assert seen == [
        Progress(0, 3, 0, 16, names[0]),
        Progress(1, 3, 5, 16, names[1]),
        Progress(2, 3, 5, 16, names[2]),
        Progress(3, 3, 16, 16, ""),
    ]


def test_a_removed_source_is_forgotten_and_can_come_back(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, roses__md=ROSES, bees__md=BEES)
    ingest(library, words, [folder])
    before = kept(library)
    roses = source_id_of(folder / "roses.md")
    ids = [p.id for p in library.source_passages(roses)]
    assert library.remove_source(roses) == 2
    assert titles(library) == ["Bees"]
    assert library.source_passages(roses) == []
    assert [library.passage(i) for i in ids] == [None, None]
    found = library.search("ladybirds greenfly roses", k=50, corpus="user")
    assert {h.passage.title for h in found} == {"Bees"}
    assert library.remove_source(roses) == 0
    assert outcomes(ingest(library, words, [folder])) == {
        "roses.md": "added",
        "bees.md": "unchanged",
    }
    assert kept(library) == before


def test_two_libraries_on_one_folder_see_each_others_ingest(
    tmp_path: Path, library: Library, words: WordsEncoder, folder: Path
):
    write(folder, roses__md=ROSES)
    with Library.from_passages(tmp_path / "data", [], words) as other:
        ingest(library, words, [folder])
        assert kept(other) == kept(library)
        assert "Ladybirds" in other.search("ladybirds greenfly", k=1)[0].passage.text
        write(folder, bees__md=BEES)
        assert outcomes(ingest(other, words, [folder])) == {
            "roses.md": "unchanged",
            "bees.md": "added",
        }
        question = "oxalic acid brood"
        assert library.search(question, k=50) == other.search(question, k=50)
        assert "Formic" in library.search(question, k=1)[0].passage.text
        other.remove_source(source_id_of(folder / "roses.md"))
        assert titles(library) == ["Bees"]
        assert {h.passage.title for h in library.search("roses", k=50)} == {"Bees"}
    with Library.from_passages(tmp_path / "data", [], words) as later:
        assert kept(later) == kept(library)


class FailingEncoder(WordsEncoder):
    """Cannot go on from the n-th text."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    def encode(self, texts: object) -> Vectors:
        assert isinstance(texts, list)
        if self.calls >= self._after:
            raise EncoderError("The encoder cannot go on.")
        return super().encode(texts)


def test_an_encoder_that_fails_leaves_whole_files_only(
    library: Library, words: WordsEncoder, folder: Path
):
    write(folder, a__md=ROSES, b__md=BEES)
    with pytest.raises(EncoderError):
        ingest(library, FailingEncoder(after=3), [folder])  # a.md has two passages
    assert titles(library) == ["Roses"]
    assert len(library.search("anything", k=50)) == 2
    assert outcomes(ingest(library, words, [folder])) == {"a.md": "unchanged", "b.md": "added"}


def test_a_short_subtitle_file_has_a_minute_for_each_part(
    library: Library, words: WordsEncoder, folder: Path
):
    """Under 200 words in five minutes: what is quoted lies within a minute and a half."""
    said = [f"At {at} seconds the gardener waters rose number {at}." for at in range(0, 300, 15)]
    rows = [
        f"00:{15 * n // 60:02}:{15 * n % 60:02},000 --> 00:{15 * n // 60:02}:{15 * n % 60 + 14:02}"
        f",000\n{text}\n"
        for n, text in enumerate(said)
    ]
    write(folder, talk__srt="\n".join(f"{n}\n{row}" for n, row in enumerate(rows, start=1)))
    ingest(library, words, [folder])
    (record,) = library.sources()
    assert (record.kind, record.words) == ("subtitles", 180)
    passages = library.source_passages(record.id)
    assert [(p.start, p.end) for p in passages] == [(0, 89), (90, 179), (180, 269), (270, 299)]
    for at, text in zip(range(0, 300, 15), said, strict=True):
        (passage,) = [p for p in passages if text in p.text.replace("\n", " ")]
        assert passage.start is not None
        assert 0 <= at - passage.start < 90


def test_a_very_long_word_is_cut(library: Library, words: WordsEncoder, folder: Path):
    write(folder, a__txt="x" * 30_000 + ".")
    ingest(library, words, [folder])
    (passage,) = library.source_passages(source_id_of(folder / "a.txt"))
    assert passage.text == "x" * 20_000


def test_a_source_is_named_after_its_file():
    assert source_id_of(Path("/a/My Épisode (2).md")).startswith("my-pisode-2-")
    assert source_id_of(Path("/a/???.md")).startswith("source-")
    assert len(source_id_of(Path(f"/a/{'x' * 200}.md"))) == 60 + 1 + 6
    assert source_id_of(Path("/a/x.md")) != source_id_of(Path("/b/x.md"))
    assert source_id_of(Path("/a/x.md")) == source_id_of(Path("/a/x.md"))


def test_a_store_without_sources_gets_the_table(tmp_path: Path):
    """A data directory of the version before ``spar ingest`` is used as it is."""
    import sqlite3
    from contextlib import closing

    PassageStore(tmp_path / "passages.sqlite3")
    with closing(sqlite3.connect(tmp_path / "passages.sqlite3")) as db, db:
        db.execute("DROP TABLE source")
    assert PassageStore(tmp_path / "passages.sqlite3").sources() == []


# Killed


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The undisturbed ingest, then one row for each kill."""
    fixed = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.ingesting", tmp_path_factory.mktemp("killed")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **fixed},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.kill
def test_the_undisturbed_ingest_has_everything_in_it(matrix: list[dict[str, Any]]):
    found = matrix[0]["outcome"]
    # The wrong transcript gave way, the guide's new version replaced the old one.
    assert [s["title"] for s in found["sources"]] == ["Roses", "Bees", "e-notes", "f-guide"]
    passages = [p for rows in found["passages"].values() for p in rows]
    assert len(passages) == len(found["vectors"]) == 2 + 2 + 1 + 5
    assert not any("first version" in p["text"] for p in passages)
    assert {len(hits) for hits in found["hits"]} == {len(passages)}


@pytest.mark.kill
def test_an_ingest_killed_anywhere_ends_at_the_same_library(matrix: list[dict[str, Any]]):
    first, *rows = matrix
    assert len(rows) >= 15
    assert {row["killed"] for row in rows} == {signal.SIGKILL}
    wrong = [
        (row["at"], row["step"], key)
        for row in rows
        for key in first["outcome"]
        if row["outcome"][key] != first["outcome"][key]
    ]
    assert wrong == []
    hit = Counter(row["step"] for row in rows)
    for name in ("encode", "within a transaction", "before update", "before replace_source"):
        assert hit[name] >= 3
    assert hit["before remove_source"] == 1
