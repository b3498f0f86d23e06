"""A model on disk: whole or not at all when written, checked before it is believed when read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load, save

from forecaster import Forecaster
from forecaster.cli import run
from forecaster.errors import ModelFormatError, NotFittedError, OutputError
from forecaster.intervals import uncalibrated
from forecaster.storage import FORMAT_VERSION, check_model_target, describe_model, load_model, save_model
from tests.examples import TINY, bits_of, tiny, trained, weekly

FILES = ("model.json", "weights.safetensors", "SHA256SUMS")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a model folder that may be damaged."""
    trained().save(tmp_path / "models" / "m")
    return tmp_path / "models" / "m"


def sign(folder: Path) -> None:
    """Write the sums of what is there: an edit by somebody who knows the format."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES[:2]]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="ascii")


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the description, and sign it."""
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(description)
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    sign(folder)


def refused(folder: Path) -> str:
    """Load the folder; return the message, which names the place, of the one error there may be."""
    with pytest.raises(ModelFormatError) as caught:
        Forecaster.load(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_comes_back_as_it_was(folder: Path) -> None:
    loaded = Forecaster.load(folder)
    assert loaded.info == trained().info
    assert bits_of(loaded) == bits_of(trained())
    for h in (1, 3, 8):
        said, again = trained().forecast(h=h), loaded.forecast(weekly(), h=h)
        for name in ("point", "lower", "upper", "times"):
            assert_array_equal(getattr(said, name), getattr(again, name))
    with pytest.raises(NotFittedError, match="give the data"):
        loaded.forecast()


def test_the_folder_holds_three_files_for_whoever_may_read(folder: Path) -> None:
    assert listing(folder) == sorted(FILES)
    assert listing(folder.parent) == ["m"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert json.loads((folder / "model.json").read_text(encoding="utf-8")) == trained().info
    weights = load((folder / "weights.safetensors").read_bytes())
    assert sum(array.size for array in weights.values()) == trained().info["architecture"]["weights"]
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_the_sums_are_those_of_the_usual_tool(folder: Path) -> None:
    before = (folder / "SHA256SUMS").read_bytes()
    sign(folder)
    assert (folder / "SHA256SUMS").read_bytes() == before
    if tool := shutil.which("sha256sum"):
        command = [tool, "--check", "--strict", "SHA256SUMS"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603 - our own files


def test_equal_models_give_equal_files(folder: Path, tmp_path: Path) -> None:
    Forecaster.load(folder).save(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_description_can_be_had_without_the_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    assert describe_model(folder) == trained().info


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert name in refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert name in refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file(name: str, folder: Path) -> None:
    content = (folder / name).read_bytes()
    size = len(content) - (name == "SHA256SUMS")  # without its last line feed it is still whole
    for length in {*range(0, size, max(1, size // 60)), *range(size - 20, size)}:
        (folder / name).write_bytes(content[:length])
        refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte(name: str, folder: Path) -> None:
    content = (folder / name).read_bytes()
    for at in {*range(0, len(content), max(1, len(content) // 60)), *range(len(content) - 20, len(content))}:
        (folder / name).write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        refused(folder)


@pytest.mark.parametrize("name", FILES[:2])
def test_bytes_at_the_end(name: str, folder: Path) -> None:
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert "changed or damaged" in refused(folder)


@pytest.mark.parametrize(
    "sums", [b"", b"\n\n", b"nonsense", b"\x00" * 200, b"0" * 64 + b"  model.json\n", b"0" * 64 + b" *model.json\n"]
)
def test_wrong_sums(sums: bytes, folder: Path) -> None:
    (folder / "SHA256SUMS").write_bytes(sums)
    assert "SHA256SUMS" in refused(folder) or sums.startswith(b"0")


@pytest.mark.parametrize("place", ["nowhere", "m/model.json", ""])
def test_no_model_folder(place: str, folder: Path) -> None:
    refused(folder.parent / place)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (FORMAT_VERSION + 1, "Upgrade"), (10**6, "Upgrade"), (0, "from 1"), (-1, "from 1"), (1.5, "whole number"),
        ("1", "whole number"), (None, "whole number"), (True, "whole number"), ([1], "whole number"),
    ],
)  # fmt: skip
def test_another_format(version: Any, message: str, folder: Path) -> None:
    edit(folder, lambda description: description.update(format_version=version))
    assert message in refused(folder)


def test_a_newer_format_is_named_even_if_its_files_differ(folder: Path) -> None:
    edit(folder, lambda description: description.update(format_version=FORMAT_VERSION + 1))
    (folder / "SHA256SUMS").unlink()
    (folder / "weights.safetensors").unlink()
    assert "Upgrade" in refused(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"1", b'"format_version"', b"[]", b'["format_version"]', b'[{"format_version": 1}]', b"{}",
        b'{"format_version": 1}', b"{" * 100_000, b"[" * 1_000_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"format_version": 1' + b"0" * 10_000 + b"}", b'{"format_version": NaN}', b"\xff\xfe\x00", b"\x80abc",
        b'{"format_version": 1e400}', b'{"format_version": 1, "horizon": 3,}', b"\x00" * 1000,
    ],
    ids=lambda content: content[:24].decode("ascii", "replace"),
)  # fmt: skip
def test_a_description_that_is_none(content: bytes, folder: Path) -> None:
    (folder / "model.json").write_bytes(content)
    sign(folder)
    refused(folder)


def test_a_file_larger_than_any_model_is_not_read(folder: Path) -> None:
    for name, size in (("SHA256SUMS", 2**20), ("model.json", 2**35), ("weights.safetensors", 2**40)):
        content = (folder / name).read_bytes()
        os.truncate(folder / name, size)  # a hole, which takes no space
        assert "larger" in refused(folder)
        (folder / name).write_bytes(content)
    Forecaster.load(folder)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Walk over every place in a description."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def test_whatever_stands_in_a_description_it_loads_or_is_refused(folder: Path) -> None:
    original = (folder / "model.json").read_text(encoding="utf-8")
    wrong = [None, True, 0, -1, 1.5, 10**30, 10**400, "x", [], {}, [[1]], {"a": 1}, 9999, float("nan"), 2**31, ["D"]]
    refusals = 0
    for place in places(json.loads(original)):
        for value in [*wrong, KeyError]:
            description = json.loads(original)
            inner = description
            for key in place[:-1]:
                inner = inner[key]
            if value is KeyError:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
            (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
            sign(folder)
            try:
                Forecaster.load(folder)
                assert run(["models", str(folder.parent)]) == 0
            except ModelFormatError as error:
                assert str(folder) in str(error)  # noqa: PT017 - many of them load: what is not said to matter may differ
                refusals += 1
    assert refusals > 200


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("training", None, "training.series is missing"), ("training.series", "6", "must be a whole number, got '6'"),
        ("training.first", 5, "training.first must be text, got 5"),
        ("library_version", None, "must be text, got None"),
        ("accuracy", "x", "accuracy must be null, or an object of numbers, got 'x'"),
        ("accuracy.mase", "x", "accuracy must be null, or an object of numbers"),
        ("architecture.cell", "cnn", "architecture.cell must be one of lstm, gru, rnn, got 'cnn'"),
        ("scaling.rule", "standard score", "scaling.rule must be 'level-anchored"),
        ("quantiles", [0.5, "x"], "quantiles must be a list of numbers"), ("horizon", True, "whole number, got True"),
    ],
)  # fmt: skip
def test_the_field_at_fault_is_named_wherever_a_description_is_read(
    place: str, value: Any, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(description: dict[str, Any]) -> None:
        *outer, last = place.split(".")
        for key in outer:
            description = description[key]
        description[last] = value

    edit(folder, change)
    assert message in refused(folder)
    with pytest.raises(ModelFormatError, match=re.escape(message)):
        describe_model(folder)
    assert run(["models", str(folder.parent)]) == 3
    assert message in capsys.readouterr().err


def test_a_network_larger_than_memory_is_refused(folder: Path) -> None:
    def grow(description: dict[str, Any]) -> None:
        description["horizon"] = 10_000
        description["calibration"] = uncalibrated(10_000).as_settings()
        quantiles = sorted({*np.linspace(0.01, 0.49, 200_000).tolist(), 0.5})
        description["architecture"]["networks"][0].update(quantiles=quantiles, dense=2048)

    edit(folder, grow)
    refused(folder)


def test_networks_that_do_not_go_together(folder: Path) -> None:
    def change(**settings: Any) -> Callable[[dict[str, Any]], None]:
        def add(description: dict[str, Any]) -> None:
            networks = description["architecture"]["networks"]
            networks[1:] = [{**networks[0], **settings}]

        return add

    edit(folder, change(quantiles=[0.1, 0.5, 0.8]))
    assert "same quantiles" in refused(folder)
    edit(folder, change(loss="absolute"))
    assert "same quantiles" in refused(folder)
    edit(folder, change(hidden=0))
    assert "hidden must be from 1" in refused(folder)
    edit(folder, change())  # which would do, but for its weights
    assert "1.dense.bias" in refused(folder)
    edit(folder, lambda description: description["architecture"].update(networks=[]))
    assert "architecture.networks must be a list of objects" in refused(folder)


def test_several_networks_come_back_as_they_were(tmp_path: Path) -> None:
    model = tiny(network=[TINY, replace(TINY, lags=3, hidden=4, deseasonalise=True)]).fit(weekly())
    model.save(tmp_path / "m")
    loaded = Forecaster.load(tmp_path / "m")
    assert loaded.networks == model.networks
    assert loaded.info == model.info
    assert bits_of(loaded) == bits_of(model)
    assert_array_equal(loaded.forecast(weekly(), h=8).point, model.forecast(h=8).point)


def test_weights_that_are_not_those_of_the_network(folder: Path) -> None:
    content = (folder / "weights.safetensors").read_bytes()
    right = load(content)

    def written(**changes: Any) -> bytes:
        weights = {**right, **{"0." + name.replace("__", "."): array for name, array in changes.items()}}
        return save({name: np.ascontiguousarray(array) for name, array in weights.items() if array is not None})

    head = right["0.head.weight"]
    for wrong, message in [
        (written(head__weight=head.T), "head.weight"),
        (written(head__weight=head.ravel()), "head.weight"),
        (written(head__weight=head[:-1]), "head.weight"),
        (written(head__weight=head.astype(np.float64)), "float64"),
        (written(head__weight=np.where(head == head[0, 0], np.float32(np.nan), head)), "not finite"),
        (written(lstm__bias_l1=right["0.lstm.bias_l1"] * np.float32(np.inf)), "not finite"),
        (written(more=head), "more"),
        (written(skip__weight=None), "skip.weight"),
        (save({}), "0.dense.bias"),
        (save({name.removeprefix("0."): array for name, array in right.items()}), "0.dense.bias"),
        (save({**right, **{name.replace("0.", "1.", 1): array for name, array in right.items()}}), "1.dense.bias"),
    ]:
        (folder / "weights.safetensors").write_bytes(wrong)
        sign(folder)
        assert message in refused(folder)


def test_weights_that_are_no_safetensors(folder: Path) -> None:
    content = (folder / "weights.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])

    def with_header(**changes: Any) -> bytes:
        text = json.dumps({**header, "0.head.bias": {**header["0.head.bias"], **changes}}).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + size :]

    for wrong in [
        b"", b"\x00" * 7, b"\xff" * 100, content[:8], content[: 8 + size], content[:-4], content + b"\x00" * 4,
        with_header(shape=[1]), with_header(shape=[2**62, 4]), with_header(shape=[-1]), with_header(shape="x"),
        with_header(data_offsets=[0, 4]), with_header(data_offsets=[0, 2**62]), with_header(data_offsets=[8, 4]),
        with_header(dtype="BF16", shape=[18]), with_header(dtype="F8_E4M3"), with_header(dtype="object"),
        (2**63).to_bytes(8, "little") + b"{}", (10**6).to_bytes(8, "little") + b"[" * 10**6,
    ]:  # fmt: skip
        (folder / "weights.safetensors").write_bytes(wrong)
        sign(folder)
        refused(folder)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.place,))


def test_nothing_in_a_file_is_run(folder: Path, tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "ran"))
    for name in FILES[:2]:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(bomb)
        sign(folder)
        refused(folder)
        (folder / name).write_bytes(content)
    assert not (tmp_path / "ran").exists()
    pickle.loads(bomb)  # noqa: S301 - the bomb would have worked
    assert (tmp_path / "ran").exists()


def failing(call: Callable[..., Any], at: int, error: BaseException) -> Callable[..., Any]:
    """Return a stand-in that raises in its `at`-th call."""
    calls = iter(range(1, 100))

    def stand_in(*arguments: Any, **options: Any) -> Any:
        if next(calls) == at:
            raise error
        return call(*arguments, **options)

    return stand_in


CRASHES = [("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsync", 4), ("rename", 1), ("rename", 2), ("chmod", 1)]
ERRORS = [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()]


@pytest.mark.parametrize(("call", "at"), CRASHES)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_crash_while_saving_leaves_the_old_model_and_no_litter(
    call: str, at: int, error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiny(seed=5).fit(weekly())
    owner: Any = os if call == "fsync" else Path
    with monkeypatch.context() as patch:
        if call == "rename":  # only in two steps
            patch.setattr("forecaster.outputs._exchanged", lambda _one, _other: False)
        patch.setattr(owner, call, failing(getattr(owner, call), at, error))
        with pytest.raises(OutputError if isinstance(error, OSError) else type(error)) as caught:
            other.save(folder)
    if isinstance(error, OSError):
        assert str(folder) in str(caught.value)
        assert "No space left" in str(caught.value)
    assert listing(folder.parent) == ["m"]
    assert bits_of(Forecaster.load(folder)) == bits_of(trained())
    other.save(folder)
    assert bits_of(Forecaster.load(folder)) == bits_of(other)
    assert listing(folder.parent) == ["m"]


@pytest.mark.parametrize(("call", "at"), [("fsync", 2), ("rename", 1)])
def test_a_crash_while_saving_the_first_model_leaves_nothing(
    call: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner: Any = os if call == "fsync" else Path
    monkeypatch.setattr(owner, call, failing(getattr(owner, call), at, OSError(5, "Input/output error")))
    with pytest.raises(OutputError):
        trained().save(tmp_path / "m")
    assert listing(tmp_path) == []


ENDED = """
import os, sys
import forecaster.outputs as outputs
from forecaster.storage import load_model, save_model

def ended(*_arguments, **_options):
    os._exit(9)

folder, step, in_steps = sys.argv[1:]
if in_steps == "two":
    outputs._exchanged = lambda one, other: False
if step == "replaced":  # between the two steps
    rename = outputs.Path.rename
    outputs.Path.rename = lambda one, other: ended() if one.suffix == ".writing" else rename(one, other)
else:
    owner, name = {"flushed": (outputs, "_change_places"), "exchanged": (outputs.shutil, "rmtree")}[step]
    setattr(owner, name, ended)
save_model(folder, *load_model(sys.argv[1]))
"""


def end_while_saving(folder: Path, step: str, steps: str = "one") -> None:
    done = subprocess.run([sys.executable, "-c", ENDED, str(folder), step, steps], check=False)  # noqa: S603 - our own code
    assert done.returncode == 9
    assert len(listing(folder.parent)) > 1 or not folder.exists()


@pytest.mark.parametrize("step", ["flushed", "exchanged"])
def test_a_process_that_ends_while_saving_leaves_a_model_and_the_next_save_removes_the_rest(
    step: str, folder: Path
) -> None:
    end_while_saving(folder, step)
    assert bits_of(Forecaster.load(folder)) == bits_of(trained())
    trained().save(folder)
    assert listing(folder.parent) == ["m"]


def test_where_names_cannot_be_exchanged_the_error_tells_where_the_old_model_is(folder: Path) -> None:
    end_while_saving(folder, "replaced", "two")
    message = refused(folder)
    (old,) = folder.parent.glob(".m-*.replaced")
    assert "a save was interrupted" in message
    assert str(old) in message
    assert bits_of(Forecaster.load(old)) == bits_of(trained())
    trained().save(folder)
    assert listing(folder.parent) == ["m"]


def test_only_what_saves_of_this_model_left_is_removed(folder: Path) -> None:
    parent = folder.parent
    kept = [".m-notes", ".m-12345678", ".m-b-12345678.writing", ".n-12345678.writing", ".m-thesis__.writing"]
    for name in [*kept, ".m-12345678.writing", ".m-abcdefgh.replaced", ".m-87654321.writing"]:
        (parent / name).mkdir()
    (parent / ".m-thesis__.writing" / "thesis.txt").write_text("years of work", encoding="utf-8")
    (parent / ".m-12345678.writing" / "model.json").write_text("half of", encoding="utf-8")
    handle = os.open(parent / ".m-87654321.writing", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as another process that saves just now
    trained().save(folder)
    assert listing(parent) == sorted([*kept, ".m-87654321.writing", "m"])
    os.close(handle)
    trained().save(folder)
    assert listing(parent) == sorted([*kept, "m"])


def test_a_model_is_written_over_an_empty_folder_and_into_new_ones(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "a" / "b" / "c", tmp_path / "with space é"):
        trained().save(place)
        assert bits_of(Forecaster.load(place)) == bits_of(trained())
    assert listing(tmp_path) == ["a", "empty", "with space é"]


def test_a_place_may_be_text_and_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained().save("m")
    trained().save("m/")
    assert bits_of(Forecaster.load("m")) == bits_of(trained())
    assert listing(tmp_path) == ["m"]


def test_a_link_stays_a_link(folder: Path) -> None:
    link = folder.parent / "current"
    link.symlink_to(folder.name)
    other = tiny(seed=5).fit(weekly())
    other.save(link)
    assert link.is_symlink()
    assert bits_of(Forecaster.load(folder)) == bits_of(other)
    assert listing(folder.parent) == ["current", "m"]


def test_a_folder_that_is_no_model_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "thesis.txt").write_text("years of work", encoding="utf-8")
    for place in (tmp_path / "results", tmp_path / "results" / "thesis.txt", tmp_path / "results" / "thesis.txt" / "m"):
        for write in (trained().save, check_model_target):
            with pytest.raises(OutputError, match=r"thesis|results"):
                write(place)
    assert (tmp_path / "results" / "thesis.txt").read_text(encoding="utf-8") == "years of work"
    assert listing(tmp_path) == ["results"]


def test_a_model_with_something_else_beside_it_is_not_written_over(folder: Path) -> None:
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(OutputError, match="other files"):
        trained().save(folder)
    assert (folder / "thesis.txt").exists()


def test_an_untrained_model_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="fit"):
        tiny().save(tmp_path / "m")
    assert listing(tmp_path) == []


def test_what_is_saved_has_this_format_whatever_the_description_said(tmp_path: Path) -> None:
    weights = {"w": np.ones(3, np.float32)}
    save_model(tmp_path / "m", {**trained().info, "format_version": 99, "a": "é"}, weights)
    description, loaded = load_model(tmp_path / "m")
    assert description == {**trained().info, "format_version": FORMAT_VERSION, "a": "é"}
    assert_array_equal(loaded["w"], weights["w"])
