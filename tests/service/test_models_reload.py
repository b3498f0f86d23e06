"""New versions while the service runs: taken up, refused, taken back; and stores that do not answer."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from forecaster import Forecaster, Frequency, ModelStore, StoreError, open_store
from service.models.failures import MOST_LOOKS
from service.models.registry import ModelRegistry
from service.models.served import Served
from service.models.watcher import Watcher
from tests.examples import bits_of, tiny, trained, weekly

from .conftest import LastValue, fake_base, load_fake, model_folder, new_registry

FIRST, SECOND, THIRD = (f"20260{month}01T000000Z-00000000" for month in (1, 2, 3))


def version(folder: Path, version: str, name: str = "sales", **info: Any) -> None:
    """Write a version of a model that `load_fake` loads."""
    model_folder(folder / name, version, **info)


def use(folder: Path, version: str, name: str = "sales") -> None:
    (folder / name / "current").write_text(version + "\n", encoding="ascii")


def versions(registry: ModelRegistry) -> dict[str, str]:
    return {name: served.version for name, served in registry.snapshot.models.items()}


def faults(registry: ModelRegistry) -> dict[str, str]:
    return {name: failure.fault for name, failure in registry.snapshot.failures.items()}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of models with one, of two versions; the first is in use."""
    version(tmp_path, FIRST, horizon=3)
    version(tmp_path, SECOND, horizon=5)
    use(tmp_path, FIRST)
    return tmp_path


class Tally:
    """Remembers what the registry tells."""

    def __init__(self) -> None:
        self.loads: list[bool] = []
        self.looks: list[bool] = []

    def model_loaded(self, *, ready: bool) -> None:
        self.loads.append(ready)

    def looked_for_models(self, *, failed: bool) -> None:
        self.looks.append(failed)


def test_another_version_new_models_and_removed_ones_are_taken_up(folder: Path) -> None:
    tally = Tally()
    registry = new_registry(folder, tally=tally).open()
    assert versions(registry) == {"sales": FIRST}
    before = registry.choose("sales", Frequency.parse(1))
    use(folder, SECOND)
    version(folder, FIRST, name="web")
    registry.refresh()
    assert versions(registry) == {"sales": SECOND}
    assert registry.snapshot.unpublished == ("web",)
    assert before.version == FIRST  # whoever holds it keeps it
    assert before.model.info["horizon"] == 3
    use(folder, FIRST, name="web")
    registry.refresh()
    assert versions(registry) == {"sales": SECOND, "web": FIRST}
    shutil.rmtree(folder / "sales")
    registry.refresh()
    assert versions(registry) == {"web": FIRST}
    assert tally.loads == [True] * 3


def test_what_has_not_changed_is_not_loaded_again(folder: Path) -> None:
    loads: list[Path] = []

    def load(path: Path) -> LastValue:
        loads.append(path)
        return load_fake(path)

    registry = new_registry(folder, load=load).open()
    count = len(loads)
    held = registry.snapshot.models["sales"]
    for _ in range(3):
        registry.refresh()
    assert len(loads) == count
    assert registry.snapshot.models["sales"] is held


def test_a_version_that_fails_leaves_the_one_before_and_is_told_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tally = Tally()
    registry = new_registry(folder, tally=tally).open()
    (folder / "sales" / SECOND / "model.json").write_text("{", encoding="ascii")
    use(folder, SECOND)
    for _ in range(200):
        registry.refresh()
    assert versions(registry) == {"sales": FIRST}
    assert faults(registry) == {"sales": "error"}
    assert errors(caplog) == ["model left out"]
    (record,) = [record for record in caplog.records if record.message == "model left out"]
    assert vars(record)["fields"] | {"reason": ""} == {
        "model": "sales", "version": SECOND, "fault": "error", "error": "JSONDecodeError", "reason": "", "stays": FIRST,
    }  # fmt: skip
    assert tally.loads == [True, *[False] * 9]  # at looks 1, 2, 4, ... and every 64th from then on
    use(folder, FIRST)
    registry.refresh()
    assert faults(registry) == {}
    shutil.rmtree(folder / "sales" / SECOND)
    version(folder, SECOND, horizon=5)
    use(folder, SECOND)
    registry.refresh()  # at once: it is no longer the version that has failed last
    assert versions(registry) == {"sales": SECOND}


