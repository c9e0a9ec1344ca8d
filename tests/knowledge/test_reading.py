"""Every format that is read, with the faults of real files."""

from __future__ import annotations

import io
import itertools
import math
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from knowledge.documents import Document, Turn, UnreadableError
from knowledge.ingest import passages_of
from knowledge.reading import SUFFIXES, read_document
from knowledge.reading.podcast import seconds_of, speaks, trusted
from tests.documents import PRUNING, episode, pdf


def read(text: str, name: str = "file.md", *, beside_episodes: bool = False) -> Document:
    data = dedent(text).encode("utf-8", "surrogatepass")
    return read_document(Path(name), data, beside_episodes=beside_episodes)


def podcast(transcript: str, head: str = "title: Roses") -> Document:
    """A podcast file of a few entries."""
    front, body = dedent(head).strip(), dedent(transcript).strip("\n")
    return read(f"---\n{front}\ntranscript:\n{body}\n---\n")


def timeline(document: Document) -> list[tuple[str | None, float | None, bool, str]]:
    return [(t.speaker, t.start, t.approximate, t.text) for t in document.turns]


def sections(document: Document) -> list[tuple[str | None, str]]:
    return [(t.section, t.text) for t in document.turns]


def reason(text: str, name: str = "file.md", *, beside_episodes: bool = False) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(text, name, beside_episodes=beside_episodes)
    return str(caught.value)


# Podcast files


def test_an_episode_with_everything():
    document = read(
        """\
        ---
        title: "Roses:  a talk"
        short: Roses
        season: 3
        episode: 7
        guests: [rosathorn]
        ids: {youtube: AAAAAAAAAAA, anchor: x}
        dateadded: 2021-03-05
        transcript:
        - header: Spring
        - {line: When do you prune?, sec: 5, time: '0:05', who: Hanna}
        - {line: In  early spring., sec: 9, time: '0:09', who: Rosa}
        ---
        """
    )
    assert document == Document(
        kind="podcast",
        title="Roses: a talk",
        turns=(
            Turn("When do you prune?", "Hanna", 5.0, section="Spring"),
            Turn("In early spring.", "Rosa", 9.0, section="Spring"),
        ),
        episode="S3E7",
        youtube="AAAAAAAAAAA",
        guests=("rosathorn",),
    )
    assert document.words == 7
    assert document.speakers == ("Hanna", "Rosa")


def test_a_turn_split_over_entries_of_one_stamp_is_joined():
    document = podcast(
        """
        - {line: One., sec: 5, time: '0:05', who: Rosa}
        - {line: Two., sec: 5, time: '0:05', who: Rosa}
        - {line: Three., sec: 5, time: '0:05', who: Hanna}
        - {line: Four., sec: 5, time: '0:05', who: Rosa}
        - {line: Five., sec: 6, time: '0:06', who: Rosa}
        """
    )
    assert timeline(document) == [
        ("Rosa", 5.0, False, "One. Two."),
        ("Hanna", 5.0, False, "Three."),
        ("Rosa", 5.0, False, "Four."),
        ("Rosa", 6.0, False, "Five."),
    ]
    assert document.warnings == ()


def test_a_line_without_a_time_inherits_the_last_one_and_is_approximate():
    document = podcast(
        """
        - {line: Hello., who: Hanna}
        - {line: One., sec: 62, time: '1:02', who: Rosa}
        - {line: Two., who: Rosa}
        - {line: Three., who: Hanna}
        - {line: Four., time: '1:10', who: Rosa}
        """
    )
    assert timeline(document) == [
        ("Hanna", None, False, "Hello."),
        ("Rosa", 62.0, False, "One. Two."),  # the same turn, so its start is known
        ("Hanna", 62.0, True, "Three."),
        ("Rosa", 70.0, False, "Four."),
    ]
    assert document.warnings == ("2 of 4 turns have no reliable time.",)


def test_an_episode_without_any_time_keeps_its_turns():
    document = podcast("- {line: One., who: Rosa}\n- {line: Two., who: Rosa}")
    assert timeline(document) == [("Rosa", None, False, "One."), ("Rosa", None, False, "Two.")]


