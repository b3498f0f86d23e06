"""The parts of a result and the journal of them, in a folder beside the output: what a run goes on from after a crash.

A part is there when the journal says so, and only if its bytes are those that the journal says. The journal grows by
lines, each with a checksum of its own: one that a crash cut short is none.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from forecaster.batch.inputs import difference
from forecaster.errors import ConfigError, OutputError

_JOURNAL = "journal"
_ENDING = ".parts"
_CHECKED = 1 << 20
_OURS = re.compile(r"journal(\.new)?|\d{7}(\.errors)?|scratch|result")

Named = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What the journal says of a part.

    Attributes
    ----------
    number : int
        From 0 on, in the order of the parts.
    rows, series, skipped : int
        Rows of the input it is made of, series that are forecast in it, and those that are not.
    bytes, sha256, error_bytes, error_sha256
        Of its two files, the forecasts and the errors.
    end : mapping
        Where the input goes on after it.
    columns : tuple of str
        What the columns of the forecasts are called.
    named : tuple of (str, str)
        Some of the series that are not forecast, and why.
    """

    number: int
    rows: int
    series: int
    skipped: int
    bytes: int
    sha256: str
    error_bytes: int
    error_sha256: str
    end: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    named: Named = ()


@dataclass(slots=True)
class Parts:
    """The parts of one result; made by `parts_beside`.

    Attributes
    ----------
    folder : Path
        Where they are.
    done : list of Part
        In their order.
    plan : mapping or None
        What has been found out of the input, for whoever goes on.
    committed : bool
        Whether the output is in its place already.
    """

    folder: Path
    identity: Mapping[str, Any]
    done: list[Part] = field(default_factory=list)
    plan: Mapping[str, Any] | None = None
    committed: bool = False

    def content(self, part: Part) -> Path:
        """Return where the forecasts of a part are."""
        return self.folder / f"{part.number:07}"

    def errors(self, part: Part) -> Path:
        """Return where the errors of a part are."""
        return self.folder / f"{part.number:07}.errors"

    def scratch(self) -> Path:
        """Return the folder for what nobody goes on from."""
        return self.folder / "scratch"

    def set_plan(self, plan: Mapping[str, Any]) -> None:
        """Write down what has been found out of the input."""
        self.plan = plan
        self._say({"plan": plan})

    def add(self, content: bytes, errors: bytes, **facts: Any) -> Part:
        """Write a part, and then the line that says so; `facts` are the other attributes of `Part`."""
        part = Part(
            number=len(self.done),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            error_bytes=len(errors),
            error_sha256=hashlib.sha256(errors).hexdigest(),
            **facts,
        )
        with told_of_writing(self.folder):
            self.content(part).write_bytes(content)
            self.errors(part).write_bytes(errors)
        self._say({"part": asdict(part)})
        self.done.append(part)
        return part

    def commit(self) -> None:
        """Write down that the output is in its place."""
        self._say({"committed": True})
        self.committed = True

    def begin(self) -> Self:
        """Remove what an earlier run left in the folder, and begin the journal.

        Raises
        ------
        OutputError
            The folder holds what no run left there.
        """
        stranger = next((path.name for path in self.folder.iterdir() if not _OURS.fullmatch(path.name)), None)
        if stranger is not None:
            raise OutputError(f"{self.folder} holds {stranger}, which is not of this program. Move it elsewhere.")
        with told_of_writing(self.folder):
            for path in sorted(self.folder.iterdir(), key=lambda path: path.name != _JOURNAL):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.done, self.plan, self.committed = [], None, False
        self._say({"format": 1, "identity": self.identity})
        return self

    def go_on(self) -> Self:
        """Take over what the journal says, as far as it is true.

        Raises
        ------
        ConfigError
            The run was one of another input, model or options.
        """
        lines = _lines(self.folder / _JOURNAL)
        if not lines or lines[0].get("format") != 1:
            return self.begin()
        self._refuse_others(lines[0]["identity"])
        self.plan = next((line["plan"] for line in lines if "plan" in line), None)
        self.committed = any("committed" in line for line in lines)
        for said in (line["part"] for line in lines if "part" in line):
            part = Part(**said | {"named": tuple(map(tuple, said["named"])), "columns": tuple(said["columns"])})
            if not self.committed and not self._is_whole(part):  # once the output is in its place they may be gone
                break
            self.done.append(part)
        self._forget_after(len(self.done))
        return self

    def forget_after(self, count: int) -> None:
        """Forget all parts but the first `count`."""
        if count < len(self.done):
            self._forget_after(count)

    def remove(self) -> None:
        """Remove the folder, the journal last of all: until then it tells that the output is in its place."""
        with suppress(OSError):  # the output is written, whatever becomes of this
            for path in self.folder.iterdir():
                if path.name != _JOURNAL:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.rmtree(self.folder)

    def _forget_after(self, count: int) -> None:
        self.done = self.done[:count]
        lines: list[Mapping[str, Any]] = [{"format": 1, "identity": self.identity}]
        lines += [] if self.plan is None else [{"plan": self.plan}]
        lines += [{"part": asdict(part)} for part in self.done]
        lines += [{"committed": True}] if self.committed else []
        beside = self.folder / f"{_JOURNAL}.new"
        with told_of_writing(self.folder):
            beside.write_text("".join(map(_sealed, lines)), encoding="utf-8")
            beside.replace(self.folder / _JOURNAL)

    def _is_whole(self, part: Part) -> bool:
        """Whether the files of a part are what the journal says."""
        if part.number != len(self.done):
            return False
        try:
            return (
                _digest(self.content(part)) == (part.bytes, part.sha256)
                and _digest(self.errors(part)) == (part.error_bytes, part.error_sha256)
            )  # fmt: skip
        except FileNotFoundError:
            return False

    def _refuse_others(self, identity: Mapping[str, Any]) -> None:
        now = json.loads(json.dumps(self.identity))
        other = [name for name in now if identity.get(name) != now[name]]
        if other:
            files = f" ({difference(identity['input'], now['input'])})" if "input" in other else ""
            raise ConfigError(
                f"{self.folder} is of a run with another {' and '.join(other)}{files}, which cannot be gone on with. "
                "Ask for the same again, or leave out --resume to begin anew.",
                column="resume",
            )

    def _say(self, line: Mapping[str, Any]) -> None:
        with told_of_writing(self.folder), (self.folder / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(_sealed(line))


def parts_folder(output: Path) -> Path:
    """Return where the parts of an output are."""
    place = output.resolve()
    return place.with_name(place.name + _ENDING)


@contextmanager
def parts_beside(output: Path, identity: Mapping[str, Any], *, resume: bool) -> Iterator[Parts]:
    """Give the parts of an output, those of an earlier run if they are to be gone on with; no other run has them.

    `identity` says by name what a run must have in common with one that it goes on with. What is left when an error
    comes is kept if there are parts, and removed if there are none.

    Raises
    ------
    OutputError
        Another run writes to the same output, or nothing can be written there.
    ConfigError
        The earlier run was another.
    """
    with _locked(parts_folder(output), output) as folder:
        parts = Parts(folder, identity)
        if resume:
            parts.go_on()
        else:
            parts.begin()
        try:
            yield parts
        finally:
            if not parts.done:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def parts_elsewhere(identity: Mapping[str, Any]) -> Iterator[Parts]:
    """Give parts in a folder for temporary files: of an output that has nothing beside it, such as /dev/stdout."""
    with tempfile.TemporaryDirectory(prefix="forecaster-", suffix=_ENDING) as folder:
        yield Parts(Path(folder), identity).begin()


@contextmanager
def _locked(folder: Path, output: Path) -> Iterator[Path]:
    """Make a folder, and hold its lock, which ends with the process whatever ends it."""
    with told_of_writing(output):
        handle = _taken(folder)
    try:
        yield folder
    finally:
        os.close(handle)


def _taken(folder: Path) -> int:
    while True:
        folder.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise BlockingIOError(errno.EAGAIN, f"another run is writing it ({folder} is locked)") from None
            except OSError:  # a file system without locks, where two runs at once are the user's to avoid
                return handle
            if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
                return handle
            os.close(handle)  # removed by the run that had it


@contextmanager
def told_of_writing(place: Path) -> Iterator[None]:
    """Have errors of writing say where.

    Raises
    ------
    OutputError
        In the place of an OSError.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{place} cannot be written: {error.strerror or error}.") from error


def _sealed(line: Mapping[str, Any]) -> str:
    text = json.dumps(line, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def _lines(path: Path) -> list[Any]:
    """Return the lines of a journal up to the first that is not whole."""
    found: list[Any] = []
    with suppress(FileNotFoundError):
        for line in path.read_bytes().split(b"\n"):
            seal, _, text = line.partition(b" ")
            if seal != b"%08x" % zlib.crc32(text):
                break
            found.append(json.loads(text))
    return found


def _digest(path: Path) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHECKED):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()
