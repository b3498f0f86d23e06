"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a socket in it, ended with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

PATIENCE = 180
NAMES = count(1)


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, Debian's newest or those on the path; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def postgres_user() -> str | None:
    """Return the user to run it as: PostgreSQL refuses root. None for the one that runs the tests."""
    return "postgres" if os.geteuid() == 0 else None


def why_not() -> str | None:
    """Return why there can be no PostgreSQL here, or None."""
    if postgres_programs() is None:
        return "PostgreSQL is not installed (Debian's package is called postgresql)"
    user = postgres_user()
    if user is not None and user not in {entry.pw_name for entry in pwd.getpwall()}:
        return "PostgreSQL does not run as root, and there is no user called postgres"
    return None


class Cluster:
    """A server with databases of its own; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        programs = postgres_programs()
        assert programs is not None, why_not()
        self._programs = programs
        self._folder = folder
        if postgres_user() is not None:
            shutil.chown(folder, postgres_user())
        self._run("initdb", "--username=tests", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "data")

    def _run(self, program: str, *arguments: str) -> None:
        arguments = tuple(str(self._folder / "data") if argument == "data" else argument for argument in arguments)
        log = self._folder / "programs.log"
        with log.open("ab") as output:  # not a pipe: the server would hold it open
            done = subprocess.run(  # noqa: S603 - our own words
                [self._programs / program, *arguments],
                user=postgres_user(), cwd=self._folder, stdout=output, stderr=output, timeout=PATIENCE, check=False,
            )  # fmt: skip
        assert done.returncode == 0, log.read_text()

    def start(self) -> None:
        """Start the server, on a socket in its folder and on no port."""
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off -c max_connections=50"
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "start", "--wait", "--pgdata", "data", "--log", log, "--options", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server at once; what is connected is cut off. ``immediate``: as if the power were cut."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode, "--pgdata", "data")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all its processes within the block: connections stay open, and nothing is answered."""
        server = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGSTOP)  # first, so that there are no new ones
        children = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == server]
        try:
            for child in children:
                os.kill(child, signal.SIGSTOP)
            yield
        finally:
            for process in (*children, server):
                os.kill(process, signal.SIGCONT)

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://tests@/{name}?host={self._folder}"

    def new_database(self) -> str:
        """Make a database, and return its URL."""
        name = f"tests{next(NAMES)}"
        self._run("createdb", "--host", str(self._folder), "--username", "tests", name)
        return self.url(name)


def _parent(stat: Path) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        return int(stat.read_text().rpartition(") ")[2].split()[1])
    return 0


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Give a running cluster; its folder is one that another user may reach, which a test's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        made = Cluster(folder)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
