"""Settings from the environment, and their table in the documentation."""

from __future__ import annotations

import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from gunicorn.util import load_class

import service
from forecaster import ConfigError
from service.gunicorn_worker import Worker
from service.settings import Settings, variable_of

WRONG = {
    "PORT": ["0", "65536", "-1", "eighty", "8000.5", "٨"],
    "WORKERS": ["-1", "1000"],
    "THREADS": ["0"],
    "MAX_BYTES": ["1"],
    "MAX_HORIZON": ["10001"],
    "LOG_LEVEL": ["LOUD"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"FORECASTER_{name}"):
        Settings.from_environment({f"FORECASTER_{name}": value})


def test_every_setting_can_be_set() -> None:
    values: dict[type, Any] = {int: "7", bool: "true", str: "ERROR", tuple: "a.example, b.example"}
    values |= {type(Path()): "/srv", type(None): "/srv"}
    environment = {variable_of(item): values[type(item.default)] for item in fields(Settings)}
    environment |= dict.fromkeys(("FORECASTER_MAX_BYTES", "FORECASTER_MAX_JOB_BYTES"), "70000")
    environment |= {"FORECASTER_MAX_STATE_BYTES": "7000000"}
    environment |= {"DATABASE_URL": "postgresql://host/name", "MODEL_STORE": "s3://bucket"}
    settings = Settings.from_environment(environment)
    assert settings.port == 7
    assert settings.trusted_hosts == ("a.example", "b.example")
    assert settings.models == Path("/srv")
    assert all(getattr(settings, item.name) != item.default for item in fields(Settings))


def test_empty_variables_mean_the_default() -> None:
    assert Settings.from_environment({"FORECASTER_PORT": "  ", "FORECASTER_HOST": ""}) == Settings()


def test_it_listens_on_loopback_unless_told() -> None:
    assert Settings().host == "127.0.0.1"


def gunicorn_settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    for name, value in environment.items():
        monkeypatch.setenv(f"FORECASTER_{name}", value)
    monkeypatch.setattr("service.metrics.folder.open_folder", lambda: None)  # it would stay in the environment
    return runpy.run_path(str(Path(service.__file__).with_name("gunicorn.conf.py")))


def test_gunicorn_takes_its_settings_from_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {"HOST": "::", "PORT": "9000", "WORKERS": "3", "THREADS": "5", "GRACEFUL_TIMEOUT": "9"}
    found = gunicorn_settings(monkeypatch, **asked, ALLOW_ANONYMOUS="true", STATE=str(tmp_path))
    assert found["bind"] == "[::]:9000"
    assert (found["workers"], found["threads"], found["graceful_timeout"]) == (3, 5, 9)
    assert load_class(found["worker_class"]) is Worker
    assert found["preload_app"] is False
    assert found["control_socket_disable"] is True


@pytest.mark.parametrize(("cpus", "workers", "threads"), [(1, 2, 1), (2, 2, 1), (4, 4, 1), (16, 4, 4)])
def test_workers_follow_the_processors(monkeypatch: pytest.MonkeyPatch, cpus: int, workers: int, threads: int) -> None:
    monkeypatch.setattr("service.settings.usable_cpus", lambda: cpus)
    assert Settings().worker_count == workers
    assert Settings().model_threads == threads
    assert Settings(workers=1).model_threads == cpus


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("LOCALHOST", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("::ffff:7f00:1", False), ("localhost.example", False),  # noqa: S104 - only settings here
     ("", False)],
)  # fmt: skip
def test_what_only_this_machine_can_reach(host: str, is_loopback: bool) -> None:
    assert Settings(host=host).is_loopback is is_loopback
    assert (Settings(host=host).admitted_hosts is None) is not is_loopback
    assert Settings(host=host).lets_anyone_in is is_loopback
    assert Settings(host=host, allow_anonymous=True).lets_anyone_in


def test_without_a_home_the_folder_of_state_has_to_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError))
    with pytest.raises(ConfigError, match="FORECASTER_STATE"):
        Settings().state_folder  # noqa: B018 - asking is enough
    assert Settings(state=tmp_path).state_folder == tmp_path
    with pytest.raises(ConfigError, match="FORECASTER_MODELS"):
        Settings.from_environment({"FORECASTER_MODELS": "~nobody-of-this-name/models"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://user:secret77@host/a"),
        ("DATABASE_URL", "secret77"),
        ("MODEL_STORE", "s3://"),
        ("MODEL_STORE", "models"),
    ],
)
def test_places_of_another_form_are_refused_without_being_repeated(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be") as caught:
        Settings.from_environment({name: value})
    assert "secret77" not in str(caught.value)


def test_what_kubernetes_sets_for_a_service_of_that_name_is_explained() -> None:
    with pytest.raises(ConfigError, match="enableServiceLinks"):
        Settings.from_environment({"FORECASTER_PORT": "tcp://10.0.0.1:8000"})
