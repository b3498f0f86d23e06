"""Measure, print a table and write ``benchmarks/results/demo.json``: ``python -m benchmarks``."""

from __future__ import annotations

from benchmarks.demo import measure
from benchmarks.results import save, text_table


def main() -> None:
    """Run every measurement."""
    report = measure()
    path = save("demo", report)
    print(text_table(report))
    print(f"\nWritten to {path}. The table in README.md follows with: python -m benchmarks.tables")


if __name__ == "__main__":
    main()
