"""Requests and replies in their forms: any object, cut anywhere, is read as it was meant."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.llm.formats import JsonReader, LineReader, Reader, plain_schema, reader_for, request
from agent.llm.manners import Manners
from agent.llm.types import RUNGS, Ask, Message, Partial, Rung
from agent.llm.voice import MOVES, TURN_SCHEMA

Data = dict[str, Any]

# A grade's shape: rows with a number, and a list of objects inside each.
NESTED: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "count", "rows", "tags"],
    "properties": {
        "summary": {"type": "string", "maxLength": 400},
        "count": {"type": "integer"},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "verdict", "quotes"],
                "properties": {
                    "id": {"type": "string"},
                    "verdict": {"type": "string", "enum": ["met", "partly", "unmet"]},
                    "quotes": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "turn": {"type": "integer"},
                                "words": {"type": "string"},
                            },
                        },
                    },
                },
            },
        },
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def objects(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    """Objects with these keys in this order."""
    return st.tuples(*parts.values()).map(lambda values: dict(zip(parts, values, strict=True)))


def turns(text: st.SearchStrategy[str], item: st.SearchStrategy[str]) -> st.SearchStrategy[Data]:
    """Objects of a turn's shape."""
    return objects(
        move=st.sampled_from(MOVES),
        target=item,
        passages=st.lists(item, max_size=2),
        say=text,
        noticed=st.lists(objects(criterion=item, quote=text), max_size=3),
    )


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of these sizes, again and again."""
    pieces = []
    at = number = 0
    while at < len(text):
        size = sizes[number % len(sizes)]
        pieces.append(text[at : at + size])
        at, number = at + size, number + 1
    return pieces


def read(reader: Reader, pieces: list[str]) -> list[Partial]:
    """What stands after each piece."""
    found = []
    for piece in pieces:
        reader.feed(piece)
        found.append(reader.partial())
    return found


def check(partials: list[Partial], final: Data) -> None:
    """Closed keys come in order, never go, and have their last value."""
    before: tuple[str, ...] = ()
    for partial in partials:
        assert partial.closed[: len(before)] == before
        assert partial.closed == tuple(final)[: len(partial.closed)]
        assert set(partial.data) <= set(final)
        assert all(partial.data[key] == final[key] for key in partial.closed)
        before = partial.closed


SIZES: Final = st.lists(st.integers(1, 40), min_size=1, max_size=8)
ANY_TEXT: Final = st.text(max_size=40)
# One line, none of the marks of a list and nothing that stands for "nothing".
LINE: Final = st.text("abcXYZé09.'?! ", min_size=2, max_size=24).filter(lambda t: t == t.strip())


# --- JSON ----------------------------------------------------------------------------------------


@given(
    data=turns(ANY_TEXT, ANY_TEXT),
    sizes=SIZES,
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
    before=st.sampled_from(
        [
            "",
            "\n",
            "```json\n",
            "Sure! Here it is: ",
            "<think>{a: 1}</think>\n",
            " <thinking>x</thinking>",
        ]
    ),
    after=st.sampled_from(["", "\n```", "\n\nI hope this {helps}."]),
)
@example(
    data={"move": "ask", "target": "", "passages": [], "say": 'Late? 💳\\"\n', "noticed": []},
    sizes=[1],
    ascii_only=True,
    indent=None,
    before="",
    after="",
)
def test_json_in_any_pieces(
    data: Data, sizes: list[int], ascii_only: bool, indent: int | None, before: str, after: str
) -> None:
    text = json.dumps(data, ensure_ascii=ascii_only, indent=indent)
    reader = JsonReader()
    partials = read(reader, cut(before + text + after, sizes))
    check(partials, data)
    says = [p.data["say"] for p in partials if "say" in p.data]
    assert all(data["say"].startswith(said) for said in says)
    assert reader.whole() == data
    assert list(reader.whole()) == list(data)


def test_json_opens_key_by_key() -> None:
    partials = read(JsonReader(), ['{"a": "x', 'y", ', '"b": [1', ", 2]", ', "c": ', '"z"', "}"])
    assert [(p.data, p.closed) for p in partials] == [
        ({"a": "x"}, ()),
        ({"a": "xy"}, ()),
        ({"a": "xy", "b": [1]}, ("a",)),
        ({"a": "xy", "b": [1, 2]}, ("a",)),
        ({"a": "xy", "b": [1, 2]}, ("a",)),
        ({"a": "xy", "b": [1, 2], "c": "z"}, ("a", "b")),
        ({"a": "xy", "b": [1, 2], "c": "z"}, ("a", "b")),
    ]


@pytest.mark.parametrize(
    "text", ["", "Sure!", "[1, 2]", '"text"', '{"a": 1', "{'a': 1}", "<think>{}", '{"a" 1}']
)
def test_no_object_is_a_value_error(text: str) -> None:
    reader = JsonReader()
    partials = read(reader, cut(text, [1]))
    assert all(p.closed == () for p in partials)
    with pytest.raises(ValueError, match=r"."):
        reader.whole()


def test_nothing_of_a_thought_is_shown() -> None:
    thought = '<think>I might say {"move": "ask", "say": "no"} here.'
    assert all(p == Partial() for p in read(JsonReader(), cut(thought, [3])))
    lines = "<think>MOVE: ask\nSAY: no\nTARGET: x"
    assert all(p == Partial() for p in read(LineReader(TURN_SCHEMA), cut(lines, [3])))


def test_a_raw_newline_in_a_string_is_forgiven_in_the_end() -> None:
    reader = JsonReader()
    read(reader, cut('{"move": "ask", "say": "One.\nTwo.\t", "noticed": []}', [4]))
    assert reader.whole() == {"move": "ask", "say": "One.\nTwo.\t", "noticed": []}


@pytest.mark.parametrize("say", ["One.\nTwo.", "One.\tTwo."])
def test_a_raw_newline_takes_no_closed_key_back(say: str) -> None:
    final = {"move": "ask", "say": say, "noticed": []}
    text = f'{{"move": "ask", "say": "{say}", "noticed": []}}'
    check(read(JsonReader(), cut(text, [1])), final)


def test_half_a_surrogate_pair_is_no_text() -> None:
    reader = JsonReader()
    reader.feed('{"say": "Late? \\ud83d"}')
    try:
        found = reader.whole()
    except ValueError:
        return
    found["say"].encode()


def test_a_doubled_key_does_not_change_what_was_closed() -> None:
    text = '{"move": "ask", "say": "One.", "move": "probe"}'
    check(read(JsonReader(), cut(text, [1])), {"move": "ask", "say": "One."})


def test_endless_nesting_is_a_value_error() -> None:
    reader = JsonReader()
    reader.feed('{"a":' + "[" * 50_000)
    assert reader.partial().closed == ()
    with pytest.raises(ValueError, match=r"."):
        reader.whole()


# --- labelled lines ------------------------------------------------------------------------------


def turn_lines(data: Data) -> str:
    rows = "\n".join(f"{r['criterion']} | {r['quote']}" for r in data["noticed"])
    return "\n".join(
        [
            f"MOVE: {data['move']}",
            f"TARGET: {data['target']}",
            f"PASSAGES: {', '.join(data['passages']) or '-'}",
            f"SAY: {data['say']}",
            f"NOTICED: {rows or '-'}",
        ]
    )


@given(data=turns(LINE, LINE), sizes=SIZES)
def test_turns_in_lines_in_any_pieces(data: Data, sizes: list[int]) -> None:
    reader = LineReader(TURN_SCHEMA)
    check(read(reader, cut(turn_lines(data), sizes)), data)
    assert reader.whole() == data


QUOTES: Final = objects(turn=st.integers(-9, 999), words=LINE)
VERDICTS: Final = st.sampled_from(["met", "partly", "unmet"])
ROWS: Final = objects(id=LINE, verdict=VERDICTS, quotes=st.lists(QUOTES, max_size=3))
GRADES: Final = objects(
    summary=LINE,
    count=st.integers(-99, 99),
    rows=st.lists(ROWS, max_size=3),
    tags=st.lists(LINE, max_size=3),
)


def grade_lines(data: Data, *, labels: bool) -> str:
    """``labels``: the label before each row, as the note may be understood too."""
    rows = [
        f"{r['id']} | {r['verdict']} | "
        + (" ;; ".join(f"{q['turn']} :: {q['words']}" for q in r["quotes"]) or "-")
        for r in data["rows"]
    ]
    said = [f"ROWS: {row}" for row in rows] if labels else ["ROWS:", *rows]
    return "\n".join(
        [
            f"SUMMARY: {data['summary']}",
            f"COUNT: {data['count']}",
            *(said if rows else ["ROWS: -"]),
            f"TAGS: {', '.join(data['tags'])}",
        ]
    )


@given(data=GRADES, sizes=SIZES, labels=st.booleans())
def test_nested_lists_in_lines_in_any_pieces(data: Data, sizes: list[int], labels: bool) -> None:
    reader = LineReader(NESTED)
    check(read(reader, cut(grade_lines(data, labels=labels), sizes)), data)
    assert reader.whole() == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MOVE: ask\nSAY: Hi.", {"move": "ask", "say": "Hi.", "passages": [], "noticed": []}),
        ("SAY: Hi.\nMOVE: ask", {"move": "ask", "say": "Hi.", "passages": [], "noticed": []}),
        (
            "**Move:** ask\n> say : Hi.",
            {"move": "ask", "say": "Hi.", "passages": [], "noticed": []},
        ),
        ('- SAY: "Hi."\nTARGET: -', {"target": "", "say": "Hi.", "passages": [], "noticed": []}),
        ("SAY: One.\nTwo: three.", {"say": "One.\nTwo: three.", "passages": [], "noticed": []}),
        ("SAY: One.\nSAY: Two.", {"say": "One.", "passages": [], "noticed": []}),
        ("PASSAGES: p1\np2", {"passages": ["p1", "p2"], "noticed": []}),
        ("PASSAGES: none\nNOTICED: []", {"passages": [], "noticed": []}),
        (
            "NOTICED: a | x | y\nno row\n b|z ",
            {
                "passages": [],
                "noticed": [
                    {"criterion": "a", "quote": "x | y"},
                    {"criterion": "b", "quote": "z"},
                ],
            },
        ),
    ],
)
def test_lines_as_models_write_them(text: str, expected: Data) -> None:
    reader = LineReader(TURN_SCHEMA)
    reader.feed(text)
    assert reader.whole() == expected
    assert list(reader.whole()) == [k for k in TURN_SCHEMA["properties"] if k in expected]


@pytest.mark.parametrize("text", ["", "Sure! I would ask.", "<think>MOVE: ask"])
def test_no_labelled_line_is_a_value_error(text: str) -> None:
    reader = LineReader(TURN_SCHEMA)
    reader.feed(text)
    assert reader.partial() == Partial()
    with pytest.raises(ValueError, match="no labelled line"):
        reader.whole()


def test_a_number_that_is_none_stays_text_for_the_schema_to_refuse() -> None:
    reader = LineReader(NESTED)
    reader.feed("COUNT: many\nSUMMARY: x")
    assert reader.whole()["count"] == "many"


@pytest.mark.parametrize("rung", RUNGS)
def test_the_reader_of_a_rung(rung: Rung) -> None:
    expected = LineReader if rung == "text" else JsonReader
    assert type(reader_for(Manners(rung=rung), TURN_SCHEMA)) is expected


# --- requests ------------------------------------------------------------------------------------

MESSAGES: Final = (
    Message(role="system", content="You interview."),
    Message(role="user", content="Labels come late."),
    Message(role="assistant", content="How late?"),
    Message(role="user", content="Six weeks."),
)


def asked(rung: Rung, *without: str, schema: dict[str, Any] = TURN_SCHEMA) -> dict[str, Any]:
    ask = Ask(messages=MESSAGES, name="turn", schema=schema, max_tokens=100)
    return request(ask, Manners(rung=rung, without=without), "m")


def test_each_rung_asks_in_its_own_way() -> None:
    strict = {"name": "turn", "strict": True, "schema": TURN_SCHEMA}
    function = {"name": "turn", "parameters": TURN_SCHEMA}
    ways: dict[Rung, Data] = {
        "schema": {"response_format": {"type": "json_schema", "json_schema": strict}},
        "object": {"response_format": {"type": "json_object"}},
        "tool": {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "turn"}},
        },
        "text": {},
    }
    keys = {"response_format", "tools", "tool_choice"}
    for rung, expected in ways.items():
        found = asked(rung)
        assert {k: v for k, v in found.items() if k in keys} == expected
        assert found["messages"][:3] == [m.model_dump() for m in MESSAGES[:3]]


@pytest.mark.parametrize("rung", ["schema", "tool"])
def test_enforced_rungs_need_no_note(rung: Rung) -> None:
    assert asked(rung)["messages"][-1] == {"role": "user", "content": "Six weeks."}


def test_the_note_of_the_object_rung() -> None:
    said, _, note = asked("object")["messages"][-1]["content"].partition("\n\n")
    start = "Reply with one JSON object only. Its keys, in this order: "
    assert said == "Six weeks."
    assert note.startswith(start)
    shape = json.loads(note.removeprefix(start))
    assert list(shape) == ["move", "target", "passages", "say", "noticed"]
    assert shape["say"] == {"type": "string"}
    assert shape["move"]["enum"] == list(MOVES)


def test_the_note_of_the_text_rung() -> None:
    assert asked("text")["messages"][-1]["content"] == (
        "Six weeks.\n\n"
        "Reply with these lines only, in this order:\n"
        "MOVE: one of probe, challenge, hint, move_on, ask, twist, wrap_up\n"
        "TARGET: ...\n"
        "PASSAGES: separated by commas, or -\n"
        "SAY: ...\n"
        "NOTICED: criterion | quote  (a line for each)"
    )
    assert asked("text", schema=NESTED)["messages"][-1]["content"].splitlines()[3:] == [
        "SUMMARY: ...",
        "COUNT: ...",
        "ROWS: id | verdict (met/partly/unmet) | turn :: words ;; turn :: words  (a line for each)",
        "TAGS: separated by commas, or -",
    ]


def test_the_system_text_is_folded_into_the_first_words() -> None:
    messages = asked("schema", "system")["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == "You interview.\n\nLabels come late."


def test_folding_keeps_the_note() -> None:
    ask = Ask(messages=MESSAGES[:2], name="turn", schema=TURN_SCHEMA, max_tokens=100)
    (only,) = request(ask, Manners(rung="text", without=("system",)), "m")["messages"]
    assert only["content"].startswith("You interview.\n\nLabels come late.\n\nReply with these")


def bounds(schema: Any) -> set[str]:
    """Every keyword of bounds in a schema of ours."""
    if isinstance(schema, dict):
        own = {"maxLength", "minLength", "maxItems", "minItems", "pattern"} & set(schema)
        return own.union(*map(bounds, schema.values()))
    return set().union(*map(bounds, schema)) if isinstance(schema, list) else set()


def test_a_plain_schema_has_no_bounds_and_all_the_rest() -> None:
    before = json.dumps(TURN_SCHEMA)
    plain = plain_schema(TURN_SCHEMA)
    assert bounds(TURN_SCHEMA) == {"maxLength", "maxItems"}
    assert bounds(plain) == set()
    assert json.dumps(TURN_SCHEMA) == before
    assert list(plain) == list(TURN_SCHEMA)
    assert list(plain["properties"]) == list(TURN_SCHEMA["properties"])
    assert plain["properties"]["move"] == TURN_SCHEMA["properties"]["move"]
    items = plain["properties"]["noticed"]["items"]
    assert items["required"] == ["criterion", "quote"]
    assert items["additionalProperties"] is False
    assert plain_schema(plain) == plain


def test_bounds_are_dropped_where_they_are_refused() -> None:
    sent = asked("schema", "bounds")["response_format"]["json_schema"]["schema"]
    assert sent == plain_schema(TURN_SCHEMA)
    assert asked("tool", "bounds")["tools"][0]["function"]["parameters"] == sent


def test_a_property_may_be_named_like_a_bound() -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "x"}}}
    assert plain_schema(schema)["properties"] == {"pattern": {"type": "string"}}
