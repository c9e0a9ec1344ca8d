"""What a model's sentence must pass before it is shown.

Pure code over plain values. A turn is released sentence by sentence while it streams, so each one
is judged together with what was let through before it. A leak is found by content words: the turn
covers most of a secret sentence, or repeats a run of its words, and nobody has said as much; and by
the numbers of facts that were not told. The limits were set so that the authored probes of the
packaged cases pass and criteria, phrasings and strong answers do not; the tests measure it. It
finds words, not meanings: an answer given away in other words passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from agent.llm.patterns import FORMS, NAMES, PRAISE, QUESTION, QUOTED, SUPPOSING, VERDICT
from agent.llm.secrets import Secrets, runs_of
from agent.llm.splitting import split_ready
from agent.llm.wording import (
    Number,
    Terms,
    is_telling,
    length_of,
    numbers_in,
    spelt_out,
    terms,
    word_pieces,
)
from agent.sentences import pairs, sentences

Kind = Literal["form", "length", "question", "repeat", "verdict", "praise", "leak", "number"]

MAX_WORDS: Final = 60
MAX_CHARS: Final = 400
REPEAT_RUN: Final = 3
REPEAT_SHARE: Final = 0.7
WHOLE_SHARE: Final = 0.85
WHOLE_RUNS: Final = 6
SHORT_WORDS: Final = 4
KNOWN_SHARE: Final = 0.75
SMALL: Final = 4


@dataclass(frozen=True)
class Refusal:
    """Why a sentence may not be shown; ``text`` continues "... was held back: "."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Guard:
    """Decides for one turn what may be shown.

    ``said`` are the interviewer's earlier lines; ``untold`` the hidden facts; ``secrets`` what
    gives an answer away; ``allowed`` whatever was said or may be (the prompt, the candidate's
    words, told facts, the wordings and passages offered for this turn): it excuses leaks, numbers
    and names.
    """

    said: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    secrets: Secrets = field(default_factory=lambda: Secrets.of(()))
    allowed: tuple[str, ...] = ()

    def check(self, sentence: str, released: str) -> Refusal | None:
        """Why this sentence may not be shown after ``released``, what this turn has shown so far;
        None where it may."""
        plain = self._without_quotes(sentence).replace("’", "'")
        return (
            self._size(sentence, plain, released)
            or self._form(plain)
            or self._judging(plain)
            or self._repeat(sentence, released)
            or self._leak(sentence, released)
            or self._made_up(sentence, released)
        )

    def _size(self, sentence: str, plain: str, released: str) -> Refusal | None:
        if len(sentence) > MAX_CHARS:
            return Refusal("length", "it is too long to be spoken")
        if length_of(released) + length_of(sentence) > MAX_WORDS:
            return Refusal("length", f"the turn is longer than {MAX_WORDS} words")
        asked = QUESTION.findall(self._without_quotes(released)) if released else []
        if len(asked) + len(QUESTION.findall(plain)) > max(1, len(asked)):
            return Refusal("question", "it asks a second question")
        return None

    def _form(self, plain: str) -> Refusal | None:
        for reason, pattern in FORMS.items():
            if pattern.search(plain):
                return Refusal("form", reason)
        for reason, pattern in NAMES.items():
            if any(
                m[0].lower().rstrip(".,;:?!") not in self._text for m in pattern.finditer(plain)
            ):
                return Refusal("form", reason)
        return None

    def _judging(self, plain: str) -> Refusal | None:
        if VERDICT.search(plain):
            return Refusal("verdict", "it says what was right or missed")
        if PRAISE.search(plain):
            return Refusal("praise", "it praises")
        return None

    def _repeat(self, sentence: str, released: str) -> Refusal | None:
        own = word_pieces(sentence)
        if length_of(sentence) <= SHORT_WORDS:
            return None
        runs = frozenset(runs_of(own, REPEAT_RUN))
        before = [*self._said, *_said_runs((released,))]
        if any(_alike(runs, earlier) for earlier in before):
            return Refusal("repeat", "it repeats something said earlier")
        return None

    def _leak(self, sentence: str, released: str) -> Refusal | None:
        turn = f"{released} {sentence}"
        asking = QUESTION.search(sentence) is not None
        words = terms(turn)
        fresh = set(terms(sentence))
        for secrets, reason in (
            (self._facts, "it tells a fact that nobody asked for"),
            (self.secrets, "it gives the answer away"),
        ):
            given = secrets.given_away(words, asking=asking)
            if any(g & fresh and not self._known(g) for g in given):
                return Refusal("leak", reason)
        for value, unit, _, _ in numbers_in(spelt_out(sentence)):
            hidden = (value, unit) in self._hidden or (value, "") in self._hidden
            if hidden and not self._heard(value, unit):
                return Refusal("leak", "it tells a fact that nobody asked for")
        return None

    def _made_up(self, sentence: str, released: str) -> Refusal | None:
        last = split_ready(f"{released} .")[0][-1:] if released else []
        if SUPPOSING.search(sentence) or any(SUPPOSING.search(s) for s in last):
            return None
        known = self._values | {n[0] for n in numbers_in(released)}
        for value, _, measured, written in numbers_in(sentence):
            digits = sum(c.isdigit() for c in written)
            if (measured or digits >= 3) and value not in known and value not in (0.0, 100.0):
                return Refusal("number", f"nobody has given the figure {written.split()[0]}")
        return None

    def _known(self, shared: frozenset[str]) -> bool:
        """Whether one place of what is allowed holds nearly all of these words."""
        least = KNOWN_SHARE * len(shared)
        return any(len(shared & place) >= least for place in self._places)

    def _heard(self, value: float, unit: str) -> bool:
        if is_telling(value):
            return value in self._values
        return (value, unit) in self._allowed_numbers

    def _without_quotes(self, text: str) -> str:
        """The text without what it quotes of the allowed ones."""
        return QUOTED.sub(lambda m: "" if _joined(m[1]) in self._joined else m[0], text)

    @cached_property
    def _text(self) -> str:
        return "\n".join(self.allowed).lower()

    @cached_property
    def _joined(self) -> str:
        return "\n".join(_joined(text) for text in self.allowed)

    @cached_property
    def _places(self) -> tuple[frozenset[str], ...]:
        """Content words of every sentence and neighbouring pair of what is allowed."""
        found = []
        for text in self.allowed:
            spans = sentences(text)
            found += [frozenset(terms(s.text)) for s in (*spans, *pairs(spans, text))]
        return tuple(found)

    @cached_property
    def _said(self) -> tuple[frozenset[Terms], ...]:
        return _said_runs(self.said)

    @cached_property
    def _facts(self) -> Secrets:
        return Secrets.of(self.untold)

    @cached_property
    def _hidden(self) -> frozenset[Number]:
        """Numbers of the untold facts with their unit; a telling one also without."""
        found = {(v, u) for t in self.untold for v, u, _, _ in numbers_in(spelt_out(t))}
        small = {(v, u) for v, u in found if u and v >= SMALL}
        return frozenset(small | {(v, "") for v, _ in found if is_telling(v)})

    @cached_property
    def _allowed_numbers(self) -> frozenset[Number]:
        return frozenset((v, u) for t in self.allowed for v, u, _, _ in numbers_in(spelt_out(t)))

    @cached_property
    def _values(self) -> frozenset[float]:
        return frozenset(v for v, _ in self._allowed_numbers)


def _joined(text: str) -> str:
    return f" {' '.join(word_pieces(text))} "


def _said_runs(texts: Iterable[str]) -> tuple[frozenset[Terms], ...]:
    """The runs of words of every sentence that is long enough to be recognised."""
    found = (
        frozenset(runs_of(word_pieces(s.text), REPEAT_RUN))
        for text in texts
        for s in sentences(text)
        if length_of(s.text) > SHORT_WORDS
    )
    return tuple(f for f in found if f)


def _alike(runs: frozenset[Terms], earlier: frozenset[Terms]) -> bool:
    """Whether a sentence is hardly more than an earlier one, or holds all of a longer one."""
    shared = len(runs & earlier)
    if shared >= REPEAT_SHARE * len(runs):
        return True
    return len(earlier) >= WHOLE_RUNS and shared >= WHOLE_SHARE * len(earlier)
