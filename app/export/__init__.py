"""A report as a file or on the terminal: HTML, Markdown, rich text, the transcript's JSON."""

from __future__ import annotations

import json

from agent.report import Report
from app.export.html import to_html
from app.export.markdown import to_markdown
from app.export.terminal import print_report, print_transcript


def transcript_json(report: Report) -> str:
    """The transcript in the contract's JSON, as it is imported again."""
    return json.dumps(report.transcript.document(), ensure_ascii=False, indent=2) + "\n"


__all__ = ["print_report", "print_transcript", "to_html", "to_markdown", "transcript_json"]
