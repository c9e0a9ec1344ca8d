"""Passages hold every word once, whole turns where they fit, and a question with its answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunking import (
    QUESTION_WORDS,
    SHORT_WORDS,
    TARGET_SECONDS,
    TARGET_WORDS,
    Chunk,
    chunks,
)
from knowledge.documents import Document, Turn
from knowledge.ingest import passages_of

# The longest a chunk can get: a question of 80 words, and a piece of a turn that is even but for
# half a sentence at either end, where a sentence is at most the 140 words that the question leaves.
MOST_WORDS = 2 * TARGET_WORDS


def document(*turns: Turn) -> Document:
    return Document("podcast", "Roses", turns)


def talk(words: int, name: str = "w", sentence: int = 10) -> str:
    """Numbered words in sentences of ten."""
    out = [f"{name}{n}" for n in range(words)]
    for at in range(0, words, sentence):
        out[at] = out[at].capitalize()
        out[min(at + sentence, words) - 1] += "."
    return " ".join(out)


def sizes(found: Sequence[Chunk]) -> list[list[int]]:
    return [[t.words for t in chunk.turns] for chunk in found]


def test_whole_turns_are_packed_up_to_the_target():
    turns = [Turn(talk(60, f"t{n}x"), "AB"[n % 2], 10.0 * n) for n in range(7)]
    found = chunks(document(*turns))
    assert sizes(found) == [[60, 60, 60], [60, 60, 60], [60]]
    assert [t for chunk in found for t in chunk.turns] == turns
    assert [(chunk.turns[0].start, chunk.end) for chunk in found] == [(0, 30), (30, 60), (60, None)]


def test_chapters_are_never_crossed():
    turns = [Turn(f"Turn {n}.", "A", section=f"Chapter {n // 2}") for n in range(6)]
    found = chunks(document(*turns))
    assert [[t.text for t in chunk.turns] for chunk in found] == [
        ["Turn 0.", "Turn 1."],
        ["Turn 2.", "Turn 3."],
        ["Turn 4.", "Turn 5."],
    ]
    # The end of a chapter's last turn is known all the same.
    timed = [Turn("One.", start=1.0, section="a"), Turn("Two.", start=5.0, section="b")]
    assert [chunk.end for chunk in chunks(document(*timed))] == [5.0, None]


def test_a_question_moves_on_to_its_answer():
    found = chunks(
        document(
            Turn(talk(140, "a"), "Rosa"),
            Turn("And when do you prune them?", "Hanna"),
            Turn(talk(100, "b"), "Rosa"),
        )
    )
    assert sizes(found) == [[140], [6, 100]]
    assert found[1].question == "And when do you prune them?"


def test_what_is_no_question_stays_where_it_is():
    rosa, hanna = Turn(talk(140, "a"), "Rosa"), "Hanna"
    answer = Turn(talk(100, "b"), "Rosa")
    assert sizes(chunks(document(rosa, Turn("I see.", hanna), answer))) == [[140, 2], [100]]
    # Who asks and goes on has not been answered.
    goes_on = Turn(talk(100, "b"), hanna)
    assert sizes(chunks(document(rosa, Turn("Why?", hanna), goes_on))) == [[140, 1], [100]]
    # A long turn with a question in it is more than one.
    long = Turn(talk(QUESTION_WORDS, "c") + " Why?", hanna)
    assert sizes(chunks(document(Turn(talk(90), "Rosa"), long, answer))) == [[90, 81], [100]]


def test_a_long_answer_is_cut_at_sentences_and_keeps_its_question():
    question = Turn("How do you do it?", "Hanna", 100.0)
    answer = Turn(talk(420), "Rosa", 110.0)
    after = Turn("Thank you.", "Hanna", 530.0)
    found = chunks(document(question, answer, after))
    # 420 words in pieces of at most 140, a second a word.
    assert sizes(found) == [[5, 140], [140], [140, 2]]
    assert [chunk.turns[-1].text[-1] for chunk in found] == ["."] * 3
    assert [[(t.start, t.approximate) for t in chunk.turns] for chunk in found] == [
        [(100.0, False), (110.0, False)],
        [(250.0, True)],
        [(390.0, True), (530.0, False)],
    ]
    assert [chunk.end for chunk in found] == [250.0, 390.0, None]


def test_a_long_turn_without_an_end_has_only_its_start():
    found = chunks(document(Turn(talk(400), "Rosa", 110.0)))
    assert [(c.turns[0].start, c.turns[0].approximate, c.end) for c in found] == [
        (110.0, False, 110.0),
        (110.0, True, 110.0),
        (110.0, True, None),
    ]
    untimed = chunks(document(Turn(talk(400))))
    assert [(c.turns[0].start, c.end) for c in untimed] == [(None, None)] * 3


def test_a_sentence_without_end_is_cut_at_its_words():
    found = chunks(document(Turn(" ".join(f"w{n}" for n in range(1000)))))
    assert " ".join(c.text for c in found).split() == [f"w{n}" for n in range(1000)]
    assert all(SHORT_WORDS < sum(row) <= TARGET_WORDS for row in sizes(found))


def test_closing_quotes_are_not_lost_where_a_turn_is_cut():
    text = " ".join(
        f'She said "number {n} is (nearly) done." Then (as always) left.)' for n in range(60)
    )
    found = chunks(document(Turn(text)))
    assert len(found) > 1
    assert " ".join(c.text for c in found) == text
    assert all(c.text.endswith(('."', ".)")) for c in found)


def test_who_speaks_most_and_what_is_said():
    chunk = Chunk(
        (
            Turn("Is it true? When do you prune? And why?", "Hanna"),
            Turn("In early spring, when the frost is really over.", "Rosa"),
            Turn("(laughter)"),
        )
    )
    assert chunk.speaker == "Hanna"  # nine words each: whoever comes first
    assert chunk.text == (
        "Hanna: Is it true? When do you prune? And why?\n"
        "Rosa: In early spring, when the frost is really over.\n"
        "(laughter)"
    )
    assert chunk.question == "When do you prune? And why?"
    assert Chunk((*chunk.turns, Turn("Of course.", "Rosa"))).speaker == "Rosa"
    nobody = Chunk((Turn("Why?"), Turn("Because.")))
    assert (nobody.speaker, nobody.question) == (None, None)
    assert Chunk((Turn("Why? I wonder.", "Rosa"),)).question is None
    assert Chunk((Turn("Right.", "Hanna"), Turn("Yes.", "Rosa"))).question is None


def test_what_nobody_is_named_as_saying_is_bounded_by_time():
    """A turn every half a minute: three of them make a minute and a half."""
    turns = [Turn(talk(20, f"t{n}x"), start=30.0 * n) for n in range(8)]
    found = chunks(document(*turns))
    assert [t for chunk in found for t in chunk.turns] == turns
    assert [(c.turns[0].start, c.end) for c in found] == [(0, 90), (90, 180), (180, None)]
    # Shortness is no reason to go on for minutes.
    hello = [Turn("Hello.", start=0.0), Turn(talk(20), start=100.0), Turn("Bye.", start=110.0)]
    assert sizes(chunks(document(*hello))) == [[1], [20, 1]]
    # Words still bound it where they come faster.
    fast = [Turn(talk(60, f"t{n}x"), start=10.0 * n) for n in range(5)]
    assert sizes(chunks(document(*fast))) == [[60, 60, 60], [60, 60]]
    # A turn that lasts longer stands alone.
    slow = [Turn(talk(50, f"t{n}x"), start=200.0 * n) for n in range(3)]
    assert sizes(chunks(document(*slow))) == [[50], [50], [50]]


def test_an_end_that_is_told_counts_up_to_the_next_start():
    turns = [Turn("One.", start=0.0, end=5.0), Turn("Two.", start=60.0, end=99.0)]
    assert [(len(c.turns), c.end) for c in chunks(document(*turns))] == [(1, 5.0), (1, 99.0)]
    turns = [Turn("One.", start=0.0, end=70.0), Turn("Two.", start=60.0, end=50.0)]
    assert [(len(c.turns), c.end) for c in chunks(document(*turns))] == [(2, None)]
    # What is long is cut with times within what is told.
    cut = chunks(document(Turn(talk(360), start=10.0, end=130.0), Turn("Later.", start=500.0)))
    assert [(c.turns[0].start, c.end) for c in cut] == [(10, 70), (70, 130), (500, None)]


def test_turns_with_speakers_and_texts_without_times_are_not_bounded_by_time():
    named = [Turn(talk(20, f"t{n}x"), "AB"[n % 2], 60.0 * n) for n in range(8)]
    assert len(chunks(document(*named))) == 1
    # Nor are those between them that name nobody.
    some = [Turn(talk(20, f"t{n}x"), "A" if n == 4 else None, 60.0 * n) for n in range(8)]
    assert len(chunks(document(*some))) == 1
    assert len(chunks(document(*(Turn(talk(20, f"t{n}x")) for n in range(8))))) == 1


def test_nothing_gives_no_chunks():
    assert chunks(document()) == []


def test_equal_passages_of_a_file_are_kept_once_and_ids_name_their_content():
    jingle = Turn("And now the news.", section="News")
    other = Turn("Something else.", section="Other")
    found = passages_of(document(jingle, other, jingle), "radio")
    assert [p.text for p in found] == ["And now the news.", "Something else."]
    assert found == passages_of(document(jingle, other), "radio")
    assert {p.id.partition(":")[0] for p in found} == {"radio"}
    later = passages_of(document(Turn("And now the news.", start=60.0, section="News")), "radio")
    assert later[0].id != found[0].id


WORDS = st.lists(
    st.sampled_from(
        ["rose", "Rose", "rose.", "rose?", 'rose!"', "(rose)", '"Rose', "U.S.", "3.5", "...", "?"]
    ),
    min_size=1,
    max_size=40,
)
# Up to 440 words a turn; a copy of the same words is as good as others, and quicker to draw.
SAID = st.builds(lambda words, times: " ".join(words * times), WORDS, st.integers(1, 11))
STARTS = st.one_of(st.none(), st.floats(0, 4000), st.sampled_from([10.0, 10.04, 10.26]))
TURNS = st.builds(
    Turn,
    SAID,
    st.sampled_from([None, "Hanna", "Rosa", "Bruno"]),
    STARTS,
    st.booleans(),
    st.sampled_from([None, "Spring", "Autumn"]),
)


@settings(max_examples=300)
@given(st.lists(TURNS, max_size=8))
def test_every_word_is_in_exactly_one_chunk(turns: list[Turn]):
    found = chunks(document(*turns))
    pieces = [piece for chunk in found for piece in chunk.turns]
    assert " ".join(p.text for p in pieces) == " ".join(t.text for t in turns)
    assert all(chunk.turns for chunk in found)
    for chunk in found:
        assert len({t.section for t in chunk.turns}) == 1
        assert sum(t.words for t in chunk.turns) <= MOST_WORDS
    # Each piece belongs to one turn: its speaker, its chapter, a start that is never earlier.
    rest = iter(pieces)
    for turn in turns:
        own: list[Turn] = []
        while sum(p.words for p in own) < turn.words:
            own.append(next(rest))
        assert " ".join(p.text for p in own) == turn.text
        assert {(p.speaker, p.section) for p in own} == {(turn.speaker, turn.section)}
        assert (own[0].start, own[0].approximate) == (turn.start, turn.approximate)
        assert all(p.approximate for p in own[1:])
        assert len(own) == 1 or turn.words > TARGET_WORDS
        assert all((p.start is None) == (turn.start is None) for p in own)


@settings(max_examples=200)
@given(st.lists(TURNS, max_size=8))
def test_estimated_times_never_run_backwards(turns: list[Turn]):
    known = sorted(t.start for t in turns if t.start is not None)
    ordered = [
        Turn(t.text, t.speaker, start, False, t.section)
        for t, start in zip(turns, known, strict=False)
    ]
    found = chunks(document(*ordered))
    starts = [p.start for chunk in found for p in chunk.turns if p.start is not None]
    assert starts == sorted(starts)
    ends = [c.end for c in found]
    for chunk, end in zip(found, ends, strict=True):
        assert end is None or chunk.turns[-1].start is None or end >= chunk.turns[-1].start
    for (chunk, after), end in zip(pairwise(found), ends, strict=False):
        assert end is None or end == after.turns[0].start, chunk


@settings(max_examples=200)
@given(st.lists(TURNS, max_size=8))
def test_a_passage_of_several_turns_that_nobody_says_is_short(turns: list[Turn]):
    nobody = [Turn(t.text, None, t.start, False, t.section) for t in turns]
    for chunk in chunks(document(*nobody)):
        first, last = chunk.turns[0].start, chunk.turns[-1].start
        if len(chunk.turns) > 1 and first is not None and last is not None:
            assert (chunk.end if chunk.end is not None else last) - first <= TARGET_SECONDS


@settings(max_examples=200)
@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4), st.integers(1, QUESTION_WORDS))
def test_a_question_is_never_parted_from_its_answer(pairs: list[tuple[str, str]], length: int):
    turns = []
    for n, (asked, answered) in enumerate(pairs):
        question = " ".join([*asked.split()[: length - 1], f"q{n}?"])
        # A short answer that asks back is a question itself, and moves on to what follows.
        turns += [Turn(question, "Hanna"), Turn(answered.replace("?", "."), "Rosa")]
    found = chunks(document(*turns))
    for n in range(len(pairs)):
        (chunk,) = (c for c in found if f"q{n}?" in c.text)
        at = next(i for i, t in enumerate(chunk.turns) if f"q{n}?" in t.text)
        assert chunk.turns[at + 1].speaker == "Rosa"
