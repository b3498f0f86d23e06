"""Ours beside the peers: ``python -m benchmarks.kernels``, ``--quick`` for a few cells."""

from __future__ import annotations

import argparse
import os


def main() -> None:
    """Run what was asked for."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported, see `clock.Products`
    from benchmarks.kernels.report import PARTS, QUICK_PARTS, run

    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cells, less than 40 seconds; nothing is written")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part (repeatable)")
    arguments = parser.parse_args()
    run(parts=arguments.part or (QUICK_PARTS if arguments.quick else PARTS), quick=arguments.quick)


if __name__ == "__main__":
    main()
