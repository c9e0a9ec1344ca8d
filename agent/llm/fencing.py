"""The interview as data for a grader: fenced, neutralised, cut to what one dimension needs.

The fence is a word drawn from the transcript that stands nowhere in it; whatever looks like a tag
inside a turn loses its angle bracket. Sentences that are no evidence are shown as a marker, so that
the model never reads them; they stay in the transcript and are flagged there.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from agent.evidence import Unit
from agent.grading import MAX_TURN_CHARS, units_in
from agent.hygiene import Flag as Reason
from agent.hygiene import Heard, flag_of
from agent.language import is_english
from agent.llm.neutral import neutral, visible
from agent.sentences import Span, sentences
from agent.transcript import Transcript

MAX_ASKED_CHARS: Final = 900
PIECE_CHARS: Final = 600
GAP: Final = " [...] "
MARKERS: Final[Mapping[Reason, str]] = {
    "instruction": "[not evidence: addressed to the grader]",
    "copied": "[not evidence: repeats the interviewer]",
    "list": "[not evidence: names without a statement]",
    "gibberish": "[not evidence: no sentence]",
    "language": "[not evidence: not read]",
}
_FORM: Final = frozenset(["gibberish", "list"])
_LETTERS: Final = "bcdfghjkmnpqrstvwxz"
_STOP = re.compile(r"(?<=[。！？；।؟])")


@dataclass(frozen=True)
class Piece:
    """A stretch of a candidate turn that is shown or left out as one; ``flag`` where it is no
    evidence."""

    turn: int
    start: int
    end: int
    flag: Reason | None = None


class Exhibit:
    """One transcript as every prompt about it shows it."""

    def __init__(self, transcript: Transcript, seed: int) -> None:
        self.transcript = transcript
        self.fence = _fence(transcript, seed)
        self._read = units_in(transcript)
        self.units = tuple(self._checked(u) for u in self._read)

    def _checked(self, unit: Unit) -> Unit:
        """Flags as offline, with two differences. A list or broken words are the model's to judge
        (terse notes look like them) unless a turn in English holds nothing else. Hidden or
        full-width letters hide no instruction."""
        flag = unit.flag
        if flag in _FORM and unit.span.turn in self._foreign | self._worded:
            flag = None
        plain = unicodedata.normalize("NFKC", visible(unit.span.text))
        if flag is None and plain != unit.span.text and _instructs(plain):
            flag = "instruction"
        return unit if flag == unit.flag else replace(unit, flag=flag)

    @cached_property
    def _foreign(self) -> frozenset[int]:
        said = [
            (i, t.text) for i, t in enumerate(self.transcript.turns) if t.speaker == "candidate"
        ]
        if not is_english(" ".join(text for _, text in said)):
            return frozenset(i for i, _ in said)
        return frozenset(i for i, text in said if not is_english(text))

    @cached_property
    def _worded(self) -> frozenset[int]:
        """Turns with at least one sentence that nothing is held against."""
        return frozenset(u.span.turn for u in self._read if u.flag is None)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The candidate's sentences in order; very long ones in parts."""
        singles = [u for u in self.units if u.span.first == u.span.last]
        return tuple(p for u in singles for p in _parts(u.span, u.flag))

    @property
    def usable(self) -> bool:
        """Whether the candidate said anything that may be evidence."""
        return any(p.flag is None for p in self.pieces)

    @cached_property
    def flagged(self) -> Mapping[int, tuple[Piece, ...]]:
        """Stretches that are no evidence, by turn."""
        turns = sorted({p.turn for p in self.pieces if p.flag is not None})
        return {
            t: tuple(p for p in self.pieces if p.turn == t and p.flag is not None) for t in turns
        }

    def text(self, piece: Piece) -> str:
        """The original words of a piece."""
        return self.transcript.turns[piece.turn].text[piece.start : piece.end]

    def whole(self) -> str:
        """Every turn in full; what is no evidence as a marker."""
        parts = [self._problem()]
        for index, turn in enumerate(self.transcript.turns):
            if turn.speaker == "interviewer":
                parts.append(self.asked(index))
            else:
                own = [p for p in self.pieces if p.turn == index]
                parts.append(self._answer(index, own, own))
        return "\n".join(p for p in parts if p)

    def view(self, kept: Sequence[Piece], asked: Mapping[int, str]) -> str:
        """Only ``kept`` of the candidate's side and ``asked`` of the interviewer's."""
        shown = {p.turn for p in kept}
        chosen = set(kept)
        parts = []
        for index in range(len(self.transcript.turns)):
            if index in asked:
                parts.append(self.fenced(index, "interviewer", asked[index]))
            elif index in shown:
                own = [p for p in self.pieces if p.turn == index]
                parts.append(self._answer(index, own, [p for p in own if p in chosen]))
        return "\n".join(parts)

    def asked(self, index: int) -> str:
        """An interviewer's turn, fenced: imported ones may hold anything."""
        return self.fenced(index, "interviewer", self.question(index, MAX_ASKED_CHARS))

    def question(self, index: int, chars: int) -> str:
        """The end of an interviewer's turn, where the question stands."""
        turn = self.transcript.turns[index]
        spans = sentences(turn.text[:MAX_TURN_CHARS], index)
        found: list[str] = []
        for span in reversed(spans):
            if found and sum(map(len, found)) + len(span.text) > chars:
                found.append("[...]")
                break
            found.append(MARKERS["instruction"] if _instructs(span.text) else span.text)
        return neutral(_ending(" ".join(reversed(found)), chars))

    def fenced(self, index: int, who: str, text: str) -> str:
        """A turn between its tags."""
        return f"<{self.fence} {index} {who}>\n{text}\n</{self.fence}>"

    def head(self, index: int) -> str:
        """Who speaks and, for the candidate, at what length."""
        return f"candidate {len(self.transcript.turns[index].text.split())}w"

    def _answer(self, index: int, own: Sequence[Piece], kept: Sequence[Piece]) -> str:
        return self.fenced(index, self.head(index), self._said(index, own, kept))

    def _said(self, index: int, own: Sequence[Piece], kept: Sequence[Piece]) -> str:
        """The words of one turn with gaps marked; the text between kept neighbours as it stood."""
        turn = self.transcript.turns[index].text[:MAX_TURN_CHARS]
        chosen = set(kept)
        found = ""
        end = 0
        left_out = False
        before: Reason | None = None
        for piece in own:
            if piece not in chosen:
                left_out = True
                continue
            if piece.flag is None or piece.flag != before or left_out:
                found += GAP if left_out else turn[end : piece.start]
                found += MARKERS[piece.flag] if piece.flag else turn[piece.start : piece.end]
            end, left_out, before = piece.end, False, piece.flag
        found += GAP if left_out else turn[end:]
        return neutral(found.strip()) or "(nothing said)"

    def _problem(self) -> str:
        """The problem, where no turn of the interviewer puts it."""
        prompt = self.transcript.prompt.strip()
        said = (t.text.strip() for t in self.transcript.turns if t.speaker == "interviewer")
        if not prompt or prompt in said:
            return ""
        return f"<{self.fence} problem>\n{neutral(prompt[:MAX_ASKED_CHARS])}\n</{self.fence}>"


