"""Requests that no well-meaning client sends, byte for byte, and how they are to be answered."""

from __future__ import annotations

import gzip
import json
from typing import Any, NamedTuple

MARK = b"canary77"
"""Stands in everything that is sent, and is nowhere to be found afterwards."""
JSON, CSV, GZIP = "Content-Type: application/json", "Content-Type: text/csv", "Content-Encoding: gzip"
NONE = 0
"""In place of a status: the connection is closed, since no answer is possible."""


class Attack(NamedTuple):
    """What is sent on a connection of its own.

    Attributes
    ----------
    sent
        The bytes; {{key}} stands for a line with a key.
    statuses
        The one answer has one of these.
    path
        Of a request whose head is written here; `sent` is then its body.
    headers
        Of such a request.
    method
        Of such a request.
    length
        The Content-Length that is not that of the body.
    """

    sent: bytes
    statuses: tuple[int, ...]
    path: str = ""
    headers: tuple[str, ...] = (JSON,)
    method: str = "POST"
    length: int | None = None

    def bytes(self, key: str) -> bytes:
        """Return what is sent by somebody with a key."""
        if not self.path:
            return self.sent.replace(b"{{key}}", f"Authorization: Bearer {key}\r\n".encode())
        length = len(self.sent) if self.length is None else self.length
        lines = (
            f"{self.method} {self.path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {key}",
            *self.headers,
            f"Content-Length: {length}",
        )
        return "\r\n".join([*lines, "", ""]).encode() + self.sent


FORECAST, BACKTEST, KSERVE, JOBS = "/v1/forecast", "/v1/backtest", "/v1/timeseries/forecast", "/v1/jobs?kind=forecast"
CURRENT = "/v1/models/tiny/current"


def _json(text: bytes, *statuses: int, path: str = FORECAST) -> Attack:
    return Attack(text, statuses or (400,), path)


def _value(text: bytes, *statuses: int) -> Attack:
    """Return an attack with something in the place of a value."""
    return _json(
        b'{"h": 2, "series": [{"unique_id": "a", "y": [1, 2, 3, 4, 5, 6, 7, 8, 9, ' + text + b"]}]}", *statuses
    )


VALID = b'{"h": 2, "series": [{"unique_id": "a", "y": [1, 2, 3, 4, 5, 6, 7, 8, 9]}]}'
DIGITS = b"77" * 5_000

