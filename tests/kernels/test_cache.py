"""The cache of compiled kernels: whatever is wrong with it, it is only a miss."""

from __future__ import annotations

import ast
import errno
import hashlib
import logging
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.registry import cpu_target

from forecaster.kernels import _cache
from forecaster.kernels._cache import Counts, KernelCache, cache_folder, calling_before_compiling, sealed
from forecaster.kernels._jit import KERNELS, kernel

ROOT = Path(__file__).parents[2]
SIGNATURE = (numba.float32,)
ONE = np.float32(1.0)
DIGEST = hashlib.sha256().digest_size
NOBODY = 65534


def halve(x: np.float32) -> np.float32:
    """The small kernel."""
    return np.float32(0.5) * x


def twice(x: np.float32) -> np.float32:
    return x + x


MANY = np.zeros(200_000)
"""More than a megabyte: Numba then compiles the address, not the values, into the code."""


def fresh_kernel(function: Callable[..., Any] = halve) -> Any:
    """Return a kernel that has compiled nothing yet, as after the start of a process."""
    fresh = kernel(function)
    KERNELS.remove(fresh)  # it is none of the library's
    return fresh


def load() -> Any:
    """Look the small kernel up, without compiling it after a miss."""
    return KernelCache(halve).load_overload(SIGNATURE, cpu_target.target_context)


def misses_and_computes() -> bool:
    """Whether a call finds nothing in the cache, compiles, and gives the right number."""
    loaded, compiled = Counts.loaded, Counts.compiled
    assert fresh_kernel()(ONE) == 0.5
    return (Counts.loaded, Counts.compiled) == (loaded, compiled + 1)


def hits_and_computes() -> bool:
    """Whether a call loads, compiles nothing, and gives the right number."""
    loaded, compiled = Counts.loaded, Counts.compiled
    assert fresh_kernel()(ONE) == 0.5
    return (Counts.loaded, Counts.compiled) == (loaded + 1, compiled)


@pytest.fixture(autouse=True)
def counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is counted here out of what the process counts."""
    for name in ("loaded", "compiled", "stored"):
        monkeypatch.setattr(Counts, name, 0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, not made yet."""
    monkeypatch.setenv("FORECASTER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """Name and content of the file of the small kernel, compiled once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORECASTER_CACHE_DIR", str(tmp_path_factory.mktemp("intact")))
        fresh_kernel()(ONE)
        [path] = cache_folder().iterdir()
        return path.name, path.read_bytes()


@pytest.fixture
def stored(folder: Path, intact: tuple[str, bytes]) -> Path:
    """The file of the small kernel, intact, in the cache folder."""
    folder.mkdir()
    path = folder / intact[0]
    path.write_bytes(intact[1])
    return path


# --- hits --------------------------------------------------------------------------------------------------------


def test_what_was_compiled_is_loaded_next_time(folder: Path) -> None:
    assert misses_and_computes()
    assert Counts.stored == 1
    assert len(list(folder.iterdir())) == 1
    assert hits_and_computes()


SCRIPT = """
import numpy as np
from forecaster.kernels._cache import Counts
from forecaster.kernels.activations import sigmoid_row
row = np.array([-2, 0, 3] + [0] * 13, np.float32)
sigmoid_row(row)
print([row[:3].tolist(), Counts.loaded, Counts.compiled, Counts.stored])
"""


def start() -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    return subprocess.Popen(  # noqa: S603 - our own script
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def answer_of(process: subprocess.Popen[str]) -> tuple[list[float], int, int, int]:
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    row, loaded, compiled, stored = ast.literal_eval(out)
    return row, loaded, compiled, stored


def test_processes_share_what_one_of_them_compiled(folder: Path) -> None:
    """Two start at once on an empty folder and both compile; the third finds all it needs."""
    together = [start(), start()]
    answers = [answer_of(process) for process in together]
    third, loaded, compiled, stored = answer_of(start())
    expected = pytest.approx([1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-3))], rel=1e-6)
    assert third == expected
    assert (loaded, compiled, stored) == (1, 0, 0)  # one: what it calls is part of its code
    for row, *_ in answers:
        assert row == third
    names = {path.name.rsplit("-", 1)[0] for path in folder.iterdir()}
    assert names == {"sigmoid_row"}


