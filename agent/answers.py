"""What may be an answer: text, of a length that a person types or pastes."""

from __future__ import annotations

import unicodedata
from typing import Final

from agent.errors import AnswerError

MAX_ANSWER_CHARS: Final = 20_000
_KEPT: Final = {"\n", "\t"}


def clean_answer(text: str) -> str:
    """The answer as it is kept: line ends unified, control characters dropped, the rest verbatim.

    AnswerError in one sentence for an empty, binary or over-long one; the caller keeps the text.
    """
    if "\x00" in text or text.count("\ufffd") > 5:
        raise AnswerError("That looks like binary data; an answer is text.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_ANSWER_CHARS:
        raise AnswerError(
            f"The answer has {len(text):,} characters; at most {MAX_ANSWER_CHARS:,} are taken. "
            "Send it in parts."
        )
    kept = "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in ("Cc", "Cs"))
    if not kept.strip():
        raise AnswerError("The answer is empty.")
    return kept.strip("\n")