TEXTS: dict[str, Attack] = {
    "200,000 arrays": _json(b"[" * 200_000),
    "200,000 arrays with their ends": _json(b"[" * 200_000 + b"]" * 200_000),
    "100,000 objects": _json(b'{"series":' * 100_000),
    "100,000 objects of an unknown name": _json(b'{"canary77":' * 100_000 + b"1" + b"}" * 100_000),
    "a value in 100,000 arrays": _value(b"[" * 100_000 + b"]" * 100_000),
    "metadata in 100,000 objects": _json(b'{"metadata":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, path=KSERVE),
    "UTF-16": _json(VALID.decode().encode("utf-16")),
    "UTF-16 without a mark": _json(VALID.decode().encode("utf-16-le")),
    "UTF-32": _json(VALID.decode().encode("utf-32")),
    "a byte order mark": _json(b"\xef\xbb\xbf" + VALID),
    "bytes that are no UTF-8": _json(VALID.replace(b'"a"', b'"canary77\xff"')),
    "a surrogate in UTF-8": _json(VALID.replace(b'"a"', b'"canary77\xed\xa0\x80"')),
    "a long form of a slash": _json(VALID.replace(b'"a"', b'"canary77\xc0\xaf"')),
    "half a surrogate pair": _json(VALID.replace(b'"a"', rb'"canary77\ud800"')),
    "surrogates in the wrong order": _json(VALID.replace(b'"a"', rb'"canary77\udc00\ud800"')),
    "an escape that is none": _json(VALID.replace(b'"a"', rb'"canary77\x41"')),
    "a NUL among the text": _json(VALID.replace(b'"a"', b'"canary77\0"')),
    "a line feed in a string": _json(VALID.replace(b'"a"', b'"canary77\n"')),
    "NaN": _value(b"NaN", 422),
    "Infinity": _value(b"Infinity", 422),
    "-Infinity": _value(b"-Infinity", 422),
    "1e400": _value(b"1e400", 422),
    "-1e400": _value(b"-1e400", 422),
    "a huge exponent": _value(b"1e777777777777777777", 400, 422),
    "-0": _value(b"-0", 200),
    "1e-400": _value(b"1e-400", 200),
    "0x10": _value(b"0x10"),
    "a leading zero": _value(b"07"),
    "a leading plus": _value(b"+7"),
    "a point without digits": _value(b"7."),
    "a number of two signs": _value(b"--7"),
    "10,000 digits": _value(DIGITS, 400, 422),
    "10,000 digits behind a point": _value(b"0." + DIGITS, 200),
    "10,000 digits of a horizon": _json(VALID.replace(b"2,", DIGITS + b",", 1), 400, 422),
    "10,000 digits in metadata": _json(b'{"metadata": {"a": ' + DIGITS + b"}}", 400, 422, path=KSERVE),
    "10,000 digits that are not looked at": _json(
        b'{"model": "base", "inputs": [{"name": "a", "series": [1, 2, 3], "frequency": "D", "x": '
        + DIGITS
        + b'}], "options": {"horizon": 2}}',
        400,
        422,
        path=KSERVE,
    ),
    "a key twice": _json(VALID[:-1] + b', "h": 3}'),
    "a key twice, escaped": _json(VALID[:-1] + rb', "\u0068": 3}'),
    "a key of a series twice": _json(VALID.replace(b'"y"', b'"y": [7, 7, 7], "y"')),
    "a key of metadata twice": _json(
        b'{"model": "base", "inputs": [{"name": "a", "series": [1, 2, 3], "frequency": "D"}], "options": '
        b'{"horizon": 2}, "metadata": {"a": 1, "a": 2}}',
        path=KSERVE,
    ),
    "a version twice": Attack(b'{"version": "canary77", "version": "canary77"}', (400,), CURRENT, method="PUT"),
    "a packed version": Attack(gzip.compress(b'{"version": "canary77"}'), (415,), CURRENT, (JSON, GZIP), "PUT"),
    "a version in UTF-16": Attack(
        b'{"version": "canary77"}', (415,), CURRENT, ("Content-Type: application/json; charset=utf-16",), "PUT"
    ),
    "half a document": _json(VALID[:40]),
    "a document and a half": _json(VALID + VALID[:40]),
    "a comment": _json(VALID[:-1] + b"/* canary77 */}"),
    "single quotes": _json(VALID.replace(b'"', b"'")),
    "a comma too many": _json(VALID.replace(b"9]", b"9,]")),
    "nothing": _json(b""),
    "white space": _json(b" \n" * 50_000),
    "white space that is none": _json("\N{NO-BREAK SPACE}\N{LINE SEPARATOR}".encode() + VALID),
    "a name of 5 MB": _json(b'{"' + MARK * 600_000 + b'": 1}', 422),
    "an id of 10 MB": _json(VALID.replace(b'"a"', b'"' + MARK * 1_250_000 + b'"'), 422),
    "a string of 5 MB for a number": _value(b'"' + MARK * 600_000 + b'"', 422),
    "17 MB": _json(VALID + b" " * (17 << 20), 413),
    "a million series in columns": _json(
        b'{"series": {"y": [' + b"1," * 999_999 + b'1], "sizes": [' + b"1," * 999_999 + b"1]}}", 422
    ),
    "400,000 series": _json(
        b'{"series": [' + b'{"unique_id":"","y":[7]},' * 399_999 + b'{"unique_id":"","y":[7]}]}', 422
    ),
    "500,000 empty objects": _json(b'{"series": [' + b"{}," * 499_999 + b"{}]}", 422),
    "300,000 unknown names": _json(b"{" + b",".join(b'"%d":1' % number for number in range(300_000)) + b"}", 422),
}
"""Texts of JSON."""

FIELDS: dict[str, tuple[str, list[Any]]] = {
    "series": (FORECAST, [None, True, 1, 1.5, "canary77", {}, [], [1], [None], [[]], ["canary77"]]),
    "series.0.unique_id": (FORECAST, [None, True, 1, 1.5, [], {}, "", "canary77" * 100]),
    "series.0.y": (FORECAST, [None, True, 1, "canary77", {}, [], ["canary77"], [True], [[]], [{}], ["1"]]),
    "series.0.ds": (FORECAST, [True, 1, "canary77", {}, [], [None] * 9, [True] * 9, [1.5] * 9, [[]] * 9, ["x"] * 9]),
    "series.0.canary77-name": (FORECAST, [None, 1]),
    "h": (FORECAST, [True, "canary77", "1", 1.5, [], {}, 0, -1, 10**6]),
    "freq": (FORECAST, [True, 1.5, [], {}, "canary77", 0, -1, "D" * 40]),
    "timezone": (FORECAST, [True, 1, [], {}, "canary77" * 100]),
    "level": (FORECAST, [True, 1, "canary77", {}, ["canary77"], [0], [100], [-1], [True], [None], [50] * 11]),
    "quantiles": (FORECAST, [True, 1, "canary77", {}, [], ["canary77"], [0], [1], [-1], [True], [0.5] * 21]),
    "model": (FORECAST, [True, 1, [], {}, "", "canary77", "../canary77", "canary77" * 100, "\0"]),
    "season": (FORECAST, [True, 1.5, "canary77", [], 0, -1]),
    "canary77-name": (FORECAST, [None, 1, "canary77"]),
    "windows": (BACKTEST, [True, "canary77", 0, 101, None]),
    "step": (BACKTEST, [True, "canary77", 0, [], {}]),
    "details": (BACKTEST, ["canary77", 1, None, []]),
    "inputs": (KSERVE, [None, True, 1, "canary77", {}, [], [None], [[]]]),
    "inputs.0.type": (KSERVE, ["multivariate_time_series", 1, None]),
    "inputs.0.name": (KSERVE, [None, 1, "", []]),
    "inputs.0.series": (KSERVE, [None, 1, "canary77", {}, [], [[1, 2]], [True], ["1"]]),
    "inputs.0.frequency": (KSERVE, [None, 1, "canary77", "", []]),
    "inputs.0.start_timestamp": (KSERVE, [1, [], "canary77" * 100]),
    "options": (KSERVE, [None, 1, [], {}, "canary77"]),
    "options.horizon": (KSERVE, [None, True, 1.5, "canary77", 0, -1, 10**6]),
    "options.quantiles": (KSERVE, [1, "canary77", {}, [0], [1], [True]]),
    "model.": (KSERVE, [None, 1, "", "canary77"]),
    "version": (CURRENT, [None, 1, True, "", [], {}, "canary77" * 100]),
}
"""Of each field, values that it cannot have."""

_BODIES: dict[str, dict[str, Any]] = {
    FORECAST: {"h": 2, "series": [{"unique_id": "a", "y": [1, 2, 3, 4, 5, 6, 7, 8, 9]}]},
    BACKTEST: {"h": 2, "series": [{"unique_id": "a", "y": [1, 2, 3, 4, 5, 6, 7, 8, 9] * 5}]},
    KSERVE: {
        "model": "base",
        "inputs": [{"name": "a", "series": [1, 2, 3, 4, 5, 6, 7, 8, 9], "frequency": "D"}],
        "options": {"horizon": 2},
    },
    CURRENT: {"version": "canary77"},
}


def _with(path: str, field: str, value: Any) -> bytes:
    body = json.loads(json.dumps(_BODIES[path]))
    *steps, last = field.rstrip(".").split(".")
    place = body
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[last] = value
    return json.dumps(body).encode()


VALUES = {
    f"{path} {field} = {json.dumps(value)[:40]}": Attack(
        _with(path, field, value), (422,), path, method="PUT" if path == CURRENT else "POST"
    )
    for field, (path, values) in FIELDS.items()
    for value in values
}
"""Valid bodies with one value of another kind, or out of its range."""
