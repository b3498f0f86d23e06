"""Keys at the door: who is let in, where, and what is never said."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import service.auth
from service.contract import operation_of
from service.keys import SCOPES, create_key, revoke_key
from service.logs import JsonFormatter
from service.settings import Settings

from .conftest import BODY, make_app, model_folder

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only a setting here
SUBSETS = [*chain.from_iterable(combinations(SCOPES, count) for count in range(1, len(SCOPES) + 1))]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def app_with(keys: Path, **settings: Any) -> Flask:
    models = keys.parent / "models"
    if not models.exists():
        model_folder(models, "daily")
    return make_app(models, Settings(**{"host": EVERYWHERE, "state": keys.parent, **settings}))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def kind_of(answer: TestResponse) -> str:
    assert answer.json is not None
    return str(answer.json["type"].rpartition(":")[2])


def routes(app: Flask) -> Iterator[tuple[str, str, str | None]]:
    """Give path, method and scope of everything the service answers, OPTIONS and HEAD too."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in sorted(rule.methods or ()):
            yield path, method, operation_of(app, rule.endpoint).scope


def test_no_route_opens_without_its_scope_for_any_set_of_scopes(keys: Path) -> None:
    tokens = {scopes: create_key(keys, "-".join(scopes), scopes)[1] for scopes in SUBSETS}
    app = app_with(keys)
    client = app.test_client()
    seen = set()
    for path, method, scope in routes(app):
        seen.add(scope)
        if scope is None:
            assert client.open(path, method=method).status_code not in {401, 403}, path
            continue
        anyone = client.open(path, method=method)
        assert anyone.status_code == 401, (method, path)
        assert anyone.headers["WWW-Authenticate"] == 'Bearer realm="forecaster"'
        for scopes, token in tokens.items():
            answer = client.open(path, method=method, headers=bearer(token))
            assert (answer.status_code == 403) is (scope not in scopes), (method, path, scopes)
            assert answer.status_code != 401
            if scope not in scopes:
                assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]
                assert method == "HEAD" or kind_of(answer) == "not-allowed"
    assert {None, "forecast"} <= seen <= {None, *SCOPES}


def test_a_key_comes_as_bearer_or_in_a_header_of_its_own(keys: Path) -> None:
    _, token = create_key(keys, "a", ["forecast"])
    client = app_with(keys).test_client()
    for headers in (
        bearer(token),
        {"Authorization": f"bEaReR   {token} "},
        {"X-API-Key": token},
        {"Authorization": "Basic Zm9vOmJhcg==", "X-API-Key": token},
    ):
        assert client.get("/v1/models", headers=headers).status_code == 200
    refused = client.get("/v1/models", headers=bearer("fk_00000000_x") | {"X-API-Key": token})
    assert refused.status_code == 401


def odd_tokens(token: str) -> list[str]:
    prefix, key_id, secret = token.split("_", 2)
    return [
        "", " ", "x", token[:-1], token + "x", token + "x" * 8_000, token.upper(), secret, f"{prefix}_{key_id}_",
        f"{prefix}_00000000_{secret}", f"{prefix}_{key_id}_{'x' * 43}", f"{prefix}_{key_id}", "\xff\xfe",
        f"{token},{token}",
    ]  # fmt: skip


def test_anything_but_the_key_is_refused_alike(keys: Path) -> None:
    _, token = create_key(keys, "a", ["forecast"])
    client = app_with(keys).test_client()
    for odd in odd_tokens(token):
        answer = client.get("/v1/models", headers=bearer(odd))
        assert answer.status_code == 401, odd[:80]
        assert kind_of(answer) == "no-key"
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert answer.json is not None
        assert answer.json["detail"] == "The key is not one of this service."


