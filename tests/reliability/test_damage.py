"""Damaged models before the real service: it starts, serves the others, goes on, and says what is wrong."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reliability.constants import FILES, Files, columnar, constant, put, signed, use, write
from tests.reliability.sizes import say, size
from tests.service.processes import Running, running, wait_for

CUTS = FLIPS = size(1, 60)
"""Places in each file."""
GIANT = 2**40
Damage = Callable[[Path, Files], None]
"""Writes a damaged version at a path."""


def of_content(change: Callable[[Files], Files]) -> Damage:
    return lambda place, files: void(write(place, change(files)))


def of_file(name: str, make: Callable[[Path], object]) -> Damage:
    """Put something else in the place of a file."""

    def damage(place: Path, files: Files) -> None:
        write(place, files)
        (place / name).unlink()
        make(place / name)

    return damage


def void(_: object) -> None:
    """Return nothing."""


def giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(GIANT)


def cut(name: str, length: int) -> Damage:
    return of_content(lambda files: {**files, name: files[name][:length]})


def flipped(name: str, at: int) -> Damage:
    return of_content(
        lambda files: {**files, name: files[name][:at] + bytes([files[name][at] ^ 1 << at % 8]) + files[name][at + 1 :]}
    )


def shaped(**changes: object) -> Damage:
    def lie(files: Files) -> Files:
        weights = files["weights.safetensors"]
        length = int.from_bytes(weights[:8], "little")
        header = json.loads(weights[8 : 8 + length])
        text = json.dumps({**header, "0.head.bias": {**header["0.head.bias"], **changes}}).encode()
        return signed({**files, "weights.safetensors": len(text).to_bytes(8, "little") + text + weights[8 + length :]})

    return of_content(lie)


def described(**changes: object) -> Damage:
    def lie(files: Files) -> Files:
        return signed({**files, "model.json": json.dumps({**json.loads(files["model.json"]), **changes}).encode()})

    return of_content(lie)


def damages(files: Files) -> Iterator[tuple[str, Damage]]:
    """Yield names of damages, and what does them."""
    chance = random.Random(5)  # noqa: S311 - no secret is made
    for name in FILES:
        last = len(files[name]) - (name == "SHA256SUMS")  # without its last line feed it is still whole
        for length in {0, last - 1, *(chance.randrange(last) for _ in range(CUTS))}:
            yield f"{name} cut at {length}", cut(name, length)
        for at in {0, last - 1, *(chance.randrange(last) for _ in range(FLIPS))}:
            yield f"{name} flipped at {at}", flipped(name, at)
        for what, make in SOMETHING_ELSE.items():
            yield f"{name} is {what}", of_file(name, make)
    yield from LIES.items()


SOMETHING_ELSE: dict[str, Callable[[Path], object]] = {
    "missing": void,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link out": lambda path: path.symlink_to("/etc/passwd"),
    "a loop": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "giant": giant,
}
LIES: dict[str, Damage] = {
    "another shape": shaped(shape=[3, 3]),
    "a huge shape": shaped(shape=[2**62, 4]),
    "another type": shaped(dtype="F64"),
    "offsets outside": shaped(data_offsets=[0, 2**62]),
    "a newer format": described(format_version=99),
    "a format that never was": described(format_version=0),
    "a horizon of none": described(horizon=0),
    "a huge network": described(horizon=2**40),
    "deep nesting": of_content(lambda files: signed({**files, "model.json": b"[" * 10**6})),
    "an empty folder": of_content(lambda _: {}),
}
POINTERS: dict[str, Callable[[Path], object]] = {
    "empty": Path.touch,
    "nonsense": lambda path: path.write_bytes(b"\xff\0nonsense"),
    "leads up": lambda path: path.write_text("../good"),
    "giant": giant,
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a loop": lambda path: path.symlink_to("current"),
}
SETTINGS = {"RELOAD_SECONDS": "1", "THREADS": "4", "DEFAULT_MODEL": "m", "MAX_BYTES": "1048576"}


@pytest.fixture(scope="module")
def files() -> Files:
    return constant(1)


def states(service: Running) -> dict[str, tuple[str, str | None]]:
    return {
        model["name"]: (model["status"], model["fault"]) for model in service.ask("GET", "/v1/models").json["models"]
    }


def still_answers(service: Running) -> bool:
    answer = service.ask("POST", "/v1/forecast", columnar(2), {"Content-Type": "application/json"})
    return answer.status == 200 and len(answer.json["forecasts"]) == 2


def test_a_service_starts_with_whatever_lies_beside_what_it_serves(files: Files, tmp_path: Path) -> None:
    models = tmp_path / "models"
    put(models / "m", files)
    done = list(damages(files))
    for number, (_, damage) in enumerate(done):
        damage(models / f"plain-{number}", files)
    for number, make in enumerate(POINTERS.values()):
        put(models / f"pointer-{number}", files)
        (models / f"pointer-{number}" / "current").unlink()
        make(models / f"pointer-{number}" / "current")
    (models / "file").touch()
    (models / "link").symlink_to("/proc")
    with running(tmp_path, models=models, **SETTINGS) as service:
        found = states(service)
        assert found.pop("m") == found.pop("base") == ("ready", None)
        names = {f"plain-{number}": name for number, (name, _) in enumerate(done)}
        assert {name for number, name in names.items() if number not in found} == NO_MODEL
        kinds = {names.get(name, name): state for name, state in found.items()}
        assert kinds.pop("a newer format") == ("failed", "newer-format")
        odd = {name: state for name, state in kinds.items() if state not in FAILED}
        assert odd == {}
        assert still_answers(service)
        assert str(tmp_path) not in service.ask("GET", "/v1/models").body.decode()
        assert service.terminate() == 0
        check_log(service)
    say(f"started with {len(found)} damaged models, all failed and told")


NO_MODEL = {"an empty folder", "model.json is missing"}
"""Plain folders without a description are no models."""
FAILED = [("failed", "damaged"), ("failed", "newer-format")]  # one flipped bit of its format makes a model newer


def check_log(service: Running) -> None:
    """Raise unless all that was complained of is that models are left out."""
    messages = {line["message"] for line in service.complaints()}
    assert messages == {"model left out"}
    assert "Traceback" not in service.text()


def test_a_service_that_runs_goes_on_with_the_version_before(files: Files, tmp_path: Path) -> None:
    models = tmp_path / "models"
    put(models / "m", files)
    done = dict(enumerate(damages(files)))
    first = {f"v-{number}": put(models / f"v-{number}", files) for number in done}
    pointers = {f"p-{number}": make for number, make in enumerate(POINTERS.values())}
    first |= {name: put(models / name, files) for name in pointers}
    with running(tmp_path, models=models, **SETTINGS) as service:
        for number, (_, damage) in done.items():
            damage(models / f"v-{number}" / LATER, files)
            use(models / f"v-{number}", LATER)
        for name, make in pointers.items():
            (models / name / "current").unlink()
            make(models / name / "current")
        wait_for(
            lambda: all(fault for name, (_, fault) in states(service).items() if name in first), lambda: told(service)
        )
        models_now = {model["name"]: model for model in service.ask("GET", "/v1/models").json["models"]}
        assert {name: models_now[name]["version"] for name in first} == first
        assert {models_now[name]["status"] for name in first} == {"ready"}
        assert still_answers(service)
        for name in first:
            shutil.rmtree(models / name / LATER, ignore_errors=True)
            replace(models / name / "current", first[name])
        wait_for(lambda: not any(fault for _, fault in states(service).values()), lambda: told(service))
        assert service.terminate() == 0
        check_log(service)
    say(f"{len(first)} models damaged while they were served: the versions before went on")


LATER = "20990101T000000Z-00000000"


def told(service: Running) -> str:
    return str({name: fault for name, (_, fault) in states(service).items() if fault})


def replace(pointer: Path, version: str) -> None:
    """Write a pointer in the place of whatever it is."""
    if pointer.is_dir() and not pointer.is_symlink():
        pointer.rmdir()
    else:
        pointer.unlink(missing_ok=True)
    use(pointer.parent, version)
