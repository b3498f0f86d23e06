"""Small forecasts that are asked for at the same time, made together.

What a forecast of one series costs is mostly the way to the kernels and back, which eight series share as well as one.
So whoever asks while a forecast is being made waits for its end, and then one thread makes those of all who wait.
Nobody waits who is alone, and under load the share of each in the way becomes small. No bit of a forecast depends on
the series beside it (tests/test_prediction.py), so nobody can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Condition
from typing import Any

import numpy as np

from forecaster import Forecast, ForecasterError, Panel
from service.models.served import Model

__all__ = ["Together"]

FEW = 8
"""Series that are a small forecast; a larger one has its own work to do."""


class Together:
    """A model that makes small forecasts together.

    Parameters
    ----------
    model
        The model that makes them.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._change = Condition()
        self._waiting: list[_Asked] = []
        self._busy = False

    @property
    def info(self) -> dict[str, Any]:
        """What model.json holds."""
        return self._model.info

    def forecast(
        self, panel: Panel | None = None, *, h: int | None = None, level: tuple[float, ...] = (80, 95)
    ) -> Forecast:
        """Forecast a panel, as the model would alone."""
        if panel is None or len(panel) > FEW:
            return self._model.forecast(panel, h=h, level=level)
        asked = _Asked(panel, h, level)
        with self._change:
            self._waiting.append(asked)
            while self._busy and not asked.done:
                self._change.wait()
            if asked.done:
                return asked.answer()
            self._busy = True
            batch = self._batch(asked)
        try:
            self._make(batch)
        finally:
            with self._change:
                self._busy = False
                self._change.notify_all()
        return asked.answer()

    def _batch(self, first: _Asked) -> list[_Asked]:
        """Take from those who wait `first` and all that can be made with it."""
        batch = [asked for asked in self._waiting if asked.like(first)]
        self._waiting = [asked for asked in self._waiting if not asked.like(first)]
        return batch

    def _make(self, batch: Sequence[_Asked]) -> None:
        """Make the forecasts of a batch; those that cannot be made with others are made alone."""
        try:
            if len(batch) > 1 and self._make_joined(batch):
                return
        except ForecasterError:  # none of them can be forecast: each gets its own reason
            pass
        for asked in batch:
            try:
                asked.forecast = self._model.forecast(asked.panel, h=asked.h, level=asked.level)
            except Exception as error:  # noqa: BLE001 - raised where it was asked for
                asked.error = error

    def _make_joined(self, batch: Sequence[_Asked]) -> bool:
        """Make one forecast of all; tell whether all series have one."""
        panels = [asked.panel for asked in batch]
        numbered = replace(Panel.joined(panels), ids=tuple(map(str, range(sum(map(len, panels))))))
        made = self._model.forecast(numbered, h=batch[0].h, level=batch[0].level)
        if made.skipped:
            return False
        ends = np.cumsum([len(panel) for panel in panels])
        for asked, end in zip(batch, ends.tolist(), strict=True):
            rows = slice(end - len(asked.panel), end)
            asked.forecast = replace(
                made,
                ids=asked.panel.ids,
                times=made.times[rows],
                point=made.point[rows],
                lower=made.lower[rows],
                upper=made.upper[rows],
            )
        return True


class _Asked:
    """A forecast that somebody waits for."""

    def __init__(self, panel: Panel, h: int | None, level: tuple[float, ...]) -> None:
        self.panel = panel
        self.h = h
        self.level = level
        self.forecast: Forecast | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.forecast is not None or self.error is not None

    def like(self, other: _Asked) -> bool:
        """Whether the two can be one forecast."""
        mine, theirs = self.panel, other.panel
        return (self.h, self.level, mine.timezone, mine.frequency) == (
            other.h,
            other.level,
            theirs.timezone,
            theirs.frequency,
        )

    def answer(self) -> Forecast:
        if self.forecast is None:
            raise self.error or RuntimeError("a forecast was neither made nor refused")
        return self.forecast