def test_a_version_that_is_mended_is_taken_up_in_the_end(folder: Path) -> None:
    registry = new_registry(folder).open()
    description = folder / "sales" / SECOND / "model.json"
    whole = description.read_text(encoding="utf-8")
    description.write_text("{", encoding="ascii")
    use(folder, SECOND)
    registry.refresh()
    description.write_text(whole, encoding="utf-8")
    for _ in range(MOST_LOOKS):
        registry.refresh()
    assert versions(registry) == {"sales": SECOND}


@pytest.mark.parametrize(("pointer", "fault"), [("nonsense", "damaged"), (THIRD, "missing-version"), ("", "damaged")])
def test_a_pointer_that_leads_nowhere_leaves_the_version_before(pointer: str, fault: str, folder: Path) -> None:
    registry = new_registry(folder).open()
    use(folder, pointer)
    registry.refresh()
    assert versions(registry) == {"sales": FIRST}
    assert faults(registry) == {"sales": fault}
    late = new_registry(folder).open()  # one that begins now has none
    assert versions(late) == {}
    assert faults(late) == {"sales": fault}


def test_a_plain_folder_that_is_replaced_is_a_new_version(tmp_path: Path) -> None:
    trained().save(tmp_path / "flights")
    registry = new_registry(tmp_path, load=Forecaster.load).open()
    before = versions(registry)
    tiny(seed=5).fit(weekly()).save(tmp_path / "flights")
    registry.refresh()
    after = versions(registry)
    assert before.keys() == after.keys() == {"flights"}
    assert before != after


def test_a_plain_folder_that_is_replaced_while_it_is_loaded_is_not_served_under_a_wrong_id(folder: Path) -> None:
    plain = model_folder(folder, "flights")

    def load(path: Path) -> LastValue:
        if path == plain:
            (plain / "SHA256SUMS").write_text(f"{'2' * 64}  model.json\n", encoding="ascii")
        return load_fake(path)

    registry = new_registry(folder, load=load).open()
    assert faults(registry) == {"flights": "missing-version"}
    registry.refresh()
    assert faults(registry) == {}
    assert registry.snapshot.models["flights"].sha256 == {"model.json": "2" * 64}


def test_a_model_of_the_store_called_base_takes_the_place_of_the_base_weights_once_it_loads(folder: Path) -> None:
    registry = new_registry(folder).open()
    own = registry.snapshot.base
    assert own is not None
    (model_folder(folder, "base") / "model.json").write_text("{", encoding="ascii")
    registry.refresh()
    assert registry.snapshot.base is own
    assert faults(registry) == {"base": "error"}
    shutil.rmtree(folder / "base")
    model_folder(folder, "base")
    for _ in range(3):
        registry.refresh()
    assert registry.snapshot.base is None
    assert versions(registry).keys() == {"base", "sales"}
    shutil.rmtree(folder / "base")
    registry.refresh()
    assert registry.snapshot.base is own


def test_two_registries_on_one_store_come_to_the_same(folder: Path) -> None:
    here, there = new_registry(folder).open(), new_registry(folder).open()
    for chosen in (SECOND, FIRST, SECOND):
        here.publish("sales", chosen)
        assert versions(here) == {"sales": chosen}
        there.refresh()
        assert versions(there) == {"sales": chosen}
        here.refresh()
        assert versions(here) == {"sales": chosen}


class Remote:
    """A store that can be silent, with copies beside it."""

    def __init__(self, folder: Path, copies: Path) -> None:
        self.inner, self.silent, self.kept = open_store(folder, cache=folder), False, list[Mapping[str, str | None]]()
        self.fallback = open_store(copies, cache=copies)

    def __getattr__(self, name: str) -> Any:
        if self.silent:
            raise StoreError("does not answer")
        return getattr(self.inner, name)

    def keep(self, in_use: Mapping[str, str | None]) -> None:
        self.kept.append(in_use)


def registry_of(store: ModelStore, tally: Tally | None = None) -> ModelRegistry:
    return ModelRegistry(store, load=load_fake, pretrained=fake_base, tally=tally).open()


