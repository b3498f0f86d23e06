"""Tables, files of jobs, query strings and media types that no well-meaning client sends."""

from __future__ import annotations

import gzip
import zlib

from tests.reliability.attacks import BACKTEST, CSV, FORECAST, GZIP, JOBS, JSON, KSERVE, MARK, VALID, Attack

HEAD = b"unique_id,ds,y\n"
TABLE = HEAD + b"".join(b"a,%d,%d\n" % (day, day) for day in range(20))
CHUNKED = "Transfer-Encoding: chunked"


def _table(text: bytes, *statuses: int, path: str = FORECAST + "?h=2") -> Attack:
    return Attack(text, statuses or (422,), path, (CSV,))


TABLES: dict[str, Attack] = {
    "no table": _table(b""),
    "a header alone": _table(HEAD),
    "line feeds": _table(b"\n" * 1_000_000),
    "5 MB of commas": _table(b"," * 5_000_000),
    "5 MB of quotation marks": _table(b'"' * 5_000_000),
    "5 MB without a line feed": _table(MARK * 600_000),
    "NUL bytes": _table(TABLE + b"canary77\0,7,7\n"),
    "a megabyte of NUL": _table(b"\0" * 2**20),
    "an open quotation mark": _table(TABLE + b'"canary77,7,7\n'),
    "an open quotation mark before 5 MB": _table(HEAD + b'"' + b"a,7,7\n" * 800_000),
    "text behind a quotation mark": _table(TABLE + b'"a"canary77,21,7\n'),
    "a row too long": _table(TABLE + b"a,21,7,canary77\n"),
    "a row too short": _table(TABLE + b"canary77\n"),
    "100,000 columns": _table(
        b"ds," + b",".join(b"c%d" % n for n in range(100_000)) + b"\n1" + b",7" * 100_000 + b"\n"
    ),
    "a cell of 10 MB": _table(TABLE + b"a,21," + MARK * 1_250_000 + b"\n"),
    "an id of 10 MB": _table(TABLE + MARK * 1_250_000 + b",21,7\n"),
    "a column of 5 MB": _table(MARK * 600_000 + b",ds,y\n"),
    "a column twice": _table(b"unique_id,ds,y,y\na,1,7,7\n"),
    "no known column": _table(b"canary77,canary78\n7,7\n"),
    "600,000 rows": _table(HEAD + b"a,1,7\n" * 600_000),
    "300,000 series": _table(HEAD + b"".join(b"%d,1,7\n" % number for number in range(300_000))),
    "a table in UTF-16": _table(TABLE.decode().encode("utf-16")),
    "a table with bytes that are no UTF-8": _table(TABLE + b"canary77\xff,1,7\n"),
    "10,000 columns of 1,600 rows": _table(
        b"ds" + b"".join(b",c%d" % n for n in range(10_000)) + b"\n" + (b"1" + b"," * 10_000 + b"\n") * 1_600
    ),
    "values that are none": _table(TABLE.replace(b",5\n", b",canary77\n")),
    "values without end": _table(TABLE.replace(b",5\n", b",inf\n")),
    "a value of 10,000 digits": _table(TABLE.replace(b",5\n", b"," + b"77" * 5_000 + b"\n"), 422),
    "times of 10,000 digits": _table(TABLE.replace(b"a,5,", b"a," + b"77" * 5_000 + b",")),
    "times that jump": _table(TABLE + b"a,9223372036854775807,7\n"),
    "a year of nine digits": _table(HEAD + b"a,777777777-01-01,7\n" * 9),
    "years apart, in seconds": _table(
        HEAD + b"a,0001-01-01T00:00:00,7\na,0001-01-01T00:00:01,7\na,9999-12-31T00:00:00,7\n"
    ),
    "a picture": _table(b"\x89PNG\r\n\x1a\n" + b"\0\1\2\3" * 1_000),
}
"""Bodies of text/csv."""
TABLES |= {
    f"{name}, looked at": attack._replace(path="/v1/inspect?values=true", statuses=(200, *attack.statuses))
    for name, attack in TABLES.items()
}


