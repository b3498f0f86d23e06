"""A server that speaks S3 on this machine, and what happens to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from forecaster.remote import RemoteStore

BUCKET = "bucket"
URL = f"s3://{BUCKET}/models"
SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}


class Storage:
    """moto's S3 in a thread; what is in it can be changed behind the back of a store."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.host, self.port = self._server.get_host_and_port()

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    def clear(self) -> None:
        self.ask("POST", "/moto-api/reset")
        self.ask("PUT", f"/{BUCKET}")

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        with closing(HTTPConnection(self.host, self.port, timeout=30)) as connection:
            connection.request(method, path, body, {"Authorization": SIGNED})
            response = connection.getresponse()
            assert response.status < 400, (method, path, response.status)
            return response.read()

    def put(self, key: str, body: bytes) -> None:
        self.ask("PUT", f"/{BUCKET}/models/{key}", body)

    def get(self, key: str) -> bytes:
        return self.ask("GET", f"/{BUCKET}/models/{key}")

    def delete(self, key: str) -> None:
        self.ask("DELETE", f"/{BUCKET}/models/{key}")

    def stop(self) -> None:
        self._server.stop()


def remote(endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    """Return the store below `URL` at this endpoint."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    return RemoteStore(URL, cache)


@contextmanager
def behind(answer: bytes) -> Iterator[str]:
    """Listen on a port, send each who connects the same, and leave it open; yield the endpoint."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # closed
                    return
                held.append(connection)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)
            for connection in held:
                connection.close()
