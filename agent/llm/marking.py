"""One dimension's question to the model and what its reply is worth.

The model rules on statements under short keys, each with a reason and verbatim quotes before the
verdict. Code checks the quotes; what is borderline or unproven is asked once more, alone and in
another order, and where two readings differ the more cautious one counts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.llm.neutral import visible
from agent.llm.prompts import Prompt
from agent.llm.quoting import LONGEST, Locator
from agent.llm.types import Ask, Message
from agent.scale import Dimension, Verdict
from agent.sentences import Span
from agent.types import Criterion

REASON_CHARS: Final = 200
MAX_QUOTES: Final = 2
MAX_AGAIN: Final = 8
EXAMPLE_WORDS: Final = 8
NEAR_WORDS: Final = 4
TOKENS_EACH: Final = 240
TOKENS_LEAST: Final = 300
NOT_THERE: Final = "The quoted words do not stand in the transcript as your own."
NO_VERDICT: Final = "The model gave no verdict on this."
DIFFER: Final = "Two readings of it differed; the more cautious one counts."
NOT_SURE: Final = "The grader was not sure."
_ORDER: Final[Mapping[str, int]] = {"unmet": 0, "partial": 1, "met": 2}
_SPLIT: Final = "\n%%\n"


@dataclass(frozen=True)
class Vote:
    """One reading of one statement. ``claimed`` is the model's verdict; ``spans`` the quotes that
    stood the check; ``failed`` where the verdict needs quotes and has none."""

    claimed: Verdict
    spans: tuple[Span, ...]
    failed: bool
    sure: bool
    reason: str


@dataclass(frozen=True)
class Ruling:
    """What stands after all votes. ``fragile``: the readings differed or the last was not sure."""

    verdict: Verdict
    spans: tuple[Span, ...]
    reason: str
    fragile: bool = False


def keyed(criteria: Sequence[Criterion]) -> Mapping[str, Criterion]:
    """c1, c2, ...: short, and they give nothing away."""
    return {f"c{n}": c for n, c in enumerate(criteria, start=1)}


def shuffled(criteria: Sequence[Criterion], seed: int) -> list[Criterion]:
    """Another order for the second reading; the seed decides it."""
    found = list(criteria)
    random.Random(f"{seed}:{len(found)}").shuffle(found)  # noqa: S311 - not a secret
    return found


def messages(
    prompt: Prompt, fence: str, interview: str, dimension: Dimension, criteria: Sequence[Criterion]
) -> tuple[Message, ...]:
    """Fixed text, interview, statements: what repeats between calls stands first."""
    system, user = prompt.text.split(_SPLIT)
    filled = Prompt(prompt.id, prompt.hash, user).fill(
        fence=fence,
        interview=interview,
        dimension=dimension,
        criteria="\n".join(_row(k, c) for k, c in keyed(criteria).items()),
    )
    return (Message(role="system", content=system), Message(role="user", content=filled))


def ask(found: tuple[Message, ...], criteria: Sequence[Criterion], seed: int) -> Ask:
    """The question with the shape of its answer."""
    return Ask(
        messages=found,
        name="verdicts",
        schema=schema(len(criteria)),
        max_tokens=TOKENS_LEAST + TOKENS_EACH * len(criteria),
        seed=seed,
        temperature=0.0,
    )


def schema(count: int) -> dict[str, Any]:
    """Verdicts on c1 to c``count``; reason and quotes come before the verdict on purpose."""
    quote = _object({"turn": {"type": "integer"}, "text": _string(LONGEST)})
    verdict = _object(
        {
            "criterion": {"type": "string", "enum": [f"c{n + 1}" for n in range(count)]},
            "reason": _string(REASON_CHARS),
            "quotes": {"type": "array", "maxItems": MAX_QUOTES, "items": quote},
            "verdict": {"type": "string", "enum": ["met", "partial", "unmet"]},
            "sure": {"type": "string", "enum": ["yes", "no"]},
        }
    )
    return _object({"verdicts": {"type": "array", "maxItems": count, "items": verdict}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _string(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def kind_of(criterion: Criterion) -> str:
    """positive, misconception or contradiction."""
    if criterion.contradiction is not None:
        return "contradiction"
    return "misconception" if criterion.polarity == "negative" else "positive"


def _row(key: str, criterion: Criterion) -> str:
    row = {
        "key": key,
        "kind": kind_of(criterion),
        "says": criterion.statement,
        "meets": _example(criterion.meets, EXAMPLE_WORDS),
        "misses": _example(criterion.near_misses, NEAR_WORDS),
    }
    return json.dumps(row, ensure_ascii=False)


def _example(phrasings: Sequence[str], words: int) -> str:
    """The shortest phrasing that is long enough to show something."""
    enough = [p for p in phrasings if len(p.split()) >= words]
    return min(enough or phrasings, key=len)


def votes(data: Mapping[str, Any], criteria: Sequence[Criterion], find: Locator) -> dict[str, Vote]:
    """The reply's verdicts by criterion id; the first one counts where a key comes twice."""
    known = keyed(criteria)
    found: dict[str, Vote] = {}
    for row in data["verdicts"]:
        criterion = known[row["criterion"]]
        if criterion.id not in found:
            found[criterion.id] = _vote(row, criterion, find)
    return found


