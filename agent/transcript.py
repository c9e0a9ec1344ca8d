"""Transcripts as they come and go: the contract's JSON, JSON Lines of turns, plain text.

Unknown keys are kept. Plain text has ``Interviewer:`` / ``Candidate:`` (or two other names) at line
starts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import TranscriptError, WhoIsCandidateError
from agent.records import TurnRecord
from agent.scale import Level, Speaker, Stage

MAX_TRANSCRIPT_CHARS = 2_000_000
_INTERVIEWER_NAMES = {"interviewer", "host", "recruiter", "assistant", "ai", "bot", "spar", "q"}
_CANDIDATE_NAMES = {"candidate", "interviewee", "me", "user", "applicant", "a", "you"}
_HEADINGS = {
    *("framing", "goal", "goals", "decision", "problem", "metrics", "metric", "data", "labels"),
    *("label", "features", "modeling", "modelling", "model", "baseline", "serving", "validation"),
    *("evaluation", "operations", "ops", "monitoring", "fallback", "rollout", "note", "cost"),
    *("assumption", "assumptions", "business", "offline", "online", "training", "latency"),
}
_LABEL = re.compile(
    r"^[ \t]*[*_]{0,2}([A-Z][\w .'\-]{0,38}?|[a-z]{1,14})[*_]{0,2}[ \t]*:[*_]{0,2}[ \t]+(?=\S)|"
    r"^[ \t]*[*_]{0,2}([A-Z][\w.'\-]{0,20}|[a-z]{1,14})[*_]{0,2}:[*_]{0,2}[ \t]*$",
    re.M,
)


class Turn(BaseModel):
    """One turn; keys beyond these are kept as they came."""

    model_config = ConfigDict(frozen=True, extra="allow")

    speaker: Speaker
    stage: Stage | None = None
    text: str
    move: str | None = None
    target: str | None = None
    seconds: float | None = None
    typing_seconds: float | None = None


class Transcript(BaseModel):
    """One interview or one answer, from anywhere."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    title: str | None = None
    case: str | None = None
    prompt: str = ""
    level: Level = "senior"
    turns: tuple[Turn, ...] = Field(default=())

    def document(self) -> dict[str, Any]:
        """The contract's JSON, absent optional keys left out."""
        head = self.model_dump(mode="json", exclude={"turns"})
        head["turns"] = [_turn_document(t) for t in self.turns]
        return head


def _turn_document(turn: Turn) -> dict[str, Any]:
    fields = turn.model_dump(mode="json", exclude_none=True)
    return {"speaker": turn.speaker, "stage": turn.stage} | fields


def read_transcript(
    text: str, name: str, *, candidate: str | None = None, level: Level | None = None
) -> Transcript:
    """Read a transcript in any accepted format; ``name`` becomes its id where it has none.

    ``candidate`` names the speaker who is graded, where the text does not say. TranscriptError
    with one sentence when nothing can be read or the candidate cannot be told.
    """
    if len(text) > MAX_TRANSCRIPT_CHARS:
        raise TranscriptError(f"The transcript is longer than {MAX_TRANSCRIPT_CHARS:,} characters.")
    if "\x00" in text:
        raise TranscriptError("The file holds binary data; a transcript is text or JSON.")
    text = "".join(c for c in text if not "\ud800" <= c <= "\udfff")
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        raise TranscriptError("The transcript is empty.")
    is_json = stripped[0] in "{["
    fields: dict[str, Any] = _from_json(stripped) if is_json else {"turns": _from_text(stripped)}
    fields["turns"] = _assign(fields["turns"], candidate)
    fields.setdefault("id", name)
    if fields.get("id") is None:
        fields["id"] = name
    fields["id"] = str(fields["id"])
    if level is not None:
        fields["level"] = level
    elif fields.get("level") is None:
        fields.pop("level", None)
    if fields.get("prompt") is None:
        fields["prompt"] = ""
    try:
        return Transcript.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise TranscriptError(f"The transcript is not valid at {where}: {first['msg']}.") from error


