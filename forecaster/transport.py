"""Requests to the HTTP service that are made again where that can help; urllib3 is an optional extra."""

from __future__ import annotations

import email.utils
import importlib
import json
import random
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlencode

from forecaster.errors import ConfigError, MissingExtraError, ServiceError

__all__ = ["LONGEST_WAIT", "RETRIED", "Transport", "need_urllib3", "retry_after"]

RETRIED = frozenset({408, 409, 429, 502, 503, 504})
FIRST_WAIT = 0.25
LONGEST_WAIT = 30.0
"""Seconds; a Retry-After that says more is not waited for in full."""

Taken = TypeVar("Taken")
sleep = time.sleep


def need_urllib3() -> Any:
    """Return urllib3, or raise MissingExtraError that says how to install it."""
    try:
        return importlib.import_module("urllib3")
    except ImportError as error:
        raise MissingExtraError(
            'The client needs urllib3, which is not installed: pip install "forecaster[client]".'
        ) from error


class Transport:
    """Makes requests to one service; threads may share it.

    Parameters
    ----------
    url
        Where the service is, such as ``http://127.0.0.1:8000``.
    key
        API key, where the service has keys.
    timeout
        Seconds to wait for a connection, and for each part of an answer.
    retries
        How often a request is made again.

    Raises
    ------
    ConfigError
        The URL or the key cannot be one.
    MissingExtraError
        urllib3 is not installed.
    """

    def __init__(self, url: str, *, key: str | None, timeout: float, retries: int) -> None:
        urllib3 = need_urllib3()
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"url must begin with http:// or https://, not {url!r}.", column="url")
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigError("key must be an API key as the service printed it, without spaces.", column="key")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._retries = retries
        self._failures = urllib3.exceptions.HTTPError
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=10)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def call(
        self,
        method: str,
        path: str,
        take: Callable[[Any], Taken],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int | None = None,
    ) -> Taken:
        """Make a request, again if it fails in a way that passes, and return what is taken from the answer.

        Parameters
        ----------
        method, path, query, body, headers
            The request; a file is sent from its beginning.
        take
            Reads the answer; where the connection fails meanwhile it is called again, for another answer.
        retries
            Other than usual.

        Raises
        ------
        ServiceError
            The service refuses, or cannot be reached.
        """
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        left = self._retries if retries is None else retries
        for attempt in range(left + 1):
            response, wait = None, _backoff(attempt)
            try:
                response = self._send(method, url, body, {**self._headers, **(headers or {})})
                if response.status < HTTPStatus.MULTIPLE_CHOICES:
                    return take(response)
                error = _problem(response.status, response.headers, response.read())
                if response.status not in RETRIED:
                    raise error
                wait = max(wait, min(LONGEST_WAIT, retry_after(response.headers)))
            except self._failures as failure:
                error = ServiceError(
                    f"{self._url} cannot be reached, or broke off: {failure}. Check the address, and that it runs.",
                    kind="unreachable",
                )
            finally:
                self._give_back(response)
            if attempt < left:
                sleep(wait)
        raise error

    def _send(self, method: str, url: str, body: Any, headers: dict[str, str]) -> Any:
        if hasattr(body, "seek"):
            body.seek(0)
        return self._pool.request(
            method, url, body=body, headers=headers, preload_content=False, redirect=False, decode_content=True
        )

    def _give_back(self, response: Any) -> None:
        """Keep the connection if the answer was read to its end, else close it."""
        if response is None:
            return
        if not response.closed:
            response.close()
        response.release_conn()


def _backoff(attempt: int) -> float:
    """Return seconds to wait: twice as many each time, and never the same as others who wait."""
    wait: float = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
    return wait * random.uniform(0.5, 1)  # noqa: S311 - no secret


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a Retry-After asks for; 0 if there is none to be understood."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _problem(status: int, headers: Mapping[str, str], body: bytes) -> ServiceError:
    try:
        problem = json.loads(body)
        kind, detail = str(problem["type"]).rpartition(":")[2], str(problem["detail"])
    except (ValueError, KeyError, TypeError):  # a proxy in between, or no service of ours at all
        problem, kind, detail = {}, "", f"HTTP status {status}, and no problem that says why."
    errors = problem.get("errors") or []
    request_id = str(problem.get("request_id") or headers.get("X-Request-ID", ""))
    return ServiceError(
        f"{detail} ({status} {kind}, request {request_id or 'without id'})",
        status=status,
        kind=kind,
        detail=detail,
        errors=errors if isinstance(errors, list) else [],
        request_id=request_id,
    )
