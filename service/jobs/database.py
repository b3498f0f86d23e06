"""The tables of jobs, and the door to the database they are in: SQLite or PostgreSQL.

Only the queue imports this, and the queue is imported when it is first needed: SQLAlchemy takes a quarter of a second,
and forecasts do not depend on it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from forecaster import ConfigError
from service.settings import Settings

__all__ = [
    "DATABASE_ERRORS",
    "DatabaseFaultError",
    "fault_fields",
    "history",
    "jobs",
    "meta",
    "open_database",
    "workers",
]

VERSION = 1
"""Of the tables. A change of them raises it and brings older ones up in `_check_version`."""

WAIT_SECONDS = 5
POOL_SECONDS = 2
CONNECTIONS = 3
"""Of a process: a database that hangs holds up so many threads at the most, and forecasts have the others."""
_LOCK = 0x464F5245  # any number: whoever makes the tables holds this lock of PostgreSQL

_metadata = MetaData()
_number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER up by itself

jobs = Table(
    "jobs",
    _metadata,
    Column("number", _number, primary_key=True, autoincrement=True),  # the order they came in, whatever clocks say
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("turn", BigInteger, nullable=False),  # see Queue.submit
    Column("created", Double, nullable=False),  # this and the others in seconds since 1970
    Column("started", Double),
    Column("finished", Double),
    Column("expires", Double),
    Column("attempts", Integer, nullable=False, default=0),
    Column("token", String(32)),
    Column("beats", BigInteger, nullable=False, default=0),
    Column("options", Text, nullable=False),  # this and the last four are JSON
    Column("bytes", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("idempotency", String(255)),
    Column("progress", Text, nullable=False, default="{}"),
    Column("result", Text),
    Column("model", Text),
    Column("error", Text),
    UniqueConstraint("owner", "idempotency", name="jobs_idempotency"),
    Index("jobs_waiting", "status", "turn", "number"),
    Index("jobs_owner", "owner", "number"),
    Index("jobs_expires", "expires"),
)
history = Table(
    "job_history",
    _metadata,
    Column("number", _number, primary_key=True, autoincrement=True),
    Column("job", String(32), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", String(32)),
    Column("at", Double, nullable=False),
)
workers = Table(
    "workers",
    _metadata,
    Column("id", String(32), primary_key=True),
    Column("seen", Double, nullable=False),
)
meta = Table(
    "jobs_meta",
    _metadata,
    Column("version", Integer, nullable=False),
    Column("submissions", BigInteger, nullable=False),
)


class DatabaseFaultError(Exception):
    """The database answers, but cannot be worked with; the message says what to do."""


DATABASE_ERRORS = (DBAPIError, PoolTimeoutError, DatabaseFaultError, OSError)
"""What may come of any look into the database."""


def fault_fields(error: BaseException) -> dict[str, Any]:
    """Return what the log may tell of an error: a statement's message can hold a user's values, others cannot."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    fields: dict[str, Any] = {"error": type(cause).__name__}
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if code is not None:
        fields["code"] = code
    if not isinstance(error, DBAPIError) or error.statement is None:
        fields["reason"] = str(cause).strip().partition("\n")[0]
    return fields


def open_database(settings: Settings) -> Engine:
    """Return the engine of the jobs' database, whose tables are there and of this version.

    Raises
    ------
    DatabaseFaultError
        The database is damaged, of a newer version, or not one of jobs.
    forecaster.ConfigError
        ``DATABASE_URL`` is not one that is known, or its driver is not installed.
    OSError, sqlalchemy.exc.DBAPIError
        It does not answer, or the state folder cannot be written.
    """
    url = _url(settings)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite:
        _make_sqlite(Path(str(url.database)))
    engine = _sqlite_engine(url) if is_sqlite else _postgres_engine(url)
    try:
        if is_sqlite:
            _check_sqlite(engine, Path(str(url.database)))
        else:
            _make_tables(engine)
        _check_version(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _url(settings: Settings) -> URL:
    if not settings.database_url:
        return URL.create("sqlite", database=str(settings.state_folder.absolute() / "jobs.db"))
    expected = "DATABASE_URL must be postgresql://user:password@host/name, or sqlite:////path/of/a/file"
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        raise ConfigError(f"{expected}; the value has another form.", column="database_url") from None
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"postgresql+psycopg", "sqlite"} or not url.database:
        raise ConfigError(f"{expected}, not {url.drivername}://….", column="database_url")
    return url


