"""Series drawn at random, for base weights that have met more than M4: each is a trend, a season, and a noise.

Drawn by the project itself, so that they may be used for anything. What M4 lacks and users bring is there on purpose:
weekly seasons of daily series whose peaks are several times their troughs, changes of level, counts with many zeros,
noise that grows with the level, series that are nearly constant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster import Frequency, Panel

Floats = NDArray[np.float64]


def draw_panel(rng: np.random.Generator, count: int, shortest: int, longest: int, season: int) -> Panel:
    """Return `count` series in steps without dates, their lengths at random, short ones as often as long ones."""
    lengths = np.exp(rng.uniform(np.log(shortest), np.log(longest + 1), count)).astype(np.int64)
    values = np.concatenate([draw(rng, int(length), season) for length in lengths])
    ids = tuple(f"drawn {i}" for i in range(count))
    return Panel(ids, values, np.concatenate(([0], np.cumsum(lengths))), np.ones(count, np.int64), Frequency.parse(1))


def draw(rng: np.random.Generator, length: int, season: int) -> Floats:
    """Return one series of `length` values, none below zero, with a season of `season` steps or none."""
    t = np.arange(length)
    log_level = rng.uniform(0, 8) + _trend(rng, t)
    if rng.random() < 0.5:
        log_level += _level_changes(rng, length)
    if season > 1 and rng.random() < 0.8:
        log_level += _season(rng, t, season)
    if rng.random() < 0.4:
        log_level += _holidays(rng, length)
    noise = rng.choice([0.0, 0.005, 0.02, 0.05, 0.1, 0.25]) * _noise(rng, length)
    values: Floats = np.exp(np.clip(log_level + noise, -3, 14))
    kind = rng.random()
    if kind < 0.1:  # counts
        values = rng.poisson(np.minimum(values * rng.choice([0.01, 0.1, 1.0]), 1e6)).astype(np.float64)
    elif kind < 0.2:  # noise of the same size at every level
        values = np.maximum(values + rng.choice([0.02, 0.1]) * values.mean() * rng.standard_normal(length), 0)
    elif kind < 0.4:  # timetables: small whole numbers that repeat season for season, until there is a new one
        values = np.round(values / values.mean() * np.exp(rng.uniform(0, 5)))
    return values


def _trend(rng: np.random.Generator, t: NDArray[np.int64]) -> Floats:
    """Return a random walk, a line, both, or a line that flattens out."""
    length = len(t)
    trend = np.zeros(length)
    if rng.random() < 0.6:
        trend += rng.choice([0.003, 0.01, 0.03]) * rng.standard_normal(length).cumsum()
    if rng.random() < 0.6:
        slope = rng.normal(0, 1.0) / max(length, 24)
        flat = rng.uniform(0.3, 2) * length
        trend += slope * (t if rng.random() < 0.5 else flat * (1 - np.exp(-t / flat)))
    return trend


def _level_changes(rng: np.random.Generator, length: int) -> Floats:
    changes = np.zeros(length)
    for _ in range(rng.integers(1, 4)):
        changes[rng.integers(length) :] += rng.normal(0, 0.4)
    return changes


def _holidays(rng: np.random.Generator, length: int) -> Floats:
    """Return short dips and peaks, after which all is as before: a forecast must not take them for a new level."""
    passing = np.zeros(length)
    size = rng.normal(0, 0.6)
    for start in np.flatnonzero(rng.random(length) < rng.choice([0.005, 0.02])):
        passing[start : start + rng.integers(1, 4)] += size * rng.uniform(0.5, 1.5)
    return passing


def _season(rng: np.random.Generator, t: NDArray[np.int64], season: int) -> Floats:
    """Return a smooth wave or any pattern, steady or slowly changing."""
    size = rng.choice([0.03, 0.1, 0.3, 0.8])
    if rng.random() < 0.5:
        waves = range(1, 1 + min(3, season // 2))
        angle = 2 * np.pi * np.arange(season) / season
        pattern = np.sum([rng.normal() / k * np.sin(k * angle + rng.uniform(0, 6)) for k in waves], axis=0)
    else:
        pattern = rng.standard_normal(season)
    pattern = pattern - pattern.mean()
    slow = np.sin(2 * np.pi * t / (len(t) * rng.uniform(0.7, 3)) + rng.uniform(0, 6))
    drift = 1 + rng.choice([0.0, 0.0, 0.3]) * slow
    wave: Floats = size * drift * pattern[(t + rng.integers(season)) % season]
    return wave


def _noise(rng: np.random.Generator, length: int) -> Floats:
    """Return noise: normal, heavy-tailed, or calm and rough by turns."""
    noise = rng.standard_normal(length) if rng.random() < 0.6 else rng.standard_t(4, length) / np.sqrt(2)
    if rng.random() < 0.2:
        noise *= np.exp(0.5 * np.sin(2 * np.pi * np.arange(length) / rng.uniform(20, 200)))
    return noise
