"""Models whose forecasts are one number, another for each version: an answer that mixes two is seen at once."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from forecaster import Forecaster, Panel, new_version, open_store
from tests.examples import H, trained

VALUES = [100.0 + step % 7 for step in range(20)]
"""Of every series of every request."""
START = "2024-01-01"
TOLERANCE = 1e-5
"""Of what is written in few digits; two versions are a hundredth apart or more."""
FILES = ("model.json", "weights.safetensors", "SHA256SUMS")
Files = dict[str, bytes]


@cache
def _pattern() -> Files:
    with TemporaryDirectory() as folder:
        trained().save(Path(folder, "m"))
        return {name: Path(folder, "m", name).read_bytes() for name in FILES}


def constant(number: int) -> Files:
    """Return the files of a model: without weights its forecast is the last value, and some more for each `number`."""
    weights = {name: np.zeros_like(array) for name, array in load(_pattern()["weights.safetensors"]).items()}
    weights["0.head.bias"] += np.float32(0.02 * number)
    return signed({**_pattern(), "weights.safetensors": save(weights)})


def signed(files: Files) -> Files:
    """Return files with sums that fit."""
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in FILES[:2])
    return {**files, "SHA256SUMS": sums.encode()}


def write(folder: Path, files: Files) -> Path:
    """Write a folder of files."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def put(place: Path, files: Files) -> str:
    """Write a new version of the model at `place`, behind the back of everybody, and put it into use."""
    version = new_version()
    write(place / version, files)
    use(place, version)
    return version


def use(place: Path, version: str) -> None:
    """Put a version into use."""
    beside = place / ".current"
    beside.write_text(f"{version}\n", encoding="ascii")
    beside.replace(place / "current")


# --- what is asked, and what is answered


def columnar(count: int) -> bytes:
    """Return a JSON body of so many series, all the same."""
    series = {"y": VALUES * count, "ds": _days() * count, "sizes": [len(VALUES)] * count}
    return json.dumps({"series": series, "h": H, "freq": "D", "model": "m"}).encode()


def listed(count: int) -> bytes:
    """Return the same, series by series."""
    series = [{"unique_id": f"s{number}", "ds": _days(), "y": VALUES} for number in range(count)]
    return json.dumps({"series": series, "h": H, "freq": "D", "model": "m"}).encode()


def table(count: int) -> bytes:
    """Return the same as CSV."""
    rows = (f"s{number},{day},{value}" for number in range(count) for day, value in zip(_days(), VALUES, strict=True))
    return ("unique_id,ds,y\n" + "\n".join(rows) + "\n").encode()


def _days() -> list[str]:
    return [str(np.datetime64(START) + step) for step in range(len(VALUES))]


Row = NDArray[np.float64]
"""All numbers of one series, in the order of columns and steps."""


def row_of_json(answer: dict[str, Any], count: int) -> Row:
    """Return what was forecast for each of so many series, which has to be the same for all."""
    forecasts = answer["forecasts"]
    assert len(forecasts) == count, len(forecasts)
    names = [name for name in forecasts[0] if name not in {"unique_id", "ds"}]
    return _same([[number for name in names for number in series[name]] for series in forecasts])


def row_of_csv(text: str, count: int) -> Row:
    """Return the same of a CSV answer."""
    lines = [line.split(",") for line in text.splitlines()[1:]]
    assert len(lines) == count * H, len(lines)
    series = (lines[start : start + H] for start in range(0, len(lines), H))
    return _same([[float(line[at]) for at in range(2, len(lines[0])) for line in each] for each in series])


def _same(rows: list[list[float]]) -> Row:
    numbers = np.array(rows)
    assert np.allclose(numbers, numbers[0], rtol=TOLERANCE), "forecasts of two versions in one answer"
    return numbers[0]


def expected(models: Path, version: str) -> Row:
    """Return what the library forecasts with a version."""
    model = Forecaster.load(open_store(models, cache=models).folder("m", version))
    days = np.datetime64(START) + np.arange(len(VALUES))
    panel = Panel.from_columns(["a"] * len(VALUES), days, np.array(VALUES), freq="D")
    forecast = model.forecast(panel, h=H, level=(80, 95))
    return np.concatenate([column[0] for column in (forecast.point, *forecast.bounds.values())])
