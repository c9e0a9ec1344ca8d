"""The source behind a question comes from the library that is open, and only where it fits."""

from __future__ import annotations

import pytest

from agent.content import load_case
from agent.grounding import LibraryGrounding, NoGrounding
from knowledge.library import Library
from knowledge.types import Passage

CRITERION = next(c for c in load_case("fraud-checkout").criteria if c.id == "data.label-delay")
QUESTION = CRITERION.probes[0]


def passage(number: int, text: str) -> Passage:
    return Passage(
        id=f"own-{number}",
        corpus="user",
        text=text,
        source_id="talk",
        title="A talk of the user's own",
        speaker="Maria Lopez",
        start=60.0 * number,
    )


@pytest.fixture(scope="module")
def packaged(tmp_path_factory, encoder):
    with Library.open(tmp_path_factory.mktemp("packaged"), encoder) as library:
        yield library


def test_a_named_source_with_speaker_and_minute(packaged):
    source = LibraryGrounding(packaged).source(CRITERION, QUESTION, ())
    assert source is not None
    assert source.id in CRITERION.sources
    assert source.speaker
    assert source.start is not None
    assert source.url
    assert source.url.startswith("https://www.youtube.com/watch?v=")


def test_no_source_is_shown_twice(packaged):
    grounding = LibraryGrounding(packaged)
    shown: list[str] = []
    while (source := grounding.source(CRITERION, QUESTION, shown)) is not None:
        assert source.id not in shown
        shown.append(source.id)
        assert len(shown) < 30
    assert set(shown) & set(CRITERION.sources)


def test_another_corpus_makes_other_claims(tmp_path, encoder, packaged):
    own = [
        passage(1, "A fraud label is confirmed on day forty for half of our payments."),
        passage(2, "The bakery next door sells the best bread in town."),
    ]
    with Library.from_passages(tmp_path, own, encoder) as library:
        source = LibraryGrounding(library).source(CRITERION, QUESTION, ())
    assert source is not None
    assert source.text == own[0].text
    assert source.speaker == "Maria Lopez"
    usual = LibraryGrounding(packaged).source(CRITERION, QUESTION, ())
    assert usual is not None
    assert usual.text != source.text


def test_where_nothing_fits_nothing_is_shown(tmp_path, encoder):
    own = [passage(1, "The bakery next door sells the best bread in town.")]
    with Library.from_passages(tmp_path, own, encoder) as library:
        assert LibraryGrounding(library).source(CRITERION, QUESTION, ()) is None
    assert NoGrounding().source(CRITERION, QUESTION, ()) is None