def _from_json(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except RecursionError:
        raise TranscriptError("The transcript is nested too deeply to be read.") from None
    except ValueError:
        data = _json_lines(text)
    if isinstance(data, list):
        data = {"turns": data}
    if not isinstance(data, dict):
        raise TranscriptError("The transcript is JSON but no object or list of turns.")
    if "turns" not in data and "speaker" in data:
        data = {"turns": [data]}
    turns = data.get("turns")
    if not isinstance(turns, list) or not turns:
        raise TranscriptError("The transcript has no turns.")
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict) or not isinstance(turn.get("text"), str):
            raise TranscriptError(f"Turn {number} of the transcript has no text.")
        if not isinstance(turn.get("speaker"), str):
            raise TranscriptError(f"Turn {number} of the transcript has no speaker.")
    return dict(data)


def _json_lines(text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError):
                raise TranscriptError(f"Line {number} of the transcript is not JSON.") from None
    return rows


def _from_text(text: str) -> list[dict[str, Any]]:
    matches = _speaker_labels(text)
    if not matches:
        raise TranscriptError(
            "No speakers found: start each turn with 'Interviewer:' or 'Candidate:'."
        )
    turns = []
    ends = [m.start() for m in matches[1:]] + [len(text)]
    for match, end in zip(matches, ends, strict=True):
        said = text[match.end() : end].strip()
        if said:
            turns.append({"speaker": (match[1] or match[2]).strip(), "text": said})
    return turns


def _speaker_labels(text: str) -> list[re.Match[str]]:
    """Line-start labels that are speakers: the usual names, and the one other that comes back.

    Headings inside an answer ("Data:", "Metrics:") are no speakers.
    """
    found = list(_LABEL.finditer(text))
    names = Counter((m[1] or m[2]).strip().lower() for m in found)
    usual = {n for n in names if n in _INTERVIEWER_NAMES | _CANDIDATE_NAMES}
    others = [n for n, _ in names.most_common() if n not in usual and n not in _HEADINGS]
    keep = set(usual)
    if not {"interviewer", "candidate"} <= usual and len(usual) < 2:
        wanted = 2 - len(usual)
        keep |= {n for n in others if names[n] >= 2 or len(others) <= wanted}
        keep |= set(others[:wanted])
    return [m for m in found if (m[1] or m[2]).strip().lower() in keep]


def _assign(turns: list[dict[str, Any]], candidate: str | None) -> list[dict[str, Any]]:
    """Map whatever the speakers are called to interviewer and candidate."""
    names = list(dict.fromkeys(str(t["speaker"]).strip() for t in turns))
    roles = _roles(names, candidate)
    return [{**t, "speaker": roles[str(t["speaker"]).strip()]} for t in turns]


def _roles(
    names: list[str], candidate: str | None
) -> dict[str, Literal["interviewer", "candidate"]]:
    if candidate is not None:
        wanted = candidate.strip().lower()
        if wanted not in {n.lower() for n in names}:
            raise TranscriptError(
                f"No speaker is called {candidate!r}; the speakers are: {', '.join(names)}."
            )
        return {n: "candidate" if n.lower() == wanted else "interviewer" for n in names}
    lower = {n: n.lower() for n in names}
    for_sure = [n for n in names if lower[n] in _CANDIDATE_NAMES]
    against = [n for n in names if lower[n] in _INTERVIEWER_NAMES]
    if len(for_sure) == 1 and len(for_sure) + len(against) == len(names):
        return {n: "candidate" if n in for_sure else "interviewer" for n in names}
    if not for_sure and len(names) == 2 and len(against) == 1:
        return {n: "interviewer" if n in against else "candidate" for n in names}
    if not for_sure and len(names) == len(against) and against:
        return dict.fromkeys(names, "interviewer")
    raise WhoIsCandidateError(names)


def hints_taken(turns: Iterable[Turn]) -> Mapping[str, int]:
    """How many steps of each criterion's ladder were given."""
    taken: dict[str, int] = {}
    for turn in turns:
        if turn.speaker == "interviewer" and turn.move == "hint" and turn.target:
            taken[turn.target] = taken.get(turn.target, 0) + 1
    return taken


def seconds_by_stage(turns: Iterable[Turn | TurnRecord]) -> dict[str, float]:
    """Answering time by the stage of the question; ``design`` where it had none."""
    spent: dict[str, float] = {}
    for turn in turns:
        if turn.speaker == "candidate" and turn.seconds:
            key = turn.stage or "design"
            spent[key] = round(spent.get(key, 0.0) + turn.seconds, 1)
    return spent
