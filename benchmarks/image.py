"""What the container image weighs, by package, and how soon it is ready: ``python -m benchmarks.image``.

Needs a Docker engine that has the image FORECASTER_IMAGE (default: forecaster). Writes
``benchmarks/results/image.json``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.results import load_json, save_json
from benchmarks.service.processes import free_port, wait

IMAGE = os.environ.get("FORECASTER_IMAGE", "forecaster")
BASE = "python:3.13-slim-bookworm"
STARTS = 5
LEAST = 1_000_000
"""Bytes from which on a package gets a line of its own."""

WEIGH = """
import json, pathlib
root = pathlib.Path("/opt/forecaster")
(packages,) = root.glob("lib/python*/site-packages")
sizes = {}
def weigh(name, path):
    files = [path] if path.is_file() else path.rglob("*")
    size = sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())
    sizes[name] = sizes.get(name, 0) + size
for path in packages.iterdir():
    name = path.name.partition(".")[0].partition("-")[0].lower()
    weigh("forecaster" if name == "service" else name, path)
weigh("kernels, compiled for three levels of x86-64", root / "kernels")
weigh("demo model", pathlib.Path("/srv/models"))
print(json.dumps(sizes))
"""


def measure() -> dict[str, Any]:
    """Return sizes in bytes and seconds to readiness."""
    packages = json.loads(_docker("run", "--rm", "--entrypoint", "python", IMAGE, "-c", WEIGH))
    starts = [_start() for _ in range(STARTS)]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "image": _size(IMAGE),
        "over_base": _size(IMAGE) - _size(BASE),
        "packages": dict(sorted(packages.items(), key=lambda item: -item[1])),
        "ready": {"median": round(statistics.median(starts), 3), "runs": [round(start, 3) for start in starts]},
    }


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)  # noqa: S603, S607 - docker's own client
    return done.stdout


def _size(image: str) -> int:
    return int(_docker("image", "inspect", "--format", "{{.Size}}", image))


def _start() -> float:
    """Return the seconds from the start of the container's process to the first 200 of /readyz."""
    port = free_port()
    options = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "-p", f"127.0.0.1:{port}:8000")  # noqa: S108 - in the container
    container = _docker("create", *options, IMAGE).strip()
    try:
        _docker("start", container)
        wait(port)
        ready = datetime.now(UTC)
        began = _docker("inspect", "--format", "{{.State.StartedAt}}", container).strip()
        return (ready - datetime.fromisoformat(began[:26] + "+00:00")).total_seconds()
    finally:
        _docker("rm", "-f", "-v", container)


def image_block(report: dict[str, Any] | None) -> str:
    """Return the table of docs/operations.md."""
    if report is None:
        return "Not measured yet: `python -m benchmarks.image`."
    large = {name: size for name, size in report["packages"].items() if size >= LEAST}
    small = [name for name in report["packages"] if name not in large]
    rows = [f"| {name} | {_megabytes(size)} |" for name, size in large.items()]
    rest = sum(report["packages"][name] for name in small)
    rows.append(f"| {len(small)} more, less than a megabyte each | {_megabytes(rest)} |")
    rows.append(f"| The image over its base | {_megabytes(report['over_base'])} |")
    rows.append(f"| The image | {_megabytes(report['image'])} |")
    runs: Sequence[float] = report["ready"]["runs"]
    ready = (
        f"Ready {report['ready']['median']:.2f} s after the container's start ({min(runs):.2f} to {max(runs):.2f} s)."
    )
    return "\n".join(
        ["| | MB |", "|---|---:|", *rows, "", f"{ready} Measured on {report['date']} (`python -m benchmarks.image`)."]
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def main() -> None:
    """Measure, write, print."""
    report = measure()
    path: Path = save_json("image", report)
    print(image_block(load_json("image")))
    print(f"\nWritten to {path}. The table follows with: python -m benchmarks.tables")


if __name__ == "__main__":
    main()
