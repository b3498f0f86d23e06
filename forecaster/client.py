"""A client of the HTTP service: ``Client("http://127.0.0.1:8000").forecast(frame, h=14)``."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack, overload
from urllib.parse import quote

from forecaster import transport
from forecaster.bodies import csv_of, frame_of, json_body, series_of, texts_of, zone_of
from forecaster.columns import ColumnNames
from forecaster.errors import ConfigError, InputError, ServiceError
from forecaster.frames import is_frame
from forecaster.outputs import write_whole
from forecaster.replies import (
    ExplainOptions,
    ForecastOptions,
    Inspection,
    Job,
    ServiceExplanation,
    ServiceForecast,
    explanation_from,
    inspection_from,
    job_from,
    json_of,
    skipped_of,
    unless_failed,
)
from forecaster.transport import Transport, retry_after

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Client"]

JSON, CSV = "application/json", "text/csv"
FIRST_POLL, LONGEST_POLL = 0.5, 5.0
_PIECE = 2**20


class Client:
    """Asks a service for forecasts; requests that fail in a way that passes are made again.

    Parameters
    ----------
    url
        Where the service is.
    key
        API key, where the service has keys.
    timeout
        Seconds to wait for a connection, and for each part of an answer.
    retries
        How often a request is made again: after 408, 409, 429, 502, 503, 504 and where the connection fails, with waits
        that double, and that are no shorter than the service asks for, up to half a minute.

    Raises
    ------
    ConfigError
        The URL or the key cannot be one.
    MissingExtraError
        The extra ``client`` is not installed.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", key: str | None = None, *, timeout: float = 60, retries: int = 4
    ) -> None:
        if timeout <= 0 or retries < 0:
            raise ConfigError(f"timeout must be more than 0 and retries at least 0, not {timeout} and {retries}.")
        self._transport = Transport(url, key=key, timeout=timeout, retries=retries)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    # --- forecasts

    @overload
    def forecast(
        self, data: pd.DataFrame, *, names: ColumnNames | None = None, **options: Unpack[ForecastOptions]
    ) -> pd.DataFrame: ...

    @overload
    def forecast(
        self, data: Any, *, names: ColumnNames | None = None, **options: Unpack[ForecastOptions]
    ) -> ServiceForecast: ...

    def forecast(self, data: Any, *, names: ColumnNames | None = None, **options: Unpack[ForecastOptions]) -> Any:
        """Forecast series.

        Parameters
        ----------
        data
            A data frame, long or wide; the name of a CSV file; a list of series (``unique_id``, ``y`` and maybe
            ``ds``); a mapping of ids to values; or the values of one series.
        names
            What the columns of a table are called.
        options
            As in `ForecastOptions`.

        Returns
        -------
        pandas.DataFrame or ServiceForecast
            A data frame if one was given; its ``attrs`` have ``model`` and ``skipped``.

        Raises
        ------
        ServiceError
            The service refuses, or cannot be reached.
        """
        names = names or ColumnNames()
        table = csv_of(data)
        if table is not None:
            answer = self._forecast_table(table, names, options)
        else:
            answer = self._post("/v1/forecast", _body(data, names, options))
        skipped = skipped_of(answer)
        if not is_frame(data):
            return ServiceForecast(answer["model"], answer["freq"], answer["h"], tuple(answer["forecasts"]), skipped)
        frame = frame_of(answer["forecasts"], data, names)
        frame.attrs |= {"model": answer["model"], "skipped": skipped}
        return frame

    def _forecast_table(self, table: bytes, names: ColumnNames, options: Mapping[str, Any]) -> Any:
        query = {name: getattr(names, name) for name in ("id_col", "time_col", "target_col")} | texts_of(options)
        headers = {"Content-Type": CSV, "Accept": JSON}
        return self._transport.call("POST", "/v1/forecast", json_of, query=query, body=table, headers=headers)

    def explain(
        self, data: Any, *, names: ColumnNames | None = None, **options: Unpack[ExplainOptions]
    ) -> ServiceExplanation:
        """Ask what the gates of the networks did on the way to the forecast of each series.

        Parameters
        ----------
        data
            As for `forecast`, but no file.
        names
            What the columns of a data frame are called.
        options
            As in `ExplainOptions`; answers are large, so choose a ``network`` and a ``layer`` for more than a few
            series.

        Raises
        ------
        ServiceError
            The service refuses, or cannot be reached.
        """
        if isinstance(data, (str, os.PathLike)):
            raise InputError(f"Expected data, got the text {str(data)!r}. Read a file into a data frame first.")
        return explanation_from(self._post("/v1/explain", _body(data, names or ColumnNames(), options)))

    def backtest(self, data: Any, *, names: ColumnNames | None = None, **options: Any) -> dict[str, Any]:
        """Ask how good forecasts of these series would have been; options and answer are those of the route."""
        series = series_of(data, names or ColumnNames())
        answer: dict[str, Any] = self._post("/v1/backtest", {"series": series, **options})
        return answer

    def inspect(
        self,
        data: Any,
        *,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
        freq: str | int | None = None,
        timezone: str | None = None,
        values: bool = False,
    ) -> Inspection:
        """Ask what a table holds before it is forecast: its columns, its series, and what is wrong or odd about them.

        Parameters
        ----------
        data
            The name of a CSV file, or a data frame.
        id_col, time_col, target_col
            Names of columns; those left out are guessed. An empty `id_col` says that there are no ids, an empty
            `target_col` that every column is a series.
        freq, timezone
            As for a forecast.
        values
            Whether the values are wanted too.

        Raises
        ------
        ServiceError
            The service refuses, such as a table that cannot be read as a whole; or it cannot be reached.
        """
        table = csv_of(data)
        if table is None and not is_frame(data):
            raise InputError(f"Expected the name of a CSV file or a data frame, got {type(data).__name__}.")
        body = data.to_csv(index=False).encode() if table is None else table
        options = {"id_col": id_col, "time_col": time_col, "target_col": target_col, "freq": freq}
        query = texts_of({**options, "timezone": timezone, "values": values})
        headers = {"Content-Type": CSV, "Accept": JSON}
        return self._transport.call("POST", "/v1/inspect", _inspection_of, query=query, body=body, headers=headers)

    # --- models

    def models(self) -> list[dict[str, Any]]:
        """Return the models, as the service describes them."""
        return list(self._transport.call("GET", "/v1/models", json_of)["models"])

    def model(self, name: str) -> dict[str, Any]:
        """Return one model with its versions."""
        return dict(self._transport.call("GET", f"/v1/models/{quote(name, safe='')}", json_of))

    def set_current(self, name: str, version: str) -> dict[str, Any]:
        """Choose the version of a model that answers, newer or older."""
        path, headers = f"/v1/models/{quote(name, safe='')}/current", {"Content-Type": JSON}
        body = json_body({"version": version})
        return dict(self._transport.call("PUT", path, json_of, body=body, headers=headers))

    # --- jobs

    def submit_forecast(self, path: str | os.PathLike[str], **options: Any) -> Job:
        """Have a large CSV file forecast; options are those of `forecast` and the names of its columns."""
        return self._submit(path, {"kind": "forecast", **options})

    def submit_train(self, path: str | os.PathLike[str], name: str, **options: Any) -> Job:
        """Have the model `name` trained on a CSV file: a new version of it, which answers unless ``publish=False``."""
        return self._submit(path, {"kind": "train", "name": name, **options})

    def _submit(self, path: str | os.PathLike[str], options: Mapping[str, Any]) -> Job:
        # The key makes it safe to send the file again: the service knows the job it has made of it.
        headers = {"Content-Type": CSV, "Idempotency-Key": uuid.uuid4().hex}
        headers |= {"Content-Encoding": "gzip"} if Path(path).suffix == ".gz" else {}
        try:
            with Path(path).open("rb") as file:
                headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
                query = texts_of(options)
                return self._transport.call("POST", "/v1/jobs", _job_of, query=query, body=file, headers=headers)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None

    def job(self, job: Job | str) -> Job:
        """Return a job as it is now."""
        return self._transport.call("GET", _place(job), _job_of)

    def jobs(self, *, limit: int | None = None, before: str | None = None) -> list[Job]:
        """Return the newest jobs of this key, those before the job of id `before` if it is given."""
        query = texts_of({"limit": limit, "before": before})
        return [job_from(item) for item in self._transport.call("GET", "/v1/jobs", json_of, query=query)["jobs"]]

    def wait(
        self, job: Job | str, *, timeout: float | None = None, progress: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until a job has ended, and return it.

        Parameters
        ----------
        job
            The job, or its id.
        timeout
            Seconds after which to give up; the job goes on.
        progress
            Called with the job, as often as it is looked at.

        Raises
        ------
        ServiceError
            It has failed (`kind` and `detail` say why), or not ended in time (``still-running``).
        """
        end = None if timeout is None else time.monotonic() + timeout
        poll = FIRST_POLL
        while True:
            now, asked = self._transport.call(
                "GET", _place(job), lambda answer: (_job_of(answer), retry_after(answer.headers))
            )
            if progress is not None:
                progress(now)
            if now.has_ended:
                return unless_failed(now)
            pause = max(poll, min(asked, transport.LONGEST_WAIT))
            if end is not None and time.monotonic() + pause > end:
                raise ServiceError(f"Job {now.id} has not ended in {timeout} s. It goes on.", kind="still-running")
            transport.sleep(pause)
            poll = min(LONGEST_POLL, poll * 1.5)

    def result(self, job: Job | str, path: str | os.PathLike[str]) -> Path:
        """Write the result of a job to a file, which appears whole and as the service made it, or not at all."""
        described = self.job(job) if isinstance(job, str) or job.result is None else job
        expected = (described.result or {}).get("sha256")

        def write(file: BinaryIO) -> None:
            self._transport.call("GET", f"{_place(job)}/result", lambda answer: _copy(answer, file, expected))

        write_whole(Path(path), write)
        return Path(path)

    def cancel(self, job: Job | str) -> Job:
        """End a job that waits or runs."""
        return self._transport.call("POST", f"{_place(job)}/cancel", _job_of)

    def delete(self, job: Job | str) -> None:
        """Have the service forget a job that has ended, and its result."""
        self._transport.call("DELETE", _place(job), lambda answer: answer.read())

    def ready(self) -> bool:
        """Return whether the service is there and ready to forecast; asked once."""
        try:
            self._transport.call("GET", "/readyz", lambda answer: answer.read(), retries=0)
        except ServiceError as error:
            if error.status in {0, 503}:
                return False
            raise
        return True

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        text = json_body(body)
        return self._transport.call("POST", path, json_of, body=text, headers={"Content-Type": JSON, "Accept": JSON})


def _body(data: Any, names: ColumnNames, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return series and options; the time zone is that of a data frame's timestamps, unless it is given."""
    body = {"series": series_of(data, names), **options}
    if is_frame(data) and "timezone" not in options and (zone := zone_of(data, names)):
        body["timezone"] = zone
    return body


def _place(job: Job | str) -> str:
    return f"/v1/jobs/{quote(job if isinstance(job, str) else job.id, safe='')}"


def _job_of(answer: Any) -> Job:
    return job_from(json_of(answer))


def _inspection_of(answer: Any) -> Inspection:
    return inspection_from(json_of(answer))


def _copy(answer: Any, file: BinaryIO, expected: str | None) -> None:
    """Copy an answer into a file, from its beginning, and compare it with what it should be."""
    file.seek(0)
    file.truncate()
    digest = hashlib.sha256()
    for piece in answer.stream(_PIECE):
        digest.update(piece)
        file.write(piece)
    if expected is not None and digest.hexdigest() != expected:
        raise transport.need_urllib3().exceptions.ProtocolError("the result is not what the service made (SHA-256)")
