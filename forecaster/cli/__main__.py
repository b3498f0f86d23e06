"""``python -m forecaster.cli`` is the command ``forecaster``."""

from __future__ import annotations

from forecaster.cli import main

if __name__ == "__main__":
    main()
