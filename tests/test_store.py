"""Models with versions: in a folder and on a server that speaks S3, the same tests for both."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from forecaster import (
    ConfigError,
    Forecaster,
    InputError,
    MissingExtraError,
    ModelFormatError,
    ModelStore,
    NewerFormatError,
    OutputError,
    SequenceClassifier,
    StoreError,
    UnknownVersionError,
    check_model_name,
    new_version,
    open_store,
)
from forecaster.cli import run
from forecaster.versions import LocalStore
from tests.examples import bits_of, letters, tiny, trained, weekly
from tests.stores import URL, Storage, behind, remote

FILES = ("model.json", "weights.safetensors", "SHA256SUMS")
FIRST, SECOND, THIRD = (f"20260{month}01T000000Z-00000000" for month in (1, 2, 3))


@cache
def other() -> Forecaster:
    return tiny(seed=5).fit(weekly())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    trained().save(tmp_path / "trained")
    return tmp_path / "trained"


@pytest.fixture
def second(tmp_path: Path) -> Path:
    other().save(tmp_path / "other")
    return tmp_path / "other"


@pytest.fixture(scope="module")
def server() -> Iterator[Storage]:
    storage = Storage()
    yield storage
    storage.stop()


@pytest.fixture
def storage(server: Storage) -> Storage:
    server.clear()
    return server


@pytest.fixture(params=["folder", "s3", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    copies = tmp_path / "copies"
    if request.param == "s3":
        storage = request.getfixturevalue("storage")
        return remote(storage.endpoint, copies, monkeypatch)
    places = {
        "folder": str(tmp_path / "models"),
        "file": f"file://{tmp_path}/models",
        "memory": f"memory://{tmp_path.name}",
    }
    return open_store(places[request.param], cache=copies)


def sums_id(folder: Path) -> str:
    return hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()[:12]


def test_versions_are_added_put_into_use_and_changed_back(store: ModelStore, model: Path, second: Path) -> None:
    assert (store.names(), store.versions("sales"), store.current("sales")) == ([], [], None)
    store.add("sales", FIRST, model)
    store.add("sales", SECOND, second)
    assert store.names() == ["sales"]
    assert store.versions("sales") == [SECOND, FIRST]
    assert store.current("sales") is None
    for version, expected in ((FIRST, trained()), (SECOND, other()), (FIRST, trained())):
        store.set_current("sales", version)
        assert store.current("sales") == version
        assert bits_of(Forecaster.load(store.folder("sales", version))) == bits_of(expected)


def test_a_version_never_changes(store: ModelStore, model: Path, second: Path) -> None:
    store.add("sales", FIRST, model)
    store.add("sales", FIRST, model)
    with pytest.raises(OutputError, match="never change"):
        store.add("sales", FIRST, second)
    assert bits_of(Forecaster.load(store.folder("sales", FIRST))) == bits_of(trained())


def test_a_version_that_is_not_there(store: ModelStore, model: Path) -> None:
    store.add("sales", FIRST, model)
    for name, version in (("sales", SECOND), ("other", FIRST), ("sales", "current"), ("sales", "../x"), ("sales", "")):
        with pytest.raises(UnknownVersionError):
            store.folder(name, version)
        with pytest.raises(UnknownVersionError):
            store.set_current(name, version)
    assert store.current("sales") is None


def test_only_whole_models_become_versions(store: ModelStore, model: Path) -> None:
    weights = model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelFormatError):
        store.add("sales", FIRST, model)
    with pytest.raises(ModelFormatError):
        store.add("sales", FIRST, model / "missing")
    assert store.versions("sales") == []


@pytest.mark.parametrize("version", ["", "1", "v1", "..", "current", "20260101", FIRST + "\n", "0123456789ab"])
def test_ids_of_versions_are_those_that_are_given(version: str, store: ModelStore, model: Path) -> None:
    with pytest.raises(InputError, match="new_version"):
        store.add("sales", version, model)


NAMES = [
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "/a",
    "a\nb",
    "a\x00",
    "a\x7f",
    " a",
    "a ",
    "x" * 101,
    "é" * 101,
    "\udcff",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_would_lead_elsewhere_are_refused_everywhere(name: str, store: ModelStore, model: Path) -> None:
    for call in (
        lambda: check_model_name(name),
        lambda: store.versions(name),
        lambda: store.current(name),
        lambda: store.folder(name, FIRST),
        lambda: store.add(name, FIRST, model),
        lambda: store.set_current(name, FIRST),
    ):
        with pytest.raises(InputError, match="name of a model"):
            call()


@pytest.mark.parametrize("name", ["a", "current", "mit é und #%?&+", "x" * 100, "é" * 100, "base", "a.b", "model.json"])
def test_names_that_can_be(name: str, store: ModelStore, model: Path) -> None:
    store.add(name, FIRST, model)
    store.set_current(name, FIRST)
    assert store.names() == [name]
    assert store.current(name) == FIRST
    assert store.folder(name, FIRST).is_dir()


def test_new_ids_are_in_the_order_of_time_and_different() -> None:
    ids = [new_version() for _ in range(50)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


def put(store: ModelStore, storage: Storage | None, key: str, content: bytes) -> None:
    """Write a file of a store behind its back."""
    if isinstance(store, LocalStore):
        place = store.folder_of_models / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    elif storage is not None:
        storage.put(key, content)


@pytest.fixture(params=["folder", "s3"])
def open_to_all(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ModelStore, Callable[[str, bytes], None]]:
    """Return a store, and what writes a file of it behind its back."""
    if request.param == "s3":
        storage = request.getfixturevalue("storage")
        return remote(storage.endpoint, tmp_path / "copies", monkeypatch), storage.put
    store = LocalStore(tmp_path / "models")
    return store, lambda key, content: put(store, None, key, content)


Open = tuple[ModelStore, Callable[[str, bytes], None]]


def test_a_plain_model_folder_is_a_model_of_one_version(open_to_all: Open, model: Path, second: Path) -> None:
    store, write = open_to_all
    for source in (model, second):
        for name in FILES:
            write(f"flights/{name}", (source / name).read_bytes())
        assert store.names() == ["flights"]
        assert store.versions("flights") == [sums_id(source)]
        assert store.current("flights") == sums_id(source)
        store.set_current("flights", sums_id(source))  # without a pointer, so that the next one is in use as well
        assert sums_id(store.folder("flights", sums_id(source))) == sums_id(source)
    with pytest.raises(UnknownVersionError):
        store.set_current("flights", sums_id(model))
    store.add("flights", FIRST, model)
    assert store.versions("flights") == [FIRST, sums_id(second)]
    store.set_current("flights", FIRST)
    store.set_current("flights", sums_id(second))
    assert store.current("flights") == sums_id(second)
    assert bits_of(Forecaster.load(store.folder("flights", sums_id(second)))) == bits_of(other())


def test_a_new_version_that_is_cleaned_away_before_it_is_locked_is_written_all_the_same(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def made_and_removed(**how: Any) -> str:
        made = make(**how)
        if not removed:
            removed.append(made)
            Path(made).rmdir()
        return made

    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", made_and_removed)
    store = LocalStore(tmp_path / "models")
    store.add("sales", FIRST, model)
    assert removed
    assert store.versions("sales") == [FIRST]
    assert [path.name for path in (tmp_path / "models" / "sales").iterdir()] == [FIRST]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"nonsense", b"../../etc", b"\xff\xfe", b"2" * 200, FIRST.encode() * 2]
)
def test_a_damaged_pointer_is_told(content: bytes, open_to_all: Open, model: Path) -> None:
    store, write = open_to_all
    store.add("sales", FIRST, model)
    write("sales/current", content)
    with pytest.raises(ModelFormatError, match="current"):
        store.current("sales")
    store.set_current("sales", FIRST)
    assert store.current("sales") == FIRST


def test_other_things_in_a_store_are_no_models(open_to_all: Open, model: Path) -> None:
    store, write = open_to_all
    store.add("sales", FIRST, model)
    write("sales/notes.txt", b"")
    write("sales/v2/model.json", b"")
    write("sales/.20260101T000000Z-00000001-abcdefgh.writing/model.json", b"")
    write(".hidden/model.json", b"")
    write("README.md", b"")
    assert store.names() == ["sales"]
    assert store.versions("sales") == [FIRST]


# --- a folder ----------------------------------------------------------------------------------------------------


@pytest.fixture
def local(tmp_path: Path, model: Path) -> LocalStore:
    store = LocalStore(tmp_path / "models")
    store.add("sales", FIRST, model)
    return store


def test_empty_folders_are_no_models(local: LocalStore) -> None:
    (local.folder_of_models / "empty").mkdir()
    assert local.names() == ["sales"]


def test_a_folder_that_is_gone_is_a_store_that_does_not_answer(local: LocalStore) -> None:
    assert local.names() == ["sales"]
    shutil.rmtree(local.folder_of_models)
    with pytest.raises(StoreError, match="cannot be read"):
        local.names()
    assert local.versions("sales") == []


def test_what_leads_out_of_the_folder_of_a_model_is_refused(local: LocalStore, model: Path) -> None:
    place = local.folder_of_models / "sales"
    (place / SECOND).symlink_to(model)
    with pytest.raises(ModelFormatError, match="leads out"):
        local.folder("sales", SECOND)
    shutil.copytree(model, place / THIRD)
    (place / THIRD / "weights.safetensors").unlink()
    (place / THIRD / "weights.safetensors").symlink_to(model / "weights.safetensors")
    with pytest.raises(ModelFormatError, match="leads out"):
        local.folder("sales", THIRD)
    (local.folder_of_models / "linked").symlink_to(model)  # by whoever may write there: as before
    assert local.folder("linked", sums_id(model)).samefile(model)


@pytest.mark.parametrize("target", ["nothing", "model.json"])
def test_a_description_that_is_a_link_to_nowhere_is_a_damaged_model_and_not_none(
    target: str, local: LocalStore, model: Path
) -> None:
    place = local.folder_of_models / "linked"
    shutil.copytree(model, place)
    (place / "model.json").unlink()
    (place / "model.json").symlink_to(target)
    assert "linked" in local.names()
    version = local.current("linked")
    assert version is not None
    with pytest.raises(ModelFormatError):
        Forecaster.load(local.folder("linked", version))


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_a_pointer_that_is_no_file(kind: str, local: LocalStore) -> None:
    pointer = local.folder_of_models / "sales" / "current"
    {"folder": pointer.mkdir, "pipe": lambda: os.mkfifo(pointer), "link to nothing": lambda: pointer.symlink_to("x")}[
        kind
    ]()
    with pytest.raises(ModelFormatError, match="not a file"):
        local.current("sales")


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(name: str, model: Path) -> None:
    (model / name).unlink()
    os.mkfifo(model / name)
    with pytest.raises(ModelFormatError):
        Forecaster.load(model)


def test_a_file_larger_than_its_model_can_be_is_not_read(model: Path) -> None:
    with (model / "weights.safetensors").open("r+b") as file:
        file.truncate(2**31 - 1)  # below the bound for all models; sparse
    with pytest.raises(ModelFormatError, match="larger than any model"):
        Forecaster.load(model)


def test_many_writers_on_one_store_lose_nothing(tmp_path: Path, model: Path, second: Path) -> None:
    """Each of eight writers adds versions and moves the pointer; a reader sees a whole version at every moment."""
    stores = [LocalStore(tmp_path / "models") for _ in range(8)]
    stores[0].add("sales", FIRST, model)
    stores[0].set_current("sales", FIRST)
    seen: list[object] = []
    done = threading.Event()

    def write(number: int) -> None:
        for _ in range(4):
            version = new_version()
            stores[number].add("sales", version, (model, second)[number % 2])
            stores[number].add("sales", SECOND, model)  # all of them the same
            stores[number].set_current("sales", version)

    def read() -> None:
        store = LocalStore(tmp_path / "models")
        while not done.is_set():
            version = store.current("sales")
            assert version is not None
            seen.append(bits_of(Forecaster.load(store.folder("sales", version))))

    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def attempt() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - told by the test
                failures.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        return thread

    reader = guarded(read)
    for thread in [guarded(lambda number=number: write(number)) for number in range(8)]:  # type: ignore[misc]  # a default binds it now
        thread.join(timeout=180)
    done.set()
    reader.join(timeout=180)
    assert not failures
    assert set(seen) <= {bits_of(trained()), bits_of(other())}
    assert len(stores[0].versions("sales")) == 2 + 8 * 4
    names = {path.name for path in (tmp_path / "models" / "sales").iterdir()}
    assert names == {*stores[0].versions("sales"), "current"}


def test_what_a_killed_process_left_is_removed_by_the_next_that_adds(local: LocalStore, model: Path) -> None:
    place = local.folder_of_models / "sales"
    kept = {f".{THIRD}-abcdefgh.writing", ".notes-12345678.writing", ".hidden"}
    for name in {*kept, f".{SECOND}-12345678.writing"}:
        (place / name).mkdir()
    (place / f".{SECOND}-12345678.writing" / "model.json").write_text("half of", encoding="ascii")
    (place / ".notes-12345678.writing" / "thesis.txt").write_text("years of work", encoding="ascii")
    handle = os.open(place / f".{THIRD}-abcdefgh.writing", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as another process that adds just now
    assert local.versions("sales") == [FIRST]
    version = new_version()
    local.add("sales", version, model)
    assert {path.name for path in place.iterdir()} == {*kept, FIRST, version}
    os.close(handle)


@pytest.mark.parametrize("call", ["fsync", "replace", "rename"])
def test_a_full_disk_leaves_the_pointer_and_the_versions_as_they_were(
    call: str, local: LocalStore, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.set_current("sales", FIRST)

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, full)
        if call != "rename":
            with pytest.raises(OSError, match="No space"):
                local.set_current("sales", FIRST)
        if call != "replace":
            with pytest.raises(OutputError, match="No space"):
                local.add("sales", SECOND, second)
    assert local.current("sales") == FIRST
    assert local.versions("sales") == [FIRST]
    assert {path.name for path in (local.folder_of_models / "sales").iterdir()} == {FIRST, "current"}


# --- object storage ----------------------------------------------------------------------------------------------


@pytest.fixture
def far(storage: Storage, tmp_path: Path, model: Path, second: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """Return a store with two versions of a model, the second in use."""
    store = remote(storage.endpoint, tmp_path / "copies", monkeypatch)
    store.add("sales", FIRST, model)
    store.add("sales", SECOND, second)
    store.set_current("sales", SECOND)
    return store


def copies_of(tmp_path: Path) -> set[str]:
    """Return the versions of which there are copies."""
    return {path.parent.name for path in (tmp_path / "copies").glob("*/*/*/model.json")}


def test_a_version_is_pulled_once_and_again_when_the_copy_is_damaged(
    far: ModelStore, storage: Storage, tmp_path: Path
) -> None:
    folder = far.folder("sales", SECOND)
    assert folder.is_relative_to(tmp_path / "copies")
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert far.folder("sales", SECOND) == folder
    assert weights.read_bytes() == whole
    for name in FILES:
        storage.delete(f"sales/{SECOND}/{name}")
    assert far.folder("sales", SECOND) == folder  # versions never change, so nobody asks


def resigned(content: dict[str, bytes]) -> dict[str, bytes]:
    """Return files with sums that fit them."""
    sums = "".join(f"{hashlib.sha256(content[name]).hexdigest()}  {name}\n" for name in FILES[:2])
    return {**content, "SHA256SUMS": sums.encode()}


def newer(content: dict[str, bytes]) -> dict[str, bytes]:
    description = {**json.loads(content["model.json"]), "format_version": 99}
    return resigned({**content, "model.json": json.dumps(description).encode()})


DAMAGES: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    **{f"{name} missing": lambda files, name=name: {k: v for k, v in files.items() if k != name} for name in FILES},  # type: ignore[misc]  # a default binds it now
    **{f"{name} cut": lambda files, name=name: {**files, name: files[name][:-2]} for name in FILES},  # type: ignore[misc]  # the default binds the name
    **{f"{name} empty": lambda files, name=name: {**files, name: b""} for name in FILES},  # type: ignore[misc]  # the default binds the name
    **{f"{name} changed": lambda files, name=name: {**files, name: b"x" + files[name][1:]} for name in FILES},  # type: ignore[misc]  # the default binds the name
    "newer": newer,
    "description too large": lambda files: {**files, "SHA256SUMS": files["SHA256SUMS"] + b"\n" * 5000},
    "weights too large": lambda files: resigned({**files, "weights.safetensors": b"\0" * 3 * 2**20}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_on_its_way_is_refused_and_leaves_nothing(
    damage: str, far: ModelStore, storage: Storage, second: Path, tmp_path: Path
) -> None:
    files = {name: (second / name).read_bytes() for name in FILES}
    damaged = DAMAGES[damage](files)
    for name in FILES:
        if name in damaged:
            storage.put(f"sales/{SECOND}/{name}", damaged[name])
        else:
            storage.delete(f"sales/{SECOND}/{name}")
    expected = NewerFormatError if damage == "newer" else ModelFormatError
    with pytest.raises(UnknownVersionError if damage == "SHA256SUMS missing" else expected):
        far.folder("sales", SECOND)
    assert copies_of(tmp_path) == set()
    assert not [path for path in (tmp_path / "copies").glob("*/*") if path.name.startswith(".pulling")]
    for name in FILES:
        storage.put(f"sales/{SECOND}/{name}", files[name])
    assert far.folder("sales", SECOND).is_dir()


def test_a_server_that_is_not_there_is_told_and_copies_stay(
    far: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.folder("sales", SECOND)
    far.keep({"sales": SECOND})
    with behind(b"") as endpoint:
        pass  # by now nobody listens
    gone = remote(endpoint, tmp_path / "copies", monkeypatch)
    calls: list[Callable[[], object]] = [
        gone.names, lambda: gone.versions("sales"), lambda: gone.current("sales"), lambda: gone.folder("sales", FIRST),
        lambda: gone.set_current("sales", FIRST), lambda: gone.add("sales", THIRD, tmp_path / "trained"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StoreError, match=f"{URL}.* does not answer"):
            call()
    assert gone.folder("sales", SECOND).is_dir()
    assert gone.fallback is not None
    assert (gone.fallback.names(), gone.fallback.current("sales")) == (["sales"], SECOND)


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.remote.SILENCE", 0.2)
    with behind(b"") as endpoint, pytest.raises(StoreError, match="does not answer"):
        remote(endpoint, tmp_path, monkeypatch).names()


def test_a_server_that_stops_in_the_middle_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.remote.SILENCE", 0.2)
    half = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 1000\r\n\r\n<?xml"
    with behind(half) as endpoint, pytest.raises(StoreError):
        remote(endpoint, tmp_path, monkeypatch).names()


def test_an_answer_of_something_else_is_an_error_and_no_empty_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: Storage
) -> None:
    body = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with behind(body) as endpoint, pytest.raises(StoreError):
        remote(endpoint, tmp_path, monkeypatch).names()
    remote(storage.endpoint, tmp_path, monkeypatch)
    with pytest.raises(StoreError):
        open_store("s3://nobucket/models", cache=tmp_path).names()


def test_copies_that_are_neither_in_use_nor_were_before_are_removed(
    far: ModelStore, model: Path, tmp_path: Path
) -> None:
    far.add("sales", THIRD, model)
    for version in (FIRST, SECOND, THIRD):
        far.set_current("sales", version)
        far.folder("sales", version)
        far.keep({"sales": version})
        far.keep({"sales": version})  # as another process does
    assert copies_of(tmp_path) == {SECOND, THIRD}
    far.keep({"sales": None})  # none could be loaded: what there is may be needed
    assert copies_of(tmp_path) == {SECOND, THIRD}
    left = next((tmp_path / "copies").iterdir()) / ".pulling-old"
    left.mkdir()
    far.keep({"sales": THIRD})
    assert left.exists()  # perhaps another process is at it
    os.utime(left, (0, 0))
    far.keep({})
    assert copies_of(tmp_path) == set()
    assert not left.exists()


def test_each_store_has_copies_of_its_own(far: ModelStore, tmp_path: Path) -> None:
    far.folder("sales", SECOND)
    assert open_store("s3://bucket/others", cache=tmp_path / "copies").names() == []
    fallback = open_store("s3://bucket/others", cache=tmp_path / "copies").fallback
    assert fallback is not None
    assert fallback.names() == []


def test_two_processes_pull_one_version(far: ModelStore) -> None:
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(far.folder("sales", SECOND))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    assert len(folders) == 4
    assert bits_of(Forecaster.load(folders[0])) == bits_of(other())


def test_a_version_pulled_by_two_is_there_at_every_moment(far: ModelStore) -> None:
    folder = far.folder("sales", SECOND)
    done = threading.Event()
    seen: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            seen.append(bits_of(Forecaster.load(folder)))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        far._pull("sales", SECOND)  # type: ignore[attr-defined]  # as one that found none a moment ago
    done.set()
    reader.join(timeout=180)
    assert set(seen) == {bits_of(other())}


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, url in (("obstore.fsspec", URL), ("fsspec.core", "memory://models")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtraError, match=r"forecaster\[remote\]"):
                open_store(url, cache=tmp_path)


def test_a_url_of_which_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing://"):
        open_store("nothing://models", cache=tmp_path)
    for url in ("s3://", "memory:///"):
        with pytest.raises(ConfigError, match="names no place"):
            open_store(url, cache=tmp_path)


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    assert str(open_store("memory://user:secret@host/models", cache=tmp_path)) == "memory://host/models"


# --- the command line --------------------------------------------------------------------------------------------


def test_the_command_line_publishes_lists_and_rolls_back(
    store: ModelStore, model: Path, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FORECASTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MODEL_STORE", URL if "s3" in str(store) else str(store))
    for source in (model, second):
        assert run(["publish", str(source), "sales"]) == 0
    new, old = store.versions("sales")
    assert store.current("sales") == new
    assert capsys.readouterr().out.splitlines()[-1] == f"sales: version {new} is in use in {store}."
    assert run(["rollback", "sales"]) == 0
    assert store.current("sales") == old
    assert run(["rollback", "sales"]) == 2
    assert f"no version of 'sales' before {old}" in capsys.readouterr().err
    assert run(["models", "--versions"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], *row[-2:]) for row in rows[1:3]] == [("sales", new, "no"), ("sales", old, "yes")]
    assert run(["rollback", "sales", new]) == 0
    assert store.current("sales") == new
    capsys.readouterr()
    assert run(["models"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["model", "sales", "base"]


def test_models_of_symbols_are_published_and_classifiers_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--models", str(tmp_path / "models")]
    letters().save(tmp_path / "letters")
    assert run(["publish", str(tmp_path / "letters"), "letters", *place]) == 0
    assert run(["publish", str(tmp_path / "letters"), "letters", *place]) == 0
    assert run(["rollback", "letters", *place]) == 0
    SequenceClassifier(training={"steps": 2}).fit([["a", "b"], ["b", "a"]], [0, 1]).save(tmp_path / "labels")
    assert run(["publish", str(tmp_path / "labels"), "labels", *place]) == 2
    assert "labels is a classifier, which answers in the library only" in capsys.readouterr().err


def test_the_command_line_puts_nothing_into_use_that_does_not_load(
    local: LocalStore, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--models", str(local)]
    assert run(["rollback", "sales", *place]) == 2
    assert f"No version of 'sales' is in use in {local}. Name one: {FIRST}" in capsys.readouterr().err
    assert run(["rollback", "nobody", *place]) == 2
    assert run(["rollback", "sales", FIRST, *place]) == 0
    weights = local.folder("sales", FIRST) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[1:])
    local.add("sales", SECOND, model)
    local.set_current("sales", SECOND)
    assert run(["rollback", "sales", *place]) == 2
    assert run(["publish", str(weights.parent), "sales", *place]) == 2
    assert run(["publish", str(model), "../sales", *place]) == 2
    assert local.current("sales") == SECOND
    (local.folder_of_models / "sales" / "current").write_text("?", encoding="ascii")
    capsys.readouterr()
    assert run(["models", str(local)]) == 3
    assert "damaged sales: " in capsys.readouterr().err
    assert run(["train", "data/flights_daily.csv", "--h", "3", "--model", str(local.folder_of_models / "sales")]) == 2
    assert "forecaster publish" in capsys.readouterr().err


def test_a_folder_of_versions_is_no_model_and_says_so(local: LocalStore) -> None:
    local.set_current("sales", FIRST)
    with pytest.raises(ModelFormatError, match="holds versions"):
        Forecaster.load(local.folder_of_models / "sales")
