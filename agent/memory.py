"""What earlier interviews left open: carried from case to case by the point behind a criterion.

A case's criterion stands for the case-independent one that it refines, so that "when labels
arrive", missed on fraud, is asked first on churn. Every grade keeps its own verdicts by that point;
the newest verdict on a point decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from agent.playbook import Playbook
from agent.records import GradeRecord, Improvement, Remembered
from agent.scale import LEVELS, Level
from agent.types import Criterion

LOOK_BACK: Final = 10
MOST: Final = 12
LEAST_POINTS: Final = 2


def point_of(criterion: Criterion) -> str:
    """The id of the point a criterion stands for, the same in every case."""
    return criterion.refines or criterion.id


def verdicts_of(document: Mapping[str, Any], playbook: Playbook) -> tuple[Remembered, ...]:
    """The verdicts of a grade by point, best first where several criteria stand for one."""
    best: dict[str, Remembered] = {}
    for dimension in document["scores"].values():
        if dimension["status"] != "graded":
            continue
        for row in dimension["criteria"]:
            criterion = playbook.by_id.get(row["id"])
            if criterion is None or criterion.polarity != "positive" or criterion.behaviour:
                continue
            point = point_of(criterion)
            kept = best.get(point)
            if kept is None or _ORDER[row["verdict"]] > _ORDER[kept.verdict]:
                best[point] = Remembered(
                    point=point,
                    verdict=row["verdict"],
                    points=criterion.points,
                    level=criterion.level,
                    subject=criterion.subject,
                )
    return tuple(best[point] for point in sorted(best))


def still_open(grades: Iterable[GradeRecord], level: Level) -> tuple[str, ...]:
    """Points that the newest verdict on them leaves unmet, the most valuable first.

    ``grades`` come newest first; points above ``level`` are left for later.
    """
    newest: dict[str, tuple[int, Remembered]] = {}
    for age, grade in enumerate(grades):
        for row in grade.memory:
            newest.setdefault(row.point, (age, row))
    left = [
        (-row.points, age, row.point)
        for age, row in newest.values()
        if row.verdict in ("unmet", "partial")
        and row.points >= LEAST_POINTS
        and LEVELS.index(row.level) <= LEVELS.index(level)
    ]
    return tuple(point for _, _, point in sorted(left)[:MOST])


def improvements(
    remembered: Iterable[str], document: Mapping[str, Any], playbook: Playbook
) -> tuple[Improvement, ...]:
    """What became of the points that were open before this interview."""
    now = {row.point: row for row in verdicts_of(document, playbook)}
    return tuple(
        Improvement(point=point, subject=now[point].subject, verdict=now[point].verdict)
        for point in remembered
        if point in now
    )


_ORDER: Final = {"cannot_assess": 0, "unmet": 1, "partial": 2, "met": 3}
