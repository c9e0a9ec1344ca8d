"""The database: interviews, turns, grades, self-ratings and appeals of one owner.

Turn rows keyed (interview, seq) are the truth of an interview: an answer is accepted when its row
is committed. Every query goes through ``_mine`` so that an owner sees only their own records.
SQLAlchemy Core, SQLite by default (WAL, synchronous FULL: a commit survives a kill and a power
cut).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from agent.errors import ConflictError, NotFoundError, StoreError
from agent.records import Appeal, GradeRecord, InterviewRecord, SelfRating, TurnRecord
from agent.settings import OWNER

SCHEMA = 1
BUSY_SECONDS = 5.0

_metadata = sa.MetaData()
_meta = sa.Table("meta", _metadata, sa.Column("schema", sa.Integer, primary_key=True))
_interviews = sa.Table(
    "interviews",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False, index=True),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


def _child(name: str, *columns: sa.Column[Any]) -> sa.Table:
    parent = sa.Column(
        "interview",
        sa.String,
        sa.ForeignKey("interviews.id", ondelete="CASCADE"),
        nullable=False,
        primary_key=name in ("turns", "self_ratings"),
    )
    return sa.Table(name, _metadata, parent, *columns)


_turns = _child(
    "turns",
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("speaker", sa.String, nullable=False),
    sa.Column("wording", sa.String),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_grades = _child(
    "grades",
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("created_at", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_ratings = _child("self_ratings", sa.Column("body", sa.LargeBinary, nullable=False))
_appeals = _child(
    "appeals",
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


class Store:
    """Records of one owner in one database. Thread safe; open one per process."""

    def __init__(self, engine: Engine, owner: str = OWNER) -> None:
        self._engine = engine
        self._owner = owner

    @classmethod
    def open(cls, url: str, owner: str = OWNER) -> Store:
        """Open (and create) the database at ``url``; StoreError in one sentence if it cannot."""
        with _reported(url):
            engine = _engine(url)
            try:
                try:
                    found = _prepared(engine)
                except (exc.OperationalError, exc.IntegrityError):
                    found = _prepared(engine)  # another process made the tables at that moment
            except BaseException:
                engine.dispose()
                raise
        if found not in (None, SCHEMA):
            engine.dispose()
            raise StoreError(
                f"The database was written by another version of Spar (schema {found}, this one "
                f"reads {SCHEMA})."
            )
        return cls(engine, owner)

    def close(self) -> None:
        """Give the connections back; SQLite then folds its write-ahead log into the file."""
        self._engine.dispose()

    # Interviews

    def add_interview(
        self,
        record: InterviewRecord,
        turns: Sequence[TurnRecord] = (),
        grade: GradeRecord | None = None,
    ) -> None:
        """Keep a new interview in one commit: with the rows it shares with its parent if it is a
        redo, with its rows and grade if it is an import."""
        try:
            with self._write() as connection:
                connection.execute(_interviews.insert().values(**_interview_row(record)))
                if turns:
                    connection.execute(_turns.insert(), [_turn_row(t) for t in turns])
                if grade is not None:
                    connection.execute(_grades.insert().values(**_grade_row(grade)))
        except exc.IntegrityError as error:
            raise ConflictError(f"There is an interview {record.id!r} already.") from error

    def interview(self, interview: str) -> InterviewRecord:
        """The interview with that id; NotFoundError if this owner has none."""
        query = self._mine(sa.select(_interviews.c.body)).where(_interviews.c.id == interview)
        with self._read() as connection:
            body = connection.execute(query).scalar()
        if body is None:
            raise NotFoundError(f"There is no interview {interview!r}.")
        return _interview(body)

    def interviews(self) -> list[InterviewRecord]:
        """All interviews, newest first."""
        query = self._mine(sa.select(_interviews.c.body)).order_by(
            _interviews.c.created_at.desc(), _interviews.c.id
        )
        with self._read() as connection:
            return [_interview(b) for b in connection.execute(query).scalars()]

    def update_interview(self, record: InterviewRecord) -> None:
        """Replace the record (status, end)."""
        query = _interviews.update().where(
            _interviews.c.id == record.id, _interviews.c.owner == self._owner
        )
        with self._write() as connection:
            if not connection.execute(query.values(**_interview_row(record))).rowcount:
                raise NotFoundError(f"There is no interview {record.id!r}.")

    def delete_interview(self, interview: str) -> None:
        """Remove the interview with everything that belongs to it."""
        self.interview(interview)
        with self._write() as connection:
            for table in (_turns, _grades, _ratings, _appeals):
                connection.execute(table.delete().where(table.c.interview == interview))
            connection.execute(_interviews.delete().where(_interviews.c.id == interview))

    # Turns

    def add_turn(self, turn: TurnRecord) -> None:
        """Commit one row; ConflictError if (interview, seq) is taken."""
        self.interview(turn.interview)
        try:
            with self._write() as connection:
                connection.execute(_turns.insert().values(**_turn_row(turn)))
        except exc.IntegrityError as error:
            raise ConflictError(
                "This question was answered in another tab or process first."
            ) from error

    def turns(self, interview: str) -> list[TurnRecord]:
        """All rows of the interview in order."""
        self.interview(interview)
        query = (
            sa.select(_turns.c.body).where(_turns.c.interview == interview).order_by(_turns.c.seq)
        )
        with self._read() as connection:
            return [_turn(b) for b in connection.execute(query).scalars()]

    def turn(self, interview: str, seq: int) -> TurnRecord | None:
        """The row at ``seq``, or None."""
        query = self._mine(
            sa.select(_turns.c.body).join(_interviews, _interviews.c.id == _turns.c.interview)
        ).where(_turns.c.interview == interview, _turns.c.seq == seq)
        with self._read() as connection:
            body = connection.execute(query).scalar()
        return _turn(body) if body is not None else None

    def wordings(self) -> dict[str, int]:
        """How often this owner has seen each authored wording, over all interviews."""
        query = self._mine(
            sa.select(_turns.c.wording, sa.func.count()).join(
                _interviews, _interviews.c.id == _turns.c.interview
            )
        ).where(_turns.c.wording.is_not(None))
        with self._read() as connection:
            rows = connection.execute(query.group_by(_turns.c.wording)).all()
        return {row[0]: row[1] for row in rows}

    # Grades, ratings, appeals

    def add_grade(self, grade: GradeRecord) -> None:
        """Keep a grade; one interview may have several."""
        self.interview(grade.interview)
        try:
            with self._write() as connection:
                connection.execute(_grades.insert().values(**_grade_row(grade)))
        except exc.IntegrityError as error:
            raise ConflictError("This interview was graded in another tab or process.") from error

    def grades(self, interview: str) -> list[GradeRecord]:
        """All grades of the interview, oldest first."""
        self.interview(interview)
        query = (
            sa.select(_grades.c.body)
            .where(_grades.c.interview == interview)
            .order_by(_grades.c.created_at, _grades.c.id)
        )
        with self._read() as connection:
            return [
                GradeRecord.model_validate(_unpack(b)) for b in connection.execute(query).scalars()
            ]

    def save_rating(self, rating: SelfRating) -> None:
        """Keep or replace the candidate's own rating."""
        self.interview(rating.interview)
        with self._write() as connection:
            connection.execute(_ratings.delete().where(_ratings.c.interview == rating.interview))
            connection.execute(
                _ratings.insert().values(interview=rating.interview, body=_pack(rating))
            )

    def rating(self, interview: str) -> SelfRating | None:
        """The candidate's own rating, if given."""
        self.interview(interview)
        query = sa.select(_ratings.c.body).where(_ratings.c.interview == interview)
        with self._read() as connection:
            body = connection.execute(query).scalar()
        return SelfRating.model_validate(_unpack(body)) if body is not None else None

    def add_appeal(self, appeal: Appeal) -> None:
        """Keep an "I did say this" with both verdicts."""
        self.interview(appeal.interview)
        with self._write() as connection:
            connection.execute(
                _appeals.insert().values(
                    id=appeal.id, interview=appeal.interview, body=_pack(appeal)
                )
            )

    def appeals(self, interview: str) -> list[Appeal]:
        """All appeals of the interview, oldest first."""
        self.interview(interview)
        query = sa.select(_appeals.c.body).where(_appeals.c.interview == interview)
        with self._read() as connection:
            found = [Appeal.model_validate(_unpack(b)) for b in connection.execute(query).scalars()]
        return sorted(found, key=lambda a: (a.created_at, a.id))

    def _mine(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.where(_interviews.c.owner == self._owner)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _reported(self._engine.url.render_as_string()), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with _reported(self._engine.url.render_as_string()), self._engine.begin() as connection:
            yield connection


def _engine(url: str) -> Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


_MEANINGS = (
    ("disk is full", "The disk is full; the last step was not saved and nothing before it is lost"),
    ("disk i/o", "The disk could not be read or written"),
    ("locked", "The database is locked by another program"),
    ("malformed", "The database file is damaged"),
    ("not a database", "The database file is damaged or is no database"),
    ("unable to open", "The database cannot be opened"),
    ("readonly", "The database cannot be written"),
)


def _prepared(engine: Engine) -> int | None:
    """Make what is missing; the schema that was there before, None in a new database."""
    with engine.begin() as connection:
        _metadata.create_all(connection)
        found: int | None = connection.execute(sa.select(_meta.c.schema)).scalar()
        if found is None:
            connection.execute(_meta.insert().values(schema=SCHEMA))
    return found


@contextmanager
def _reported(url: str) -> Iterator[None]:
    """Turn driver errors into one clear sentence; integrity errors are the caller's."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        meaning = next((m for key, m in _MEANINGS if key in reason.lower()), None)
        place = url.removeprefix("sqlite:///")
        raise StoreError(f"{meaning or f'The database failed ({reason})'}: {place}.") from error


def _interview_row(record: InterviewRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "owner": record.owner,
        "status": record.status,
        "created_at": record.created_at.isoformat(),
        "body": _pack(record),
    }


def _grade_row(grade: GradeRecord) -> dict[str, Any]:
    return {
        "id": grade.id,
        "interview": grade.interview,
        "created_at": grade.created_at.isoformat(),
        "body": _pack(grade),
    }


def _turn_row(turn: TurnRecord) -> dict[str, Any]:
    return {
        "interview": turn.interview,
        "seq": turn.seq,
        "speaker": turn.speaker,
        "wording": turn.wording,
        "body": _pack(turn),
    }


@lru_cache(maxsize=1024)
def _turn(body: bytes) -> TurnRecord:
    """A row as a value; a turn of an interview reads the same rows several times."""
    return TurnRecord.model_validate(_unpack(body))


@lru_cache(maxsize=64)
def _interview(body: bytes) -> InterviewRecord:
    return InterviewRecord.model_validate(_unpack(body))


def _pack(value: Any) -> bytes:
    return zlib.compress(value.model_dump_json(exclude_defaults=True).encode(), 6)


def _unpack(body: bytes) -> Any:
    try:
        return json.loads(zlib.decompress(body))
    except (zlib.error, ValueError) as error:
        raise StoreError("A record in the database is damaged and cannot be read.") from error
