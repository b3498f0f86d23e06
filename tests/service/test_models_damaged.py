"""A version that is damaged, in every way we could think of: the one before answers, and the service says so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from forecaster import new_version, open_store
from service import create_app
from service.models.registry import ModelRegistry
from service.settings import Settings
from tests.examples import trained

from .conftest import BODY, fake_base

FILES = ("model.json", "weights.safetensors", "SHA256SUMS")
MANY = 300
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Return the files of a model that is whole."""
    folder = tmp_path_factory.mktemp("models") / "m"
    trained().save(folder)
    return {name: (folder / name).read_bytes() for name in FILES}


class Service:
    """A service with one model, whose next version is another each time."""

    def __init__(self, folder: Path, files: Files) -> None:
        self.place = folder / "sales"
        self.first = self.write(files)
        self.use(self.first)
        store = open_store(folder, cache=folder)
        self.registry = ModelRegistry(store, default="sales", pretrained=fake_base).open()

    def write(self, files: Files) -> str:
        version = new_version()
        (self.place / version).mkdir(parents=True)
        for name, content in files.items():
            (self.place / version / name).write_bytes(content)
        return version

    def use(self, version: str) -> None:
        (self.place / "current").write_text(version, encoding="ascii")

    def fault(self, files: Files) -> str | None:
        """Publish these files behind the back of the service; return what it says, once it has looked."""
        version = self.write(files)
        self.use(version)
        return self.looked(version)

    def looked(self, version: str) -> str | None:
        self.registry.refresh()
        serving = self.registry.snapshot.models["sales"].version
        failure = self.registry.snapshot.failures.get("sales")
        assert serving == (self.first if failure else version)
        shutil.rmtree(self.place / version)
        return failure.fault if failure else None


@pytest.fixture(scope="module")
def service(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(tmp_path_factory.mktemp("service"), files)


@pytest.fixture(autouse=True)
def still_answers(service: Service) -> Iterator[None]:
    yield
    client = create_app(Settings(default_model="sales"), registry=service.registry).test_client()
    answer = client.post("/v1/forecast", json=BODY | {"series": [{"unique_id": "a", "y": [1, 2, 3, 4] * 5}]}).json
    assert answer is not None
    assert answer["version"] == service.first


def offsets(content: bytes, *, end: int = 0) -> set[int]:
    """Return several hundred places in a file: its beginning, its end, and as many between."""
    size = len(content) - end
    return {*range(min(size, 60)), *range(max(0, size - 60), size), *range(0, size, max(1, size // MANY))}


@pytest.mark.parametrize("name", FILES)
def test_every_truncation(name: str, service: Service, files: Files) -> None:
    whole = name == "SHA256SUMS"  # without its last line feed it is still whole
    for length in offsets(files[name], end=int(whole)):
        assert service.fault({**files, name: files[name][:length]}) == "damaged", length


@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes(name: str, service: Service, files: Files) -> None:
    for place in offsets(files[name]):
        content = bytearray(files[name])
        content[place] ^= 1 << place % 8
        assert service.fault({**files, name: bytes(content)}) in {"damaged", "newer-format"}, place


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_empty_missing_or_something_else(name: str, service: Service, files: Files) -> None:
    assert service.fault({**files, name: b""}) == "damaged"
    assert service.fault({key: content for key, content in files.items() if key != name}) == "damaged"
    for make in (Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), giant):
        version = service.write(files)
        path = service.place / version / name
        path.unlink()
        make(path)  # type: ignore[operator]  # each takes a path
        service.use(version)
        assert service.looked(version) == "damaged"


def giant(path: Path) -> None:
    """Write a file that takes no room and would take all memory."""
    with path.open("wb") as file:
        file.truncate(2**34)


def signed(files: Files) -> Files:
    """Return files with sums that fit: damage by somebody who knows the format."""
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in FILES[:2])
    return {**files, "SHA256SUMS": sums.encode()}


def with_header(files: Files, **changes: object) -> Files:
    content = files["weights.safetensors"]
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    text = json.dumps({**header, "0.head.bias": {**header["0.head.bias"], **changes}}).encode()
    return signed({**files, "weights.safetensors": len(text).to_bytes(8, "little") + text + content[8 + size :]})


LIES: dict[str, Callable[[Files], Files]] = {
    "another shape": lambda files: with_header(files, shape=[3, 3]),
    "no shape": lambda files: with_header(files, shape=[]),
    "a huge shape": lambda files: with_header(files, shape=[2**62, 4]),
    "a negative shape": lambda files: with_header(files, shape=[-1]),
    "another type": lambda files: with_header(files, dtype="F64"),
    "an unknown type": lambda files: with_header(files, dtype="object"),
    "offsets outside": lambda files: with_header(files, data_offsets=[0, 2**62]),
    "a header of 2^63 bytes": lambda files: signed({**files, "weights.safetensors": (2**63).to_bytes(8, "little")}),
    "deep nesting": lambda files: signed({**files, "model.json": b"[" * 10**6}),
    "a deep header": lambda files: signed(
        {**files, "weights.safetensors": (10**6).to_bytes(8, "little") + b"[" * 10**6}
    ),
    "no weights": lambda files: signed({**files, "weights.safetensors": save({})}),
    "not finite": lambda files: signed({**files, "weights.safetensors": not_finite(files)}),
}


def not_finite(files: Files) -> bytes:
    weights = {name: array.copy() for name, array in load(files["weights.safetensors"]).items()}
    weights["0.head.bias"][0] = np.nan
    return save(weights)


@pytest.mark.parametrize("lie", LIES)
def test_lies_that_are_signed(lie: str, service: Service, files: Files) -> None:
    assert service.fault(LIES[lie](files)) == "damaged"


def described(files: Files, **changes: object) -> Files:
    description = {**json.loads(files["model.json"]), **changes}
    return signed({**files, "model.json": json.dumps(description).encode()})


def test_a_newer_format_is_told_as_such(service: Service, files: Files) -> None:
    assert service.fault(described(files, format_version=99)) == "newer-format"
    assert service.fault(described(files, format_version=0)) == "damaged"
    assert service.fault(described(files, horizon=0)) == "damaged"


def test_weights_that_overflow_make_no_forecast(service: Service, files: Files) -> None:
    weights = {name: np.full_like(array, 3e38) for name, array in load(files["weights.safetensors"]).items()}
    assert service.fault(signed({**files, "weights.safetensors": save(weights)})) in {"no-forecast", "damaged"}


def test_what_is_whole_is_taken_up(service: Service, files: Files) -> None:
    assert service.fault(files) is None
    service.use(service.first)
    service.registry.refresh()


def test_a_service_that_starts_with_a_damaged_version_serves_the_others(files: Files, tmp_path: Path) -> None:
    for name, content in (("good", files), ("sick", {**files, "model.json": b"{}"})):
        (tmp_path / name).mkdir()
        for file, bytes_ in content.items():
            (tmp_path / name / file).write_bytes(bytes_)
    store = open_store(tmp_path, cache=tmp_path)
    registry = ModelRegistry(store, default="good", pretrained=fake_base).open()
    client = create_app(Settings(default_model="good"), registry=registry).test_client()
    assert client.get("/readyz").status_code == 200
    listed = client.get("/v1/models").json
    assert listed is not None
    assert {model["name"]: (model["status"], model["fault"]) for model in listed["models"]} == {
        "good": ("ready", None), "base": ("ready", None), "sick": ("failed", "damaged"),
    }  # fmt: skip
    assert str(tmp_path) not in json.dumps(listed)
