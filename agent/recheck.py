"""Rechecking one sentence the candidate points to, against one criterion."""

from __future__ import annotations

from dataclasses import dataclass

from agent.errors import InputError
from agent.evidence import Unit
from agent.hygiene import Heard, flag_of
from agent.playbook import Playbook
from agent.scale import Verdict
from agent.sentences import Span
from agent.transcript import Transcript


@dataclass(frozen=True)
class Rechecked:
    """The second verdict and why."""

    verdict: Verdict
    reason: str


def recheck(
    transcript: Transcript, playbook: Playbook, criterion: str, turn: int, text: str
) -> Rechecked:
    """Judge exactly the words pointed at, as one statement however many sentences they are.

    InputError when they do not stand in that candidate turn, or the criterion is unknown or is
    read from the whole conversation.
    """
    known = playbook.by_id.get(criterion)
    if known is None:
        raise InputError(f"There is no criterion {criterion!r}.")
    if known.behaviour is not None or known.contradiction is not None:
        raise InputError("This criterion is read from the whole conversation, not one sentence.")
    if not 0 <= turn < len(transcript.turns) or transcript.turns[turn].speaker != "candidate":
        raise InputError(f"Turn {turn} is not one of the candidate's.")
    start = transcript.turns[turn].text.find(text)
    if start < 0 or not text.strip():
        raise InputError("These words do not stand in that turn.")
    heard = Heard([transcript.prompt])
    for earlier in transcript.turns[:turn]:
        if earlier.speaker == "interviewer":
            heard.add(earlier.text)
    flag = flag_of(text, heard)
    if flag is not None:
        return Rechecked("unmet", f"These words are no evidence ({flag}).")
    unit = Unit(Span(turn, start, start + len(text), text, 0, 0), None, text.rstrip().endswith("?"))
    found = [f for f in playbook.detector.read([unit]) if f.criterion == criterion]
    if not found:
        return Rechecked("unmet", f"Read again by itself, it does not say: {known.statement}.")
    if found[0].verdict == "partial":
        return Rechecked("partial", f"Read again by itself, half of it: {known.statement}.")
    return Rechecked("met", f"Read again by itself, it does: {known.statement}.")
