"""What the model is told: the stable part first, the conversation, then what this turn is about.

The first two change only at their end from turn to turn (see ``agent.llm.history``). The last part
holds the allowed moves, the passages behind them and the statements worth noticing; of the hidden
facts it holds only what code has just told the candidate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from agent.errors import ContentError
from agent.llm.history import TAG
from agent.llm.neutral import without_tag
from agent.llm.prompts import Prompt, load_prompt
from agent.llm.types import Message
from agent.llm.voice import Option
from agent.records import InterviewRecord

TURN: Final = "turn.1"
SPEC: Final = Path(__file__).parents[1] / "data" / "interviewer.yaml"
ABOUT_WORDS: Final = 30
PASSAGE_WORDS: Final = 50


@cache
def specification() -> Mapping[str, Mapping[str, str]]:
    """The interviewer's specification: rules, styles and levels, each by id."""
    try:
        data = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
        return {part: dict(data[part]) for part in ("rules", "styles", "levels")}
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ContentError(f"{SPEC}: the interviewer's specification is broken.") from error


@cache
def turn_prompt() -> Prompt:
    """The prompt of a turn; its hash covers the specification it quotes."""
    prompt = load_prompt(TURN)
    digest = hashlib.sha256(prompt.text.encode() + SPEC.read_bytes()).hexdigest()[:12]
    return Prompt(prompt.id, digest, prompt.text)


def system(record: InterviewRecord) -> Message:
    """The part that is the same in every turn of an interview."""
    spec = specification()
    text = turn_prompt().fill(
        rules="\n".join(f"- {rule}" for rule in spec["rules"].values()),
        style=spec["styles"][record.style],
        level=spec["levels"][record.level],
        problem=record.prompt,
    )
    return Message(role="system", content=text)


def task(
    options: Sequence[Option],
    notices: Mapping[str, str],
    *,
    stage: str,
    minutes: tuple[float, int],
    spoken: str,
) -> str:
    """What this turn is about. ``spoken`` is what the candidate was already told in it; ``notices``
    are statements by criterion; ``minutes`` used and in all."""
    passages = {k: s for o in options for k, s in o.passages.items()}
    lines = [f"(Part: {stage}. Minute {minutes[0]:.0f} of {minutes[1]}.)"]
    if spoken:
        told = without_tag(spoken, TAG)
        lines.append(f'You have just told them: "{told}" Go on from there; do not repeat it.')
    lines.append("Allowed moves:")
    for option in options:
        keys = ", ".join(option.passages)
        cited = f" Passages: {keys}." if keys else ""
        about = f" About: {_short(option.about, ABOUT_WORDS)}." if option.about else ""
        lines.append(
            f'- move {option.move}, target "{option.target}".{about} '
            f'A colleague would say: "{without_tag(option.line, TAG)}"{cited}'
        )
    if passages:
        lines.append("Passages:")
        for key, source in passages.items():
            who = ", ".join(p for p in (source.speaker, source.episode or source.title) if p)
            lines.append(f"- {key}: {_short(source.text, PASSAGE_WORDS)} ({who})")
    if notices:
        lines.append("Notice list:")
        lines += [f"- {name}: {_short(text, ABOUT_WORDS)}" for name, text in notices.items()]
    return "\n".join(lines)


def with_task(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The task after the candidate's last words, in the same message."""
    last = messages[-1]
    return (*messages[:-1], Message(role=last.role, content=f"{last.content}\n\n{text}"))


def _short(text: str, words: int) -> str:
    parts = text.split()
    return " ".join(parts[:words]).rstrip(".,;:") + (" ..." if len(parts) > words else "")