def _instructs(text: str) -> bool:
    return flag_of(unicodedata.normalize("NFKC", visible(text)), Heard()) == "instruction"


def _ending(text: str, chars: int) -> str:
    """A text's last words within about ``chars`` characters."""
    if len(text) <= chars + len(GAP):
        return text
    return f"[...] {text[-chars:].partition(' ')[2] or text[-chars:]}"


def _parts(span: Span, flag: Reason | None) -> list[Piece]:
    """A sentence, or its parts where it is far too long or its script has other full stops."""
    if len(span.text) <= PIECE_CHARS and not _STOP.search(span.text[:-1]):
        return [Piece(span.turn, span.start, span.end, flag)]
    found = []
    position = span.start
    for part in _STOP.split(span.text):
        for offset in range(0, len(part), PIECE_CHARS):
            end = position + len(part[offset : offset + PIECE_CHARS])
            found.append(Piece(span.turn, position, end, flag))
            position = end
    return found


def _fence(transcript: Transcript, seed: int) -> str:
    """A word without vowels, drawn from the transcript, that stands nowhere in it."""
    rows = [transcript.prompt, *(f"{t.speaker}:{t.text}" for t in transcript.turns)]
    source = json.dumps([seed, rows])
    said = unicodedata.normalize("NFKC", visible(" ".join(rows))).casefold()
    number = 0
    while True:
        digest = hashlib.sha256(f"{number}{source}".encode()).digest()
        word = "".join(_LETTERS[b % len(_LETTERS)] for b in digest[:4])
        if word not in said:
            return word
        number += 1
