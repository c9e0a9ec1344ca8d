"""Prompts are files of the package: ``agent/data/prompts/<name>.<version>.md``.

``$name`` fields are filled once by ``string.Template``; what is put in is never parsed again. Every
turn and grade keeps the id and the hash of the prompt behind it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

from agent.errors import ContentError

PROMPTS: Final = Path(__file__).parents[1] / "data" / "prompts"


@dataclass(frozen=True)
class Prompt:
    """One prompt file: ``id`` is its name with the version, ``hash`` of its text."""

    id: str
    hash: str
    text: str

    @property
    def version(self) -> str:
        """Id and hash in one, as a grade names them."""
        return f"{self.id}:{self.hash}"

    def fill(self, **parts: str) -> str:
        """The text with every field filled; ContentError for a field without a value."""
        try:
            return Template(self.text).substitute(parts)
        except (KeyError, ValueError) as error:
            raise ContentError(f"Prompt {self.id}: the field {error} has no value.") from error


@cache
def load_prompt(prompt_id: str) -> Prompt:
    """The prompt of that id, for example ``turn.1``; ContentError where it is missing."""
    path = PROMPTS / f"{prompt_id}.md"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"{path}: the prompt cannot be read.") from error
    return Prompt(prompt_id, hashlib.sha256(text.encode()).hexdigest()[:12], text.strip())