def _asked(query: bytes | str, *statuses: int, body: bytes = TABLE, path: str = FORECAST) -> Attack:
    return Attack(body, statuses or (422,), f"{path}?{query}", (CSV,))


QUERIES: dict[str, Attack] = {
    "h is a word": _asked("h=canary77"),
    "h is half": _asked("h=1.5"),
    "h is 10,000 digits": _asked("h=" + "7" * 3_000),
    "h is endless": _asked("h=1e777"),
    "h is a NUL": _asked("h=%00"),
    "h is other digits": _asked("h=%EF%BC%97%D9%A7", 200, 422),
    "h twice": _asked("h=1&h=2"),
    "a thousand levels": _asked("level=" + ",".join(["77.7"] * 700)),
    "levels that are none": _asked("level=canary77,,nan,-inf"),
    "levels and quantiles": _asked("level=80&quantiles=0.1"),
    "an unknown option": _asked("canary77-option=1"),
    "bytes in an option": _asked("%ff%fe=%c0%af"),
    "a path for a model": _asked("model=../../../etc/canary77"),
    "a NUL for a model": _asked("model=canary77%00"),
    "a zone that is a path": _asked("timezone=../../etc/canary77"),
    "a zone that is a file": _asked("timezone=/etc/canary77"),
    "a frequency without end": _asked("freq=777777777777777777777D"),
    "a frequency of 30 digits": _asked("freq=" + "7" * 30),
    "a column that is not there": _asked("target_col=canary77-column"),
    "a thousand options": _asked("&".join(f"a{n}=1" for n in range(400))),
    "options beside JSON": Attack(VALID, (422,), FORECAST + "?h=2"),
    "a bad page of jobs": Attack(b"", (422,), "/v1/jobs?limit=canary77", (), "GET"),
    "a page before no job": Attack(b"", (404,), "/v1/jobs?before=canary77", (), "GET"),
    "a page before a path": Attack(b"", (404,), "/v1/jobs?before=../../canary77", (), "GET"),
}
"""Query strings."""

TYPES: dict[str, Attack] = {
    "no media type": Attack(VALID, (415,), FORECAST, ()),
    "an unknown one": Attack(VALID, (415,), FORECAST, ("Content-Type: canary77/canary77",)),
    "text/plain, as a form of another site sends": Attack(VALID, (415,), FORECAST, ("Content-Type: text/plain",)),
    "a form": Attack(b"series=canary77", (415,), FORECAST, ("Content-Type: application/x-www-form-urlencoded",)),
    "a file of a form": Attack(
        b"--a\r\nContent-Disposition: form-data; name=a\r\n\r\ncanary77\r\n--a--\r\n",
        (415,),
        FORECAST,
        ("Content-Type: multipart/form-data; boundary=a",),
    ),
    "a charset": Attack(VALID, (415,), FORECAST, ("Content-Type: application/json; charset=utf-7",)),
    "a charset that is none": Attack(VALID, (415,), FORECAST, ("Content-Type: text/csv; charset=canary77",)),
    "a media type of 7 kB": Attack(VALID, (415, 431), FORECAST, ("Content-Type: " + "canary77" * 900,)),
    "a table for KServe": Attack(TABLE, (415,), KSERVE, (CSV,)),
    "packed JSON": Attack(gzip.compress(VALID), (415,), FORECAST, (JSON, GZIP)),
    "a packed table": Attack(gzip.compress(TABLE), (415,), FORECAST, (CSV, GZIP)),
    "packed for a backtest": Attack(gzip.compress(VALID), (415,), BACKTEST, (JSON, GZIP)),
    "a packing that is none": Attack(VALID, (415,), FORECAST, (JSON, "Content-Encoding: canary77")),
    "nothing of ours accepted": Attack(VALID, (406,), FORECAST, (JSON, "Accept: image/canary77")),
    "all refused": Attack(VALID, (406,), FORECAST, (JSON, "Accept: */*;q=0")),
    "words for Accept": Attack(VALID, (200, 406), FORECAST, (JSON, "Accept: ;;,,q=canary77;/")),
    "another site": Attack(VALID, (403,), FORECAST, (JSON, "Origin: https://canary77.example")),
    "another host": Attack(VALID, (400,), FORECAST, (JSON, "Host: canary77.example")),
}
"""What a body is said to be, and what is wanted."""

