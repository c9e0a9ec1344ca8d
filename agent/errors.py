"""What can go wrong in Spar, as one tree.

SparError
├── ContentError        a case or rubric file is missing or broken (names file and field)
├── InputError          what the user gave cannot be used (an answer, a transcript, an option)
│   ├── AnswerError     an answer that cannot be accepted
│   └── TranscriptError a file that is no transcript
│       └── WhoIsCandidateError  its candidate cannot be told from the speakers' names
├── StoreError          the database cannot be read or written
│   ├── NotFoundError   no such interview or grade for this owner
│   └── ConflictError   another tab or process has already moved this interview on
└── EngineError         the engine asked for cannot run
"""

from __future__ import annotations


class SparError(Exception):
    """Root of every error Spar raises on purpose; ``str(error)`` is one clear sentence."""


class ContentError(SparError):
    """A packaged or user content file is missing or invalid; the text names file and field."""


class InputError(SparError):
    """The user's input cannot be used as it is; nothing was changed."""


class AnswerError(InputError):
    """An answer cannot be accepted (empty, too long, not text)."""


class TranscriptError(InputError):
    """A transcript cannot be read, or its candidate cannot be told."""


class WhoIsCandidateError(TranscriptError):
    """The candidate cannot be told; ``speakers`` are the names to choose from."""

    def __init__(self, speakers: list[str]) -> None:
        names = ", ".join(speakers)
        super().__init__(f"Who is the candidate? Name one of: {names} (--candidate NAME).")
        self.speakers = speakers


class StoreError(SparError):
    """The database cannot be read or written."""


class NotFoundError(StoreError):
    """No record with that id belongs to this owner."""


class ConflictError(StoreError):
    """The interview was moved on elsewhere; the text offered here was not used."""


class EngineError(SparError):
    """The engine asked for is not available."""
