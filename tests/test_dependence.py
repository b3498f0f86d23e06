"""How errors hang together from step to step: what is learned, and what is drawn."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.dependence import Dependence, dependence, learn_dependence, random_walk
from forecaster.errors import ModelFormatError
from tests.examples import Floats

H = 14
STEPS = np.arange(1, H + 1)
WALK = np.minimum.outer(STEPS, STEPS).astype(float)
COVARIANCES = {
    "random walk": WALK,
    "independent": np.eye(H),
    "noise about an unknown level": 0.3 + 0.7 * np.eye(H),
    "noise about a wandering level": 0.2 + 0.02 * WALK + np.eye(H),
    "unknown slope": np.outer(STEPS, STEPS) * 0.1 + WALK,
    "fading": 0.7 ** np.abs(np.subtract.outer(STEPS, STEPS)),
}


def errors(name: str, count: int, *, seed: int = 0) -> Floats:
    factor = np.linalg.cholesky(COVARIANCES[name])
    return np.random.default_rng(seed).standard_normal((count, H)) @ factor.T


def normal(values: Floats, name: str) -> Floats:
    return values / np.sqrt(np.diag(COVARIANCES[name]))


def drawn(by: Dependence, *, h: int = H, paths: int = 20_000) -> Floats:
    return by.scores(np.random.default_rng(1), 1, paths, h)[0]


@pytest.mark.parametrize("name", COVARIANCES)
def test_sums_over_the_horizon_vary_as_those_of_held_out_errors(name: str) -> None:
    by = learn_dependence(normal(errors(name, 400), name))
    deviations = np.sqrt(np.diag(COVARIANCES[name]))
    truth = np.sqrt(COVARIANCES[name].sum())
    assert (drawn(by) @ deviations).std() == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("name", ["random walk", "independent", "unknown slope", "fading"])
def test_neighbouring_steps_hang_together_as_the_errors_do(name: str) -> None:
    scores = drawn(learn_dependence(normal(errors(name, 2000), name)))
    truth = normal(normal(COVARIANCES[name], name).T, name)
    said = np.corrcoef(scores, rowvar=False)
    assert_allclose(np.diag(said, 1), np.diag(truth, 1), atol=0.1)
    assert_allclose(np.diag(said, 1)[1:], np.diag(truth, 1)[1:], atol=0.06)  # the first has neighbours on one side only


@pytest.mark.parametrize("by", [random_walk(H), Dependence(np.full(H - 1, 0.5), 0.4)])
def test_each_step_alone_is_normal(by: Dependence) -> None:
    scores = drawn(by)
    assert_allclose(scores.mean(axis=0), 0, atol=0.03)
    assert_allclose(scores.std(axis=0), 1, atol=0.03)
    assert_allclose((np.abs(scores) < 1.96).mean(axis=0), 0.95, atol=0.01)


def test_what_is_drawn_has_the_correlations_it_says() -> None:
    by = Dependence(np.array([0.5, 0.8]), 0.6)
    expected = [[1, 0.3, 0.24], [0.3, 1, 0.48], [0.24, 0.48, 1]]
    assert_allclose(np.corrcoef(drawn(by, h=3), rowvar=False), expected, atol=0.03)


def test_beyond_the_learned_steps_it_is_a_random_walk() -> None:
    said = np.corrcoef(drawn(Dependence(np.array([0.1, 0.2])), h=6), rowvar=False)
    assert_allclose(np.diag(said, 1), [0.1, 0.2, *np.sqrt([3 / 4, 4 / 5, 5 / 6])], atol=0.03)
    walk = np.corrcoef(drawn(random_walk(2), h=9), rowvar=False)
    assert_allclose(walk[1, 8], np.sqrt(2 / 9), atol=0.03)


def test_the_same_seed_draws_the_same_whatever_series_follow() -> None:
    by = Dependence(np.full(3, 0.5), 0.5)
    few, many = (by.scores(np.random.default_rng(5), count, 3, 4) for count in (2, 6))
    assert_array_equal(many[:2], few)
    assert (many[0] != many[1]).any()


def test_few_errors_move_it_little() -> None:
    far = []
    for count in (1, 5, 50, 5000):
        by = learn_dependence(errors("independent", count))
        far.append(float(np.abs(by.lasting * by.passed_on - random_walk(H).passed_on).mean()))
    assert far == sorted(far)
    assert far[0] < 0.2
    nobody = learn_dependence(np.full((3, H), np.nan))
    assert_array_equal(nobody.passed_on, random_walk(H).passed_on)
    assert nobody.lasting == 1


def test_missing_values_have_no_say() -> None:
    scores = errors("noise about an unknown level", 60)
    padded = np.concatenate([scores, np.full((60, H), np.nan)])
    one, other = learn_dependence(scores), learn_dependence(padded)
    assert_allclose(one.passed_on, other.passed_on)
    assert one.lasting == other.lasting
    holes = np.where(np.random.default_rng(0).random((4000, H)) < 0.3, np.nan, errors("fading", 4000))
    by = learn_dependence(holes)
    assert_allclose((by.lasting * by.passed_on)[1:], 0.7, atol=0.05)


@pytest.mark.parametrize("value", [0.0, np.inf, -1e300])
@pytest.mark.parametrize("h", [1, 2, 5])
def test_whatever_comes_it_is_a_dependence(value: float, h: int) -> None:
    for scores in (np.full((30, h), value), np.where(np.arange(h) % 2, 1.0, -1.0) * np.ones((30, 1))):
        by = learn_dependence(scores)
        assert dependence(by.as_settings(), h).passed_on.shape == (h - 1,)
        assert np.isfinite(drawn(by, h=h + 2, paths=5)).all()


def test_it_comes_back_from_json() -> None:
    by = learn_dependence(errors("fading", 30))
    back = dependence(json.loads(json.dumps(by.as_settings())), H)
    assert_array_equal(back.passed_on, by.passed_on)
    assert back.lasting == by.lasting


@pytest.mark.parametrize(
    "settings",
    [
        {}, [], None, "x", {"passed_on": [0.5]}, {"lasting": 1.0}, {"passed_on": [0.5, 0.5], "lasting": 1.0},
        {"passed_on": 0.5, "lasting": 1.0}, {"passed_on": [1.01], "lasting": 1.0},
        {"passed_on": [-0.1], "lasting": 1.0}, {"passed_on": [float("nan")], "lasting": 1.0},
        {"passed_on": [None], "lasting": 1.0}, {"passed_on": ["x"], "lasting": 1.0},
        {"passed_on": [10**400], "lasting": 1.0}, {"passed_on": [0.5], "lasting": 0.0},
        {"passed_on": [0.5], "lasting": 1.5}, {"passed_on": [0.5], "lasting": float("nan")},
        {"passed_on": [0.5], "lasting": None}, {"passed_on": [0.5], "lasting": [1.0]},
    ],
)  # fmt: skip
def test_another_form_is_refused(settings: Any) -> None:
    with pytest.raises(ModelFormatError, match="dependence"):
        dependence(settings, 2)
