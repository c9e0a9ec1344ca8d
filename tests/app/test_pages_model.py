"""The pages with a model behind them: a scripted server on a socket, the real engine between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from agent.llm.types import CallRecord
from agent.records import SelfRating, TurnRecord
from agent.scale import DIMENSIONS
from agent.service import Setup
from app.local_servers import look
from app.services import Services, open_services
from app.ui.text import plain
from tests.app import driving
from tests.app.driving import current
from tests.brains import Interviewer, is_turn, task_of
from tests.scripted import ScriptedServer
from tests.scripted_faults import Brain, Fault, Request, Says, wrong_key

pytestmark = pytest.mark.usefixtures("one_data_directory", "with_a_model")

PRACTICE, REVIEW = "screens/practice.py", "screens/review.py"
MODEL = "scripted-model"
LIMIT = 0.5
LABELS = (
    "Chargebacks arrive 30 to 60 days after the payment, so I only train on payments older than "
    "60 days and watch reviewer decisions for the fresh ones."
)
SKETCH = (
    "I rank uncertain payments by probability times amount and send the top 500 a day to review; "
    "a missed fraud costs the amount, a declined customer the margin on that basket."
)
DECLINED = "We refuse, so nobody marks this."


@dataclass
class Minds:
    """The server's brain of the moment."""

    now: Brain

    def __call__(self, request: Request) -> Says | Fault:
        return self.now(request)


@pytest.fixture(scope="module")
def minds() -> Minds:
    return Minds(Interviewer(pieces=6))


@pytest.fixture(scope="module")
def server(minds: Minds) -> Iterator[ScriptedServer]:
    with ScriptedServer(minds, models=(MODEL,)) as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def _warmed() -> Iterator[None]:
    """What the pages load in the background is loaded before the process may end."""
    yield
    for thread in threading.enumerate():
        if thread.name == "spar-warm":
            thread.join(60)


@pytest.fixture(scope="module")
def services(shared_data: Path, server: ScriptedServer) -> Iterator[Services]:
    """The services behind the pages, with the model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPAR_DATA_DIR", str(shared_data))
        settings(patch, server)
        opened = open_services()
    yield opened
    opened.close()


@pytest.fixture
def with_a_model(
    server: ScriptedServer, minds: Minds, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The pages of this test have the model, which interviews and marks as it should."""
    settings(monkeypatch, server)
    usual = minds.now
    yield
    minds.now = usual


