"""What can go wrong in the knowledge package, as one tree.

KnowledgeError
├── CorpusError         a notes file or a passage is missing or broken (names file and field)
├── EncoderError        the sentence encoder's files are missing or not the expected ones
└── IndexUnavailable    the search index cannot be opened, read or rebuilt
"""

from __future__ import annotations


class KnowledgeError(Exception):
    """Root of every error of this package; ``str(error)`` is one clear sentence."""


class CorpusError(KnowledgeError):
    """A corpus file or passage is invalid; the text names the file and the field."""

    def __init__(self, file: str, field: str, problem: str) -> None:
        super().__init__(f"{file}: {field}: {problem}")
        self.file = file
        self.field = field
        self.problem = problem


class EncoderError(KnowledgeError):
    """The model or vocabulary file is missing, or its checksum is not the expected one."""


class IndexUnavailable(KnowledgeError):  # noqa: N818 - says a state, as HTTP 503 does
    """The vector or lexical index cannot be used, even after rebuilding derived data."""