def test_known_and_unknown_keys_are_compared_alike_in_constant_time(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work is done whether the id is known or not: one digest of the secret, one comparison of digests."""
    key, token = create_key(keys, "a", ["forecast"])
    client = app_with(keys).test_client()
    compared: list[tuple[str, str]] = []
    compare = service.auth.hmac.compare_digest

    def watch(left: str, right: str) -> bool:
        compared.append((left, right))
        return compare(left, right)

    monkeypatch.setattr("service.auth.hmac.compare_digest", watch)
    for sent in (token, token[:-1] + "x", "fk_00000000_" + token[12:], "nothing"):
        client.get("/v1/models", headers=bearer(sent))
    assert len(compared) == 4
    assert {len(text) for pair in compared for text in pair} == {64}
    assert [right == key.sha256 for _, right in compared] == [True, True, False, False]


def test_keys_can_be_rotated_while_the_service_runs(keys: Path) -> None:
    old, old_token = create_key(keys, "shop", ["forecast"])
    client = app_with(keys).test_client()

    def ask(token: str) -> int:
        return client.get("/v1/models", headers=bearer(token)).status_code

    assert ask(old_token) == 200
    _, new_token = create_key(keys, "shop", ["forecast"])
    assert (ask(old_token), ask(new_token)) == (200, 200)
    revoke_key(keys, old.id)
    assert (ask(old_token), ask(new_token)) == (401, 200)
    assert "is revoked" in client.get("/v1/models", headers=bearer(old_token)).text


def test_an_expired_key_is_told_so_and_only_to_its_holder(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=3)

    _, token = create_key(keys, "shop", ["forecast"], days=2)
    client = app_with(keys).test_client()
    assert client.get("/v1/models", headers=bearer(token)).status_code == 200
    monkeypatch.setattr("service.auth.datetime", Later)
    assert "is expired" in client.get("/v1/models", headers=bearer(token)).text
    assert "expired" not in client.get("/v1/models", headers=bearer(token[:-1])).text
    assert datetime.now(UTC) < Later.now(UTC)


# --- the file, while the service runs


def test_where_there_are_no_keys_anyone_may_on_this_machine_alone(keys: Path) -> None:
    assert app_with(keys, host="127.0.0.1").test_client().get("/v1/models").status_code == 200
    assert app_with(keys, allow_anonymous=True).test_client().get("/v1/models").status_code == 200
    refused = app_with(keys).test_client().get("/v1/models")
    assert (refused.status_code, kind_of(refused)) == (401, "no-key")


def test_the_first_key_closes_the_door_at_once(keys: Path) -> None:
    client = app_with(keys, host="127.0.0.1").test_client()
    assert client.get("/v1/models", headers=bearer("whatever")).status_code == 200
    key, token = create_key(keys, "a", ["forecast"])
    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers=bearer(token)).status_code == 200
    revoke_key(keys, key.id)
    assert client.get("/v1/models").status_code == 401  # revoking the last key opens nothing


def test_a_worker_in_the_place_of_another_knows_that_there_were_keys(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.auth, "_shared", None)
    service.auth.share_memory()
    first = app_with(keys, host="127.0.0.1").test_client()
    create_key(keys, "a", ["forecast"])
    assert first.get("/v1/models").status_code == 401
    keys.unlink()
    second = app_with(keys, host="127.0.0.1").test_client()
    assert second.get("/v1/models").status_code == 503


def damage(keys: Path) -> None:
    keys.write_text("canary77")


def empty(keys: Path) -> None:
    keys.write_text('{"format_version": 1, "keys": []}')


@pytest.mark.parametrize("host", ["127.0.0.1", EVERYWHERE])
@pytest.mark.parametrize("how", [Path.unlink, damage, empty, lambda keys: keys.chmod(0o606)])
def test_losing_the_keys_lets_nobody_in(keys: Path, host: str, how: Any, caplog: pytest.LogCaptureFixture) -> None:
    _, token = create_key(keys, "a", ["forecast"])
    whole = keys.read_bytes()
    client = app_with(keys, host=host, allow_anonymous=True).test_client()
    assert client.get("/v1/models", headers=bearer(token)).status_code == 200
    how(keys)
    for headers in ({}, bearer(token)):
        answer = client.get("/v1/models", headers=headers)
        assert answer.status_code == (401 if how is empty else 503)
        assert kind_of(answer) == ("no-key" if how is empty else "unavailable")
    assert client.get("/livez").status_code == 200
    said = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert "nobody is let in" in said[0].getMessage()
    assert "canary77" not in caplog.text

    keys.unlink(missing_ok=True)
    keys.write_bytes(whole)
    assert client.get("/v1/models", headers=bearer(token)).status_code == 200


def test_a_file_that_could_not_be_read_for_a_moment_is_tried_again(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = create_key(keys, "a", ["forecast"])
    read = service.auth.read_keys
    monkeypatch.setattr("service.auth.SECONDS_BETWEEN_TRIES", 0.0)
    monkeypatch.setattr("service.auth.read_keys", lambda _: (_ for _ in ()).throw(service.auth.ConfigError("busy")))
    client = app_with(keys).test_client()
    assert client.get("/v1/models", headers=bearer(token)).status_code == 503
    monkeypatch.setattr("service.auth.read_keys", read)
    assert client.get("/v1/models", headers=bearer(token)).status_code == 200


def test_a_file_that_does_not_change_is_not_read_again(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = create_key(keys, "a", ["forecast"])
    client = app_with(keys).test_client()
    monkeypatch.setattr("service.auth.read_keys", lambda _: pytest.fail("read again"))
    for _ in range(3):
        assert client.get("/v1/models", headers=bearer(token)).status_code == 200


# --- what is read, and what is told


class Untouched(BytesIO):
    def read(self, *_: Any) -> bytes:
        pytest.fail("the body was read")

    readinto = readline = read  # type: ignore[assignment]  # whatever is called, it fails


def test_who_has_no_key_is_refused_before_the_body_is_read(keys: Path) -> None:
    create_key(keys, "a", ["forecast"])
    client = app_with(keys).test_client()
    answer = client.post(
        "/v1/forecast", input_stream=Untouched(), content_length=10**6, content_type="application/json"
    )
    assert answer.status_code == 401


def test_paths_that_are_not_there_need_no_key(keys: Path) -> None:
    create_key(keys, "a", ["forecast"])
    client = app_with(keys).test_client()
    assert client.get("/nowhere").status_code == 404
    assert client.delete("/livez").status_code == 405


def test_the_log_names_keys_and_holds_nothing_secret(keys: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    key, token = create_key(keys, "a", ["forecast"])
    client: FlaskClient = app_with(keys).test_client()
    told = []
    for sent in (token, *odd_tokens(token)):
        told.append(client.post("/v1/forecast", json=BODY, headers=bearer(sent)))
        told.append(client.get(f"/v1/models?key={token}", headers={"X-API-Key": sent, "Cookie": token}))
    told.append(client.put("/v1/models", headers=bearer(token)))
    lines = [JsonFormatter().format(record) for record in caplog.records]
    logged = "".join(lines)
    answered = "".join(f"{answer.headers}{answer.text}" for answer in told)
    secret = token.split("_", 2)[2]
    for text in (logged, answered):
        assert not re.search(f"{re.escape(secret)}|{key.sha256}|{re.escape(secret[:12])}", text, re.IGNORECASE)
    named = [json.loads(line).get("key") for line in lines if json.loads(line)["logger"] == "service.request"]
    assert named[:2] == [key.id, key.id]
    assert set(named) == {key.id, None}
    assert os.environ.get("FORECASTER_KEYS") is None
