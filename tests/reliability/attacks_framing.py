"""What is not HTTP/1.1, or HTTP/1.1 as only attackers write it."""

from __future__ import annotations

from tests.reliability.attacks import MARK, NONE, Attack

HEAD = b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\n{{key}}"
TABLE = HEAD + b"Content-Type: text/csv\r\n"
CHUNKS = TABLE + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"unique_id,ds,y\n" + b"".join(b"a,%d,%d\n" % (day, day) for day in range(20))


def _get(target: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: localhost", *headers, b"", b""])


def _length(said: bytes) -> bytes:
    return TABLE + b"Content-Length: " + said + b"\r\n\r\n" + BODY


def _chunked(chunks: bytes) -> bytes:
    return CHUNKS + chunks


_HEADS: dict[str, tuple[bytes, int | tuple[int, ...]]] = {
    "a flood of headers": (HEAD + b"".join(b"canary77-%d: 1\r\n" % n for n in range(5_000)) + b"\r\n", 431),
    "1,000 headers": (HEAD + b"".join(b"a%d: 1\r\n" % n for n in range(1_000)) + b"\r\n", 431),
    "65 headers": (HEAD + b"".join(b"a%d: 1\r\n" % n for n in range(65)) + b"\r\n", 431),
    "a header of 100 kB": (HEAD + b"a: " + MARK * 12_500 + b"\r\n\r\n", 431),
    "a header of 16 kB": (HEAD + b"a: " + MARK * 2_000 + b"\r\n\r\n", 431),
    "a header's name of 16 kB": (HEAD + MARK * 2_000 + b": 1\r\n\r\n", 431),
    "an endless header": (HEAD + b"a: " + MARK * 20_000, 431),
    "a request line of 1 MB": (b"GET /" + MARK * 131_072 + b" HTTP/1.1\r\n\r\n", 414),
    "a query of 40 kB": (_get(b"/v1/models?" + MARK * 5_000), 414),
    "an endless request line": (b"GET /" + MARK * 50_000, 414),
    "a method of 1 kB": (b"CANARY77" * 128 + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 405)),
    "NUL in a header": (HEAD + b"a: canary\x0077\r\n\r\n", 400),
    "a return in a header": (HEAD + b"a: canary77\rb: c\r\n\r\n", 400),
    "a line feed in a header": (HEAD + b"a: canary77\nb: c\r\n\r\n", 400),
    "NUL in the path": (b"GET /canary\x0077 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a lone line feed": (b"GET /canary77 HTTP/1.1\nHost: localhost\n\n", 400),
    "a folded header": (HEAD + b"a: b\r\n canary77\r\n\r\n", 400),
    "a header folded at the start": (b"GET / HTTP/1.1\r\n canary77: 1\r\nHost: localhost\r\n\r\n", 400),
    "a space before the colon": (HEAD + b"canary77 : b\r\n\r\n", 400),
    "a header without a colon": (HEAD + b"canary77\r\n\r\n", 400),
    "a header without a name": (HEAD + b": canary77\r\n\r\n", 400),
    "brackets in a header's name": (HEAD + b"canary(77): b\r\n\r\n", 400),
    "a space in a header's name": (HEAD + b"canary 77: b\r\n\r\n", 400),
    "quotes in a header's name": (HEAD + b'"canary77": b\r\n\r\n', 400),
    "letters in a header's name": (HEAD + "canary77é: b\r\n\r\n".encode(), 400),
    "two hosts": (HEAD + b"Host: canary77\r\n\r\n", 400),
    "a host of another": (b"GET /livez HTTP/1.1\r\nHost: canary77.example\r\n\r\n", 400),
    "a host with a name before": (b"GET /livez HTTP/1.1\r\nHost: localhost@canary77\r\n\r\n", 400),
    "a host that is none": (b"GET /livez HTTP/1.1\r\nHost: [canary77\r\n\r\n", 400),
    "an empty host": (b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "no host": (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    "an expectation": (HEAD + b"Expect: canary77\r\n\r\n", 417),
    "a name in the environment": (_get(b"/livez/canary77", b"SCRIPT_NAME: /livez"), 404),
    "a protocol that is no protocol": (b"GET /livez CANARY/7.7\r\nHost: localhost\r\n\r\n", 400),
    "HTTP/2 in words": (b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n", (400, 505)),
    "HTTP/9.9": (b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n", (400, 505)),
    "HTTP/0.9": (b"GET /canary77\r\n\r\n", 400),
    "a preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03canary77", 400),
    "SSH": (b"SSH-2.0-canary77\r\n", NONE),
    "SMTP": (b"EHLO canary77\r\n\r\n", 400),
    "a proxy's line": (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + HEAD + b"\r\n", 400),
    "nothing but lines": (b"\r\n\r\n\r\n\r\n", 400),
    "half a request line": (b"GET /canary77", NONE),
    "half a head": (HEAD + b"canary77: 1\r\n", NONE),
    "nothing": (b"", NONE),
}
_TARGETS: dict[str, tuple[bytes, int | tuple[int, ...]]] = {
    "another host in the target": (_get(b"http://canary77.example/livez"), 400),
    "another host in both": (b"GET http://canary77.example/livez HTTP/1.1\r\nHost: canary77.example\r\n\r\n", 400),
    "a bad percent": (_get(b"/v1/%zz%canary77"), 404),
    "half a percent": (_get(b"/v1/canary77%"), 404),
    "bytes that are no UTF-8": (_get(b"/%ff%fe%c0%af"), 404),
    "raw bytes": (_get(b"/canary77\xff\xfe"), (400, 404)),
    "a NUL in percents": (_get(b"/v1/canary77%00"), 404),
    "lines in percents": (_get(b"/canary77%0d%0aSet-Cookie:%20canary77"), 404),
    "a path upwards": (_get(b"/v1/../../canary77"), 404),
    "a path upwards in percents": (_get(b"/static/%2e%2e%2f%2e%2e%2fcanary77"), 404),
    "a file of the system": (_get(b"/static/..%2f..%2f..%2fetc%2fcanary77"), 404),
    "a path with backslashes": (_get(b"/static/..\\..\\canary77"), (400, 404)),
    "a path twice as deep": (_get(b"//v1//models//canary77"), 404),
    "a path of another host": (_get(b"//canary77.example/%2f.."), 404),
    "a path with a point": (_get(b"/v1/./models/canary77"), 404),
    "a path of 4,000 steps": (_get(b"/" * 4_000 + MARK), (404, 414)),
    "no path": (_get(b"canary77"), (400, 404)),
    "all of it": (_get(b"*"), (400, 404)),
    "a scheme": (_get(b"file:///etc/canary77"), (400, 404)),
    "a space in the target": (_get(b"/livez canary77"), 400),
    "CONNECT": (b"CONNECT canary77:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 404, 405)),
    "TRACE": (b"TRACE /livez HTTP/1.1\r\nHost: localhost\r\nCanary77: 1\r\n\r\n", 405),
    "a word for a method": (b"CANARY77 /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    "a small method": (b"get /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "another method in a header": (_get(b"/v1/forecast", b"X-HTTP-Method-Override: POST"), 405),
}
_BODIES: dict[str, tuple[bytes, int | tuple[int, ...]]] = {
    "a length and chunks": (TABLE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\ncanary77", 400),
    "chunks and a length": (TABLE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\ncanary77", 400),
    "two lengths": (TABLE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345", 400),
    "a length twice": (TABLE + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345", 400),
    "two lengths in one": (_length(b"5, 5"), 400),
    "a negative length": (_length(b"-1"), 400),
    "a positive length": (_length(b"+5"), 400),
    "a length of a word": (_length(MARK), 400),
    "a length in hex": (_length(b"0x10"), 400),
    "a length of half": (_length(b"5.5"), 400),
    "a length with an underscore": (_length(b"1_0"), 400),
    "a length in other digits": (_length("\N{ARABIC-INDIC DIGIT SEVEN}".encode()), 400),
    "no length at all": (_length(b""), 400),
    "a length of thirty digits": (_length(b"7" * 30), (400, 413)),
    "a length of 10,000 digits": (_length(b"7" * 8_000), (400, 413, 431)),
    "a length too long": (_length(b"%d" % (len(BODY) + 5)), 400),
    "a length too short": (_length(b"%d" % (len(BODY) - 3)), (200, 422)),
    "chunks twice": (TABLE + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks in two lines": (TABLE + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    "chunks spelled oddly": (TABLE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunks behind a tab": (TABLE + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "chunks hidden": (TABLE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks in HTTP/1.0": (CHUNKS.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n", 400),
    "packed chunks": (
        TABLE + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\n\x1f\x8b\x08\0\0\r\n0\r\n\r\n",
        (400, 415, 422, 501),
    ),
    "a chunk that is none": (_chunked(b"canary77\r\n"), 400),
    "a negative chunk": (_chunked(b"-5\r\n12345\r\n"), 400),
    "a positive chunk": (_chunked(b"+5\r\n12345\r\n0\r\n\r\n"), 400),
    "a chunk in hex of C": (_chunked(b"0x5\r\n12345\r\n0\r\n\r\n"), 400),
    "a chunk with an underscore": (_chunked(b"1_0\r\n1234567890123456\r\n0\r\n\r\n"), 400),
    "a chunk that lies": (_chunked(b"2\r\ncanary77\r\n"), 400),
    "a chunk of thirty digits": (_chunked(b"f" * 30 + b"\r\n" + MARK), 400),
    "an endless chunk size": (_chunked(b"0" * 20_000), 400),
    "a chunk that ends early": (_chunked(b"77\r\ncanary77"), 400),
    "no last chunk": (_chunked(b"5\r\n12345\r\n"), 400),
    "chunks parted by line feeds": (_chunked(b"5\n12345\n0\n\n"), 400),
    "an extension without end": (_chunked(b"5;" + MARK * 20_000 + b"\r\n12345\r\n0\r\n\r\n"), (400, 422)),
    "a trailer without end": (_chunked(b"5\r\n12345\r\n0\r\na: " + MARK * 20_000), 400),
    "a trailer that is a header": (_chunked(b"5\r\n12345\r\n0\r\nContent-Length: 7\r\n\r\n"), (400, 422)),
    "chunks of more than is taken": (_chunked((b"40000\r\n" + b"7" * 0x40000 + b"\r\n") * 70), 413),
}
FRAMING = {
    name: Attack(sent, statuses if isinstance(statuses, tuple) else (statuses,))
    for table in (_HEADS, _TARGETS, _BODIES)
    for name, (sent, statuses) in table.items()
}
"""Whole requests, or what is in their place."""