def test_a_store_that_falls_silent_changes_nothing_and_is_told_once(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Remote(folder, tmp_path / "copies")
    tally = Tally()
    registry = registry_of(store, tally)  # type: ignore[arg-type]  # what it lacks it asks another for
    assert store.kept == [{"sales": FIRST}]
    store.silent = True
    for _ in range(5):
        registry.refresh()
    assert not registry.reachable
    assert versions(registry) == {"sales": FIRST}
    assert errors(caplog) == ["the store of models does not answer"]
    store.silent = False
    use(folder, SECOND)
    registry.refresh()
    assert registry.reachable
    assert versions(registry) == {"sales": SECOND}
    assert store.kept[-1] == {"sales": SECOND}
    assert tally.loads == [True, True]
    assert tally.looks == [False, *[True] * 5, False]


def test_a_store_that_is_silent_at_the_start_leaves_what_was_pulled_before(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copies = tmp_path / "copies"
    shutil.copytree(folder / "sales", copies / "sales")
    store = Remote(folder, copies)
    store.silent = True
    store.folder = store.fallback.folder  # type: ignore[attr-defined]  # of a copy that is whole nobody asks
    use(folder, SECOND)
    registry = registry_of(store)  # type: ignore[arg-type]  # as above
    assert versions(registry) == {"sales": FIRST}
    assert not registry.reachable
    assert errors(caplog) == ["the store of models does not answer"]
    del store.folder  # type: ignore[attr-defined]  # set above
    store.silent = False
    registry.refresh()
    assert versions(registry) == {"sales": SECOND}


def test_a_folder_that_cannot_be_read_at_the_start_leaves_the_base_weights(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no folder", encoding="ascii")
    registry = new_registry(tmp_path / "models").open()
    assert not registry.reachable
    assert [served.name for served in registry.served] == ["base"]


def test_whatever_ails_the_pointer_of_one_model_the_others_are_served(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version(folder, FIRST, name="web")
    use(folder, FIRST, name="web")
    (folder / "web" / SECOND).symlink_to(SECOND)  # a loop
    use(folder, SECOND, name="web")
    registry = new_registry(folder).open()
    assert versions(registry) == {"sales": FIRST}
    assert faults(registry).keys() == {"web"}
    store = Remote(folder, tmp_path / "copies")
    (tmp_path / "copies").write_text("no folder", encoding="ascii")
    store.silent = True
    assert versions(registry_of(store)) == {}  # type: ignore[arg-type]  # as above
    current = type(registry.store).current

    def fail(self: Any, name: str) -> str | None:
        if name == "web":
            raise RuntimeError("unexpected")
        return current(self, name)

    monkeypatch.setattr(type(registry.store), "current", fail)
    assert faults(new_registry(folder).open()) == {"web": "error"}


def test_a_watcher_looks_until_it_is_stopped_and_survives_a_look_that_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks: list[int] = []
    third = threading.Event()

    def look() -> None:
        looks.append(1)
        if len(looks) >= 3:
            third.set()
        raise RuntimeError("canary")

    watcher = Watcher(look, 0.001).start()
    assert third.wait(30)
    watcher.stop()
    count = len(looks)
    assert not third.wait(0) or len(looks) == count
    assert not [thread for thread in threading.enumerate() if thread.name == "watcher" and thread.is_alive()]
    assert set(errors(caplog)) == {"look for changes failed"}
    assert "canary" not in str([vars(record) for record in caplog.records])


def test_a_watcher_stops_from_its_own_look() -> None:
    ended = threading.Event()

    def look() -> None:
        watcher.stop()
        ended.set()

    watcher = Watcher(look, 0.001)
    watcher.start()
    assert ended.wait(30)


def test_loaded_weights_are_read_only_and_the_same(tmp_path: Path) -> None:
    trained().save(tmp_path / "m")
    for model in (Forecaster.load(tmp_path / "m"), Forecaster.pretrained("D"), Forecaster.pretrained("D", season=5)):
        assert model._fitted is not None
        for network in model._fitted.engine.networks:
            assert not network.weights.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                network.weights[0] = 1
            for part in network.parts.values():
                with pytest.raises(ValueError, match="read-only"):
                    part.real(network.weights)[:] = 0
    assert bits_of(Forecaster.load(tmp_path / "m")) == bits_of(trained())


def test_served_models_cannot_be_changed() -> None:
    served = Served("a", LastValue(), {}, {}, "1")
    with pytest.raises(AttributeError):
        served.version = "2"  # type: ignore[misc]  # that is the test