def test_paragraphs_stored_twice_are_taken_once():
    document = podcast(
        """
        - {line: When do you prune?}
        - {line: When do you prune?, sec: 5, who: Hanna}
        - {line: In spring.}
        - {line: In spring., sec: 9, who: Rosa}
        """
    )
    assert [t.text for t in document.turns] == ["When do you prune?", "In spring."]


def test_where_nobody_is_named_all_lines_are_kept():
    document = podcast("- {line: One., sec: 1}\n- {line: Two., sec: 2}")
    assert timeline(document) == [(None, 1.0, False, "One."), (None, 2.0, False, "Two.")]


def test_headers_may_repeat_or_be_missing():
    document = podcast(
        """
        - {line: Before., sec: 1, who: A}
        - {header: Spring}
        - {line: One., sec: 2, who: A}
        - {header: Spring}
        - {line: Two., sec: 3, who: A}
        - {header: }
        - {line: Three., sec: 4, who: A}
        - {header: Autumn, line: Four., sec: 4, who: A}
        - {header: Spring}
        - {line: Five., sec: 5, who: A}
        """
    )
    assert sections(document) == [
        (None, "Before."),
        ("Spring", "One."),
        ("Spring", "Two."),
        ("Spring", "Three."),
        ("Autumn", "Four."),
        ("Spring", "Five."),
    ]
    assert sections(podcast("- {line: One., sec: 2, who: A}")) == [(None, "One.")]


@pytest.mark.parametrize(
    ("stamps", "read_as"),
    [
        ([10, 20, 5, 30], [(10, False), (20, False), (20, True), (30, False)]),
        # A single one far too late: those after it are right.
        ([10, 6000, 20, 30], [(10, False), (10, True), (20, False), (30, False)]),
        ([6000, 10, 20], [(None, False), (10, False), (20, False)]),
        ([10, 20, 30, 3], [(10, False), (20, False), (30, False), (30, True)]),
    ],
)
def test_stamps_that_run_backwards_keep_text_and_order(
    stamps: list[int], read_as: list[tuple[float | None, bool]]
):
    speakers = "ABAB"
    rows = [
        f"- {{line: Line {n}., sec: {stamp}, who: {speakers[n]}}}" for n, stamp in enumerate(stamps)
    ]
    document = podcast("\n".join(rows))
    assert [t.text for t in document.turns] == [f"Line {n}." for n in range(len(stamps))]
    assert [(t.start, t.approximate) for t in document.turns] == read_as
    assert document.warnings == (f"1 of {len(stamps)} turns have no reliable time.",)


def test_times_without_quotes_are_minutes():
    """YAML 1.1 reads 1:02 as 62 and 1:02:03 as 3723, but 0:45 as text."""
    document = podcast(
        """
        - {line: One., time: 0:45, who: A}
        - {line: Two., time: 1:02, who: B}
        - {line: Three., time: 1:02:03, who: A}
        - {line: Four., time: '1:02:04', who: B}
        """
    )
    assert [t.start for t in document.turns] == [45, 62, 3723, 3724]


@pytest.mark.parametrize("sec", [".inf", ".nan", "-5", "true", "9" * 400, "[1]", "soon", "''"])
def test_a_stamp_that_is_none_is_no_stamp(sec: str):
    document = podcast(f"- {{line: One., sec: {sec}, who: A}}\n- {{line: Two., sec: 9, who: B}}")
    assert [t.start for t in document.turns] == [None, 9]


def test_values_of_other_types_are_read_as_words():
    document = podcast(
        """
        - {line: [laughs], sec: 1, who: A}
        - {line: 42, sec: 2, who: B}
        - {line: 2021-03-05, sec: 3, who: A}
        - {line: {a: b}, sec: 4, who: B}
        - Stray text.
        - {line: null, sec: 5, who: A}
        """,
        "title: 1984",
    )
    assert document.title == "1984"
    assert [t.text for t in document.turns] == ["laughs", "42", "2021-03-05"]


