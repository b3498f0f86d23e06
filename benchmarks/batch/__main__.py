"""Large files from file to file, ours beside the peers: ``python -m benchmarks.batch``; ``--quick``, ``--ours``.

The peers, statsforecast and neuralforecast, run in the interpreter that FORECASTER_PEERS_PYTHON names.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path


def main() -> None:
    """Run what was asked for."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported; the kernels need no threads of BLAS
    from benchmarks.batch.report import Sizes, run
    from benchmarks.m4.data import folder_argument
    from forecaster.executors import usable_cpus

    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files, less than two minutes; nothing is written")
    parser.add_argument("--ours", action="store_true", help="no peers; nothing is written")
    parser.add_argument("--repeats", type=int, default=5, help="our runs over each file, kernels alone between them")
    parser.add_argument("--series", type=int, nargs="+", default=[100_000, 1_000_000], help="series of the files drawn")
    parser.add_argument("--peer-series", type=int, default=100_000, help="series of the first file the peers forecast")
    parser.add_argument("--ets-series", type=int, default=5_000, help="series that AutoETS forecasts")
    parser.add_argument("--workers", type=int, default=usable_cpus(), help="processors that everybody may use")
    parser.add_argument("--folder", type=Path, help="where files are written meanwhile, two gigabytes or so")
    folder_argument(parser, required=False)
    asked = parser.parse_args()
    if asked.quick:
        sizes = Sizes(series=(5_000, 20_000), peers=2_000, ets=50, m4=None, workers=asked.workers)
    else:
        peers = 0 if asked.ours else asked.peer_series
        m4 = None if asked.ours else asked.data
        sizes = Sizes(asked.series, peers, asked.ets_series, m4, asked.workers, asked.repeats)
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="forecaster-batch-") as folder:
        run(sizes, Path(folder), keep=not (asked.quick or asked.ours))


if __name__ == "__main__":
    main()
