"""Trying answers against a case while it is being written: what each would be credited with."""

from __future__ import annotations

from collections.abc import Sequence

from agent.casebook import CaseBook
from agent.evidence import units_of
from agent.hygiene import Heard
from agent.levels import PARTIAL_CREDIT
from agent.playbook import Playbook
from agent.questions import asks_in
from agent.types import Value
from knowledge.encoder import Encoder


class Credited(Value):
    """One criterion that an answer meets, half meets, or (a misconception) makes."""

    criterion: str
    verdict: str
    quote: str


class Reading(Value):
    """What became of one answer. ``told`` are the facts it asked for, ``next_question`` the first
    probe of the most valuable point it left open."""

    answer: str
    credit: float
    found: tuple[Credited, ...]
    told: tuple[str, ...]
    next_question: str | None


def try_answers(
    cases: CaseBook, case_id: str, answers: Sequence[str], encoder: Encoder
) -> list[Reading]:
    """Each answer read by itself, as the answer to the case's opening."""
    playbook = Playbook.load(case_id, encoder, cases=cases)
    return [_read(playbook, answer) for answer in answers]


def _read(playbook: Playbook, answer: str) -> Reading:
    assert playbook.case is not None
    heard = Heard(list(playbook.case.openings.values()))
    found: dict[str, Credited] = {}
    for item in playbook.detector.read(units_of(answer, 0, heard)):
        name = item.criterion
        # One side of a contradiction is no error; whether two are is for the grade to weigh.
        if name in found or "#" in name:
            continue
        made = playbook.by_id[name].polarity == "negative"
        verdict = "error" if made else item.verdict
        found[name] = Credited(criterion=name, verdict=verdict, quote=item.span.text)
    met = {name for name, credited in found.items() if credited.verdict == "met"}
    for name in [n for n, c in found.items() if c.verdict == "error"]:
        if met & set(playbook.by_id[name].corrected_by):
            del found[name]
    share = {"met": 1.0, "partial": PARTIAL_CREDIT, "error": 1.0}
    points = sum(playbook.by_id[name].points * share[c.verdict] for name, c in found.items())
    answers = playbook.facts.answer(asks_in(answer))
    told = tuple(a.say for a in answers if a.outcome in ("told", "confirmed", "corrected"))
    left = [c for c in playbook.askable() if c.id not in found]
    best = max(left, key=lambda c: playbook.worth(c, "senior"), default=None)
    return Reading(
        answer=answer,
        credit=round(points, 1),
        found=tuple(found.values()),
        told=told,
        next_question=best.probes[0] if best is not None else None,
    )
