"""What a scripted server answers to Spar's own prompts: a plain interviewer and a plain grader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.scripted_faults import Fault, Request, Says

PLACES = ("Lisbon", "Oslo", "Turin", "Ghent", "Split", "Porto", "Bergen", "Tartu", "Graz", "Lund")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def task_of(request: Request) -> str:
    """The last message: the candidate's words and what the turn is about."""
    return str(request.body["messages"][-1]["content"])


def is_turn(request: Request) -> bool:
    """Whether an interviewer's turn is asked for, not a grade."""
    return "Allowed moves:" in task_of(request)


def options_of(request: Request) -> list[tuple[str, str]]:
    """The allowed (move, target) pairs, in order."""
    return re.findall(r'^- move (\w+), target "([^"]*)"', task_of(request), re.M)


def passages_of(request: Request) -> list[str]:
    """Keys of the passages offered."""
    return re.findall(r"^- (p\d+): ", task_of(request), re.M)


@dataclass
class Interviewer:
    """Takes the first allowed move and asks a new short question each time.

    ``say`` makes the words from the number of the turn; ``change`` may alter the reply's object
    (request, reply) before it is sent, or answer something else altogether.
    """

    say: Callable[[int], str] = lambda n: (
        f"Suppose it is {DAYS[n % 7]} in {PLACES[n % 10]}: who finds out first?"
    )
    change: Callable[[Request, dict[str, Any]], dict[str, Any] | Says | Fault] | None = None
    pieces: int | None = None
    delay: float = 0.0
    turns: int = field(default=0, init=False)

    def __call__(self, request: Request) -> Says | Fault:
        if not is_turn(request):
            return Says(json.dumps(marks(request)))
        number = self.turns
        self.turns += 1
        move, target = options_of(request)[0]
        passages = passages_of(request)[:1]
        reply: dict[str, Any] = {
            "move": move,
            "target": target,
            "passages": passages,
            "say": self.say(number),
            "noticed": [],
        }
        changed = self.change(request, reply) if self.change is not None else reply
        if not isinstance(changed, dict):
            return changed
        text = lines_of(changed) if request.rung == "text" else json.dumps(changed)
        return Says(text, pieces=self.pieces, delay=self.delay)


def lines_of(reply: dict[str, Any]) -> str:
    """A turn on the lowest rung."""
    noticed = [f"NOTICED: {n['criterion']} | {n['quote']}" for n in reply["noticed"]]
    return "\n".join(
        [
            f"MOVE: {reply['move']}",
            f"TARGET: {reply['target'] or '-'}",
            f"PASSAGES: {', '.join(reply['passages']) or '-'}",
            f"SAY: {reply['say']}",
            *(noticed or ["NOTICED: -"]),
        ]
    )


def marks(request: Request) -> dict[str, Any]:
    """A grader that finds nothing: every statement unmet."""
    keys = dict.fromkeys(re.findall(r'"?\b(c\d+)\b"?', task_of(request)))
    return {
        "verdicts": [
            {"criterion": k, "reason": "Not said.", "quotes": [], "verdict": "unmet", "sure": "yes"}
            for k in keys
        ]
    }
