"""What the project costs to run; ``python -m benchmarks`` measures, ``benchmarks/results`` keeps the figures."""