def _postgres_engine(url: URL) -> Engine:
    limits = f"-c statement_timeout={2 * WAIT_SECONDS}s -c lock_timeout={WAIT_SECONDS}s"
    keepalive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
    arguments = {"connect_timeout": WAIT_SECONDS, "options": limits, "application_name": "forecaster", **keepalive}
    given = {name: value for name, value in arguments.items() if name not in url.query}
    try:
        from service.jobs.postgres import connect_patiently

        engine = create_engine(
            url,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,  # a server that was started again has none of the old connections
            connect_args=given,
        )
    except (NoSuchModuleError, ImportError):
        message = "DATABASE_URL names PostgreSQL, whose driver is not installed: pip install 'forecaster[postgres]'."
        raise ConfigError(message, column="database_url") from None
    event.listen(engine, "do_connect", connect_patiently)
    return engine


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=POOL_SECONDS)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where Python's module does
    # FULL: what was answered 202 or has succeeded is still there after a power cut.
    for pragma in (f"busy_timeout = {WAIT_SECONDS * 1000}", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock of writers at once: a transaction that reads first and then wants it may have to give up."""
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _make_sqlite(path: Path) -> None:
    """Make the file if there is none; it appears with its tables, so that an empty one is known to be damaged."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.parent):
        if path.exists():
            return
        beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        log = beside.with_name(f"{beside.name}-wal")
        engine = _sqlite_engine(URL.create("sqlite", database=str(beside)))
        try:
            _make_tables(engine)
            engine.dispose()  # the last connection brings the write-ahead log into the file, and removes that
            if log.exists():  # or says nothing where the disk is full
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))
            beside.chmod(0o600)
            beside.rename(path)
        finally:
            engine.dispose()
            for left in (beside, log, beside.with_name(f"{beside.name}-shm")):
                left.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _check_sqlite(engine: Engine, path: Path) -> None:
    """Raise if the file is damaged: SQLite itself would tell only when it comes upon the damage."""
    advice = "Move it away, put a backup in its place or start without one (docs/operations.md, Backup)"
    if not path.stat().st_size:
        raise DatabaseFaultError(f"{path} is empty. {advice}.")
    try:
        with engine.connect().execution_options(reads=True) as connection:
            found = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    except DBAPIError as error:
        if isinstance(error, OperationalError):  # it is locked, or cannot be opened
            raise
        raise DatabaseFaultError(f"{path} is damaged, or not a database. {advice}.") from None
    if found != "ok":
        raise DatabaseFaultError(f"{path} is damaged. {advice}.")


def _make_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # else two processes may try to make the same table
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        _metadata.create_all(connection)
        if connection.execute(select(meta.c.version)).first() is None:
            connection.execute(insert(meta).values(version=VERSION, submissions=0))


def _check_version(engine: Engine) -> None:
    try:
        with engine.connect().execution_options(reads=True) as connection:
            version = connection.execute(select(meta.c.version)).scalar_one_or_none()
    except OperationalError as error:
        if "no such table" not in str(error.orig):
            raise
        version = None
    if version is None:
        raise DatabaseFaultError("The database has no tables of jobs. Give DATABASE_URL another, or leave it out.")
    if version > VERSION:
        raise DatabaseFaultError(
            f"The database is of version {version}, made by a newer release; this one knows version {VERSION}. Install "
            "that release again, or give DATABASE_URL another database."
        )
