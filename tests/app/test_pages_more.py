"""The form of the first page, and the page that reads the guide, on the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.casebook import PORTFOLIO
from agent.emphasis import ROLES
from agent.records import InterviewRecord
from agent.scale import TECHNICAL
from app.services import Services
from knowledge.corpus import load_entries
from knowledge.ingest import ingest
from tests.app.driving import clean, page
from tests.documents import PRUNING, episode

pytestmark = pytest.mark.usefixtures("one_data_directory")

READING = "screens/reading.py"
OWN_PROMPT = "own-prompt"
JOB = (
    "Data scientist for a grocery chain: forecast the demand of every store for tomorrow's order, "
    "weigh waste against empty shelves, define success metrics and plan A/B tests between stores."
)


def texts(at: AppTest) -> str:
    """All that is on the page, HTML as it is sent."""
    kinds = (at.title, at.subheader, at.caption, at.markdown, at.error)
    parts = [e.value for kind in kinds for e in kind]
    return "\n".join([*parts, *(str(e.proto.body) for e in at.get("html"))])


def begun(at: AppTest, services: Services) -> InterviewRecord:
    """The interview that the form's button starts."""
    clean(at.button(key="start-other").click().run())
    value = at.query_params["interview"]
    return services.store.interview(value if isinstance(value, str) else value[0])


def keys(at: AppTest) -> set[str | None]:
    return {w.key for kind in (at.selectbox, at.text_area, at.radio) for w in kind}


def case_box(at: AppTest):
    """The choice of a case; its key changes with the one suggested."""
    (box,) = [b for b in at.selectbox if b.key is not None and b.key.startswith("case-")]
    return box


# The form


def test_a_whole_case_asks_for_no_stage_and_no_prompt(services: Services) -> None:
    at = page()
    assert "stage" not in keys(at)
    assert "prompt" not in keys(at)
    assert case_box(at).value == "fraud-checkout"
    # Every listed case and a prompt of one's own, by title.
    assert len(case_box(at).options) == len(services.interviews.cases.ids()) + 1
    assert case_box(at).options[-1] == "A prompt of your own"


def test_one_stage_of_another_case(services: Services) -> None:
    at = page()
    clean(at.radio(key="kind").set_value("stage").run())
    assert len(at.selectbox(key="stage").options) == len(TECHNICAL)
    at.selectbox(key="stage").set_value("serving")
    case_box(at).set_value("churn-list")
    record = begun(at, services)
    assert (record.kind, record.stage, record.case_id) == ("stage", "serving", "churn-list")
    assert (record.level, record.minutes, record.weights) == ("senior", 12, {})


def test_a_prompt_of_ones_own(services: Services) -> None:
    at = page()
    clean(case_box(at).set_value(OWN_PROMPT).run())
    at.text_area(key="prompt").set_value("  Design a system that sorts <b>parcels</b> by photo. ")
    record = begun(at, services)
    assert (record.case_id, record.variant) == (None, "none")
    assert record.prompt == "Design a system that sorts <b>parcels</b> by photo."
    assert services.store.turns(record.id)[0].text.startswith(record.prompt)


def test_a_prompt_that_is_empty_is_one_sentence_and_nothing_is_kept(services: Services) -> None:
    before = len(services.store.interviews())
    at = page()
    clean(case_box(at).set_value(OWN_PROMPT).run())
    clean(at.button(key="start-other").click().run())
    assert [e.value.replace("\\", "") for e in at.error] == [
        "An interview needs a case or a prompt."
    ]
    assert len(services.store.interviews()) == before


def test_a_role_is_kept_with_its_weights(services: Services) -> None:
    at = page()
    at.selectbox(key="role").set_value("data-scientist")
    at.selectbox(key="style").set_value("challenging")
    record = begun(at, services)
    assert (record.role, record.style) == ("data-scientist", "challenging")
    assert record.weights == ROLES["data-scientist"]


def test_a_job_description_suggests_the_case(services: Services) -> None:
    at = page()
    clean(at.text_area(key="job").set_value(JOB).run())
    assert case_box(at).value == "demand-forecast"
    title = services.interviews.cases.head("demand-forecast").title
    assert f"By the job description: {title}; more on " in texts(at)
    record = begun(at, services)
    assert record.case_id == "demand-forecast"
    assert record.weights == services.interviews.job_fit(JOB).weights
    assert JOB not in record.model_dump_json()


