"""Make the base weights of the package: ``python -m benchmarks.base_weights --data DIR``.

Each kind of series is learned by its recipe from the training parts of M4 (published by the Monash archive under CC BY
4.0, see forecaster/weights/README.md) together with series drawn at random (`benchmarks.synthetic`). The weights are
kept in half precision: it changes no forecast by as much as another seed does.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.m4.data import KINDS, Kind, folder_argument, read_panel
from benchmarks.synthetic import draw_panel
from forecaster import Forecaster, Panel
from forecaster.description import named_weights
from forecaster.pretrained import FOLDER
from forecaster.recipes import Recipe, recipe_of
from forecaster.storage import save_model

_NEWEST = 1500
"""Values of a series that are learned from: older ones say little of the next."""

_DRAWN = {"yearly": 4000, "quarterly": 4000, "monthly": 8000, "weekly": 1000, "daily": 6000, "hourly": 1000}
"""Series that are drawn for each kind."""

_LENGTHS = {"yearly": 60, "quarterly": 160, "monthly": 360, "weekly": 520, "daily": 1000, "hourly": 1000}
"""Longest of them."""

_SEED = 20


def main() -> None:
    """Train every kind that is asked for and save it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.base_weights", description=__doc__.split("\n\n")[0])
    folder_argument(parser)
    parser.add_argument("--kinds", nargs="*", default=[kind.name for kind in KINDS])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=FOLDER, help=f"[{FOLDER.name}, in the package]")
    parser.add_argument("--held-out", action="store_true", help="leave out M4's last horizon, to judge settings by")
    asked = parser.parse_args()
    for kind in KINDS:
        if kind.name not in asked.kinds:
            continue
        began = time.perf_counter()
        recipe = recipe_of(kind.name)
        panel = learned_from(asked.data, kind, recipe, held_out=asked.held_out)
        model = Forecaster(
            h=recipe.horizon,
            season=recipe.season,
            network=recipe.networks,
            training=recipe.training,
            seed=_SEED,
            threads=asked.threads,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of series too short to learn from
            model.fit(panel)
        path = asked.output / recipe.kind
        _save(model, path)
        size = sum(file.stat().st_size for file in path.iterdir())
        said = ", ".join(f"{name} {value:.3f}" for name, value in (model.info["accuracy"] or {}).items())
        print(f"{path}: {size / 1e6:.2f} MB in {time.perf_counter() - began:.0f} s; {said}", flush=True)


def learned_from(folder: Path, kind: Kind, recipe: Recipe, *, held_out: bool = False) -> Panel:
    """Return the series of M4, and those drawn."""
    known = read_panel(folder, kind)
    if held_out:
        known = known.head(kind.horizon)
    shortest = max(2 * recipe.season, recipe.horizon) + 4
    drawn = draw_panel(np.random.default_rng(_SEED), _DRAWN[kind.name], shortest, _LENGTHS[kind.name], recipe.season)
    return Panel.joined([_newest(known), drawn])


def _newest(panel: Panel) -> Panel:
    lengths = np.minimum(panel.lengths, _NEWEST)
    values = np.concatenate([panel.series(i)[-length:] for i, length in enumerate(lengths)])
    return Panel(panel.ids, values, np.concatenate(([0], np.cumsum(lengths))), panel.starts, panel.frequency)


def _save(model: Forecaster, path: Path) -> None:
    """Save in half precision."""
    fitted = model._ready()
    weights = {name: array.astype(np.float16) for name, array in named_weights(fitted.engine.networks).items()}
    info = dict(fitted.info)
    info["training"] = {**info["training"], "first": "1", "last": "1"}
    save_model(path, info, weights)


if __name__ == "__main__":
    main()
