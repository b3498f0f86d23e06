"""The database of jobs: made once, opened by many, and never worked with when it is not what it should be."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from forecaster import ConfigError
from service.jobs.database import DATABASE_ERRORS, DatabaseFaultError, fault_fields, jobs, meta, open_database
from service.settings import Settings
from tests.postgres import Cluster

CANARY = "canary77"


def test_many_processes_may_make_it_at_once(tmp_path: Path, database_url: str) -> None:
    settings = Settings(state=tmp_path / "new" / "state", database_url=database_url)
    faults: list[BaseException] = []

    def make() -> None:
        try:
            open_database(settings).dispose()
        except BaseException as error:  # noqa: BLE001 - told to the test
            faults.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    engine = open_database(settings)
    with engine.connect() as connection:
        assert connection.execute(select(meta)).all() == [(1, 0)]
    engine.dispose()


def test_sqlite_is_private_and_safe_from_a_power_cut(tmp_path: Path) -> None:
    engine = open_database(Settings(state=tmp_path / "state"))
    with engine.connect() as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert (tmp_path / "state" / "jobs.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    assert {path.name for path in (tmp_path / "state").iterdir()} <= {"jobs.db", "jobs.db-wal", "jobs.db-shm"}


DAMAGE = {
    "empty": lambda content: content[:0],
    "half": lambda content: content[: len(content) // 2],
    "a page short": lambda content: content[:-4096],
    "a header of something else": lambda content: b"x" * 100 + content[100:],
    "a page of zeros": lambda content: content[:4096] + bytes(4096) + content[8192:],
    "text": lambda content: (b"this is not a database\n" * 999)[: len(content)],
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_refused_and_left_as_it_is(case: str, tmp_path: Path) -> None:
    settings = Settings(state=tmp_path)
    open_database(settings).dispose()
    path = tmp_path / "jobs.db"
    damaged = DAMAGE[case](path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(DatabaseFaultError, match=r"jobs\.db is .*backup"):
        open_database(settings)
    assert path.read_bytes() == damaged


def test_what_could_not_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, disposed = Settings(state=tmp_path), Engine.dispose
    monkeypatch.setattr(Engine, "dispose", lambda _: None)  # as where the log cannot be brought into the file
    with pytest.raises(OSError, match="No space left"):
        open_database(settings)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(Engine, "dispose", disposed)
    open_database(settings).dispose()


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "jobs.db")
    connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()
    with pytest.raises(DatabaseFaultError, match="no tables of jobs"):
        open_database(Settings(state=tmp_path))


def test_a_newer_version_is_refused(tmp_path: Path, database_url: str) -> None:
    settings = Settings(state=tmp_path, database_url=database_url)
    engine = open_database(settings)
    with engine.begin() as connection:
        connection.execute(update(meta).values(version=2))
    engine.dispose()
    with pytest.raises(DatabaseFaultError, match="version 2, made by a newer release; this one knows version 1"):
        open_database(settings)


WRONG = ["mysql://user:canary77@host/name", "canary77", "sqlite://", "postgresql+asyncpg://user:canary77@host/name"]


@pytest.mark.parametrize("url", WRONG)
def test_a_url_of_another_kind_is_refused_without_showing_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL must be postgresql://") as caught:
        open_database(Settings(state=tmp_path, database_url=url))
    assert CANARY not in str(caught.value)


def test_a_file_may_be_named(tmp_path: Path) -> None:
    open_database(Settings(database_url=f"sqlite:///{tmp_path}/other.db")).dispose()
    assert (tmp_path / "other.db").is_file()


def test_without_its_driver_postgresql_is_refused_with_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from service.jobs.database import open_database\n"
        "from service.settings import Settings\n"
        "open_database(Settings(database_url='postgresql://x/y'))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603 - our own code
    assert "pip install 'forecaster[postgres]'" in done.stderr


def test_a_server_that_is_not_there_is_an_error_of_the_database(tmp_path: Path) -> None:
    with pytest.raises(DATABASE_ERRORS) as caught:
        open_database(Settings(database_url=f"postgresql://user:{CANARY}@/x?host={tmp_path}"))
    fields = fault_fields(caught.value)
    assert fields["error"] == "OperationalError"
    assert "reason" in fields
    assert CANARY not in str(fields)


def test_a_server_that_was_started_again_is_found_again(postgres: Cluster, tmp_path: Path) -> None:
    engine = open_database(Settings(state=tmp_path, database_url=postgres.new_database()))
    postgres.stop()
    with pytest.raises(DBAPIError), engine.connect():
        pass
    postgres.start()
    with engine.connect() as connection:
        assert connection.execute(select(meta.c.version)).scalar_one() == 1
    engine.dispose()


def test_what_is_in_a_statement_is_not_told(tmp_path: Path, database_url: str) -> None:
    """Messages of databases quote the values that they refuse."""
    engine = open_database(Settings(state=tmp_path, database_url=database_url))
    row = {"id": CANARY, "kind": "x", "owner": "", "status": "", "turn": 0, "created": 0.0, "options": CANARY}
    with engine.begin() as connection:
        connection.execute(insert(jobs).values(**row, bytes=0, digest=""))
    with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
        connection.execute(insert(jobs).values(**row, bytes=0, digest=""))
    engine.dispose()
    fields = fault_fields(caught.value)
    assert set(fields) == {"error", "code"}
    assert CANARY not in str(fields)