def test_without_a_title_the_file_names_it():
    assert podcast("- {line: One., who: A}", "guests: [a]").title == "file"


GUEST = "title: Roses\nguests: [rosathorn]"
BOTH = "- {line: When?, sec: 1, who: Hanna}\n- {line: Now., sec: 2, who: %s}"


WRONG = (
    "It names the guest rosathorn, but Hanna, Bruno speak: "
    "its transcript may belong to another episode."
)


def test_a_guest_who_does_not_speak_is_a_warning():
    assert podcast(BOTH % "Rosa", GUEST).warnings == ()
    assert podcast(BOTH % "Rosa Thorn", GUEST).warnings == ()
    assert podcast(BOTH % "Bruno", GUEST).warnings == (WRONG,)
    # A monologue says nothing about whose it is.
    assert podcast("- {line: Now., sec: 2, who: Bruno}", GUEST).warnings == ()


@pytest.mark.parametrize("guests", ["", "guests:", "guests: []", "guests: [null]", "guests: ''"])
def test_without_guests_nobody_is_missed(guests: str):
    document = podcast(BOTH % "Bruno", f"title: Roses\n{guests}")
    assert (document.guests, document.warnings) == ((), ())


def test_a_guest_may_stand_alone():
    assert podcast(BOTH % "Rosa", "guests: rosathorn").guests == ("rosathorn",)


def test_speaks_compares_the_first_name():
    assert speaks("angelaramirez", ["Alexey", "Angela"])
    assert speaks("valerii-babushkin", ["Valerii Babushkin"])
    assert not speaks("angelaramirez", ["Alexey", " ", "42"])
    assert not speaks("angelaramirez", [])


def test_beside_episodes_a_file_without_front_matter_is_no_source():
    template = "# Title\n\nWrite the transcript here.\n"
    said = "no front matter, unlike the episodes beside it"
    assert reason(template, "_template.md", beside_episodes=True) == said
    assert read(template, "guide.md").turns == (Turn("Write the transcript here."),)
    # Another kind of file is not meant.
    assert read(template, "notes.txt", beside_episodes=True).kind == "text"


def test_front_matter_without_a_transcript_is_a_guide():
    document = read("---\ntitle: Pruning\n---\n\n# When\n\nIn spring.\n")
    assert (document.kind, document.title) == ("markdown", "Pruning")
    assert sections(document) == [("When", "In spring.")]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        # The lines count from the top of the file; the unclosed bracket is found at the next key.
        ("title: [a\nguests: b", "its front matter is not valid YAML (line 3)"),
        ("title: a: b", "its front matter is not valid YAML (line 2)"),
        ("title: x\ntitle2: *nobody", "its front matter is not valid YAML (line 3)"),
        ("title: x\n? [a]\n: b", "its front matter is not valid YAML (line 3)"),
        ("title: \x01", "its front matter is not valid YAML"),
        ("dateadded: 2021-02-30", "its front matter holds a value that is not possible"),
        (f"season: {'9' * 5000}", "its front matter holds a value that is not possible"),
        ("- a\n- b", "its front matter is not a mapping"),
        ("title", "its front matter is not a mapping"),
        ("transcript: all of it", "its transcript is not a list"),
        ("transcript: []", "it holds no text"),
        ("transcript:\n- {header: Spring}", "it holds no text"),
        ("title: " + "[" * 90_000, "its front matter is nested too deeply"),
        ("title: x\n" + "- " * 90_000, "its front matter is not valid YAML (line 3)"),
        ("- " * 90_000 + "x", "its front matter is nested too deeply"),
    ],
)
def test_broken_front_matter_is_refused_with_its_reason(head: str, why: str):
    assert reason(f"---\n{head}\n---\n") == why


def test_values_that_refer_to_each_other_do_not_explode():
    """Nine levels of nine aliases are four hundred million words when written out."""
    levels = ["a0: &a0 [lol, lol]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    document = podcast(
        "- {line: One., who: *a9}\n- {line: Two., who: Rosa}",
        "\n".join([*levels, "title: *a9", "guests: *a9", "season: *a9", "episode: 1"]),
    )
    assert (document.title, document.guests, document.episode) == ("file", (), None)