def _vote(row: Mapping[str, Any], criterion: Criterion, locator: Locator) -> Vote:
    claimed: Verdict = row["verdict"]
    spans: list[Span] = []
    if claimed != "unmet":
        for quote in row["quotes"]:
            span = locator.find(quote["text"], quote["turn"])
            if span is not None and not any(_overlap(span, s) for s in spans):
                spans.append(span)
    needed = 2 if criterion.contradiction is not None else 1
    failed = claimed != "unmet" and len(spans) < needed
    reason = " ".join(visible(row["reason"]).split())
    return Vote(claimed, tuple(spans), failed, row["sure"] == "yes", reason)


def _overlap(a: Span, b: Span) -> bool:
    return a.turn == b.turn and a.start < b.end and b.start < a.end


def to_ask_again(criteria: Sequence[Criterion], first: Mapping[str, Vote]) -> list[Criterion]:
    """What needs a second reading, most needed first, at most MAX_AGAIN: no verdict or a failed
    quote before what is partial or not sure, then by what it is worth."""

    def need(criterion: Criterion) -> int:
        vote = first.get(criterion.id)
        if vote is None or vote.failed:
            return 2
        return int(vote.claimed == "partial" or not vote.sure)

    open_ones = [c for c in criteria if need(c)]
    return sorted(open_ones, key=lambda c: (-need(c), -abs(c.points)))[:MAX_AGAIN]


def ruling(criterion: Criterion, first: Vote | None, second: Vote | None) -> Ruling:
    """What one or two readings come to."""
    cast = [v for v in (first, second) if v is not None]
    if not cast:
        return Ruling("cannot_assess", (), NO_VERDICT)
    lowest = min(cast, key=lambda v: _ORDER[v.claimed])
    verdict = lowest.claimed
    differ = len({v.claimed for v in cast}) > 1
    if criterion.polarity == "negative" and verdict == "partial":
        verdict = "unmet"
    if verdict != "unmet":
        proven = [v for v in cast if not v.failed]
        if not proven:
            return Ruling("unmet", (), NOT_THERE)
        # The words of the reading that stands, unless only the other one's stood the check.
        source = lowest if not lowest.failed else proven[0]
        spans, reason = source.spans, source.reason
    else:
        spans, reason = (), lowest.reason
    fragile = differ or not cast[-1].sure
    note = DIFFER if differ else NOT_SURE if fragile else ""
    said = reason or f"{criterion.statement[:1].upper()}{criterion.statement[1:]}."
    if verdict == "unmet" and not reason:
        said = f"No words of yours say it: {criterion.statement}."
    return Ruling(verdict, spans, f"{_ended(said)} {note}".strip(), fragile)


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", '"', "。")) else f"{text}."


def was_fragile(reason: str) -> bool:
    """Whether a stored reason says that the verdict was uncertain."""
    return reason.endswith((DIFFER, NOT_SURE))
