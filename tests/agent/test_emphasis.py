"""A role or a job description moves time and questions, and never a score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.casebook import CaseBook, packaged
from agent.content import load_rubric
from agent.emphasis import LEAST, MAX_JOB_CHARS, MOST, ROLES, read_job, shares, weights_of
from agent.errors import InputError
from agent.nodes import gaps
from agent.plans import STAGE_SHARE
from agent.scale import ROLE_NAMES, TECHNICAL
from agent.service import Setup
from agent.state import new_state
from tests.agent.support import Scripted, play, say, start

ADS = """Senior Machine Learning Engineer, Ads Ranking

You will own the models that predict the probability of a click for every ad in our auction.

- Train and serve ranking models at hundreds of thousands of requests per second, under a tight
  latency budget.
- Build the feature store and the streaming pipelines that feed them.
- Keep predictions calibrated, because a bid is the prediction times the advertiser's price.
- Be on call for the serving stack: watch for drift, roll a bad model back within minutes.

We ask for experience with low-latency inference, Kubernetes and online learning.
"""
GROCERY = """Data Scientist, Experimentation (grocery chain)

Our supermarkets order fresh goods every night. You plan and read the experiments that tell us
whether a new forecast or a new price helps a store.

* Define the success metrics and guardrails together with the category managers.
* Plan A/B tests and store-level experiments: units, sample size, interference between stores.
* Analyse demand, waste and out-of-stock shelves, and say how sure we are.
* Explain uncertainty to the people who place the orders.

You know statistics, SQL and Python.
"""
SETUP = Setup(level="mid", minutes=25, seed=3)


def fit(text, encoder, cases=None):
    return read_job(text, cases or packaged(), load_rubric(), encoder)


def for_role(role, **more):
    return Setup(level="mid", minutes=25, seed=3, role=role, **more)


# Weights and shares


def test_without_a_role_nothing_is_emphasised():
    assert weights_of(None) == dict.fromkeys(TECHNICAL, 1.0)


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_role_weighs_every_stage_within_bounds(role):
    assert set(ROLES[role]) == set(TECHNICAL)
    assert weights_of(role) == ROLES[role]
    assert all(LEAST <= w <= MOST for w in ROLES[role].values())


def test_the_roles_pull_apart():
    engineer, scientist = weights_of("ml-engineer"), weights_of("data-scientist")
    assert engineer["serving"] > 1 > scientist["serving"]
    assert engineer["operations"] > 1 > scientist["operations"]
    assert engineer["metrics"] < 1 < scientist["metrics"]
    assert engineer["validation"] < 1 < scientist["validation"]


JOBS = st.dictionaries(st.sampled_from(TECHNICAL), st.floats(0.0, 5.0))


@given(role=st.sampled_from([None, *ROLE_NAMES]), job=JOBS)
def test_weights_stay_within_bounds_whatever_is_asked_for(role, job):
    found = weights_of(role, job)
    assert set(found) == set(TECHNICAL)
    assert all(LEAST <= w <= MOST for w in found.values())


def test_role_and_job_description_multiply():
    # 1.35 x 1.3 = 1.755, cut to 1.4; 0.85 x 0.9 = 0.765, rounded to 0.77 (or 0.76); 0.9 x 1 = 0.9.
    found = weights_of("ml-engineer", {"serving": 1.3, "metrics": 0.9})
    assert found["serving"] == MOST
    assert found["metrics"] == pytest.approx(0.765, abs=0.006)
    assert found["framing"] == 0.9


@given(job=JOBS)
def test_shares_of_the_time_add_up_to_one(job):
    found = shares(weights_of(None, job), STAGE_SHARE)
    assert sum(found.values()) == pytest.approx(1.0)
    assert set(found) == set(STAGE_SHARE)


def test_the_usual_shares_add_up_and_stay_without_emphasis():
    assert sum(STAGE_SHARE.values()) == pytest.approx(1.0)
    assert shares({}, STAGE_SHARE) == pytest.approx(dict(STAGE_SHARE))


# A role in an interview


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_role_moves_time_towards_its_stages(service, role):
    usual = service.deps(service.create(SETUP)).plan
    record = service.create(for_role(role))
    plan = service.deps(record).plan
    assert (record.role, record.weights) == (role, dict(ROLES[role]))
    assert sum(plan.shares.values()) == pytest.approx(1.0)
    most, least = (
        max(ROLES[role], key=ROLES[role].__getitem__),
        min(ROLES[role], key=ROLES[role].__getitem__),
    )
    assert plan.shares[most] > usual.shares[most]
    assert plan.shares[least] < usual.shares[least]
    assert (plan.closing_at, plan.max_turns) == (usual.closing_at, usual.max_turns)


def test_a_role_moves_the_order_of_questions(service):
    def ranked(role):
        record = service.create(for_role(role))
        deps = service.deps(record)
        found = gaps(new_state(record.id), deps, TECHNICAL)
        return [deps.playbook.by_id[name].asked_in for name in found]

    engineer, scientist, usual = (ranked(r) for r in ("ml-engineer", "data-scientist", None))
    assert engineer[0] == "serving"
    assert scientist[0] == "metrics"
    assert sorted(engineer) == sorted(scientist) == sorted(usual)
    assert engineer[:10].count("serving") > scientist[:10].count("serving")


def test_one_stage_alone_takes_its_time_whatever_the_role(service):
    record = service.create(for_role("data-scientist", kind="stage", stage="serving"))
    assert service.deps(record).plan.shares == STAGE_SHARE


def test_the_same_words_get_the_same_grade_for_every_role(service):
    """One interview's rows put under every role: the grades differ in nothing but the id."""
    held = play(service, SETUP, Scripted())
    expected = service.grade(held.id).document
    assert expected["overall"]["score"] is not None
    for role in ROLE_NAMES:
        record = service.create(for_role(role, job=ADS))
        assert record.weights != held.weights
        for row in service.store.turns(held.id):
            service.store.add_turn(row.model_copy(update={"interview": record.id}))
        assert service.grade(record.id).document == expected | {"id": record.id}


