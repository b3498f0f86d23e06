"""One run: joins the rooms of this package for one input and one output."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from forecaster.batch.ahead import read_ahead
from forecaster.batch.asked import Asked, with_threads
from forecaster.batch.destination import Destination
from forecaster.batch.failures import Failures
from forecaster.batch.inputs import Input, may_pass
from forecaster.batch.parts import Named, Part, Parts
from forecaster.batch.pieces import Piece
from forecaster.batch.progress import Watch
from forecaster.batch.reading import SCATTERED, SMALL, Plan, Reading, parts_to_keep
from forecaster.batch.sizes import sizes_for
from forecaster.batch.work import Job, Made, forecast_piece, panel_of
from forecaster.errors import InputError, OutputError, TooShortError
from forecaster.executors import Executor
from forecaster.forecast import Forecast
from forecaster.frequency import Frequency
from forecaster.model import Forecaster
from forecaster.panel import Panel

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """What has become of an input.

    Attributes
    ----------
    output : Path
        Where the forecasts are.
    h : int
        Steps ahead.
    series, skipped, rows : int
        Series that have a forecast, those that have none, and rows that were read.
    errors : Path or None
        The table that names all series without a forecast; None if there are none, or no place for it.
    named : tuple of (str, str)
        The first of them, and why.
    resumed : int
        How many series an earlier run had done.
    model : Forecaster or None
        What forecast; None if an earlier run had done all.
    sample : (Panel, Forecast) or None
        Some of the series, if they were asked for.
    """

    output: Path
    h: int
    series: int
    skipped: int
    rows: int
    errors: Path | None
    named: Named
    resumed: int
    model: Forecaster | None
    sample: tuple[Panel, Forecast] | None = None


@dataclass(slots=True)
class Run:
    """One run.

    Attributes
    ----------
    given, destination, asked, parts, pool, watch
        From where to where, what, what is done before, where it runs, and who is told.
    memory : int
        Bytes that the process may take.
    wanted : int
        How many series go into the sample.
    """

    given: Input
    destination: Destination
    asked: Asked
    parts: Parts
    pool: Executor
    watch: Watch
    memory: int
    wanted: int = 0
    model: Forecaster | None = None
    sample: tuple[Panel, Forecast] | None = None

    def whole(self) -> BatchResult:
        """Run from where the parts say to the output."""
        if self.parts.committed:
            if self.destination.path.exists():
                return self._result(len(self.parts.done))
            self.parts.begin()
        sizes = sizes_for(self.memory, self.pool.workers, self.asked.width())
        reading = Reading(self.given, self.asked.names, sizes)
        plan = self._plan(reading)
        before = len(self.parts.done)
        failures = Failures(reading.place_of, several=len(self.given.files) > 1)
        try:
            with self.destination.joining(self.parts, self.asked.names) or nullcontext() as joining:
                with closing(self._all_parts(reading, plan, failures)) as made:
                    for part in made:
                        if joining is not None:
                            joining.add(part)
                self._check()
                self.watch.begin("joining", None)
                self.destination.put(self.parts, self.asked.names, joining)
            self.parts.commit()
        except OutputError as error:
            raise OutputError(f"{error} {self._kept()}".rstrip()) from error
        except InputError as error:
            if not may_pass(error):
                raise
            raise InputError(f"{error} {self._kept()}".rstrip()) from error.__cause__
        later = self.given.count_later()
        if later:
            warnings.warn(f"{later:,} files came into {self.given.path} meanwhile, and were not read.", stacklevel=3)
        return self._result(before)

    def _all_parts(self, reading: Reading, plan: Plan, failures: Failures) -> Generator[Part, None, None]:
        """Yield the parts that are done, then those that are made now."""
        yield from self.parts.done[:]
        with closing(self._made(reading, plan)) as made:
            for one in made:
                yield self._keep(one, failures)

    def _plan(self, reading: Reading) -> Plan:
        """Return how the input is read: as an earlier run did, if its parts are of use."""
        said = self.parts.plan
        if said is not None and (count := parts_to_keep(said, self.parts.done)):
            self.parts.forget_after(count)
            return Plan(said["kind"], said["rows"], said["buckets"])
        self.parts.begin()
        self.watch.begin("reading ids", None)
        if self.asked.model is not None and not reading.is_small:
            self.asked.model.prepare(wait=False)  # a second of work, which the ids do not wait for
        return reading.plan(self.watch.rows)

    def _made(self, reading: Reading, plan: Plan) -> Generator[Made, None, None]:
        """Yield what becomes of the pieces that no part is made of yet."""
        if plan.kind == SCATTERED:
            self.watch.begin("bringing rows together", plan.rows)
        pieces = reading.pieces(plan, self.parts.done, self.parts.scratch(), self.watch)
        with closing(pieces if plan.kind == SMALL else read_ahead(pieces, 1)) as ahead:
            try:
                first, second = next(ahead, None), next(ahead, None)
                self.watch.begin("forecasting", plan.rows, self.parts.done)
                if first is not None:
                    job = self._job(first, reading, plan, is_only=second is None)
                    yield from self._forecast([first] if second is None else [first, second], ahead, job)
            finally:
                self.watch.stop()  # or an interrupt would wait for what is being read

    def _forecast(self, first: list[Piece], rest: Iterator[Piece], job: Job) -> Iterator[Made]:
        if len(first) == 1 and not self.parts.done:  # a little file need not wait for the kernels
            threads = self.pool.workers if self.pool.threads_each else None
            yield forecast_piece(first[0], replace(job, model=with_threads(job.model, threads)))
            return
        job.model.prepare()  # or the first pieces would be forecast without them, and differ in the last digits
        shared = (replace(job, model=with_threads(job.model, self.pool.threads_each)),)
        # Here each piece takes its share of the memory; a cluster has its own, and may grow with what waits for it.
        ahead = self.pool.workers + 1 if self.pool.is_here else None
        yield from self.pool.stream(forecast_piece, chain(first, rest), shared=shared, ahead=ahead)

    def _job(self, first: Piece, reading: Reading, plan: Plan, *, is_only: bool) -> Job:
        """Return what is done with every piece, by what the first one shows."""
        said, asked = self.parts.plan, self.asked
        if said is None or "frequency" not in said:
            frequency, zone = self._look_at(first, reading, is_only=is_only)
            self.model = asked.forecaster(frequency)
            said = plan.as_settings() | {"frequency": frequency.alias, "zone": zone, "h": asked.h or self.model.h}
            self.parts.set_plan(said)
        self.model = self.model or asked.forecaster(Frequency.parse(said["frequency"]))
        job = Job(
            model=self.model,
            h=asked.h,
            level=asked.level,
            quantiles=asked.quantiles,
            names=asked.names,
            frequency=Frequency.parse(said["frequency"]),
            guessed=asked.frequency is None,
            asked_zone=asked.timezone or reading.timezone,
            zone=said["zone"],
            form=self.destination.form,
            header=self.destination.is_folder,
            with_arrow=plan.kind != SMALL,
        )
        self._take_sample(first, job)
        return job

    def _look_at(self, first: Piece, reading: Reading, *, is_only: bool) -> tuple[Frequency, str | None]:
        """Return the frequency and the time zone of the first series; where they cannot be told, those of the model."""
        asked = self.asked
        zone = asked.timezone or reading.timezone
        faults = dict(first.faults)
        try:
            panel = first.table.panel(freq=asked.frequency, timezone=zone, faults=faults)
        except InputError as error:
            usual = asked.usual_frequency()
            if is_only and all(name in faults for name in first.table.names):
                return usual or Frequency.parse("D"), zone  # any will do: each has a fault, which is to be named
            if is_only or usual is None:
                told = f"{self.given.path}: {error}"
                raise type(error)(told, series=error.series, row=error.row, column=error.column) from None
            return usual, zone
        return panel.frequency, panel.timezone

    def _take_sample(self, first: Piece, job: Job) -> None:
        panel = panel_of(first.table, job, dict(first.faults)) if self.wanted else None
        if panel is not None and (some := np.flatnonzero(panel.observed > 1)[: self.wanted]).size:
            chosen = panel.select(some)
            self.sample = chosen, job.model.forecast(chosen, h=job.h, level=job.level, quantiles=job.quantiles)

    def _keep(self, made: Made, failures: Failures) -> Part:
        """Make a part of what has been made, tell, and return it."""
        part = self.parts.add(
            made.content,
            failures.text(made.failures),
            rows=made.rows,
            series=made.series,
            skipped=len(made.failures),
            end=made.end,
            columns=made.columns,
            named=tuple((one.series, failures.reason(one)) for one in made.failures[:_MOST_NAMED]),
        )
        self.watch.part(part)
        return part

    def _check(self) -> None:
        """Raise InputError if there is nothing to put into the output, or it would be of several inputs.

        Where there is nothing, the table of errors says of each series why.
        """
        self.given.check_same(self.parts.identity["input"])
        if not any(part.series for part in self.parts.done):
            name, reason = next((one for part in self.parts.done for one in part.named), ("", "There are none."))
            self.destination.put_errors(self.parts)
            errors = self._errors()
            named = "" if errors is None else f" Each is named in {errors}."
            if reason.startswith("has "):
                raise TooShortError(f"No series is long enough. Series {name!r} {reason}.{named}", series=name)
            raise InputError(f"{self.given.path}: no series can be forecast. {reason}{named}", series=name)

    def _kept(self) -> str:
        if self.destination.is_device or not self.parts.done:
            return ""
        count = sum(part.series + part.skipped for part in self.parts.done)
        return f"{count:,} series are done and kept in {self.parts.folder}: go on with --resume (resume=True)."

    def _errors(self) -> Path | None:
        """Return where the series without a forecast are named, if there are any, and a place for that."""
        skipped = any(part.skipped for part in self.parts.done)
        return self.destination.errors if skipped and not self.destination.is_device else None

    def _result(self, before: int) -> BatchResult:
        done = self.parts.done
        result = BatchResult(
            output=self.destination.path,
            h=int((self.parts.plan or {}).get("h", 0)),
            series=sum(part.series for part in done),
            skipped=sum(part.skipped for part in done),
            rows=sum(part.rows for part in done),
            errors=self._errors(),
            named=tuple(one for part in done for one in part.named)[:_MOST_NAMED],
            resumed=sum(part.series + part.skipped for part in done[:before]),
            model=self.model,
            sample=self.sample,
        )
        self.parts.remove()
        return result
