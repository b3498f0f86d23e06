"""A request for each route, and what is answered: for the description, for the lines with curl, and for the tests."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from service.contract import CSV, JSON

__all__ = ["EXAMPLES", "Example", "curl_of", "text_of"]


class Example(NamedTuple):
    """One request.

    Attributes
    ----------
    path, query
        Values of the variable parts of the path, and of the query string.
    media_type, body
        What is sent: a JSON value, or text.
    accept
        The media type asked for; empty: whatever the service prefers.
    answer
        What is answered, if that is worth showing.
    """

    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    media_type: str = ""
    body: Any = None
    accept: str = ""
    answer: Any = None


_DAYS = [f"2024-01-0{day}" for day in range(1, 8)]
_SERIES = [{"unique_id": "shop", "ds": _DAYS, "y": [12, 9, 11, None, 17, 25, 21]}]
_LONGER = [{"unique_id": "shop", "y": [12, 9, 11, 14, 17, 25, 21, 13, 9, 12, 15, 18, 27, 22, 13, 10]}]
_TABLE = "unique_id,ds,y\n" + "".join(
    f"shop,{day},{value}\n" for day, value in zip(_DAYS, (12, 9, 11, 14, 17, 25, 21), strict=True)
)
_FORECAST = {
    "model": "base",
    "version": "9f2b1c4d7e60",
    "h": 2,
    "freq": "D",
    "level": [80],
    "quantiles": [],
    "forecasts": [
        {
            "unique_id": "shop",
            "ds": ["2024-01-08", "2024-01-09"],
            "LSTM": [13.1, 11.2],
            "LSTM-lo-80": [8.9, 6.8],
            "LSTM-hi-80": [17.6, 16.0],
        }
    ],
    "skipped": [],
}
_FORECAST_TABLE = (
    "unique_id,ds,LSTM,LSTM-lo-80,LSTM-hi-80\nshop,2024-01-08,13.1,8.9,17.6\nshop,2024-01-09,11.2,6.8,16.0\n"
)
_INSPECTED = {
    "columns": [{"name": "unique_id", "role": "id"}, {"name": "ds", "role": "time"}, {"name": "y", "role": "target"}],
    "layout": "long",
    "id_col": "unique_id",
    "time_col": "ds",
    "target_col": "y",
    "rows": 7,
    "freq": "D",
    "season": 7,
    "timezone": None,
    "series": [{"unique_id": "shop", "start": _DAYS[0], "end": _DAYS[-1], "length": 7, "missing": 0}],
    "findings": [
        {
            "line": None,
            "unique_id": "shop",
            "column": "y",
            "severity": "warning",
            "problem": "The series has 7 values, few to tell what is usual for it.",
            "action": "It is forecast; its intervals are kept from becoming narrower from step to step.",
        }
    ],
    "findings_total": 1,
    "values": {"unique_id": ["shop"], "sizes": [7], "ds": _DAYS, "y": [12, 9, 11, 14, 17, 25, 21]},
}
_JOB = {"job_id": "0c9a5f8e6d4b4b0f9c1e2a3b4c5d6e7f"}
_VERSION = "20240501T120000Z-0a1b2c3d"

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "POST /v1/forecast": (
        Example(media_type=JSON, body={"series": _SERIES, "h": 2, "freq": "D", "level": [80]}, answer=_FORECAST),
        Example(query={"h": "2", "level": "80"}, media_type=CSV, body=_TABLE, answer=_FORECAST_TABLE),
    ),
    "POST /v1/backtest": (Example(media_type=JSON, body={"series": _LONGER, "h": 2, "windows": 3}),),
    "POST /v1/explain": (Example(media_type=JSON, body={"series": _LONGER, "network": 0, "layer": 0}),),
    "POST /v1/inspect": (Example(query={"values": "true"}, media_type=CSV, body=_TABLE, answer=_INSPECTED),),
    "POST /v1/timeseries/forecast": (
        Example(
            media_type=JSON,
            body={
                "model": "base",
                "inputs": [
                    {
                        "name": "shop",
                        "series": [12, 9, 11, 14, 17, 25, 21],
                        "frequency": "D",
                        "start_timestamp": "2024-01-01T00:00:00Z",
                    }
                ],
                "options": {"horizon": 2, "quantiles": [0.1, 0.5, 0.9]},
            },
        ),
    ),
    "GET /v1/models/{name}": (Example(path={"name": "sales"}),),
    "PUT /v1/models/{name}/current": (Example(path={"name": "sales"}, media_type=JSON, body={"version": _VERSION}),),
    "POST /v1/jobs": (
        Example(query={"kind": "forecast", "h": "14"}, media_type=CSV, body=_TABLE),
        Example(query={"kind": "train", "name": "sales", "h": "14"}, media_type=CSV, body=_TABLE),
    ),
    "GET /v1/jobs": (Example(query={"limit": "20"}),),
    "GET /v1/jobs/{job_id}": (Example(path=_JOB),),
    "DELETE /v1/jobs/{job_id}": (Example(path=_JOB),),
    "POST /v1/jobs/{job_id}/cancel": (Example(path=_JOB),),
    "GET /v1/jobs/{job_id}/result": (Example(path=_JOB),),
    "GET /v1/jobs/{job_id}/skipped": (Example(path=_JOB),),
    "GET /livez": (Example(answer={"status": "ok"}),),
    "GET /readyz": (Example(answer={"status": "ready"}),),
    "GET /static/{version}/{name}": (Example(path={"version": "current", "name": "notes_daily.csv"}),),
}
"""By method and path, as the description writes them; other routes need nothing but their path."""


_PLAIN_ARRAY = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")


def text_of(value: Any) -> str:
    """Return a JSON value with a line for each member, and arrays of plain values on one; text as it is."""
    if isinstance(value, str):
        return value
    return _PLAIN_ARRAY.sub(lambda found: "[" + " ".join(found[1].split()) + "]", json.dumps(value, indent=2))


def curl_of(method: str, path: str, example: Example, *, url: str, key: bool) -> str:
    """Return a command that makes the request.

    Parameters
    ----------
    method, path
        Of the route.
    example
        What is sent.
    url
        Where the service is, without a slash at the end.
    key
        Whether the route needs one, where there are keys.
    """
    for name, value in example.path.items():
        path = path.replace(f"{{{name}}}", value)
    query = f"?{urlencode(example.query)}" if example.query else ""
    parts = [f"curl {shlex.quote(f'{url}{path}{query}')}" if query else f"curl {url}{path}"]
    if method not in {"GET", "POST"} or (method == "POST" and example.body is None):
        parts[0] = parts[0].replace("curl", f"curl -X {method}", 1)
    if key:
        parts.append('-H "Authorization: Bearer $FORECASTER_KEY"')
    if example.media_type:
        parts.append(f"-H 'Content-Type: {example.media_type}'")
        parts.append(f"--data-binary {shlex.quote(text_of(example.body))}")
    return " \\\n  ".join(parts)
