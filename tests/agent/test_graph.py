"""The interview graph on a real store: topology, idempotent nodes, whole interviews."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, get_args

import pytest
import yaml
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent import graph as graph_module
from agent import nodes
from agent.errors import ConflictError, StoreError
from agent.evidence import units_of
from agent.graph import build_graph
from agent.hygiene import Heard
from agent.playbook import choose_variant
from agent.policy import MAX_DIVES, Go
from agent.questions import asks_in
from agent.records import TurnRecord
from agent.scale import LEVELS, STYLES, Level, Style
from agent.service import Setup
from agent.state import VERSION, new_state, restore, snapshot
from agent.turns import commit
from agent.wording import MAX_QUOTE_WORDS, phrases
from tests.agent.support import BANK, DATA, OneSource, Scripted, play, say, spoken, start

SPEAKING = ["brief", "ask", "probe", "hint", "challenge", "twist", "wrap_up"]
ASKING = ("probe", "challenge", "ask", "reply", "move_on", "twist", "wrap_up")


def test_topology():
    """Every speaking node goes through commit to await_answer; consult names every spoken move."""
    drawn = build_graph().compile().get_graph()
    edges = {(e.source, e.target) for e in drawn.edges}
    expected = {(name, "commit") for name in SPEAKING}
    expected |= {("route", name) for name in ("reply", "consult", "grade")}
    expected |= {("consult", name) for name in get_args(nodes.Next)}
    expected |= {
        ("__start__", "brief"),
        ("commit", "await_answer"),
        ("await_answer", "note"),
        ("note", "route"),
        ("reply", "route"),
        ("move_on", "ask"),
        ("grade", "report"),
        ("report", "__end__"),
    }
    assert edges == expected
    assert {e.source for e in drawn.edges if e.conditional} == {"route", "consult"}
    mermaid = build_graph().compile().get_graph().draw_mermaid()
    assert all(f"{a}" in mermaid and f"{b}" in mermaid for a, b in expected)
    assert mermaid == build_graph().compile().get_graph().draw_mermaid()


def test_every_decision_has_a_node():
    assert set(get_args(Go)) <= set(build_graph().nodes)
    assert {*get_args(nodes.Next), "reply", "grade"} == set(get_args(Go))


def runtime(service, record, said):
    return Runtime(context=service.deps(record), stream_writer=said.append)


def composed(service, record, text="A question?"):
    state = new_state(record.id)
    row = TurnRecord(
        interview=record.id,
        seq=0,
        speaker="interviewer",
        act="say",
        text=text,
        at=service.now(),
    )
    return state | {"seq": 0, "pending": row.model_dump(mode="json", exclude_defaults=True)}


def test_commit_writes_once_and_says_what_stands(service):
    record = service.create(Setup(minutes=12))
    first: list[str] = []
    second: list[str] = []
    third: list[str] = []
    state = composed(service, record, "One short question?")
    assert commit(state, runtime(service, record, first)) == {"pending": {}, "spoken": {}}
    commit(state, runtime(service, record, second))
    assert len(service.store.turns(record.id)) == 1
    assert "".join(first) == "".join(second) == "One short question?"
    # Another process wrote the turn in other words: those were said, not these.
    commit(composed(service, record, "Mine?"), runtime(service, record, third))
    assert "".join(third) == "One short question?"
    assert [t.text for t in service.store.turns(record.id)] == ["One short question?"]


def test_commit_does_not_write_over_an_answer(service):
    record = service.create(Setup(minutes=12))
    row = TurnRecord(
        interview=record.id, seq=0, speaker="candidate", act="answer", text="x", at=service.now()
    )
    service.store.add_turn(row)
    with pytest.raises(ConflictError):
        commit(composed(service, record), runtime(service, record, []))


def test_waiting_is_all_that_await_answer_does(service):
    """Interrupted, it has written and said nothing; resumed twice, it writes nothing twice."""
    record = service.create(Setup(minutes=12, seed=1))
    graph = build_graph().compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    deps = service.deps(record)
    graph.invoke(new_state(record.id), config, context=deps)
    standing = graph.get_state(config)
    assert standing.next == ("await_answer",)
    assert [i.value for i in standing.interrupts] == [{"after": 0}]
    assert len(service.store.turns(record.id)) == 1
    service.accept(record.id, 0, "How many reviewers do we have?")
    graph.invoke(Command(resume=1), config, context=deps)
    assert [t.speaker[0] for t in service.store.turns(record.id)] == ["i", "c", "i"]
    names = graph_module.await_answer.__code__.co_names
    assert set(names) <= {"interrupt", "int"}
    with pytest.raises((RuntimeError, GraphInterrupt, KeyError)):
        graph_module.await_answer(new_state(record.id))


def test_the_opening_is_what_the_graph_would_say(service, make_service):
    """Spoken without LangGraph: the same row and snapshot, piece by piece, and never twice."""
    record = service.create(Setup(minutes=12, seed=1))
    pieces = list(service.begin(record.id))
    assert len(pieces) > 10
    assert list(service.begin(record.id)) == []
    other = make_service()
    twin = other.create(Setup(minutes=12, seed=1))
    graph = build_graph().compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    said = list(
        graph.stream(new_state(twin.id), config, context=other.deps(twin), stream_mode="custom")
    )
    assert said == pieces
    rows = [s.store.turns(r.id)[0] for s, r in ((service, record), (other, twin))]
    assert rows[0].model_copy(update={"interview": "", "at": rows[1].at}) == rows[1].model_copy(
        update={"interview": ""}
    )


def test_note_and_route_write_nothing(service):
    record = start(service, Setup(minutes=12, seed=1))
    service.accept(record.id, 0, "How many payments do we handle a day?")
    state: Any = new_state(record.id) | {"seq": 1, "turns": 1}
    run = runtime(service, record, [])
    noted = [nodes.note(state, run) for _ in range(2)]
    assert noted[0] == noted[1]
    routed = nodes.route(state | noted[0], run)
    assert routed == nodes.route(state | noted[0], run)
    assert nodes.needs_words(state | noted[0] | routed) == "reply"
    assert len(service.store.turns(record.id)) == 2
    with pytest.raises(StoreError, match="Row 7 of this interview is missing"):
        nodes.note(state | {"seq": 7}, run)


def test_the_grade_node_grades_once(service):
    record = start(service, Setup(minutes=12, seed=1))
    run = runtime(service, record, [])
    for _ in range(2):
        assert nodes.grade(new_state(record.id), run) == {"phase": "over"}
        assert nodes.report(new_state(record.id), run) == {}
    assert len(service.store.grades(record.id)) == 1
    assert service.store.interview(record.id).status == "graded"


def test_a_snapshot_restores_the_state():
    state = new_state("iv1") | {"seq": 4, "stage": "data", "met": {"a": [1, 0, 5]}}
    kept = snapshot(state)
    assert restore("iv1", kept) == state
    assert restore("iv2", kept) == state | {"interview": "iv2"}
    assert restore("iv1", {}) == new_state("iv1")
    with pytest.raises(StoreError, match="another version of Spar"):
        restore("iv1", kept | {"version": VERSION + 1})
    with pytest.raises(StoreError, match="unknown field 'colour'"):
        restore("iv1", kept | {"colour": 1})


# Every length with every style, the levels going round, so that each length meets each level.
WHOLE = [
    (minutes, LEVELS[(i + j) % 3], style)
    for i, minutes in enumerate((12, 25, 45))
    for j, style in enumerate(STYLES)
]


@pytest.fixture(scope="module")
def interviews(make_service):
    """The scripted interviews by length, level and style: record, rows, grade, grounding."""
    found: dict[tuple[int, Level, Style], Any] = {}
    for minutes, level, style in WHOLE:
        grounding = OneSource()
        service = make_service(grounding)
        setup = Setup(level=level, minutes=minutes, style=style, seed=minutes + len(found))
        record = play(service, setup, Scripted())
        found[minutes, level, style] = (
            record,
            service.store.turns(record.id),
            service.store.grades(record.id),
            grounding,
        )
    return found


@pytest.fixture(params=WHOLE, ids=lambda p: "-".join(map(str, p)))
def whole(request, interviews):
    return interviews[request.param]


def test_it_reaches_its_grade(whole):
    record, turns, grades, _ = whole
    assert record.status == "graded"
    assert record.ended_at is not None
    assert len(grades) == 1
    assert [t.seq for t in turns] == list(range(len(turns)))
    assert [t.speaker[0] for t in turns] == list("ic" * (len(turns) // 2))
    assert turns[0].move == "brief"
    assert turns[-2].move == "wrap_up"
    assert all(t.engine == "offline" for t in spoken(turns))


def test_one_question_a_turn(whole):
    _, turns, _, _ = whole
    for turn in spoken(turns)[1:]:
        if turn.move in ASKING:
            asked = re.sub(r"'[^']*\?[^']*'", "", turn.text)
            assert asked.count("?") <= 1, turn.text


def test_no_wording_comes_back_while_another_is_left(whole, playbook):
    _, turns, _, _ = whole
    seen: Counter[str] = Counter()
    for turn in spoken(turns):
        if turn.wording is None or ".harder" in turn.wording or ".defence" in turn.wording:
            continue
        name, _, number = turn.wording.rpartition("#")
        if name.startswith("phrase."):
            count = len(phrases()[name.removeprefix("phrase.")])
        elif name.startswith(("twist.",)) or ".hint" in name or ".deeper" in name:
            count = 1
        else:
            count = 3
        if count > 1:
            used = [seen[f"{name}#{i}"] for i in range(count)]
            assert seen[turn.wording] == min(used), turn.wording
        assert int(number) < 7
        seen[turn.wording] += 1


def test_what_was_met_is_not_asked(whole):
    _, turns, _, _ = whole
    for turn in spoken(turns):
        key = turn.wording or ""
        if turn.move == "probe" and turn.target and ".harder" not in key and "phrase." not in key:
            assert turn.target not in (turn.snapshot or {}).get("met", {}), turn


def test_no_point_is_probed_more_than_twice(whole):
    _, turns, _, _ = whole
    probed = Counter(
        t.target for t in turns if t.move == "probe" and not (t.wording or "").startswith("phrase.")
    )
    assert max(probed.values(), default=0) <= 2


def test_the_state_is_small_plain_json(whole):
    _, turns, _, _ = whole
    for turn in spoken(turns):
        kept = json.dumps(turn.snapshot)
        assert json.loads(kept) == turn.snapshot
        assert len(kept) < 4096
        restored = restore(turn.interview, turn.snapshot or {})
        assert restored["seq"] == turn.seq


def test_the_twist_comes_once_in_a_long_interview(interviews):
    for (minutes, _, _), (_, turns, _, _) in interviews.items():
        twists = [t for t in turns if t.move == "twist"]
        assert len(twists) <= int(minutes == 45)
    long = [t for key, (_, turns, _, _) in interviews.items() if key[0] == 45 for t in turns]
    assert any(t.move == "twist" for t in long)


def test_a_quiet_interviewer_speaks_less(interviews):
    for (_, _, style), (_, turns, _, _) in interviews.items():
        if style == "quiet":
            assert all(not (t.wording or "").startswith("phrase.ramble") for t in turns)


def test_a_short_interview_sketches_and_dives(interviews):
    for (minutes, _, _), (_, turns, _, _) in interviews.items():
        sketches = [t for t in turns if (t.wording or "").startswith("phrase.sketch#")]
        assert len(sketches) == int(minutes == 12)
        if minutes == 12:
            dives = [(t.snapshot or {}).get("dive", 0) for t in spoken(turns)]
            # Two are planned; more follow only while the clock leaves room.
            assert 2 <= max(dives) <= MAX_DIVES


def test_sources_stand_behind_questions(whole):
    _, turns, _, grounding = whole
    shown = [t for t in turns if t.sources]
    assert len(shown) == (1 if grounding.asked else 0)
    assert all(t.move in ("probe", "challenge") for t in shown)
    for _, question, already in grounding.asked[1:]:
        assert "note-1" in already
        assert "{" not in question


def test_quotes_are_the_candidates_own_and_short(whole):
    _, turns, _, _ = whole
    said = " ".join(t.text for t in turns if t.speaker == "candidate")
    for turn in spoken(turns)[1:]:
        opening = re.match(r"'(.+?)'[:.] ", turn.text)
        if opening and turn.move == "probe":
            assert opening[1] in said
            assert len(opening[1].split()) <= MAX_QUOTE_WORDS


# One rule at a time, in short interviews


def probe_of(service, record, answers=()):
    """Answer until a criterion is probed; its row."""
    row = service.store.turns(record.id)[-1]
    for text in (*answers, *["I would think about it a little."] * 12):
        if row.move == "probe" and row.target:
            return row
        row = say(service, record.id, text)
    raise AssertionError("nothing was probed")


def test_the_hint_ladder_and_its_cost(service, playbook):
    record = start(service, Setup(level="mid", minutes=25, seed=3))
    assert service.standing(record.id).hint_cost is None
    criterion = playbook.by_id[probe_of(service, record).target]
    costs, steps = [], []
    for _ in range(4):
        costs.append(service.standing(record.id).hint_cost)
        steps.append(say(service, record.id, act="hint"))
    assert costs == [0.25, 0.5, 0.75, None]
    assert [s.text for s in steps[:3]] == list(criterion.hints)
    assert steps[3].text in phrases()["no_hint"]
    assert {s.move for s in steps} == {"hint"}
    assert {s.target for s in steps} == {criterion.id}


def test_a_hint_before_any_question_says_where_to_start(service):
    record = start(service, Setup(minutes=25, seed=3))
    row = say(service, record.id, act="hint")
    assert (row.move, row.target) == ("hint", None)
    assert row.text in phrases()["hint_where"]


def test_repeat_says_the_same_again_and_keeps_the_target(service):
    record = start(service, Setup(level="mid", minutes=25, seed=3))
    row = probe_of(service, record)
    again = say(service, record.id, act="repeat")
    assert (again.text, again.move, again.target) == (row.text, "repeat", row.target)
    assert say(service, record.id, act="repeat").text == row.text


def test_what_was_skipped_is_not_asked_again(service):
    record = start(service, Setup(level="mid", minutes=25, seed=3))
    row = probe_of(service, record)
    target = row.target
    after = say(service, record.id, act="skip")
    rest = [after]
    while rest[-1].speaker == "interviewer" and len(rest) < 25:
        rest.append(say(service, record.id, "I would think about it a little."))
    assert all(t.target != target for t in rest)
    assert service.store.interview(record.id).status == "graded"


def test_done_ends_at_once(service):
    record = start(service, Setup(minutes=45, seed=3))
    last = say(service, record.id, act="done")
    assert (last.speaker, last.act) == ("candidate", "done")
    assert service.store.interview(record.id).status == "graded"


def test_the_clock_ends_it(service):
    record = start(service, Setup(minutes=12, seed=3))
    row = say(service, record.id, "Rules first.", seconds=12 * 60)
    assert row.move == "wrap_up"
    say(service, record.id, "The thresholds.")
    assert service.store.interview(record.id).status == "graded"


def test_questions_are_answered_in_the_same_turn_as_the_next_question(service):
    record = start(service, Setup(minutes=25, seed=3))
    row = say(service, record.id, "How many reviewers? What is the latency limit?")
    first = row.text.find("Twelve")
    second = row.text.find("120")
    assert 0 <= first < second
    assert row.text.count("?") <= 1
    assert set((row.snapshot or {})["told"]) == {"reviewers", "latency"}


def test_which_of_two_is_the_only_question(service, playbook):
    asked = yaml.safe_load((DATA / "fraud_clarify.yaml").read_text(encoding="utf-8"))["questions"]
    texts = [row["question"] for row in asked]
    unsure = [
        t for t in texts if [a.outcome for a in playbook.facts.answer(asks_in(t))] == ["which"]
    ]
    text = unsure[0]
    record = start(service, Setup(minutes=25, seed=3))
    row = say(service, record.id, text)
    assert row.text.count("?") == 1
    assert row.move == "reply"


def test_you_decide(service):
    record = start(service, Setup(minutes=25, seed=3))
    row = say(service, record.id, "Which cloud are we running on?")
    assert any(option in row.text for option in phrases()["yours"])


FILLER = (
    "Well, in my old company we had a large office with many rooms, and on Mondays we met there, "
    "and somebody brought coffee, and somebody else told us what had happened over the weekend. "
)


@pytest.mark.parametrize("style", ["neutral", "quiet"])
def test_a_ramble_is_interrupted_once_a_stage_and_not_in_quiet(service, style):
    record = start(service, Setup(level="mid", minutes=45, style=style, seed=3))
    row = say(service, record.id, "ok, let's start")
    rows = []
    for number in range(3):
        row = say(service, record.id, f"{FILLER * 7} That was number {number}.", seconds=5)
        rows.append(row)
    rambles = [r for r in rows if (r.wording or "").startswith("phrase.ramble")]
    stages = [r.stage for r in rambles]
    assert len(stages) == len(set(stages))
    assert bool(rambles) is (style == "neutral")


def test_another_language_is_said_plainly(service):
    record = start(service, Setup(level="mid", minutes=25, seed=3))
    text = "Die Zahlungen werden nach sechzig Tagen als gut betrachtet, vorher aber nicht."
    row = say(service, record.id, text)
    assert row.text in phrases()["language"]
    assert service.store.turns(record.id)[-2].text == text


def test_parked_words_are_picked_up(service, playbook):
    """Half a point about operations, said while clarifying, comes back when operations open."""
    said = next(
        c.meets[0]
        for c in playbook.case.criteria
        if c.asked_in == "operations"
        and c.polarity == "positive"
        and len(c.meets[0].split()) < 40
        and playbook.detector.touched(units_of(c.meets[0], 1, Heard())).get(c.id)
    )
    record = start(
        service, Setup(level="mid", kind="stage", stage="operations", seed=3, minutes=25)
    )
    first = say(service, record.id, said)
    parked = (first.snapshot or {}).get("parked", {})
    assert "operations" in parked
    if not first.text.startswith(("You said", "Back to", "I kept")):
        pytest.skip("the words led to operations before it was opened")
    quoted = re.search(r"'(.+?)'[:.]", first.text)
    assert quoted is not None
    assert quoted[1] in said
    assert first.move == "probe"


@pytest.fixture(scope="module")
def error(playbook):
    """A misconception with a defence, and words that voice it."""
    for criterion in playbook.criteria:
        if criterion.polarity == "negative" and criterion.defence and not criterion.contradiction:
            for text in criterion.meets:
                found = playbook.detector.read(units_of(text, 1, Heard()))
                if [f.criterion for f in found if f.criterion == criterion.id]:
                    return criterion, text
    raise AssertionError


def test_a_disagreement_is_tested_once_and_then_accepted(service, error, playbook):
    criterion, text = error
    seed = next(n for n in range(99) if choose_variant(playbook.case, n) == "weeks")
    record = start(service, Setup(level="mid", minutes=45, seed=seed))
    say(service, record.id, "ok, let's start")
    row = say(service, record.id, text, seconds=5)
    assert (row.move, row.target) == ("challenge", criterion.id)
    assert any(p in row.text for p in criterion.probes)
    stand = "I disagree, I would still keep it like this on purpose."
    tested = say(service, record.id, stand, seconds=5)
    assert (tested.move, tested.target) == ("challenge", criterion.id)
    assert criterion.defence in tested.text
    accepted = say(service, record.id, stand, seconds=5)
    assert accepted.move != "challenge"
    assert any(option in accepted.text for option in phrases()["defended"])
    rest = [say(service, record.id, stand, seconds=5) for _ in range(3)]
    assert all(r.target != criterion.id for r in rest)


def test_stage_practice_stays_in_its_stage(service, playbook):
    record = play(
        service,
        Setup(kind="stage", stage="data", level="mid", minutes=25, seed=3),
        Scripted({None: ["ok, let's start"], "data": BANK["data"], "wrap_up": BANK["wrap_up"]}),
    )
    turns = service.store.turns(record.id)
    assert {t.stage for t in spoken(turns)[1:]} <= {"data", "wrap_up", None}
    assert all(
        playbook.by_id[t.target].asked_in == "data"
        for t in turns
        if t.move == "probe" and t.target in playbook.by_id
    )


def test_without_a_case_the_general_rubric_asks(service):
    setup = Setup(case_id=None, prompt="Design a feed ranking.", level="mid", minutes=12, seed=3)
    record = play(service, setup, Scripted())
    turns = service.store.turns(record.id)
    targets = {t.target for t in turns if t.move == "probe"} - {None}
    assert targets
    assert all(t.startswith("any.") for t in targets)


def test_the_next_interview_uses_other_words(service):
    first = play(service, Setup(level="mid", minutes=12, seed=3), Scripted())
    second = play(service, Setup(level="mid", minutes=12, seed=3), Scripted())
    sketches = [
        t.text
        for i in (first, second)
        for t in service.store.turns(i.id)
        if (t.wording or "").startswith(("phrase.sketch", "phrase.wrap_up"))
    ]
    assert len(sketches) == len(set(sketches)) == 4