_BOMB = gzip.compress(HEAD + b"a,1,7\n" * 5_000_000, 9)
_ZEROS = zlib.compressobj(9, wbits=31)
_NESTED = gzip.compress(gzip.compress(TABLE))


def _job(body: bytes, *statuses: int, more: tuple[str, ...] = (CSV, GZIP), path: str = JOBS) -> Attack:
    return Attack(body, statuses or (400,), path, more)


FILES: dict[str, Attack] = {
    "half a gzip": _job(gzip.compress(TABLE * 100)[:-20]),
    "a gzip without its sum": _job(gzip.compress(TABLE)[:-8]),
    "a gzip with a wrong sum": _job(gzip.compress(TABLE)[:-8] + b"\7" * 8),
    "a head of gzip": _job(gzip.compress(TABLE)[:10]),
    "no gzip": _job(MARK * 1_000),
    "something behind the gzip": _job(gzip.compress(TABLE) + MARK),
    "deflate that says gzip": _job(zlib.compress(TABLE)),
    "a bomb of one row": _job(_BOMB, 413),
    "a bomb of zeros": _job(_ZEROS.compress(b"\0" * 80_000_000) + _ZEROS.flush(), 413),
    "a bomb in many parts": _job(gzip.compress(b"7" * 1_000_000) * 50, 413),
    "packed twice": _job(_NESTED, 415, more=(CSV, "Content-Encoding: gzip, gzip")),
    "packed in another way": _job(TABLE, 415, more=(CSV, "Content-Encoding: br")),
    "a job in JSON": _job(VALID, 415, more=(JSON,)),
    "a job of no kind": _job(TABLE, 422, more=(CSV,), path="/v1/jobs"),
    "a job of another kind": _job(TABLE, 422, more=(CSV,), path="/v1/jobs?kind=canary77"),
    "a path for a model's name": _job(TABLE, 422, more=(CSV,), path="/v1/jobs?kind=train&h=2&name=../canary77"),
    "a NUL for a model's name": _job(TABLE, 422, more=(CSV,), path="/v1/jobs?kind=train&h=2&name=canary77%00"),
    "the name of the base weights": _job(TABLE, 422, more=(CSV,), path="/v1/jobs?kind=train&h=2&name=base"),
    "a job again of 300 characters": _job(TABLE, 422, more=(CSV, "Idempotency-Key: " + "canary77" * 40)),
    "a job again of no characters": _job(TABLE, 422, more=(CSV, "Idempotency-Key: ")),
    "a job again in Latin": _job(
        TABLE, 422, more=(CSV, "Idempotency-Key: canary77\N{LATIN SMALL LETTER E WITH ACUTE}")
    ),
    "a job that ends early": Attack(TABLE[:50], (400,), JOBS, (CSV,), length=len(TABLE)),
    "a job of a bad chunk": Attack(
        b"POST /v1/jobs?kind=forecast HTTP/1.1\r\nHost: localhost\r\n{{key}}Content-Type: text/csv\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5\r\ncanary77\r\n",
        (400,),
    ),
}
"""Files of jobs."""

QUOTED = {
    "values that are none",
    "no known column",
    "a zone that is a path",
    "a zone that is a file",
    "a column that is not there",
    "no known column, looked at",
}
"""Those whose refusal quotes, shortened, the word that is wrong."""