def test_another_case_than_the_suggested_one_can_be_chosen(services: Services) -> None:
    at = page()
    clean(at.text_area(key="job").set_value(JOB).run())
    case_box(at).set_value("fraud-checkout")
    record = begun(at, services)
    assert record.case_id == "fraud-checkout"
    assert record.weights


def test_a_job_description_that_says_too_little_is_one_sentence() -> None:
    at = page()
    clean(at.text_area(key="job").set_value("Ads engineer").run())
    (error,) = at.error
    assert error.value.replace("\\", "") == (
        "The job description is too short to choose anything by."
    )
    clean(at.text_area(key="job").set_value("").run())
    assert not at.error
    assert case_box(at).value == "fraud-checkout"


def test_a_project_of_ones_own_has_no_case_to_choose(services: Services) -> None:
    at = page()
    clean(at.radio(key="kind").set_value("portfolio").run())
    assert not [k for k in keys(at) if k is not None and k.startswith("case-")]
    assert "there is no case and no fact sheet" in texts(at)
    if not services.interviews.cases.has(PORTFOLIO):
        pytest.skip("no portfolio content in the package")
    record = begun(at, services)
    assert (record.kind, record.case_id) == ("portfolio", PORTFOLIO)


# Reading


def test_a_packaged_source_is_read_chapter_by_chapter() -> None:
    passages = [e.passage for e in load_entries()]
    sources = dict.fromkeys(p.source_id for p in passages)
    at = page(READING)
    chosen = at.selectbox(key="source")
    assert len(chosen.options) == len(sources)
    assert chosen.value == next(iter(sources))
    assert "spar ingest PATH" in texts(at)
    second = list(sources)[1]
    clean(chosen.set_value(second).run())
    own = [p for p in passages if p.source_id == second]
    chapters = list(dict.fromkeys(p.section for p in own if p.section))
    shown = [s.value for s in at.subheader]
    assert list(dict.fromkeys(shown)) == chapters
    assert len([e for e in at.get("html") if 'class="turn"' in str(e.proto.body)]) == len(own)
    assert "remove-now" not in {b.key for b in at.button}


def test_a_source_of_ones_own_is_shown_and_removed(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "roses.md"
    text = episode("Roses & <b>thorns</b>", PRUNING, guests=["rosathorn"], number=2)
    file.write_text(text, encoding="utf-8")
    library = services.library.opened()
    report = ingest(library, services.encoder, [file])
    (source,) = library.sources()
    assert report.count("added") == 1

    at = page(READING)
    chosen = at.selectbox(key="source")
    assert chosen.options[-1] == "Roses & <b>thorns</b> (yours)"
    assert "spar ingest PATH" not in texts(at)
    clean(chosen.set_value(source.id).run())
    shown = texts(at)
    assert "I prune roses in early spring" in shown
    assert str(file) in shown.replace("\\", "")
    assert "<b>thorns</b>" not in "\n".join(str(e.proto.body) for e in at.get("html"))
    assert {s.value for s in at.subheader} == {"The beginning", "The rest"}

    clean(at.button(key="remove-now").click().run())
    assert library.sources() == []
    assert file.is_file()
    assert at.selectbox(key="source").value != source.id
    assert "Roses" not in texts(at)
    assert not [o for o in at.selectbox(key="source").options if "yours" in o]


def test_a_long_source_of_ones_own_is_turned_page_by_page(
    services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "long.txt"
    words = " ".join(f"word{n}" for n in range(150))
    file.write_text("\n\n".join(f"Part {n}. {words}." for n in range(60)), encoding="utf-8")
    library = services.library.opened()
    ingest(library, services.encoder, [file])
    (source,) = library.sources()
    assert source.passages > 40
    at = page(READING)
    clean(at.selectbox(key="source").set_value(source.id).run())
    assert "Page 1 of 2" in texts(at)
    assert "Part 0." in texts(at)
    clean(at.number_input(key=f"page-{source.id}").set_value(2).run())
    assert "Part 59." in texts(at)
    assert "Part 0." not in texts(at)
    clean(at.button(key="remove-now").click().run())
    assert library.sources() == []
