"""The search for settings: what is tried and given up, the same trials whatever runs them, and a study that goes on."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import ConfigError, Forecaster, InputError, MissingExtraError, TooShortError, search, tune
from forecaster.cli import run
from forecaster.executors import Serial, Threads
from forecaster.search import Progress, Tuned
from forecaster.study import Study, Trial, open_study
from tests.examples import bits_of, numbered, weekly

pytest.importorskip("optuna", reason='Optuna is not installed: pip install "forecaster[tune]"')

ROOT = Path(__file__).parents[1]
SPACE: dict[str, Any] = {
    "lags": (2, 9),
    "positions": (4, 8),
    "layers": [1, 2],
    "hidden": [4, 8],
    "learning_rate": (1e-3, 3e-2),
}
ASKED: dict[str, Any] = {"h": 3, "trials": 9, "steps": 6, "space": SPACE, "at_once": 3, "threads": 1}


def tuned(**options: Any) -> Tuned:
    return tune(weekly(), **{**ASKED, **options})


@pytest.fixture(scope="module")
def expected() -> Tuned:
    """A search that nothing interrupts."""
    return tuned()


def assert_same(one: Tuned, other: Tuned) -> None:
    assert one.table == other.table
    assert (one.default, one.model.info["search"]) == (other.default, other.model.info["search"])
    assert bits_of(one.model) == bits_of(other.model)


def test_the_best_is_trained_on_all_and_says_how_it_was_found(expected: Tuned, tmp_path: Path) -> None:
    done = [one for one in expected.trials if one.state == "complete"]
    values = [one.value for one in done]
    found = expected.model.info["search"]
    assert [one.place for one in expected.trials] == list(range(9))
    assert (found["metric"], found["default"], found["seed"]) == ("MASE", expected.default, 0)
    assert found["cutoffs"] == [9, 6, 3]
    assert [one["state"] for one in found["trials"]] == [one.state for one in expected.trials]
    if expected.best is None:
        assert min(values) >= expected.default
        assert expected.model.info["training"]["init"] == "base"
    else:
        assert expected.best.value == min(values) < expected.default
    assert [row["MASE"] for row in expected.table[: len(done)]] == sorted(values)
    expected.model.save(tmp_path / "model")
    assert Forecaster.load(tmp_path / "model").info["search"] == found
    assert isinstance(expected.model.predict(), pd.DataFrame)


def test_a_trial_is_a_backtest_of_its_settings(expected: Tuned) -> None:
    trial = next(one for one in expected.trials if one.state == "complete" and one.settings["loss"] == "pinball")
    settings = dict(trial.settings)
    asked = search.Asked(h=3, freq="D", season=7, metric="MASE", seed=0, steps=6, threads=1)
    model = search._candidate(settings, asked)
    by_hand = [
        weekly_backtest.table[0]["MASE"]
        for ahead in (9, 6, 3)
        for weekly_backtest in [model.backtest(weekly().head(ahead - 3), n_windows=1)]
    ]
    assert trial.scores == by_hand
    assert trial.value == np.mean(by_hand)
    assert model.networks[0].hidden == settings["hidden"]


def test_the_first_trial_has_the_settings_of_the_recipe_as_near_as_they_can_be_chosen(expected: Tuned) -> None:
    assert expected.trials[0].settings == {
        "lags": 9, "positions": 8, "layers": 2, "hidden": 8, "learning_rate": 0.005, "loss": "pinball",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["threads", "serial"])
def test_the_same_trials_and_model_whatever_runs_them(kind: str, expected: Tuned, tmp_path: Path) -> None:
    """With a file for the study, or without."""
    with Threads(2) as executor:
        running = Serial() if kind == "serial" else executor
        assert_same(tuned(executor=running, study=tmp_path / "s.study"), expected)


def test_another_seed_makes_other_trials(expected: Tuned) -> None:
    other = tuned(seed=1, trials=3)
    assert other.trials[0].settings == expected.trials[0].settings
    assert other.trials[1].settings != expected.trials[1].settings


def test_trials_that_are_worse_than_half_of_those_before_are_given_up() -> None:
    """By hand: 6 trials done with means of 1 to 6 after one fold."""
    options = {"space": {"x": (1, 100)}, "first": {"x": 1}, "trials": 20, "at_once": 6, "seed": 0}
    with open_study(None, {}, **options) as study:
        for trial in study.next_round():
            assert not study.is_hopeless(trial, 1), "nothing is known of others"
            for score in (trial.place + 1.0, 0.0):
                study.report(trial, score)
            study.end(trial, "complete")
        batch = study.next_round()
        assert [one.place for one in batch] == [6, 7, 8, 9, 10, 11]
        for trial, score in zip(batch, (3.4, 3.5, 3.6, math.inf, 0.0, 4.0), strict=True):
            study.report(trial, score)
        assert [study.is_hopeless(one, 1) for one in batch] == [False, False, True, True, False, True]
        study.end(batch[2], "pruned")
        assert not study.is_hopeless(batch[0], 1), "trials that were given up do not count"
        assert [one.state for one in study.trials()] == ["complete"] * 6 + ["pruned"]


def test_trials_are_given_up_in_a_search() -> None:
    result = tuned(trials=24, at_once=6)
    pruned = [one for one in result.trials if one.state == "pruned"]
    assert pruned
    assert all(len(one.scores) < 3 for one in pruned)
    assert [row["state"] for row in result.table][-len(pruned) :] == ["pruned"] * len(pruned)


def test_progress_is_told_after_each_fold() -> None:
    told: list[Progress] = []
    result = tuned(trials=4, at_once=2, progress=told.append)
    assert [(one.done, one.fold) for one in told if one.fold < 3] == [(0, 1), (0, 2), (2, 1), (2, 2)]
    assert told[-1] == Progress(4, 4, 3, 3, min(one.value for one in result.trials if one.state == "complete"))


def test_constant_series_have_no_mase_and_the_error_says_what_would_do() -> None:
    constant = numbered({"a": [5.0] * 40})
    with pytest.raises(ConfigError, match=r"MASE cannot be told.*such as MAE") as caught:
        tune(constant, **ASKED)
    assert caught.value.column == "metric"
    assert tune(constant, **{**ASKED, "metric": "MAE", "trials": 1}).metric == "MAE"


def test_series_too_short_take_no_part() -> None:
    panel = numbered({"long": np.arange(40.0) % 5, "short": np.arange(5.0)})
    result = tune(panel, **{**ASKED, "trials": 1})
    assert list(result.skipped) == ["short"]
    with pytest.raises(TooShortError, match="fewer windows"):
        tune(numbered({"short": np.arange(5.0)}), **ASKED)


@pytest.mark.parametrize(
    ("options", "column", "said"),
    [
        ({"h": 0}, "h", "from 1"),
        ({"trials": 0}, "trials", "from 1"),
        ({"at_once": 0}, "at_once", "from 1"),
        ({"n_windows": 0}, "n_windows", "from 1"),
        ({"metric": "R2"}, "metric", "one of MASE, MAE"),
        ({"steps": 0}, "steps", "from 1"),
        ({"space": {"units": (1, 2)}}, "space", "no setting 'units', only lags, positions"),
        ({"space": {"hidden": []}}, "space", "a range"),
        ({"space": {"hidden": (64, 16)}}, "space", "from low to high"),
        ({"space": {"hidden": [0]}}, "hidden", "from 1"),
        ({"space": {"loss": ("pinball", "absolute")}}, "space", "a list"),
        ({"space": {"loss": ["huber"]}}, "loss", "one of pinball"),
        ({"space": {"learning_rate": (0.0, 1.0)}}, "learning_rate", "positive"),
        ({"executor": "dask"}, "executor", "one of serial"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], column: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        tuned(**options)
    assert caught.value.column == column


def test_without_optuna_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'pip install "forecaster\[tune\]"'):
        tuned()


# --- a study that goes on ---------------------------------------------------------------------------------------------


def test_more_trials_are_added_to_a_study(expected: Tuned, tmp_path: Path) -> None:
    first = tuned(trials=3, study=tmp_path / "s.study")
    assert [one.settings for one in first.trials] == [one.settings for one in expected.trials[:3]]
    assert_same(tuned(study=tmp_path / "s.study"), expected)
    calls: list[Progress] = []
    assert_same(tuned(study=tmp_path / "s.study", progress=calls.append), expected)
    assert calls == [], "all of them were done"
    assert len(tuned(trials=3, study=tmp_path / "s.study").trials) == 3


class Enough(BaseException):
    """Ends a search as Ctrl-C does."""


@pytest.mark.parametrize("moment", [7, 49])  # of 58; each costs two searches
def test_a_search_that_is_interrupted_goes_on_to_the_same_end(
    moment: int, expected: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any write to the study."""
    writes = 0

    def interrupting(name: str) -> Any:
        original = getattr(Study, name)

        def wrapper(*arguments: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == moment:
                raise Enough
            return original(*arguments)

        return wrapper

    with monkeypatch.context() as patched:
        for name in ("report", "end", "_begin"):
            patched.setattr(Study, name, interrupting(name))
        try:
            tuned(study=tmp_path / "s.study")
        except Enough:
            assert writes == moment
    assert_same(tuned(study=tmp_path / "s.study"), expected)


SEARCH = """
import sys
from forecaster import tune
from tests.examples import weekly
from tests.test_search import ASKED
if __name__ == "__main__":
    tune(weekly(), **ASKED, study=sys.argv[1], progress=lambda progress: print(progress, flush=True))
"""


def test_a_search_that_is_killed_goes_on_to_the_same_end(expected: Tuned, tmp_path: Path) -> None:
    """kill -9 at random moments, until it comes to its end."""
    chance, code = random.Random(3), None  # noqa: S311 - no secret
    killed = 0
    while code != 0:
        command = [sys.executable, "-c", SEARCH, str(tmp_path / "s.study")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as running:  # noqa: S603 - our own code
            assert running.stdout is not None
            if killed < 2:
                for _ in range(chance.randrange(1, 4)):
                    running.stdout.readline()
                time.sleep(chance.random() * 0.2)
                running.kill()
            running.stdout.read()
        code = running.returncode
        killed += code != 0
    assert killed
    assert_same(tuned(study=tmp_path / "s.study"), expected)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with one trial."""
    place = tmp_path_factory.mktemp("study") / "s.study"
    tuned(trials=1, study=place)
    return place


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"h": 2}, "h"), ({"seed": 1}, "seed"), ({"metric": "MAE"}, "metric"), ({"n_windows": 2}, "choice of cutoffs"),
        ({"steps": 7}, "steps"), ({"at_once": 2}, "number of trials at once"), ({"space": {}}, "space"),
        ({"space": {**SPACE, "layers": (1, 2)}}, "space"),
    ],
)  # fmt: skip
def test_a_study_does_not_go_on_with_something_else(options: dict[str, Any], name: str, begun: Path) -> None:
    with pytest.raises(ConfigError, match=f"begun with another {name}.*another file") as caught:
        tuned(**{"trials": 1, "study": begun, **options})
    assert caught.value.column == "study"


def test_a_study_does_not_go_on_with_other_data(begun: Path) -> None:
    with pytest.raises(ConfigError, match="begun with another data"):
        tune(weekly(seed=1), **{**ASKED, "trials": 1, "study": begun})


def test_one_process_at_a_time(tmp_path: Path) -> None:
    options = {"space": {"x": (1, 9)}, "first": {"x": 1}, "trials": 1, "at_once": 1, "seed": 0}
    with (
        open_study(tmp_path / "s.study", {}, **options),
        pytest.raises(ConfigError, match="Another process is at work"),
        open_study(tmp_path / "s.study", {}, **options),
    ):
        pass


def test_a_file_that_is_no_study_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s.study").write_text("not a database " * 100)
    with pytest.raises(InputError, match=r"s\.study is not a study.*Name another file"):
        tuned(study=tmp_path / "s.study")
    assert (tmp_path / "s.study").read_text().startswith("not a database")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot be written: No such file or directory.*Name another file"):
        tuned(study=tmp_path / "none" / "s.study")


def test_a_trial_without_scores_has_no_value() -> None:
    assert math.isnan(Trial(0, {}).value)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    panel = weekly(3, 40)
    rows = [
        (name, *row)
        for i, name in enumerate(panel.ids)
        for row in zip(panel.time_labels(i), panel.series(i), strict=True)
    ]
    pd.DataFrame(rows, columns=["unique_id", "ds", "y"]).to_csv(path, index=False)
    return path


def arguments(table: Path, folder: Path, *more: str) -> list[str]:
    common = ["--h", "3", "--trials", "2", "--steps", "4", "--windows", "2", "--model", str(folder / "model")]
    return ["tune", str(table), *common, *more]


def test_the_command_saves_a_model_the_study_and_the_table(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(table, tmp_path, "--output", str(tmp_path / "trials.csv"))) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split()[:3] == ["trial", "MASE", "lags"]
    assert out.splitlines()[-1].startswith(f"{tmp_path / 'model'}: as ")
    assert "2 of 2 trials, best " in err
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert sorted(row["trial"] for row in csv.DictReader(file)) == ["0", "1"]
    saved = json.loads((tmp_path / "model" / "model.json").read_text())
    assert len(saved["search"]["trials"]) == 2
    assert (tmp_path / "model.study").is_file()
    assert run(arguments(table, tmp_path, "--executor", "threads")) == 0, "it goes on, and has nothing to do"
    assert json.loads((tmp_path / "model" / "model.json").read_text())["search"] == saved["search"]


def test_ctrl_c_says_how_to_go_on(table: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "forecaster.cli", *arguments(table, tmp_path, "--trials", "50")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}) as running:  # noqa: S603 - our own code
        assert running.stderr is not None
        while "of 50 trials" not in running.stderr.readline():
            pass
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130
    assert f"The trials so far are in {tmp_path / 'model.study'}: the same command goes on.\n" in said
    assert said.endswith("Interrupted.\n")
    assert not (tmp_path / "model").exists()
    assert run(arguments(table, tmp_path, "--trials", "4")) == 0


def test_a_wrong_metric_is_told_in_a_line(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(table, tmp_path, "--metric", "R2")) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: metric must be one of MASE, MAE")
    assert not (tmp_path / "model").exists()
