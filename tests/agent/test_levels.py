"""The arithmetic from verdicts to scores and signals."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.levels import (
    CUTS,
    HINT_COST,
    PARTIAL_CREDIT,
    SOLID_SHARE,
    Weighed,
    band,
    capped,
    credit,
    level_signal,
    on_grid,
    raw_score,
    signal,
    solid_points,
)
from agent.scale import DIMENSIONS, LEVELS, SIGNALS

POSITIVE = st.builds(
    Weighed,
    criterion=st.just("p"),
    points=st.integers(1, 3),
    level=st.sampled_from(LEVELS),
    verdict=st.sampled_from(["met", "partial", "unmet"]),
    strength=st.floats(0, 1),
    hints=st.integers(0, 4),
    fragile=st.booleans(),
)
NEGATIVE = st.builds(
    Weighed,
    criterion=st.just("n"),
    points=st.integers(-3, -1),
    level=st.sampled_from(LEVELS),
    verdict=st.sampled_from(["met", "unmet"]),
    strength=st.floats(0, 1),
    fragile=st.booleans(),
)
ROWS = st.lists(st.one_of(POSITIVE, NEGATIVE), min_size=1, max_size=12)
SCORES = st.fixed_dictionaries({d: st.sampled_from([i / 2 for i in range(9)]) for d in DIMENSIONS})
BETTER = {"unmet": "partial", "partial": "met"}


def row(points, verdict, level="mid", **more):
    return Weighed("c", points, level, verdict, **more)


@given(ROWS)
def test_scores_lie_between_0_and_4(rows):
    assert 0.0 <= raw_score(rows) < 4.0
    assert on_grid(raw_score(rows)) in [i / 2 for i in range(9)]


@given(ROWS, st.data())
def test_a_better_positive_verdict_never_lowers(rows, data):
    index = data.draw(st.integers(0, len(rows) - 1))
    assume(rows[index].points > 0 and rows[index].verdict in BETTER)
    better = rows.copy()
    better[index] = replace(rows[index], verdict=BETTER[rows[index].verdict])
    assert raw_score(better) >= raw_score(rows)


@given(ROWS, st.data())
def test_an_error_never_raises(rows, data):
    index = data.draw(st.integers(0, len(rows) - 1))
    assume(rows[index].points < 0)
    made, not_made = rows.copy(), rows.copy()
    made[index] = replace(rows[index], verdict="met")
    not_made[index] = replace(rows[index], verdict="unmet")
    assert raw_score(made) <= raw_score(not_made)


@given(ROWS, NEGATIVE)
def test_one_more_error_never_raises(rows, error):
    assert raw_score([*rows, error]) <= raw_score(rows)


@given(ROWS, st.data())
def test_a_hint_never_raises(rows, data):
    index = data.draw(st.integers(0, len(rows) - 1))
    helped = rows.copy()
    helped[index] = replace(rows[index], hints=rows[index].hints + 1)
    assert raw_score(helped) <= raw_score(rows)


@given(ROWS)
def test_the_band_holds_the_score(rows):
    low, high = band(rows)
    assert 0.0 <= low <= on_grid(raw_score(rows)) <= high <= 4.0


@given(ROWS)
def test_certain_verdicts_have_no_band(rows):
    sure = [replace(r, fragile=False) for r in rows if r.verdict != "partial"]
    assume(sure)
    low, high = band(sure)
    assert low == high == on_grid(raw_score(sure))


@given(ROWS, st.randoms())
def test_the_order_of_criteria_does_not_matter(rows, random):
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert raw_score(shuffled) == pytest.approx(raw_score(rows))


@given(st.floats(0, 4))
def test_on_grid_is_the_nearest_half(score):
    assert on_grid(score) * 2 == int(on_grid(score) * 2)
    assert abs(on_grid(score) - score) <= 0.25


@pytest.mark.parametrize(
    ("score", "expected"),
    # 0.25 and 2.75 lie exactly between two half points: ties go up.
    [(-1.0, 0.0), (0.0, 0.0), (0.24, 0.0), (0.25, 0.5), (2.74, 2.5), (2.75, 3.0), (9.0, 4.0)],
)
def test_on_grid(score, expected):
    assert on_grid(score) == expected


# Staff criteria ask nothing of a solid answer, which is then worth the least there is: 1 point.
# So with staff criteria alone x = points, and the score is 4 (1 - 2^(-2 points)).
REST = [row(2, "unmet", "staff")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Nothing: x = 0.
        ([row(1, "unmet", "staff"), *REST], 0.0),
        # 1 point: 4 (1 - 1/4) = 3.
        ([row(1, "met", "staff"), *REST], 3.0),
        # After one hint: 0.75, 4 (1 - 2^-1.5) = 4 x 0.646447 = 2.5858.
        ([row(1, "met", "staff", hints=1), *REST], 2.5858),
        # After two: 0.5, 4 (1 - 1/2) = 2.
        ([row(1, "met", "staff", hints=2), *REST], 2.0),
        # After three (and any more): 0.25, 4 (1 - 2^-0.5) = 4 x 0.292893 = 1.1716.
        ([row(1, "met", "staff", hints=3), *REST], 1.1716),
        ([row(1, "met", "staff", hints=7), *REST], 1.1716),
        # 2 points: 4 (1 - 1/16) = 3.75; with an error of one point 3 again.
        ([row(2, "met", "staff"), *REST], 3.75),
        ([row(2, "met", "staff"), *REST, row(-1, "met")], 3.0),
        # An error that was not made costs nothing; errors beyond what was earned stop at 0.
        ([row(2, "met", "staff"), *REST, row(-1, "unmet")], 3.75),
        ([row(2, "met", "staff"), *REST, row(-3, "met")], 0.0),
        # 3 points: 4 (1 - 1/64) = 3.9375.
        ([row(3, "met", "staff"), *REST], 3.9375),
        # Nothing can be said about what could not be assessed.
        ([row(3, "cannot_assess", "staff"), *REST], 0.0),
    ],
)
def test_goldens(rows, expected):
    assert raw_score(rows) == pytest.approx(expected, abs=1e-4)


def test_a_solid_answer_scores_3():
    """Whatever share of the points is expected: earning exactly that share gives x = 1."""
    # 20 criteria of one point; a solid answer has SOLID_SHARE x 20 of them.
    solid = round(SOLID_SHARE * 20)
    rows = [row(1, "met")] * solid + [row(1, "unmet")] * (20 - solid)
    assert raw_score(rows) == pytest.approx(3.0, abs=0.05)
    assert 0.5 <= SOLID_SHARE < 1


def test_solid_points():
    # Staff criteria and errors ask for nothing: a share of 3 + 2.
    rows = [row(3, "met"), row(2, "met", "senior"), row(3, "met", "staff"), row(-3, "met")]
    assert solid_points(rows) == pytest.approx(SOLID_SHARE * 5)
    # Never less than one point, or a lone small criterion would be worth everything.
    assert solid_points([row(1, "met")]) == 1.0
    assert solid_points([]) == 1.0


def test_a_partial_earns_less_than_half():
    assert 0 < PARTIAL_CREDIT < 0.5
    assert credit(row(2, "partial")) == pytest.approx(2 * PARTIAL_CREDIT)


def test_band_golden():
    # A partial falls to nothing or rises to 1 point: 0 and 3.
    assert band([row(1, "partial", "staff"), *REST]) == (0.0, 3.0)
    # A fragile error may not have been one: 2 points less 1 are 3, without it 3.75, up to 4.
    assert band([row(2, "met", "staff"), *REST, row(-1, "met", fragile=True)]) == (3.0, 4.0)


def test_hints_cost_a_quarter_each():
    assert HINT_COST == (0.0, 0.25, 0.5, 0.75)
    assert [credit(row(2, "met", hints=n)) for n in range(5)] == [2.0, 1.5, 1.0, 0.5, 0.5]
    # An error costs the same whatever was hinted.
    assert credit(row(-2, "met", hints=3)) == -2


@given(st.floats(0, 4))
def test_a_higher_level_never_signals_higher(score):
    ranks = [SIGNALS.index(signal(score, level)) for level in LEVELS]
    assert ranks == sorted(ranks, reverse=True)


@given(SCORES)
def test_level_signals_are_ordered_too(scores):
    ranks = [SIGNALS.index(level_signal(scores, level)) for level in LEVELS]
    assert ranks == sorted(ranks, reverse=True)


@given(SCORES, st.sampled_from(DIMENSIONS), st.sampled_from(LEVELS))
@settings(max_examples=200)
def test_a_higher_score_never_lowers_the_signal(scores, dimension, level):
    assume(scores[dimension] < 4)
    higher = scores | {dimension: scores[dimension] + 0.5}
    assert SIGNALS.index(level_signal(higher, level)) >= SIGNALS.index(level_signal(scores, level))


def test_cuts_rise_within_and_across_levels():
    for level in LEVELS:
        assert list(CUTS[level]) == sorted(set(CUTS[level]))
    for lower, higher in pairwise(LEVELS):
        assert all(a < b for a, b in zip(CUTS[lower], CUTS[higher], strict=True))


def test_a_failed_dimension_holds_back():
    # Seven dimensions at 4 and one at 0.5: the mean is 28.5 / 8 = 3.5625.
    names: tuple[str, ...] = DIMENSIONS
    scores = dict.fromkeys(names, 4.0) | {"data": 0.5}
    assert level_signal(scores, "mid") == "strong_yes"  # 3.56 >= 2.9
    assert level_signal(scores, "senior") == "lean_yes"  # capped
    assert level_signal(scores, "staff") == "lean_no"  # capped
    # At 1.5 the mean is 29.5 / 8 = 3.6875: only a staff strong yes is kept back.
    scores["data"] = 1.5
    assert level_signal(scores, "senior") == "strong_yes"
    assert level_signal(scores, "staff") == "yes"
    # Communication alone holds nothing back.
    scores = dict.fromkeys(names, 4.0) | {"communication": 0.5}
    assert level_signal(scores, "senior") == "strong_yes"


def test_capped_is_the_lower():
    assert capped("yes", "lean_no") == "lean_no"
    assert capped("no", "lean_no") == "no"
