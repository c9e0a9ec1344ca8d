"""How well interviews keep to the interviewer's specification, rule by rule.

The rules are those that the prompts quote (``agent/data/interviewer.yaml``); the checks are the
guard's, run over finished transcripts of either engine:

    python -m evals.interviewer TRANSCRIPT.json ...
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.language import is_english
from agent.llm.briefing import specification
from agent.llm.guard import Guard, Kind
from agent.llm.splitting import split_ready
from agent.playbook import Playbook, playbook_for
from agent.transcript import Transcript, Turn, read_transcript
from agent.wording import MAX_QUOTE_WORDS
from knowledge.encoder import MiniLMEncoder

SHORT_WORDS: Final = 45
ENOUGH_WORDS: Final = 8
AUTHORED: Final = frozenset(["brief", "repeat", "twist"])
# The guard's kinds of refusal, by the rule that each breaks.
BROKEN_BY: Final[Mapping[Kind, str]] = {
    "form": "plain",
    "length": "short",
    "question": "one_question",
    "repeat": "no_repeat",
    "verdict": "no_verdict",
    "praise": "no_verdict",
    "leak": "no_answer",
    "number": "no_inventing",
}


@dataclass(frozen=True)
class Said:
    """One turn of the interviewer with all that came before it."""

    turn: Turn
    before: tuple[Turn, ...]
    playbook: Playbook
    prompt: str

    @property
    def own(self) -> str:
        """The candidate's last words."""
        return next((t.text for t in reversed(self.before) if t.speaker == "candidate"), "")


def broken(said: Said) -> frozenset[str]:
    """The rules of the specification that a turn breaks; only those that code can check."""
    found = {BROKEN_BY[kind] for kind in _refusals(said)}
    found |= {rule for rule, breaks in CHECKS.items() if breaks(said)}
    return frozenset(found)


def _refusals(said: Said) -> list[Kind]:
    """What the guard would have held back, sentence by sentence."""
    earlier = tuple(t.text for t in said.before if t.speaker == "interviewer")
    target = said.playbook.by_id.get(said.turn.target or "")
    facts, _ = said.playbook.facts.texts(said.playbook.facts.ids)
    guard = Guard(
        said=earlier,
        secrets=said.playbook.secrets,
        allowed=(
            said.prompt,
            *facts,
            *(t.text for t in said.before if t.speaker == "candidate"),
            *((*target.probes, target.deeper or "", *target.hints) if target is not None else ()),
        ),
    )
    kinds: list[Kind] = []
    released = ""
    ready, rest = split_ready(said.turn.text)
    for sentence in (*ready, rest):
        if sentence.strip() and (refusal := guard.check(sentence.strip(), released)) is not None:
            kinds.append(refusal.kind)
        released += sentence
    return kinds


def _long(said: Said) -> bool:
    return len(said.turn.text.split()) > SHORT_WORDS


def _misquotes(said: Said) -> bool:
    """A quotation that is not the candidate's, or too long."""
    words = " ".join(t.text for t in said.before if t.speaker == "candidate")
    heard = " ".join((*words.split(), *said.prompt.split())).lower()
    parts = said.turn.text.replace("“", '"').replace("”", '"').split('"')[1::2]
    return any(
        len(p.split()) > MAX_QUOTE_WORDS or " ".join(p.split()).lower().strip(".,?!") not in heard
        for p in parts
    )


def _foreign(said: Said) -> bool:
    """Another language than the candidate's, where both say enough to tell."""
    enough = min(len(said.own.split()), len(said.turn.text.split())) >= ENOUGH_WORDS
    return enough and is_english(said.own) != is_english(said.turn.text)


CHECKS: Final[Mapping[str, Callable[[Said], bool]]] = {
    "short": _long,
    "theirs": _misquotes,
    "language": _foreign,
}


def turns_of(transcript: Transcript, playbook: Playbook) -> list[Said]:
    """The interviewer's turns that were not authored word for word."""
    turns = transcript.turns
    return [
        Said(turn, turns[:i], playbook, transcript.prompt)
        for i, turn in enumerate(turns)
        if turn.speaker == "interviewer" and i > 0 and turn.move not in AUTHORED
    ]


def report(said: Sequence[Said]) -> list[str]:
    """A Markdown table: each rule that code can check, and the share of turns that keep it."""
    rules = specification()["rules"]
    checked = [r for r in rules if r in {*BROKEN_BY.values(), *CHECKS}]
    breaks = [broken(s) for s in said]
    lines = ["| rule | turns | kept |", "|---|---|---|"]
    for rule in checked:
        kept = sum(rule not in b for b in breaks) / len(breaks)
        lines.append(f"| {rule} | {len(breaks)} | {kept:.0%} |")
    words = statistics.median(len(s.turn.text.split()) for s in said)
    lines.append(f"| median words a turn | {len(said)} | {words:.0f} |")
    return lines


def main() -> None:
    """Print the table for the transcripts named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    encoder = MiniLMEncoder()
    said: list[Said] = []
    for path in parser.parse_args().files:
        transcript = read_transcript(path.read_text(encoding="utf-8"), path.stem)
        said += turns_of(transcript, playbook_for(transcript, encoder))
    if said:
        print("\n".join(report(said)))


if __name__ == "__main__":
    main()
