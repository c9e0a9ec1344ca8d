"""The labelled phrasings: whole, of their own case, and no text in both parts."""

from __future__ import annotations

from collections import Counter

import pytest

from evals.phrasings import SOURCES, Part, criteria_for, load

PARTS: tuple[Part, ...] = ("dev", "test")


@pytest.mark.parametrize("name", SOURCES)
def test_no_text_stands_in_both_parts(name: str) -> None:
    texts = Counter(p.text for part in PARTS for p in load(name, part))
    assert [t for t, n in texts.items() if n > 1] == []


@pytest.mark.parametrize("name", [n for n in SOURCES if n not in ("any", "fraud")])
def test_the_parts_of_a_case_are_balanced_and_its_own(name: str) -> None:
    dev, test = (Counter((p.criterion, p.label) for p in load(name, part)) for part in PARTS)
    assert {c for c, _ in (*dev, *test)} <= {c.id for c in criteria_for(name)}
    assert all(abs(dev[key] - test[key]) <= 1 for key in (*dev, *test))
    assert {label for _, label in (*dev, *test)} == {"met", "partial", "unmet"}
