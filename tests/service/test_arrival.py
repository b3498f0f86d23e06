"""What can be known of a request while it arrives."""

from __future__ import annotations

import random

import pytest
from gunicorn.http.errors import (
    InvalidHeader,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)

from service.arrival import LONGEST_HEAD, LONGEST_LINE, MOST_AT_ONCE, Arrival, Arrived

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(*headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /v1/forecast HTTP/1.1", b"Host: localhost", *headers, b"", b""]) + body


WHOLE = {
    "no body": GET,
    "a body": post(b"Content-Length: 5", body=b"12345"),
    "a body and more": post(b"content-length:5", body=b"12345") + GET,
    "an empty body": post(b"Content-Length: 0"),
    "the largest body at once": post(b"Content-Length: %d" % MOST_AT_ONCE, body=b"x" * MOST_AT_ONCE),
    "an empty line before": b"\r\n" + GET,
    # These the parser refuses; it is not this one's to judge them.
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 6"),
    "a length that is none": post(b"Content-Length: -5"),
    "a length of many digits": post(b"Content-Length: " + b"9" * 100),
    "nothing but lines": b"\r\n\r\n",
    "another version": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
HEAD = {
    "a large body": post(b"Content-Length: %d" % (MOST_AT_ONCE + 1)),
    "chunks": post(b"Transfer-Encoding: chunked"),
    "chunks and a length": post(b"Content-Length: 5", b"transfer-encoding : chunked"),
    "a client that waits": post(b"Content-Length: 5", b"Expect: 100-continue"),
}


@pytest.mark.parametrize(
    ("case", "expected"), [*((case, Arrived.WHOLE) for case in WHOLE), *((c, Arrived.HEAD) for c in HEAD)]
)
def test_it_is_the_same_however_it_is_cut(case: str, expected: Arrived) -> None:
    data = (WHOLE | HEAD)[case]
    pieces = random.Random(7)  # noqa: S311 - no secret hangs on it
    for most in (1, 3, 100, len(data)):
        arrival, place = Arrival(), 0
        while arrival.arrived is Arrived.PART:
            step = max(pieces.randint(1, most), len(data) // 2_000)
            arrival.feed(data[place : place + step])
            place += step
            assert place < len(data) + step
        assert arrival.arrived is expected
        assert data.startswith(arrival.data)


@pytest.mark.parametrize("length", [1, 20, len(GET) - 1])
def test_half_a_head_is_not_there(length: int) -> None:
    arrival = Arrival()
    arrival.feed(GET[:length])
    assert arrival.arrived is Arrived.PART
    assert not arrival.has_head
    assert len(arrival) == length


def test_half_a_body_is_not_there() -> None:
    arrival = Arrival()
    arrival.feed(post(b"Content-Length: 5", body=b"1234"))
    assert arrival.arrived is Arrived.PART
    assert arrival.has_head


HOPELESS: dict[bytes, type[ParseException]] = {
    b"\x16\x03\x01\x02\x00": InvalidRequestLine,
    b"get / HTTP/1.1": InvalidRequestLine,
    b"\0": InvalidRequestLine,
    b"GET / HTTP/1.1\nHost: a": InvalidHeader,
    b"GET /" + b"x" * LONGEST_LINE: LimitRequestLine,
    b"\r\nGET /" + b"x" * LONGEST_LINE: LimitRequestLine,
    b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * LONGEST_HEAD: LimitRequestHeaders,
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (LONGEST_HEAD // 6): LimitRequestHeaders,
}


@pytest.mark.parametrize("data", HOPELESS, ids=lambda data: repr(data[:16]))
def test_what_cannot_become_a_request_is_not_waited_for(data: bytes) -> None:
    with pytest.raises(HOPELESS[data]):
        Arrival().feed(data)
