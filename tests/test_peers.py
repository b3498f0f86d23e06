"""Forecasts of statsforecast: what it is asked, what becomes of its answers, and what happens without it."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from utilsforecast import losses
from utilsforecast.evaluation import evaluate

from forecaster import ConfigError, Forecaster, MissingExtraError, Panel
from forecaster.baselines import baseline_forecast
from forecaster.cli import run
from forecaster.peers import PEERS, check_peers, peer_forecast
from tests.examples import Floats, H, numbered, tiny, weekly
from tests.leaks import leaks

NAN = np.nan
LEVELS = (80.0, 95.0)
WINDOWS: dict[str, Any] = {"n_windows": 2, "step_size": 2}


class StandIn:
    """A model of statsforecast as far as it is used here. Keeps what it was given."""

    asked: list[tuple[str, int, list[float]]]

    def __init__(self, season_length: int) -> None:
        self.season_length = season_length

    def forecast(self, y: Floats, h: int, level: list[float] | None) -> dict[str, Floats]:
        self.asked.append((type(self).__name__, self.season_length, y.tolist()))
        warnings.warn("divide by zero", RuntimeWarning, stacklevel=1)
        if len(y) < 3:
            raise Exception("no model able to be fitted")
        mean = y[-1] + np.arange(1.0, h + 1)
        if y[-1] == 666:
            mean[-1] = np.inf
        said = {"mean": mean}
        for one in level or ():
            said[f"lo-{one}"], said[f"hi-{one}"] = (mean + sign * one for sign in (-1, 1))
        return said


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, list[float]]]:
    """Put a stand-in in the place of statsforecast, and return what it will be asked."""
    package, models = ModuleType("statsforecast"), ModuleType("statsforecast.models")
    package.__spec__ = ModuleSpec("statsforecast", None)
    record: list[tuple[str, int, list[float]]] = []
    for name in PEERS:
        setattr(models, name, type(name, (StandIn,), {"asked": record}))
    monkeypatch.setitem(sys.modules, "statsforecast", package)
    monkeypatch.setitem(sys.modules, "statsforecast.models", models)
    return record


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


def test_each_series_is_asked_for_alone(asked: list[tuple[str, int, list[float]]]) -> None:
    panel = numbered({"a": [1, 2, 3, 4], "b": [7, 6, 5]})
    said = peer_forecast("Theta", panel, h=2, levels=LEVELS, season=3)
    assert asked == [("Theta", 3, [1, 2, 3, 4]), ("Theta", 3, [7, 6, 5])]
    assert said.alias == "Theta"
    assert said.ids == ("a", "b")
    assert said.times.tolist() == [[5, 6], [4, 5]]
    assert said.point.tolist() == [[5, 6], [6, 7]]
    assert said.lower.tolist() == [[[-75, -74], [-90, -89]], [[-74, -73], [-89, -88]]]
    assert said.upper.tolist() == [[[85, 86], [100, 101]], [[86, 87], [101, 102]]]


@pytest.mark.usefixtures("asked")
def test_without_levels_there_are_points_alone() -> None:
    said = peer_forecast("AutoETS", numbered({"a": [1, 2, 3]}), h=2, levels=(), season=1)
    assert said.point.tolist() == [[4, 5]]
    assert said.lower.shape == said.upper.shape == (1, 0, 2)


def test_gaps_are_filled_with_lines(asked: list[tuple[str, int, list[float]]]) -> None:
    peer_forecast("Theta", numbered({"a": [2, NAN, NAN, 8, 3, NAN]}), h=1, levels=LEVELS, season=1)
    assert asked[0][2] == [2, 4, 6, 8, 3, 3]


@pytest.mark.usefixtures("asked")
def test_where_a_peer_gives_up_the_forecast_is_naive() -> None:
    panel = numbered({"short": [1, 2], "fine": [1, 2, 3], "infinite": [5, 1, 666]})
    said = peer_forecast("AutoETS", panel, h=2, levels=LEVELS, season=1)
    naive = baseline_forecast("Naive", panel, h=2, levels=LEVELS, season=1)
    for part in ("point", "lower", "upper"):
        assert_array_equal(getattr(said, part)[[0, 2]], getattr(naive, part)[[0, 2]])
    assert said.point[1].tolist() == [4, 5]


@pytest.mark.usefixtures("asked")
def test_a_backtest_has_the_peers_it_is_asked_for() -> None:
    panel = weekly(3)
    test = tiny().backtest(panel, peers=PEERS, level=80, **WINDOWS)
    models = ["LSTM", "Naive", "SeasonalNaive", "Drift", *PEERS]
    assert [row["model"] for row in test.table] == models
    assert test.by_series()["model"].tolist() == models * 3
    frame = tiny().cross_validation(panel, peers="Theta", level=80, **WINDOWS)
    assert frame.columns.tolist()[-4:] == ["Drift-hi-80", "Theta", "Theta-lo-80", "Theta-hi-80"]
    assert_array_equal(frame["Theta"], frame["Naive"] + np.tile(np.arange(1.0, H + 1), 6))


def test_without_being_asked_it_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)  # an import of it would fail
    assert len(tiny().backtest(weekly(1), n_windows=1).table) == 4


def refuse(*_arguments: Any, **_more: Any) -> None:
    raise AssertionError("work was begun")


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("peers", ["AutoETS", ["Theta"], PEERS])
def test_a_missing_statsforecast_names_the_extra_before_any_work(peers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forecaster, "fit", refuse)
    with pytest.raises(MissingExtraError, match=r'pip install "forecaster\[compare\]"'):
        tiny().backtest(weekly(1), peers=peers)


@pytest.mark.parametrize("peers", ["ETS", ["Theta", "theta"], [3], ""])
def test_unknown_peers_are_refused(peers: Any) -> None:
    with pytest.raises(ConfigError, match="must be among AutoETS, Theta, got") as caught:
        check_peers(peers)
    assert caught.value.column == "peers"


@pytest.mark.usefixtures("asked")
def test_names_are_taken_once_and_in_their_order() -> None:
    assert check_peers(["Theta", "AutoETS", "Theta"]) == ("Theta", "AutoETS")
    assert check_peers(()) == ()


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "long.csv"
    rows = [f"a,{day},{20 + day % 7}" for day in range(1, 50)]
    path.write_text("\n".join(["unique_id,ds,y", *rows]), encoding="utf-8")
    return str(path)


@pytest.mark.usefixtures("asked")
def test_the_command_shows_the_peers(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["backtest", table, "--h", "3", "--windows", "1", "--steps", "2", "--peers", "AutoETS, Theta"]
    assert run(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[5:]] == ["AutoETS", "Theta"]


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize(("peers", "expected"), [("Theta", "forecaster[compare]"), ("ARIMA", "must be among")])
def test_the_command_says_in_a_line_what_is_wrong(
    peers: str, expected: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backtest", table, "--h", "3", "--peers", peers]) == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert shown.out == ""


real = pytest.mark.skipif(
    importlib.util.find_spec("statsforecast") is None,
    reason="statsforecast is not installed; CONTRIBUTING.md says how to test with it",
)


@real
@pytest.mark.parametrize("name", PEERS)
def test_what_statsforecast_says_is_passed_on(name: str) -> None:
    from statsforecast import models

    panel = weekly(2)
    said = peer_forecast(name, panel, h=9, levels=LEVELS, season=7)
    for i in range(2):
        theirs = getattr(models, name)(season_length=7).forecast(y=panel.series(i), h=9, level=[80, 95])
        assert_allclose(said.point[i], theirs["mean"])
        assert_allclose(said.lower[i], [theirs["lo-80"], theirs["lo-95"]])
        assert_allclose(said.upper[i], [theirs["hi-80"], theirs["hi-95"]])
    assert (said.lower[:, 1] <= said.lower[:, 0]).all()
    assert (said.upper[:, 1] >= said.upper[:, 0]).all()


@real
@pytest.mark.parametrize("name", PEERS)
def test_a_season_is_found(name: str) -> None:
    season = np.array([10.0, 20, 30, 40, 30, 20, 15])
    noise = np.random.default_rng(0).standard_normal(70)
    said = peer_forecast(name, numbered({"a": np.tile(season, 10) + noise}), h=7, levels=LEVELS, season=7)
    assert_allclose(said.point[0], season, atol=3)


@real
@pytest.mark.parametrize("name", PEERS)
def test_odd_series_have_forecasts_too(name: str) -> None:
    odd = {
        "zeros": np.zeros(20), "constant": np.full(20, 5.0), "negative": -np.arange(20.0) % 5, "two": [1.0, 2.0],
        "gaps": np.where(np.arange(30) % 4, np.arange(30.0) % 7, NAN), "huge": 1e300 * (np.arange(20.0) % 3),
        **{f"{n} values": np.arange(n) % 3.0 for n in range(3, 16)},
    }  # fmt: skip
    panel = numbered(odd)
    for season in (1, 7, 52):
        said = peer_forecast(name, panel, h=4, levels=LEVELS, season=season)
        for part in (said.point, said.lower, said.upper):
            assert np.isfinite(part).all()
        assert_allclose(said.point[0], 0, atol=1e-9)
        assert_allclose(said.point[1], 5)
        assert_array_equal(said.point[3], 2)  # too short for both: naive


@real
@pytest.mark.filterwarnings("ignore:no series is long enough to hold out its end")
def test_nothing_after_a_cutoff_reaches_a_peer() -> None:
    def backtested(panel: Panel) -> Any:
        return tiny().backtest(panel, peers=PEERS, **WINDOWS)

    assert leaks(backtested, weekly(3), h=H, **WINDOWS) == set()


@real
def test_utilsforecast_evaluates_the_peers() -> None:
    frame = tiny().cross_validation(weekly(2), peers=PEERS, **WINDOWS)
    said = evaluate(frame, metrics=[losses.mae, losses.coverage], level=[80, 95])
    assert set(PEERS) < set(said.columns)
    assert np.isfinite(said[list(PEERS)]).all(axis=None)