# --- damage ------------------------------------------------------------------------------------------------------


def damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Every way a file is damaged: cut, flipped, longer, emptied, of zeros, not ours."""
    for length in [*range(DIGEST + 3), *range(DIGEST + 3, len(content), 331), len(content) - 1]:
        yield f"cut to {length} bytes", content[:length]
    for place in [*range(0, DIGEST, 5), *range(DIGEST, len(content), 331), len(content) - 1]:
        for bits in (0x01, 0x80, 0xFF):
            yield (
                f"bits {bits:#x} of byte {place}",
                content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :],
            )
    yield "one byte more", content + b"\0"
    yield "twice", content + content
    yield "zeros", bytes(len(content))
    yield "text", b"not a kernel\n" * 100


def test_no_damaged_file_is_used(stored: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = stored.read_bytes()
    assert load() is not None
    for what, bad in damaged(content):
        stored.write_bytes(bad)
        caplog.clear()
        assert load() is None, what
        assert [record.levelno for record in caplog.records] == [logging.WARNING], what
        assert str(stored) in caplog.text
    stored.write_bytes(content)
    assert load() is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps(None),
        pickle.dumps(42),
        pickle.dumps((1, 2, 3)),
        pickle.dumps([b"x"] * 9),
        b"cno_such_module\nno_such_name\n.",
    ],
)
def test_foreign_content_under_a_right_hash_is_not_used(stored: Path, content: bytes) -> None:
    stored.write_bytes(sealed(stored.name, content))
    assert load() is None
    assert misses_and_computes()


@pytest.mark.parametrize("bad", [b"", b"x" * 100], ids=["empty", "short"])
def test_a_damaged_file_is_replaced(stored: Path, bad: bytes) -> None:
    stored.write_bytes(bad)
    assert misses_and_computes()
    assert hits_and_computes()


def test_a_cut_file_is_replaced_in_a_process_of_its_own(stored: Path) -> None:
    """The process, too, comes to its end: with Numba's own cache such a file may end it."""
    stored.write_bytes(stored.read_bytes()[:-1000])
    assert answer_of(start())[1:] == (0, 1, 1)


def test_a_folder_in_place_of_the_file(stored: Path) -> None:
    stored.unlink()
    (stored / "something").mkdir(parents=True)
    assert misses_and_computes()
    assert Counts.stored == 0
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]  # no half-written file is left behind


def test_a_file_under_another_name_is_not_used(stored: Path) -> None:
    """Machine code for another processor, or of another kernel, must not come in by a renamed file."""
    codegen = cpu_target.target_context.codegen()
    stored.rename(KernelCache(twice).path_of(SIGNATURE, codegen))
    assert KernelCache(twice).load_overload(SIGNATURE, cpu_target.target_context) is None