@pytest.fixture
def own_data_directory(
    one_data_directory: None, with_a_model: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A directory of the test's own, whose services are opened with the test's own settings."""
    monkeypatch.setenv("SPAR_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def bare_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the tests without a model, whose services are opened once."""
    return tmp_path_factory.mktemp("bare")


@pytest.fixture
def no_model(
    one_data_directory: None, with_a_model: None, bare_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages of this test have no model."""
    without_a_model(monkeypatch)
    monkeypatch.setenv("SPAR_DATA_DIR", str(bare_data))


def settings(patch: pytest.MonkeyPatch, server: ScriptedServer, model: str = MODEL) -> None:
    patch.setenv("SPAR_MODEL", model)
    patch.setenv("OPENAI_BASE_URL", server.base_url)
    patch.setenv("SPAR_SPEND_LIMIT", str(LIMIT))


def without_a_model(patch: pytest.MonkeyPatch) -> None:
    patch.delenv("SPAR_MODEL")
    patch.delenv("OPENAI_BASE_URL")


def clean(at: AppTest) -> AppTest:
    """Nothing was raised, and no error is shown."""
    assert not at.error, [e.value for e in at.error]
    return driving.clean(at)


def page(path: str | None = None, **query: str) -> AppTest:
    return clean(driving.page(path, **query))


def click(at: AppTest, key: str) -> AppTest:
    return clean(driving.click(at, key))


def answer(at: AppTest, text: str) -> AppTest:
    return clean(driving.answer(at, text))


def captions(at: AppTest) -> list[str]:
    """As they are read: without the signs that keep Markdown from being interpreted."""
    return [c.value.replace("\\", "") for c in at.caption]


def shown(at: AppTest) -> str:
    """All HTML of the page."""
    return "\n".join(str(e.proto.body) for e in at.get("html"))


def label(at: AppTest, key: str) -> str:
    return at.button(key=key).label.replace("\\", "")


def keys(at: AppTest) -> set[str | None]:
    return {b.key for b in at.button}


def host(server: ScriptedServer) -> str:
    return urlsplit(server.base_url).netloc


def held(services: Services, *said: str, engine: str = "openai") -> str:
    """An open interview in which ``said`` was said and answered."""
    record = services.interviews.create(Setup(seed=7, engine=engine))  # type: ignore[arg-type]
    list(services.interviews.begin(record.id))
    for text in said:
        reply(services, record.id, text)
    return record.id


def reply(services: Services, interview: str, text: str = "", act: str = "answer") -> None:
    seq = services.interviews.standing(interview).question_seq
    services.interviews.accept(interview, seq, text, act=act, seconds=20.0)  # type: ignore[arg-type]
    list(services.interviews.advance(interview))


def graded(services: Services, engine: str = "openai") -> str:
    """An interview that was ended, graded and rated by the candidate."""
    interview = held(services, LABELS, SKETCH, engine=engine)
    reply(services, interview, act="done")
    services.interviews.rate(SelfRating(interview=interview, ratings={}))
    return interview


def last(services: Services, interview: str) -> TurnRecord:
    return services.store.turns(interview)[-1]


def grades(at: AppTest) -> list[str]:
    """Who graded, in the choice of a grade; empty where there is none to choose."""
    return [o.content.replace("\\", "") for g in at.get("button_group") for o in g.proto.options]


def refusing(*dimensions: str) -> Brain:
    """A model that declines to mark these dimensions."""
    usual = Interviewer()

    def brain(request: Request) -> Says | Fault:
        if not is_turn(request) and any(f"about {d}," in task_of(request) for d in dimensions):
            return Says("", refusal=DECLINED)
        return usual(request)

    return brain


# The first page


def test_the_first_page_says_which_engine_is_active(server: ScriptedServer) -> None:
    assert captions(page())[0].endswith(
        f"Interviewer and grader: {MODEL}. What you type is sent to {host(server)}."
    )


@pytest.mark.usefixtures("no_model")
def test_without_a_model_there_is_no_engine_to_choose() -> None:
    at = page()
    assert "engine" not in {r.key for r in at.radio}
    said = "Offline engine: no key, nothing leaves this machine."
    assert sum(c.endswith(said) for c in captions(at)) == 2


def test_the_engine_is_chosen_with_other_cases(services: Services, server: ScriptedServer) -> None:
    at = page()
    assert at.radio(key="engine").value == "openai"
    assert at.radio(key="engine").options[1].replace("\\", "") == f"{MODEL} at {host(server)}"
    at.radio(key="engine").set_value("offline")
    click(at, "start-other")
    assert services.store.interview(current(at)).engine == "offline"
    before = len(server.requests)
    answer(at, LABELS)
    assert last(services, current(at)).engine == "offline"
    assert len(server.requests) == before


@pytest.mark.usefixtures("no_model")
def test_looking_on_a_machine_without_a_model_server() -> None:
    if look():
        pytest.skip("a model server runs on this machine")
    at = page()
    assert not [c for c in captions(at) if "usual ports" in c]
    click(at, "look")
    assert [c for c in captions(at) if c.startswith("No model server answers on the usual ports")]
    assert "use-local" not in keys(at)
    clean(at.run())
    assert [c for c in captions(at) if "usual ports" in c]


def test_a_model_found_on_this_machine_interviews_from_then_on(
    server: ScriptedServer, own_data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_a_model(monkeypatch)
    at = page()
    # What the button finds; the ports it asks are fixed.
    port = urlsplit(server.base_url).port
    assert port is not None
    at.session_state["local-servers"] = look((("Scripted", port),))
    clean(at.run())
    assert at.selectbox(key="local-model").options == [f"{MODEL} (Scripted)"]
    click(at, "use-local")
    assert captions(at)[0].endswith(f"What you type is sent to {host(server)}.")
    assert f"In use: {MODEL} at {host(server)}." in [m.value.replace("\\", "") for m in at.markdown]
    assert at.radio(key="engine").value == "openai"
    assert not at.warning
    click(at, "start-other")
    assert f"Interviewer: {MODEL}." in captions(at)[0]
    before = len(server.requests)
    answer(at, LABELS)
    assert len(server.requests) > before


# The interview


def test_a_turn_of_the_model_streams_and_is_kept(
    services: Services, server: ScriptedServer, minds: Minds
) -> None:
    minds.now = Interviewer(say=lambda _: "Who would notice a wrong label first?", pieces=6)
    at = click(page(), "start")
    assert services.store.interview(current(at)).engine == "openai"
    assert f"Interviewer: {MODEL}." in captions(at)[0]
    answer(at, LABELS)
    assert server.requests[-1].streams
    said = last(services, current(at))
    assert (said.engine, said.fallback_reason) == ("openai", None)
    assert said.text.endswith("Who would notice a wrong label first?")
    assert "Who would notice a wrong label first?" in shown(at)
    assert not [c for c in captions(at) if "Offline engine here" in c]


def test_tokens_and_calls_so_far_are_shown(services: Services) -> None:
    interview = held(services, LABELS)
    call = last(services, interview).call
    assert call is not None
    tokens = call.usage.prompt + call.usage.output
    assert tokens > 0
    at = page(PRACTICE, interview=interview)
    # A server on this machine costs nothing, so no dollars are told.
    assert f"The model so far: {tokens:,} tokens in 1 call." in captions(at)


def test_dollars_are_shown_and_the_limit_is_announced(services: Services) -> None:
    interview = held(services, LABELS)
    # The limit is 0.5: the warning comes from 80% of it.
    for cost, warnings in (
        (0.39, []),
        (0.41, ["$0.410 of this interview's $0.50 are spent; at the limit it goes on offline."]),
    ):
        at = page(PRACTICE, interview=priced(services, interview, cost))
        assert [c for c in captions(at) if f"tokens (${cost:.4f}) in 1 call." in c]
        assert [w.value.replace("\\", "") for w in at.warning] == warnings


def priced(services: Services, interview: str, cost: float) -> str:
    """A copy whose last turn has cost that much; what is asked on loopback is free."""
    record = services.store.interview(interview).model_copy(update={"id": f"{interview}-{cost}"})
    rows = services.store.turns(interview)
    call = rows[-1].call
    assert isinstance(call, CallRecord)
    rows[-1] = rows[-1].model_copy(update={"call": call.model_copy(update={"cost": cost})})
    services.store.add_interview(
        record, [r.model_copy(update={"interview": record.id}) for r in rows]
    )
    return record.id


def test_where_the_endpoint_fails_the_offline_engine_goes_on_and_says_why(
    services: Services, minds: Minds
) -> None:
    interview = held(services)
    at = page(PRACTICE, interview=interview)
    usual, minds.now = minds.now, lambda _: wrong_key()
    answer(at, LABELS)
    turns = services.store.turns(interview)
    assert [t.text for t in turns if t.speaker == "candidate"] == [LABELS]
    assert turns[-1].engine == "offline"
    reason = turns[-1].fallback_reason
    assert reason
    at = page(PRACTICE, interview=interview)
    assert f"Offline engine here: {reason}" in captions(at)
    assert turns[-1].text[:30] in shown(at)
    minds.now = usual
    answer(at, SKETCH)
    assert last(services, interview).engine == "openai"
    assert sum("Offline engine here" in c for c in captions(at)) == 1


def test_the_engine_is_switched_both_ways(services: Services, server: ScriptedServer) -> None:
    interview = held(services, LABELS)
    at = page(PRACTICE, interview=interview)
    assert label(at, "switch-engine") == "Go on offline"
    click(at, "switch-engine")
    assert services.store.interview(interview).engine == "offline"
    assert label(at, "switch-engine") == f"Go on with {MODEL}"
    before = len(server.requests)
    answer(at, SKETCH)
    assert len(server.requests) == before
    assert last(services, interview).engine == "offline"
    assert [c for c in captions(at) if "The model so far" in c]  # spent is spent
    click(at, "switch-engine")
    assert label(at, "switch-engine") == "Go on offline"
    answer(at, "I would watch the share of declined payments by country every hour.")
    assert last(services, interview).engine == "openai"


# The review


def test_a_grade_by_the_model_beside_an_offline_one_and_back(
    services: Services, server: ScriptedServer
) -> None:
    interview = graded(services)
    at = page(REVIEW, interview=interview)
    assert grades(at) == []
    assert f"Grader: {MODEL}," in captions(at)[-2]
    assert captions(at)[-1].startswith(f"The grade by {MODEL} took ")
    assert "regrade-openai" not in keys(at)
    assert label(at, "regrade-offline") == "Grade offline"

    before = len(server.requests)
    click(at, "regrade-offline")
    assert [g.engine for g in services.store.grades(interview)] == ["openai", "offline"]
    assert [g.partition(" by ")[2] for g in grades(at)] == [MODEL, "the offline engine"]
    assert "offline engine" in captions(at)[-1]
    table = next(h for h in shown(at).split("\n") if 'class="plain compared"' in h)
    assert f"<th>Dimension</th><th>{MODEL}</th><th>Offline engine</th>" in table
    assert "Offline engine gives more for: " in table
    assert "data.label" not in table  # no internal names

    (choice,) = at.segmented_control
    clean(choice.set_value(services.store.grades(interview)[0].id).run())
    assert f"Grader: {MODEL}," in captions(at)[-2]

    assert "regrade-offline" not in keys(at)
    assert label(at, "regrade-openai") == f"Go back to {MODEL}'s grade"
    click(at, "regrade-openai")
    assert [g.engine for g in services.store.grades(interview)] == ["openai", "offline", "openai"]
    assert [g.partition(" by ")[2] for g in grades(at)] == ["the offline engine", MODEL]
    assert len(server.requests) == before


def test_what_the_model_left_unscored_is_graded_again(
    services: Services, server: ScriptedServer, minds: Minds
) -> None:
    usual, minds.now = minds.now, refusing("data", "serving")
    interview = graded(services)
    minds.now = usual
    at = page(REVIEW, interview=interview)
    assert "Not graded: Data, Serving." in [m.value.replace("\\", "") for m in at.markdown]
    assert label(at, "regrade-openai") == f"Grade the rest with {MODEL}"
    before = len(server.requests)
    click(at, "regrade-openai")
    asked = {
        next(d for d in DIMENSIONS if f"about {d}," in task_of(r)) for r in server.requests[before:]
    }
    assert asked == {"data", "serving"}
    assert not [m for m in at.markdown if "Not graded" in m.value]
    assert len(grades(at)) == 2
    assert label(at, "regrade-offline") == "Grade offline"
    assert "regrade-openai" not in keys(at)


def test_where_the_model_grades_nothing_the_offline_grade_says_why(
    services: Services, minds: Minds
) -> None:
    usual, minds.now = minds.now, refusing(*DIMENSIONS)
    interview = graded(services)
    minds.now = usual
    at = page(REVIEW, interview=interview)
    (warning,) = at.warning
    told = warning.value.replace("\\", "")
    assert told.startswith("The model could not grade this: ")
    assert told.endswith("This is the offline engine's grade.")
    assert grades(at) == []
    assert label(at, "regrade-openai") == f"Grade with {MODEL}"
    click(at, "regrade-openai")
    assert not at.warning
    assert [g.partition(" by ")[2] for g in grades(at)] == ["the offline engine", MODEL]


@pytest.mark.usefixtures("no_model")
def test_a_single_grade_offline_offers_nothing_to_choose() -> None:
    services = open_services()
    at = page(REVIEW, interview=graded(services, "offline"))
    services.close()
    assert grades(at) == []
    assert "Grade again, compare grades" not in [e.label for e in at.expander]


# Names


def test_a_models_name_is_text_and_nothing_else(
    server: ScriptedServer, own_data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "**q** <b>7</b> [x](http://y) $z$ :smile:"
    settings(monkeypatch, server, odd)
    at = page()
    assert plain(odd) in at.caption[0].value
    assert plain(odd) in at.radio(key="engine").options[1]
    services = open_services()
    interview = held(services, LABELS)
    at = page(PRACTICE, interview=interview)
    assert sum(plain(odd) in c.value for c in at.caption) == 2
    click(at, "switch-engine")
    assert at.button(key="switch-engine").label == plain(f"Go on with {odd}")
    reply(services, interview, act="done")
    services.interviews.rate(SelfRating(interview=interview, ratings={}))
    at = page(REVIEW, interview=interview)
    assert at.button(key="regrade-openai").label == plain(f"Grade with {odd}")
    click(at, "regrade-openai")
    (group,) = at.get("button_group")
    assert [plain(odd) in o.content for o in group.proto.options] == [False, True]
    assert "&lt;b&gt;7&lt;/b&gt;" in shown(at)
    assert "<b>7</b>" not in shown(at)
    services.close()
