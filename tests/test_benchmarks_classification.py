"""The benchmark of labelled series, on series made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.classification import measure, read


def write(path: Path, count: int, *, seed: int) -> None:
    """Write series of two numbers a step that rise or fall, of different lengths, as the archive does."""
    rng, lines = np.random.default_rng(seed), ["@problemName Slopes", "@classLabel true up down", "@data"]
    for k in range(count):
        slope = np.linspace(0, 1 if k % 2 else -1, rng.integers(5, 12)) + rng.normal(0, 0.05)
        lines.append(":".join(",".join(f"{value:.3f}" for value in one) for one in (slope, -slope)) + f":{k % 2}")
    path.write_text("\n".join(lines) + "\n")


def test_it_reads_and_tells_slopes(tmp_path: Path) -> None:
    (tmp_path / "Slopes").mkdir()
    write(tmp_path / "Slopes/Slopes_TRAIN.ts", 40, seed=0)
    write(tmp_path / "Slopes/Slopes_TEST.ts", 20, seed=1)
    rows, labels = read(tmp_path / "Slopes/Slopes_TRAIN.ts")
    assert {row.shape[1] for row in rows} == {2}
    assert len({len(row) for row in rows}) > 1
    assert labels[:2] == ["0", "1"]
    values = {figure.key: figure.value for figure in measure(tmp_path, ("Slopes",), seeds=1)}
    assert values["Slopes.majority"] == 0.5
    assert set(values) == {f"Slopes.{what}" for what in ("majority", "means", "nearest", "lstm", "gru")}
    assert all(value is not None and value > 0.9 for key, value in values.items() if key != "Slopes.majority")
