"""The conversation as messages: append-only, so that providers' prompt caches hit, and cut back in
one go when it grows too long, so that a long interview stays affordable.

What is cut is replaced by the candidate's own sentences that met something, so that nothing covered
is lost. The place of a cut depends on the rows alone: each turn's prompt begins as the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.llm.neutral import without_tag
from agent.llm.types import Message, Role
from agent.records import TurnRecord
from agent.wording import quote

HIGH: Final = 1_400
LOW: Final = 450
LONGEST: Final = 700
TAG: Final = "candidate"
KEPT_SENTENCES: Final = 30
DONE: Final[Mapping[str, str]] = {
    "hint": "(asks for a hint)",
    "skip": "(passes on this question)",
    "repeat": "(asks to hear the question again)",
    "done": "(ends the interview)",
}


@dataclass(frozen=True)
class Shelf:
    """The rows in order, where what they met stands (``[seq, start, end]``), the facts told."""

    rows: Sequence[TurnRecord]
    met: Mapping[str, Sequence[int]]
    told: Sequence[str] = ()


def fenced(text: str) -> str:
    """A candidate's words as data; what looks like a tag inside them is taken apart."""
    return f"<candidate>\n{without_tag(text, TAG)}\n</candidate>"


def conversation(shelf: Shelf, count: Callable[[str], int]) -> tuple[Message, ...]:
    """Messages from the candidate's first words to their last, alternating, the user's first.

    ``count`` gives the tokens of a text. The opening turn is left out: its problem stands in the
    system message.
    """
    rows = [r for r in shelf.rows if r.seq > 0]
    texts = [_text(r, count) for r in rows]
    start = _cut(rows, [count(t) for t in texts])
    messages = []
    if start:
        messages.append(Message(role="user", content=_earlier(shelf, rows[start].seq)))
    for row, text in zip(rows[start:], texts[start:], strict=True):
        role: Role = "assistant" if row.speaker == "interviewer" else "user"
        messages.append(Message(role=role, content=text))
    return tuple(messages)


def _cut(rows: Sequence[TurnRecord], sizes: Sequence[int]) -> int:
    """Where the conversation begins after every cut so far; always at an interviewer's turn."""
    start = total = 0
    for end, size in enumerate(sizes):
        total += size
        if total <= HIGH:
            continue
        while start < end and (total > LOW or rows[start].speaker != "interviewer"):
            if rows[start].speaker == "interviewer" and _last_exchange(rows, start, end):
                break
            total -= sizes[start]
            start += 1
    return start


def _last_exchange(rows: Sequence[TurnRecord], start: int, end: int) -> bool:
    """Whether only the last question and its answer are left."""
    return all(r.speaker != "interviewer" for r in rows[start + 1 : end + 1])


def _text(row: TurnRecord, count: Callable[[str], int]) -> str:
    if row.speaker == "interviewer":
        return without_tag(row.text, TAG)
    if row.act != "answer":
        return fenced(DONE[row.act])
    return fenced(_shortened(row.text, count))


def _shortened(text: str, count: Callable[[str], int]) -> str:
    """An answer's beginning and end where it is far too long for one prompt."""
    if count(text) <= LONGEST:
        return text
    part = len(text) // 2
    while count(short := f"{text[:part]}\n[...]\n{text[-part:]}") > LONGEST:
        part = part * 4 // 5
    return short


def _earlier(shelf: Shelf, before: int) -> str:
    """What was said before the cut: the sentences that met something, in order, without doubles."""
    by_seq = {r.seq: r for r in shelf.rows}
    places = sorted({tuple(p) for p in shelf.met.values() if p[0] < before})
    lines = [quote(by_seq[seq].text[start:end]) for seq, start, end in places if seq in by_seq]
    kept = list(dict.fromkeys(line for line in lines if line))[-KEPT_SENTENCES:]
    body = "\n".join(f"- {without_tag(line, TAG)}" for line in kept) or "- (nothing substantial)"
    spoken = " ".join(r.text for r in shelf.rows if r.speaker == "interviewer" and r.seq < before)
    told = [f"- {fact}" for fact in shelf.told if fact in spoken]
    heard = "\n".join(["\nWhat you have told them:", *told]) if told else ""
    return f"(Earlier in this interview, shortened to what they established:)\n{body}{heard}"
