"""Podcast files: YAML front matter with a ``transcript`` of headers and timed lines.

Real files are uneven. A turn split over entries of one stamp is joined; a line without a stamp, or
with one that runs backwards, keeps its text and takes the stamp before it, marked approximate;
paragraphs stored twice are taken once, from the entry that names its speaker.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from knowledge.documents import Document, Turn, UnreadableError

_FRONT = re.compile(r"\A---[ \t]*\n(?P<head>.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2})(?:\.\d+)?\Z")
_DEEPEST = 50
_LATEST = 1e6  # seconds, eleven days
_PLAIN = (str, int, float, date)


@dataclass(frozen=True)
class _Line:
    text: str
    speaker: str | None
    stamp: float | None
    section: str | None


def has_front_matter(text: str) -> bool:
    """Whether the text opens with a YAML block between two rules."""
    return _FRONT.match(text) is not None


def front_matter(text: str) -> Mapping[str, Any]:
    """The front matter's mapping; UnreadableError where it is not one."""
    match = _FRONT.match(text)
    assert match is not None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(match["head"], loader)
        head = yaml.load(match["head"], Loader=loader)  # noqa: S506 - a safe loader
    except ValueError as error:  # a date such as 2021-02-30
        raise UnreadableError("its front matter holds a value that is not possible") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2})" if mark is not None else ""
        raise UnreadableError(f"its front matter is not valid YAML{where}") from error
    if not isinstance(head, Mapping):
        raise UnreadableError("its front matter is not a mapping")
    return head


def _check_depth(head: str, loader: type) -> None:
    """Refuse what is nested so deeply that the parser written in C would run out of its stack."""
    depth = 0
    for event in yaml.parse(head, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise UnreadableError("its front matter is nested too deeply")


def without_front_matter(text: str) -> str:
    """The text after the front matter."""
    match = _FRONT.match(text)
    return text[match.end() :] if match is not None else text


def read(path: Path, text: str) -> Document | None:
    """The episode, or None where the front matter holds no transcript."""
    head = front_matter(text)
    entries = head.get("transcript")
    if entries is None:
        return None
    if not isinstance(entries, list):
        raise UnreadableError("its transcript is not a list")
    turns, estimated = _turns(list(_lines(entries)))
    title = _words(head.get("title")) or path.stem
    guests = head.get("guests")
    listed = guests if isinstance(guests, list) else [guests]
    named = tuple(name for guest in listed if (name := _words(guest)))
    ids = head.get("ids")
    youtube = _words(ids.get("youtube")) if isinstance(ids, Mapping) else ""
    document = Document(
        kind="podcast",
        title=title,
        turns=tuple(turns),
        episode=_episode(head),
        youtube=youtube or None,
        guests=named,
    )
    warnings = []
    if estimated:
        warnings.append(f"{estimated} of {len(turns)} turns have no reliable time.")
    if guest_speaks(document) is False and len(document.speakers) > 1:
        warnings.append(_foreign(document))
    return replace(document, warnings=tuple(warnings))


def guest_speaks(document: Document) -> bool | None:
    """Whether a guest whom the file names does speak in it; None where it names none."""
    if not document.guests:
        return None
    return any(speaks(guest, document.speakers) for guest in document.guests)


def speaks(guest: str, speakers: Sequence[str]) -> bool:
    """Whether a guest's slug (``angelaramirez``) fits one of the speakers (``Angela``)."""
    slug = _letters(guest)
    firsts = {_letters(s.split()[0]) for s in speakers if s.split()}
    return any(first and first in slug for first in firsts)


def seconds_of(stamp: object) -> float | None:
    """Seconds of ``m:ss``, ``h:mm:ss`` or a number (YAML reads an unquoted 1:02 as 62)."""
    if isinstance(stamp, bool) or stamp is None:
        return None
    if isinstance(stamp, int | float):
        return float(stamp) if 0 <= stamp <= _LATEST else None
    match = _CLOCK.match(str(stamp).strip())
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def trusted(stamps: Sequence[float | None]) -> list[bool]:
    """Which stamps belong to the longest run that never goes back; the others are typing errors.

    A single wrong stamp, too early or far too late, is then the only one not trusted.
    """
    tails: list[float] = []
    ends: list[int] = []
    before: list[int | None] = [None] * len(stamps)
    for i, stamp in enumerate(stamps):
        if stamp is None:
            continue
        at = bisect.bisect_right(tails, stamp)
        before[i] = ends[at - 1] if at else None
        if at == len(tails):
            tails.append(stamp)
            ends.append(i)
        else:
            tails[at] = stamp
            ends[at] = i
    kept = [False] * len(stamps)
    last: int | None = ends[-1] if ends else None
    while last is not None:
        kept[last] = True
        last = before[last]
    return kept


def settled(stamps: Sequence[float | None]) -> list[tuple[float | None, bool]]:
    """A start for each stamp, and whether it is approximate: what is not trusted takes the start
    before it."""
    found: list[tuple[float | None, bool]] = []
    last: float | None = None
    for stamp, sure in zip(stamps, trusted(stamps), strict=True):
        last = stamp if sure else last
        found.append((last, not sure and last is not None))
    return found


def _lines(entries: Sequence[object]) -> Iterator[_Line]:
    rows = [e for e in entries if isinstance(e, Mapping)]
    named = any(_words(r.get("who")) for r in rows)
    section: str | None = None
    for row in rows:
        if header := _words(row.get("header")):
            section = header
        text = _words(row.get("line"))
        speaker = _words(row.get("who"))
        if not text or (named and not speaker):
            continue
        stamp = seconds_of(row.get("sec"))
        if stamp is None:
            stamp = seconds_of(row.get("time"))
        yield _Line(text, speaker or None, stamp, section)


def _turns(lines: Sequence[_Line]) -> tuple[list[Turn], int]:
    """Turns in order, and how many of them carry an estimated time."""
    found: list[Turn] = []
    starts = settled([line.stamp for line in lines])
    for line, (start, approximate) in zip(lines, starts, strict=True):
        turn = Turn(line.text, line.speaker, start, approximate, line.section)
        previous = found[-1] if found else None
        if (
            previous is not None
            and (previous.speaker, previous.start, previous.section)
            == (turn.speaker, turn.start, turn.section)
            and turn.start is not None
        ):
            found[-1] = replace(previous, text=f"{previous.text} {turn.text}")
        else:
            found.append(turn)
    return found, sum(1 for t in found if t.approximate or t.start is None)


def _foreign(document: Document) -> str:
    return (
        f"It names the guest {', '.join(document.guests)}, but "
        f"{', '.join(document.speakers[:4])} speak: "
        "its transcript may belong to another episode."
    )


def _episode(head: Mapping[str, Any]) -> str | None:
    season, episode = _words(head.get("season")), _words(head.get("episode"))
    return f"S{season}E{episode}" if season and episode else None


def _words(value: object) -> str:
    """A value as words; of a list (an unquoted ``[laughs]``) the plain values in it."""
    values = value if isinstance(value, list) else [value]
    return " ".join(word for v in values if isinstance(v, _PLAIN) for word in str(v).split())


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha())
