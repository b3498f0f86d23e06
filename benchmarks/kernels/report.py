"""Runs the parts, sums them up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from benchmarks.kernels import forecasting, training
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.shapes import grid, quick_grid
from benchmarks.kernels.training import Step, geometric_mean


def run(*, parts: Collection[str], quick: bool) -> None:
    """Measure `parts` and print them."""
    with Peers() as peers:
        print("Peers:", ", ".join(f"{name} {version}" for name, version in peers.versions.items()) or "none installed")
        if "training" in parts:
            steps = training.measure(quick_grid() if quick else grid(), peers, budget=0.4)
            print(summary(steps))
        if "forecasting" in parts:
            forecasting.measure(peers, budget=0.5)


def summary(steps: Sequence[Step]) -> str:
    """Return the grid in three lines."""
    lines = []
    ratios = [(step.peer / step.ours, step.cell) for step in steps if step.peer is not None]
    if ratios:
        mean = geometric_mean([ratio for ratio, _ in ratios])
        worst = min(ratios, key=lambda pair: pair[0])
        lines.append(f"PyTorch's step takes {mean:.2f} times as long (geometric mean of {len(ratios)} cells)")
        lines.append(f"worst: {worst[0]:.2f} at {worst[1]}")
    large = [(step.ours / step.limit, step.cell) for step in steps if step.cell.hidden >= 64 and step.cell.batch >= 32]
    if large:
        most = max(large, key=lambda pair: pair[0])
        mean = geometric_mean([ratio for ratio, _ in large])
        lines.append(f"hidden >= 64, batch >= 32: {mean:.2f} times the limit of the products, at most {most[0]:.2f} at {most[1]}")
    return "\n".join(lines)