def test_a_role_changes_what_is_asked_and_not_how_it_is_scored(service):
    """The first dive of a short interview goes where the role weighs most."""
    opened = {}
    for role in ROLE_NAMES:
        record = start(service, Setup(level="mid", minutes=12, seed=3, role=role))
        for text in ("ok, let's start", "A model scores each payment and we block the worst.", "."):
            turn = say(service, record.id, text)
            if turn.move == "probe":
                break
        assert turn.target is not None
        opened[role] = service.playbook(record.id).by_id[turn.target].asked_in
    assert ROLES["ml-engineer"][opened["ml-engineer"]] > 1
    assert ROLES["data-scientist"][opened["data-scientist"]] > 1


# Job descriptions


def test_an_ads_ranking_engineer(encoder):
    found = fit(ADS, encoder)
    assert found.cases[0] == "ads-click"
    assert sorted(found.cases) == sorted(packaged().ids())
    assert max(found.weights, key=found.weights.get) == "serving"
    assert found.weights["serving"] > 1.1
    assert found.weights["validation"] < 1


def test_a_data_scientist_for_experiments_at_a_grocery_chain(encoder):
    found = fit(GROCERY, encoder)
    assert "demand-forecast" in found.cases[:3]
    assert min(found.weights, key=found.weights.get) == "serving"
    for stage in ("metrics", "validation"):
        assert found.weights[stage] > 1
    assert found.weights["operations"] < 1


@pytest.mark.parametrize("text", [ADS, GROCERY])
def test_a_job_description_shifts_and_does_not_decide(encoder, text):
    found = fit(text, encoder)
    assert set(found.weights) == set(TECHNICAL)
    assert all(0.7 <= w <= 1.3 for w in found.weights.values())
    # The stage spoken of most, or least, of all is moved by the whole 0.3.
    assert max(abs(w - 1) for w in found.weights.values()) == pytest.approx(0.3)
    assert found == fit(text, encoder)
    assert found == fit(text.replace("\n- ", "\n\u2022 "), encoder)


def test_a_list_of_single_words_is_read_as_one_line(encoder):
    words = "python pytorch spark sql airflow kafka docker kubernetes"
    found = fit(words.replace(" ", "\n"), encoder)
    assert all(0.7 <= w <= 1.3 for w in found.weights.values())
    assert found == fit(words, encoder)


def test_what_points_to_no_case_chooses_none(encoder):
    found = fit("We look for a pastry chef in Lyon who loves croissants and early hours.", encoder)
    assert found.cases == ()


def test_a_broken_case_of_ones_own_stops_no_job_description(encoder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "case.yaml").write_text("id: [", encoding="utf-8")
    found = fit(ADS, encoder, CaseBook(tmp_path))
    assert found.cases[0] == "ads-click"
    assert "mine" in found.cases


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ("Ads engineer wanted, in Berlin", "too short to choose anything by"),
        ("word " * (MAX_JOB_CHARS // 5 + 1), f"longer than {MAX_JOB_CHARS:,} characters"),
    ],
)
def test_too_short_or_too_long_is_refused_in_one_sentence_and_nothing_kept(service, job, says):
    with pytest.raises(InputError, match=says) as caught:
        service.create(Setup(job=job))
    assert str(caught.value).startswith("The job description is ")
    assert str(caught.value).count(".") == 1
    assert service.store.interviews() == []


def test_an_empty_job_description_is_none(service):
    assert service.create(Setup(job=" \n")).weights == {}
    assert service.create(Setup(job="", role="ml-engineer")).weights == ROLES["ml-engineer"]


def test_a_job_description_is_kept_as_weights_with_the_role(service, encoder):
    record = service.create(Setup(job=GROCERY, role="data-scientist"))
    assert record.weights == weights_of("data-scientist", fit(GROCERY, encoder).weights)
    assert service.store.interview(record.id).weights == record.weights
    assert service.create(Setup(job=GROCERY)).weights == fit(GROCERY, encoder).weights