# --- files that somebody else can have written: to load one is to run it ----------------------------------------


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_may_write_is_not_used(stored: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    stored.chmod(mode)
    assert load() is None
    assert "others may write it" in caplog.text
    assert misses_and_computes()
    assert hits_and_computes()  # it was replaced by one of our own


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_not_used(stored: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(stored, NOBODY, NOBODY)
    assert load() is None
    assert f"it belongs to user {NOBODY}" in caplog.text
    assert misses_and_computes()
    assert hits_and_computes()


def test_nothing_of_a_foreign_file_is_run(stored: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "it ran",)

    stored.write_bytes(sealed(stored.name, pickle.dumps(Bomb())))
    stored.chmod(0o666)
    assert load() is None
    assert not (tmp_path / "it ran").exists()


# --- folders that cannot be used ---------------------------------------------------------------------------------


def test_a_file_where_the_folder_should_be(folder: Path) -> None:
    folder.write_text("in the way")
    assert misses_and_computes()
    assert folder.read_text() == "in the way"


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the process may read and not write, not even when root runs the tests."""
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, whose parents only their owner may enter
        folder = Path(name)
        monkeypatch.setenv("FORECASTER_CACHE_DIR", name)
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        yield folder
        os.seteuid(user)
        folder.chmod(0o700)


@pytest.mark.usefixtures("read_only")
def test_a_read_only_folder_without_the_file() -> None:
    assert misses_and_computes()
    assert Counts.stored == 0


def test_a_read_only_folder_with_the_file(read_only: Path, intact: tuple[str, bytes]) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    read_only.chmod(0o755)
    (read_only / intact[0]).write_bytes(intact[1])
    (read_only / intact[0]).chmod(0o444)
    read_only.chmod(0o555)
    os.seteuid(user)
    assert hits_and_computes()


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_refuses_new_files(stored: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert hits_and_computes()
    stored.unlink()
    assert misses_and_computes()
    assert Counts.stored == 0


def test_a_full_disk_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    assert misses_and_computes()
    assert list(folder.iterdir()) == []


def test_the_cache_can_be_turned_off(stored: Path) -> None:
    off = fresh_kernel()
    off._cache.disable()
    off(ONE)
    assert (Counts.loaded, Counts.compiled, Counts.stored) == (0, 1, 0)
    off._cache.enable()
    off._cache.flush()
    assert off._cache.load_overload(SIGNATURE, cpu_target.target_context) is not None
    assert len(list(stored.parent.iterdir())) == 1


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number that no user has."""

    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.delenv("FORECASTER_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert misses_and_computes()
    assert Counts.stored == 0


def test_what_is_asked_before_a_compilation_can_end_it(folder: Path) -> None:
    class EndError(BaseException):
        pass

    def end() -> None:
        raise EndError

    with calling_before_compiling(end), pytest.raises(EndError):
        fresh_kernel()(ONE)
    assert (Counts.compiled, folder.exists()) == (0, False)
    asked: list[int] = []
    with calling_before_compiling(lambda: asked.append(1)):
        assert misses_and_computes()
        assert hits_and_computes()
    assert asked == [1]


def test_code_that_means_nothing_to_another_process_is_not_kept(folder: Path) -> None:
    def look_up(j: int) -> Any:
        return MANY[j]

    assert fresh_kernel(look_up)(3) == 0.0
    assert (Counts.compiled, Counts.stored) == (1, 0)
    assert not folder.exists()


# --- what a file is named after ----------------------------------------------------------------------------------


def test_files_are_named_after_all_that_the_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, codegen = KernelCache(halve), SimpleNamespace(magic_tuple=lambda: ("triple", "cpu", "+avx2"))
    path = cache.path_of(SIGNATURE, codegen)
    assert path == cache.path_of(SIGNATURE, codegen)
    assert path.parent == cache_folder() == Path(cache.cache_path)
    assert path.name.startswith("halve-")
    others = [
        cache.path_of((numba.float64,), codegen),
        cache.path_of(SIGNATURE, SimpleNamespace(magic_tuple=lambda: ("triple", "other cpu", "+avx2"))),
        cache.path_of(SIGNATURE, SimpleNamespace(magic_tuple=lambda: ("triple", "cpu", "+avx512f"))),
        KernelCache(twice).path_of(SIGNATURE, codegen),
    ]
    monkeypatch.setattr(_cache, "SOURCE_DIGEST", "an edit anywhere in the package")
    others.append(cache.path_of(SIGNATURE, codegen))
    assert len({path, *others}) == 6


def test_an_edit_in_any_kernel_file_is_a_miss(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored.exists()
    monkeypatch.setattr(_cache, "SOURCE_DIGEST", "edited")
    assert load() is None


def test_the_digest_covers_every_source_its_name_and_the_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "b.py").write_text("b = 1\n")
    monkeypatch.setattr(_cache, "__file__", str(tmp_path / "a.py"))
    seen = {_cache._source_digest()}
    (tmp_path / "b.py").write_text("b = 2\n")
    seen.add(_cache._source_digest())
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    seen.add(_cache._source_digest())
    monkeypatch.setattr(numba, "__version__", "0.0")
    seen.add(_cache._source_digest())
    assert len(seen) == 4
    (tmp_path / "notes.txt").write_text("no source")
    assert _cache._source_digest() in seen


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"FORECASTER_CACHE_DIR": "/a"}, "/a"),
        ({"FORECASTER_CACHE_DIR": "", "XDG_CACHE_HOME": "/b"}, "/b/forecaster/kernels"),
        ({"FORECASTER_CACHE_DIR": "", "XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/forecaster/kernels"),
    ],
)
def test_the_folder(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
