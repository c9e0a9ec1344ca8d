"""Three written candidates through each case, from the brief to the grade."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from agent.casebook import PORTFOLIO
from agent.records import TurnRecord
from agent.scale import TECHNICAL
from agent.service import Interviews, Setup
from tests.agent.support import DATA

SCRIPTS = DATA / "interviews"
CASES = sorted(p.name for p in SCRIPTS.iterdir())
MAX_TURNS = 40


def held(service: Interviews, case_id: str, name: str) -> tuple[float, list[TurnRecord]]:
    """The overall score and the turns of one candidate, led through every stage.

    Who is asked about a stage says what was written for it, once.
    """
    script = yaml.safe_load((SCRIPTS / case_id / f"{name}.yaml").read_text(encoding="utf-8"))
    left = {stage: " ".join(text.split()) for stage, text in script["stages"].items()}
    own = case_id == PORTFOLIO
    record = service.create(
        Setup(kind="portfolio" if own else "case", case_id=case_id, level="mid", minutes=25, seed=5)
    )
    list(service.begin(record.id))
    reply = script["clarify"]
    for _ in range(MAX_TURNS):
        standing = service.standing(record.id)
        if standing.over:
            break
        asked = standing.turns[-1].stage or standing.stage
        said = reply or left.pop(asked, None) or "I have said what I have on that."
        reply = None
        service.accept(record.id, standing.question_seq, said, seconds=45)
        list(service.advance(record.id))
    assert service.standing(record.id).over
    grade = service.grade(record.id).document
    return grade["overall"]["score"], service.store.turns(record.id)


@pytest.mark.slow
@pytest.mark.parametrize("case_id", CASES)
def test_candidates_come_out_in_their_order(
    make_service: Callable[..., Interviews], case_id: str
) -> None:
    service = make_service()
    scores = {}
    for name in ("weak", "mid", "strong"):
        scores[name], turns = held(service, case_id, name)
        stages = {t.stage for t in turns if t.speaker == "interviewer"}
        # A stage in which nothing expected is left to ask is passed over.
        assert len(set(TECHNICAL) - stages) <= 2
        questions = [t.text for t in turns if t.speaker == "interviewer" and t.move == "probe"]
        assert len(set(questions)) == len(questions)
    assert scores["weak"] + 0.5 <= scores["mid"], scores
    assert scores["mid"] + 0.2 <= scores["strong"], scores
