"""Keys before the real service: no operation of the description opens without its scope, whoever asks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.keys import SCOPES, create_key, revoke_key
from tests.service.processes import Running, running

BODIES = {"application/json": b"{}", "text/csv": b"ds,y\n1,1\n"}


class Guarded(NamedTuple):
    """A service with keys: those that are good by their scope, and those that are not."""

    service: Running
    good: dict[str, str]
    bad: dict[str, str]


@pytest.fixture(scope="module")
def guarded(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "state" / "keys.json"
    good = {scope: create_key(file, scope, [scope])[1] for scope in SCOPES}
    revoked, bad_token = create_key(file, "revoked", list(SCOPES))
    revoke_key(file, revoked.id)
    bad = {"revoked": bad_token, "expired": expired_key(file), "unknown": "fk_00000000_" + "x" * 43}
    bad |= {"half": good["forecast"][:-1], "empty": "", "another": good["forecast"][:12] + good["admin"][12:]}
    with running(folder, models=models) as service:
        yield Guarded(service, good, bad)
        assert service.terminate() == 0
        assert not service.complaints()
        for token in (*good.values(), *bad.values()):
            assert not token or token[12:24] not in service.text()


def expired_key(file: Path) -> str:
    """Make a key that has expired meanwhile."""
    key, token = create_key(file, "expired", list(SCOPES), days=1)
    held = json.loads(file.read_bytes())
    for one in held["keys"]:
        if one["id"] == key.id:
            one["created"], one["expires"] = "2020-01-01T00:00:00+00:00", "2020-01-02T00:00:00+00:00"
    file.write_text(json.dumps(held))
    return token


class Door(NamedTuple):
    """An operation, and the scope that its description says it needs."""

    method: str
    path: str
    scope: str | None
    media_type: str

    def ask(self, service: Running, token: str | None) -> Any:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= {"Content-Type": self.media_type} if self.media_type else {}
        return service.ask(self.method, self.path, BODIES.get(self.media_type), headers)


def doors(service: Running) -> list[Door]:
    found = []
    for path, methods in service.ask("GET", "/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            scopes = {scope for way in operation["security"] for scope in way.get("key", ())}
            media_type = next(iter(operation.get("requestBody", {}).get("content", {})), "")
            address = re.sub(r"{\w+}", "0" * 32, path)
            found.append(Door(method.upper(), address, next(iter(scopes), None), media_type))
    return found


def test_no_door_opens_without_its_scope(guarded: Guarded) -> None:
    answers: Counter[int] = Counter()
    for door in doors(guarded.service):
        wrong = [token for scope, token in guarded.good.items() if scope != door.scope]
        expected = {None: 401} | dict.fromkeys(guarded.bad.values(), 401) | dict.fromkeys(wrong, 403)
        for token, status in expected.items() if door.scope else ():
            answer = door.ask(guarded.service, token)
            answers[answer.status] += 1
            assert answer.status == status, (door, token, answer.body)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="forecaster"')
            assert not token or token[12:] not in answer.body.decode() + str(answer.headers)
        tokens = [guarded.good[door.scope]] if door.scope else [None, *expected]
        for token in tokens:
            answer = door.ask(guarded.service, token)
            answers[answer.status] += 1
            assert answer.status not in {401, 403, 500}, (door, answer.body)
    print(f"answers by status: {dict(answers)}")  # noqa: T201 - for -s
    assert answers[401] >= 7 * 10
    assert answers[403] >= 3 * 10


def test_a_key_in_the_address_is_no_key_and_is_not_kept(guarded: Guarded) -> None:
    token = guarded.good["forecast"]
    for query in ("api_key", "access_token", "key", "Authorization"):
        assert guarded.service.ask("GET", f"/v1/models?{query}={token}").status == 401
    metrics = guarded.service.ask("GET", "/metrics", key=guarded.good["metrics"]).body.decode()
    assert token[12:24] not in metrics + guarded.service.text()


def test_training_needs_its_scope_beside_that_of_jobs(guarded: Guarded) -> None:
    asked = "/v1/jobs?kind=train&h=2&name=daily"
    answer = guarded.service.ask(
        "POST", asked, b"ds,y\n1,1\n", {"Content-Type": "text/csv"}, key=guarded.good["forecast"]
    )
    assert answer.status == 403
    assert answer.json["type"].endswith(":not-allowed")