# Bytes


def test_a_byte_order_mark_and_windows_lines_change_nothing():
    text = episode("Roses", PRUNING, guests=["rosathorn"])
    plain = read_document(Path("a.md"), text.encode())
    windows = read_document(Path("a.md"), text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert windows == plain
    assert len(plain.turns) == len(PRUNING)
    old_mac = read_document(Path("a.txt"), b"\xef\xbb\xbfOne.\r\rTwo.")
    assert [t.text for t in old_mac.turns] == ["One.", "Two."]


def test_bytes_that_are_not_utf8_lose_only_themselves():
    document = read_document(Path("a.txt"), b"A caf\xe9 in Paris.")
    assert [t.text for t in document.turns] == ["A caf� in Paris."]


def test_binary_files_and_other_kinds_are_refused():
    with pytest.raises(UnreadableError, match=r"^it is binary, not text$"):
        read_document(Path("a.txt"), b"GIF89a\x00\x01")
    assert reason("x", "a.docx") == ".docx is not a format Spar reads"
    assert reason("x", "LICENSE") == "no suffix is not a format Spar reads"
    assert read("Some words here.", "A.TXT").kind == "text"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_refused(suffix: str):
    for data in (b"", b"\n \n", b"\xef\xbb\xbf"):
        with pytest.raises(UnreadableError):
            read_document(Path(f"a{suffix}"), data)


# Timed text


def test_timed_text_with_speakers_headings_and_hours():
    document = read(
        """\
        # The garden hour

        Recorded in March.

        ## Spring
        [0:05] Hanna Host: When do you prune?
        [1:02] Rosa Thorn: In early spring,
        when the frost is over.

        It depends on the year.
        ## C# and roses ##
        (59:59) Hanna: Note: this is a test.
        [1:00:01] no speaker here
        [01:00:02.5] Rosa:
        """,
        "talk.txt",
    )
    assert (document.kind, document.title) == ("timed text", "The garden hour")
    assert [(t.section, t.speaker, t.start, t.text) for t in document.turns] == [
        (None, None, None, "Recorded in March."),
        ("Spring", "Hanna Host", 5.0, "When do you prune?"),
        (
            "Spring",
            "Rosa Thorn",
            62.0,
            "In early spring, when the frost is over. It depends on the year.",
        ),
        ("C# and roses", "Hanna", 3599.0, "Note: this is a test."),
        ("C# and roses", None, 3601.0, "no speaker here"),
    ]
    assert document.warnings == ()


def test_timed_text_in_markdown_is_timed_and_its_first_line_names_it():
    document = read("Roses\n[0:01] A: One.\n[0:02] B: Two.\n", "talk.md")
    assert (document.kind, document.title, len(document.turns)) == ("timed text", "Roses", 2)
    assert read("[0:01] A: One.\n[0:02] B: Two.\n", "talk.md").title == "talk"


def test_timed_text_that_runs_backwards():
    document = read("[0:10] A: One.\n[0:05] B: Two.\n[0:20] A: Three.\n", "talk.txt")
    assert [(t.start, t.approximate) for t in document.turns] in (
        [(10.0, False), (10.0, True), (20.0, False)],
        [(None, False), (5.0, False), (20.0, False)],
    )
    document = read("[0:10] A: 1.\n[0:20] B: 2.\n[0:05] A: 3.\n[0:30] B: 4.\n", "talk.txt")
    assert [(t.start, t.approximate) for t in document.turns] == [
        (10.0, False),
        (20.0, False),
        (20.0, True),
        (30.0, False),
    ]
    assert document.warnings == ("1 of 4 turns have no reliable time.",)


def test_a_time_in_passing_does_not_make_timed_text():
    guide = "\n".join(f"Line {n} of a guide.\n" for n in range(20))
    assert read(f"[0:05] see the recording.\n\n{guide}").kind == "markdown"
    assert read(f"[0:05] see this.\n\n[0:07] and this.\n\n{guide}").kind == "markdown"


def test_a_long_run_of_spaces_after_a_heading_mark_costs_nothing():
    """A pattern that tries every split of the spaces takes minutes here."""
    text = "[0:01] A: One.\n[0:02] B: Two.\n# a" + " " * 20_000 + "b\n"
    assert len(read(text, "talk.txt").turns) == 2


# Subtitles

SRT = """\
1
00:00:01,000 --> 00:00:03,500
When do you <i>prune</i>
your roses?

2
00:00:03,500 --> 00:00:06,000
<font color="#ffffff">In early</font> {\\an8}spring, if 3 < 5 and 7 > 6.

3
01:00:10,250 --> 01:00:12,000
Much later.
"""


def test_srt_cues_are_joined_until_a_pause():
    document = read(SRT, "talk.srt")
    assert (document.kind, document.title) == ("subtitles", "talk")
    assert timeline(document) == [
        (None, 1.0, False, "When do you prune your roses? In early spring, if 3 < 5 and 7 > 6."),
        (None, 3610.25, False, "Much later."),
    ]


def cue(n: int, text: str) -> str:
    return f"00:{n // 60:02}:{n % 60:02}.000 --> 00:{n // 60:02}:{n % 60:02}.900\n{text}\n\n"


def test_vtt_without_its_marks_notes_styles_and_names():
    document = read(
        """\
        WEBVTT - a title

        STYLE
        ::cue { color: red }

        NOTE written by hand
        over two lines

        intro
        00:01.000 --> 00:02.000 align:start position:0%
        <v Rosa Thorn>Dill &amp; fennel <b.loud>feed</b> them.

        NOTE in between

        second cue
        00:02.500 --> 00:03.500
        Really.
        """,
        "talk.vtt",
    )
    assert timeline(document) == [(None, 1.0, False, "Dill & fennel feed them. Really.")]


def test_rolling_captions_say_every_line_once():
    """As YouTube writes them: every line comes twice, its words timed the first time."""
    spoken = [[f"w{line}x{n}" for n in range(4)] for line in range(60)]
    out = ["WEBVTT\nKind: captions\nLanguage: en\n\n"]
    before = " "
    for n, line in enumerate(spoken):
        first, *rest = line
        timed = "".join(f"<00:00:{n:02}.{k}00><c> {word}</c>" for k, word in enumerate(rest))
        out.append(cue(2 * n, f"{before}\n{first}{timed}"))
        before = " ".join(line)
        out.append(cue(2 * n + 1, f"{before}\n "))
    document = read_document(Path("talk.vtt"), "".join(out).encode())
    assert " ".join(t.text for t in document.turns).split() == list(itertools.chain(*spoken))
    assert len(document.turns) > 1
    # Where a stretch begins, so does its time: each line is said at an even second.
    for turn in document.turns:
        assert turn.start == 2 * int(turn.text.split("x")[0][1:])


def test_a_line_that_is_repeated_after_a_pause_is_said_again():
    text = "WEBVTT\n\n" + cue(1, "to be or not") + cue(30, "to be or not")
    assert [t.text for t in read_document(Path("a.vtt"), text.encode()).turns] == [
        "to be or not"
    ] * 2


def test_stretches_end_with_a_sentence_or_before_they_grow_too_long():
    sentences = "".join(cue(n, "Ten words of talk that end with a full stop.") for n in range(20))
    document = read_document(Path("a.vtt"), f"WEBVTT\n\n{sentences}".encode())
    # Each repeats the cue before it, and is therefore said once.
    assert document.words == 10
    numbered = "".join(cue(n, f"{n} words of talk that end with full stop {n}.") for n in range(20))
    document = read_document(Path("a.vtt"), f"WEBVTT\n\n{numbered}".encode())
    assert [t.words for t in document.turns] == [50, 50, 50, 50]
    assert [t.start for t in document.turns] == [0, 5, 10, 15]
    endless = "".join(cue(n, f"a{n} b{n} c{n} d{n}") for n in range(50))
    document = read_document(Path("a.vtt"), f"WEBVTT\n\n{endless}".encode())
    assert [t.words for t in document.turns] == [112, 88]


def cues(*rows: tuple[float, float, str]) -> Document:
    """Subtitles of cues, each with its start and end in seconds."""

    def clock(at: float) -> str:
        return f"{int(at // 60):02}:{at % 60:06.3f}"

    text = "".join(f"{clock(a)} --> {clock(b)}\n{words}\n\n" for a, b, words in rows)
    return read_document(Path("a.vtt"), f"WEBVTT\n\n{text}".encode())


def test_slow_stretches_end_with_a_sentence_after_half_a_minute():
    document = cues(*((12 * n, 12 * n + 12, f"Sentence number {n}.") for n in range(6)))
    assert [(t.start, t.text) for t in document.turns] == [
        (0, "Sentence number 0. Sentence number 1. Sentence number 2."),
        (36, "Sentence number 3. Sentence number 4. Sentence number 5."),
    ]


def test_no_sentence_is_cut_that_a_stretch_has_room_for():
    """Twenty words, then seventy in seventy seconds, which together take a minute and a half."""
    short = " ".join(f"s{n}" for n in range(20)) + "."
    long = [f"l{n}" for n in range(70)]
    rows = [(20 + n, 21 + n, word) for n, word in enumerate(long[:-1])]
    document = cues((0, 20, short), *rows, (89, 91, f"{long[-1]}."), (91, 95, "Then this."))
    assert [(t.start, t.text) for t in document.turns] == [
        (0, short),
        (20, f"{' '.join(long)}."),
        (91, "Then this."),
    ]
    # The same by words: 44 and 80 are over 110.
    first, second = (" ".join(f"{c}{n}" for n in range(k)) + "." for c, k in (("a", 44), ("b", 80)))
    halves = second.split()
    document = cues((0, 9, first), (9, 20, " ".join(halves[:40])), (20, 29, " ".join(halves[40:])))
    assert [t.text for t in document.turns] == [first, second]


def test_words_without_an_end_are_parted_between_cues():
    document = cues(*((10 * n, 10 * n + 10, f"la la{n}") for n in range(14)))
    assert [(t.start, t.words) for t in document.turns] == [(0, 18), (90, 10)]
    # A cue is never cut, however long it is shown.
    document = cues((0, 200, "A title. And"), (200, 210, "then some."), (210, 215, "More."))
    assert [(t.start, t.text) for t in document.turns] == [
        (0, "A title. And"),
        (200, "then some. More."),
    ]


def test_cues_out_of_order_are_put_in_order():
    text = "WEBVTT\n\n" + cue(2, "second words") + cue(1, "first words")
    assert [t.text for t in read_document(Path("a.vtt"), text.encode()).turns] == [
        "first words second words"
    ]


# Guides


def test_markdown_by_its_headings():
    document = read(
        """\
        Before any heading.

        # Roses

        A *first* paragraph with `code`, a [link](https://example.org/x)
        over two lines and ![a picture](p.png).

        ## Pruning

        ### When

        - In **spring**.
          1. After the frost.
        - In autumn.

        > Some say never.

        ## Water

        | month | litres |
        |-------|--------|
        | July  | 10     |

        ```python
        print("left out")
        ```

            indented = "left out"

        <div>left out</div>

        Setext
        ------

        Hard\\
        break<br>here.

        # Another title

        The end.
        """
    )
    assert (document.kind, document.title) == ("markdown", "Roses")
    assert sections(document) == [
        (None, "Before any heading."),
        (None, "A first paragraph with code, a link over two lines and a picture."),
        ("Pruning > When", "In spring."),
        ("Pruning > When", "After the frost."),
        ("Pruning > When", "In autumn."),
        ("Pruning > When", "Some say never."),
        ("Water", "month | litres"),
        ("Water", "July | 10"),
        ("Setext", "Hard breakhere."),
        ("Another title", "The end."),
    ]
    assert all((t.speaker, t.start) == (None, None) for t in document.turns)


def test_the_title_of_the_front_matter_comes_first():
    document = read("---\ntitle: ' All about  roses '\n---\n# Roses\n\nText.\n")
    assert document.title == "All about roses"
    assert sections(document) == [("Roses", "Text.")]
    assert read("---\ntitle:\n---\n# Roses\n\nText.\n").title == "Roses"
    assert read("Text without any heading.\n", "notes.markdown").title == "notes"


def test_plain_text_by_its_short_lines():
    document = read(
        """\
        Pruning roses

        In early spring.
        After the frost.

        Short but a sentence.

        "Quoted, too."

        And so:

        Water
        and sun

        This line is rather long for a heading and yet it ends in no mark
        """,
        "notes.txt",
    )
    assert (document.kind, document.title) == ("text", "notes")
    assert sections(document) == [
        ("Pruning roses", "In early spring. After the frost."),
        ("Pruning roses", "Short but a sentence."),
        ("Pruning roses", '"Quoted, too."'),
        ("Pruning roses", "And so:"),
        (
            "Water and sun",
            "This line is rather long for a heading and yet it ends in no mark",
        ),
    ]


# PDF

PAGES = (("Roses are pruned in early spring, when the for-", "sythia blooms."), ("Page two.",))


def read_pdf(data: bytes) -> Document:
    return read_document(Path("notes.pdf"), data)


def test_a_pdf_page_by_page():
    assert read_pdf(pdf(PAGES, title="About roses")) == Document(
        kind="pdf",
        title="About roses",
        turns=(
            Turn("Roses are pruned in early spring, when the forsythia blooms.", section="page 1"),
            Turn("Page two.", section="page 2"),
        ),
    )
    assert read_pdf(pdf(PAGES)).title == "notes"


def test_a_pdf_that_cannot_be_read_says_why():
    good = pdf(PAGES)
    for data, why in (
        (pdf([[], []]), r"it holds no text \(a scan\?\)"),
        (good[:200], r"it is no readable PDF \(\w+\)"),
        (b"not a PDF", r"it is no readable PDF \(\w+\)"),
    ):
        with pytest.raises(UnreadableError, match=f"^{why}$"):
            read_pdf(data)


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_an_encrypted_pdf_is_read_where_it_needs_no_password(algorithm: str):
    good = pdf(PAGES, title="About roses")
    assert read_pdf(encrypted(good, "", algorithm)) == read_pdf(good)
    with pytest.raises(UnreadableError, match=r"^it is protected by a password$"):
        read_pdf(encrypted(good, "secret", algorithm))


def encrypted(data: bytes, password: str, algorithm: str) -> bytes:
    """The PDF as an e-book shop sends it: whoever has the owner's password may do everything."""
    writer = PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_half_a_character_in_a_pdf_is_replaced():
    document = read_pdf(pdf([["A rose"]], to_unicode="D800"))
    assert document.turns == (Turn("? rose", section="page 1"),)


@settings(max_examples=200)
@given(
    st.integers(0, 2),
    st.lists(
        st.tuples(st.integers(0, 1500), st.integers(0, 8), st.binary(max_size=8)),
        min_size=1,
        max_size=6,
    ),
)
def test_a_damaged_pdf_is_read_or_refused(kind: int, edits: list[tuple[int, int, bytes]]):
    data = WHOLE[kind]
    for at, cut, put in edits:
        data = data[:at] + put + data[at + cut :]
    check(Path("a.pdf"), data)


PLAIN = pdf(PAGES, title="About roses")
WHOLE = (PLAIN, encrypted(PLAIN, "", "RC4-128"), encrypted(PLAIN, "", "AES-256"))


# Anything


def check(path: Path, data: bytes, *, beside_episodes: bool = False) -> None:
    """A file is read or refused, and what is read can be kept."""
    try:
        document = read_document(path, data, beside_episodes=beside_episodes)
    except UnreadableError as error:
        said = str(error)
    else:
        said = ""
        check_content(document)
    assert "\n" not in said


def check_content(document: Document) -> None:
    assert document.title
    assert document.turns
    for turn in document.turns:
        assert turn.words
        assert turn.start is None or (turn.start >= 0 and math.isfinite(turn.start))
    for passage in passages_of(document, "any"):
        passage.model_dump_json()


PIECES = st.sampled_from(
    [
        *("---\n", "\n", "\ntranscript:\n", "- {line: ", "- {header: ", ", sec: ", ", who: A}"),
        *("time: 1:02", ": ", "title: ", "guests: ", "ids: {youtube: a}\n", "2021-02-30", ".inf"),
        *(".nan", "1e400", "0b_", "&a [", "*a", "<<: *a", "!!binary x", "!!python/none x"),
        *("!!set {a}", "? ", "[", "]", "{", "}", "'", '"', "\\ud800", "\ud800", "\x00", "\x01"),
        *("\ufeff", "\r\n", "\n\n", "\t", "    ", "words here. ", "[0:01] A: hi\n", "[99:99] "),
        *("(1:00:00) B:", "# ", "## a ##\n", "1.", "- ", "> ", "```\n", "|", "a|b\n--|--\n", "<b>"),
        *("&amp;", "&#xD800;", "WEBVTT\n\n", "NOTE\n", "1\n", "00:00:01,000 --> 00:00:02,000\n"),
        *("00:01.000 --> 00:00.500\n", "99:99:99,999 --> ", "<00:00:01.000>", "{\\an8}", "🙂", "…"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join))
FRONT = TEXTS.map(lambda text: f"---\ntranscript:\n{text}\n---\n")


@settings(max_examples=300)
@given(
    st.sampled_from(SUFFIXES),
    st.one_of(
        st.binary(), st.one_of(TEXTS, FRONT).map(lambda text: text.encode("utf-8", "surrogatepass"))
    ),
    st.booleans(),
)
def test_no_file_breaks_the_reader(suffix: str, data: bytes, beside_episodes: bool):
    check(Path(f"any{suffix}"), data, beside_episodes=beside_episodes)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
ENTRIES = st.dictionaries(st.sampled_from(["line", "header", "sec", "time", "who"]), VALUES)


@given(
    st.dictionaries(st.sampled_from(["title", "guests", "ids", "season", "episode"]), VALUES),
    st.lists(st.one_of(ENTRIES, VALUES)),
)
def test_any_values_in_a_podcast_file(head: dict[str, object], rows: list[object]):
    import yaml

    text = yaml.safe_dump(head | {"transcript": rows}, allow_unicode=True)
    check(Path("any.md"), f"---\n{text}\n---\n".encode("utf-8", "replace"))


STAMPS = st.lists(st.one_of(st.none(), st.integers(0, 6).map(float)), max_size=9)


@settings(max_examples=300)
@given(STAMPS)
def test_trusted_is_the_longest_run_that_never_goes_back(stamps: list[float | None]):
    kept = trusted(stamps)
    assert len(kept) == len(stamps)
    run = [stamp for stamp, keep in zip(stamps, kept, strict=True) if keep]
    numbers = [stamp for stamp in run if stamp is not None]
    assert numbers == run == sorted(numbers)
    given_ones = [stamp for stamp in stamps if stamp is not None]
    longest = next(
        length
        for length in range(len(given_ones), -1, -1)
        if any(
            list(chosen) == sorted(chosen) for chosen in itertools.combinations(given_ones, length)
        )
    )
    assert len(run) == longest


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_seconds_of_a_clock(hours: int, minutes: int, seconds: int):
    total = 3600 * hours + 60 * minutes + seconds
    assert seconds_of(f"{hours}:{minutes:02}:{seconds:02}") == total
    assert seconds_of(f" {hours * 60 + minutes}:{seconds:02} ") == (
        total if hours * 60 + minutes < 1000 else None
    )
    assert seconds_of(total) == total
    assert seconds_of(f"{minutes}:{seconds:02}.75") == 60 * minutes + seconds


@given(VALUES)
def test_seconds_of_anything(value: object):
    found = seconds_of(value)
    assert found is None or (found >= 0 and math.isfinite(found))


@pytest.mark.parametrize("stamp", ["", "1", "1:2", "-1:02", "1:02:", "a:bc", "1:02:03:04", "1: 02"])
def test_seconds_of_what_is_no_clock(stamp: str):
    assert seconds_of(stamp) is None
