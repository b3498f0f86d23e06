"""The processor that kernels are compiled for: chosen by its flags, before Numba is imported, and only when asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forecaster.kernels import _level
from forecaster.kernels._level import cpu_name, levels, own_level

ROOT = Path(__file__).parents[2]

V1 = "fpu vme de pse tsc msr pae mce cx8 sep mtrr pge cmov mmx fxsr sse sse2 ht syscall nx lm constant_tsc pni"
V2 = f"{V1} ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"
V3 = f"{V2} fma movbe xsave avx f16c abm bmi1 avx2 bmi2"
V4 = f"{V3} avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni"

x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="levels are those of x86-64")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an x86-64."""
    monkeypatch.setattr(_level, "levels", lambda: ("v2", "v3", "v4"))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("flags", "level"),
    [
        (V1, None),
        (V2, "v2"),
        (V2.replace("popcnt", ""), None),
        (V3, "v3"),
        (V3.replace(" fma", ""), "v2"),
        (V3.replace(" avx2", ""), "v2"),
        (V4, "v4"),
        (V4.replace("avx512vl", ""), "v3"),
        (V4.replace(" bmi2", ""), "v2"),  # no level above one that is not complete
        ("", None),
    ],
)
def test_the_level_is_what_the_flags_allow(flags: str, level: str | None, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    one = f"processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: {flags}\nvmx flags\t: avx512f\n\n"
    cpuinfo.write_text(one + one.replace(flags or "none", V4), encoding="ascii")
    assert own_level(cpuinfo) == level


@pytest.mark.usefixtures("machine")
def test_without_flags_there_is_no_level(tmp_path: Path) -> None:
    assert own_level(tmp_path / "absent") is None
    (tmp_path / "other").write_bytes(b"processor : 0\nFeatures : fp asimd \xff\n")
    assert own_level(tmp_path / "other") is None


def test_other_architectures_have_one_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", "6.1", "1", "aarch64")))
    assert levels() == ("generic",)
    assert own_level() == cpu_name("generic") == "generic"


SHOW = """
import os, sys
{before}
from forecaster.kernels._jit import kernel
from numba.core.registry import cpu_target
assert not {{"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"}} & set({absent!r}) & set(os.environ)
print(*cpu_target.target_context.codegen().magic_tuple()[1:], sep="|")
"""


def target(before: str = "", *, absent: tuple[str, ...] = (), **variables: str) -> str:
    """Return processor and features that a fresh process compiles for; or what it says on its way out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_CPU", "FORECASTER_CPU"))}
    command = [sys.executable, "-c", SHOW.format(before=before, absent=absent)]
    done = subprocess.run(  # noqa: S603 - our own script
        command, check=False, cwd=ROOT, env=kept | variables, capture_output=True, text=True, timeout=180
    )
    return done.stdout.strip() if not done.returncode else done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def native() -> str:
    """What Numba compiles for by itself."""
    return target("import numba")


BOTH = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


@pytest.mark.parametrize("variables", [{}, {"FORECASTER_CPU_LEVEL": ""}, {"FORECASTER_CPU_LEVEL": "native"}])
def test_the_library_leaves_numba_alone(variables: dict[str, str], native: str) -> None:
    assert target(absent=BOTH, **variables) == native


@x86
def test_asked_it_takes_the_level_of_the_processor() -> None:
    level = own_level()
    if level is None:
        pytest.skip("this processor has no level")
    assert target(FORECASTER_CPU_LEVEL="auto") == f"x86-64-{level}|"
    assert target(FORECASTER_CPU_LEVEL="v2") == "x86-64-v2|"


def test_the_command_line_asks() -> None:
    script = "import os, sys; sys.argv = ['forecaster', '--version']; from forecaster.cli import main\ntry: main()\n"
    script += "except SystemExit: print(os.environ['FORECASTER_CPU_LEVEL'])"
    for variables, expected in (({}, "auto"), ({"FORECASTER_CPU_LEVEL": "native"}, "native")):
        kept = {name: value for name, value in os.environ.items() if name != "FORECASTER_CPU_LEVEL"}
        done = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", script], cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == expected


def test_numbas_own_variables_win() -> None:
    assert target(FORECASTER_CPU_LEVEL="auto", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="") == "generic|"


def test_a_numba_that_is_there_already_is_left_alone(native: str) -> None:
    assert target("import numba", absent=BOTH, FORECASTER_CPU_LEVEL="auto") == native


def test_a_level_that_is_none_is_refused() -> None:
    said = target(FORECASTER_CPU_LEVEL="v9")
    assert said.startswith("forecaster.errors.ConfigError: FORECASTER_CPU_LEVEL must be one of auto, native, ")
    assert said.endswith("got 'v9'.")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("own", "said"), [("v3", "has v3"), (None, "cannot be asked for its level")])
def test_a_level_above_the_processors_is_refused(own: str | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code would end the process at the first instruction that the processor does not know."""
    monkeypatch.setattr(_level, "own_level", lambda: own)
    monkeypatch.setenv("FORECASTER_CPU_LEVEL", "v4")
    for name in BOTH:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(_level.ConfigError, match=f"is v4, but this processor {said}"):
        _level.settle()
