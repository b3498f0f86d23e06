"""The file of keys, and the command that writes it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forecaster import ConfigError, InputError, OutputError
from forecaster.cli import run
from forecaster.cli.keys import SCOPES as COMMAND_SCOPES
from service.keys import SCOPES, check_door, create_key, digest_of, read_keys, revoke_key, split_token
from service.settings import Settings
from tests.service.processes import PATIENCE, ROOT

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only a setting here


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys.json"


def test_a_key_is_kept_as_a_digest_in_a_file_of_its_owner(path: Path) -> None:
    key, token = create_key(path, "shop", ["train", "forecast"], days=90)
    assert read_keys(path) == [key]
    assert key.scopes == ("forecast", "train")
    found = split_token(token)
    assert found is not None
    assert found == (key.id, found[1])
    assert len(found[1]) == 43  # 32 bytes
    assert digest_of(found[1]) == key.sha256
    assert found[1].endswith(key.hint)
    text = path.read_text(encoding="utf-8")
    assert found[1] not in text
    assert token not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [item.name for item in path.parent.iterdir() if item.name.endswith(".tmp")] == []


def test_several_keys_are_valid_at_once_until_one_is_revoked(path: Path) -> None:
    now = datetime.now(UTC)
    old, _ = create_key(path, "shop", ["forecast"])
    new, _ = create_key(path, "shop", ["forecast"])
    assert [key.state(now) for key in read_keys(path)] == ["valid", "valid"]
    revoked = revoke_key(path, old.id)
    assert [key.state(now) for key in read_keys(path)] == ["revoked", "valid"]
    assert revoke_key(path, old.id) == revoked  # a second time changes nothing, not even the moment
    assert new in read_keys(path)


def test_a_key_expires(path: Path) -> None:
    key, _ = create_key(path, "shop", ["forecast"], days=2)
    now = datetime.now(UTC)
    assert key.state(now) == "valid"
    assert key.state(now + timedelta(days=2)) == "expired"


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("", ["train"], None), ("../x", ["train"], None), ("a" * 65, ["train"], None), ("a\nb", ["train"], None),
     ("a", [], None), ("a", ["root"], None), ("a", ["train"], 0), ("a", ["train"], -1), ("a", ["train"], 10**9)],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused_and_nothing_is_written(
    path: Path, name: str, scopes: list[str], days: int | None
) -> None:
    with pytest.raises(InputError):
        create_key(path, name, scopes, days=days)
    assert not path.exists()


def written(path: Path, change: Callable[[Any], Any]) -> None:
    create_key(path, "shop", ["forecast"])
    document = json.loads(path.read_text(encoding="utf-8"))
    made = change(document)
    path.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())


def changed(**fields: Any) -> Callable[[Any], Any]:
    return lambda document: document | {"keys": [document["keys"][0] | fields]}


DAMAGED: dict[str, Callable[[Any], Any]] = {
    "empty": lambda _: b"",
    "not JSON": lambda _: b"canary77",
    "not UTF-8": lambda _: b"\xff\xfe",
    "truncated": lambda document: json.dumps(document).encode()[:-20],
    "deep": lambda _: b"[" * 100_000,
    "huge": lambda _: b" " * 2**21,
    "a list": lambda _: [],
    "another format": lambda document: document | {"format_version": 2},
    "more in it": lambda document: document | {"canary77": 1},
    "keys are none": lambda document: document | {"keys": None},
    "an id twice": lambda document: document | {"keys": document["keys"] * 2},
    "a field less": lambda document: document | {"keys": [{"id": "12345678"}]},
    "a field more": changed(canary77=1),
    "an odd id": changed(id="canary77"),
    "no digest": changed(sha256="canary77"),
    "no scope": changed(scopes=[]),
    "an unknown scope": changed(scopes=["canary77"]),
    "scopes as text": changed(scopes="forecast"),
    "scopes of lists": changed(scopes=[["forecast"]]),
    "an odd moment": changed(expires="tomorrow"),
    "a moment without a zone": changed(expires="2030-01-01T00:00:00"),
    "a moment as a number": changed(revoked=7),
    "a name with a line break": changed(name="a\nb"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_refused_whole_and_never_written_over(path: Path, case: str) -> None:
    written(path, DAMAGED[case])
    before = path.read_bytes()
    for action in (read_keys, lambda path: create_key(path, "b", ["train"]), lambda path: revoke_key(path, "12345678")):
        with pytest.raises(ConfigError) as caught:
            action(path)
        assert "canary77" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_file_that_everybody_can_write_is_not_used(path: Path) -> None:
    create_key(path, "shop", ["forecast"])
    path.chmod(0o646)
    with pytest.raises(ConfigError, match="chmod o-w"):
        read_keys(path)


def test_where_there_is_no_file_there_is_no_key(path: Path) -> None:
    assert read_keys(path) == []
    with pytest.raises(InputError, match="no key 'abc'"):
        revoke_key(path, "abc")
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="FORECASTER_STATE"):
        create_key(tmp_path / "file" / "keys.json", "shop", ["forecast"])


MAKE = """
import sys
from pathlib import Path
from service.keys import create_key
for number in range(10):
    create_key(Path(sys.argv[1]), f"key {number}", ["forecast"])
"""


def test_processes_that_write_at_once_lose_no_key(path: Path) -> None:
    command = [sys.executable, "-c", MAKE, str(path)]
    makers = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]  # noqa: S603 - our own words
    assert [maker.wait(timeout=PATIENCE) for maker in makers] == [0] * 4
    assert len({key.id for key in read_keys(path)}) == 40


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    create_key(path, "a", ["forecast"])
    link.symlink_to(path)
    create_key(link, "b", ["forecast"])
    assert link.is_symlink()
    assert len(read_keys(path)) == 2


@pytest.mark.parametrize(
    "token", ["", "fk", "fk_", "fk_12345678", "xx_12345678_secret", "fk_1234567g_secret", "fk_123_secret", "é_é_é"]
)
def test_what_is_no_token_has_no_id(token: str) -> None:
    assert split_token(token) is None


# --- the door


def test_without_keys_the_service_stays_on_this_machine_unless_told(path: Path) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        check_door(Settings(host=host, state=path.parent))
    check_door(Settings(host=EVERYWHERE, state=path.parent, allow_anonymous=True))
    with pytest.raises(ConfigError, match=r"forecaster keys create.*FORECASTER_ALLOW_ANONYMOUS=true"):
        check_door(Settings(host=EVERYWHERE, state=path.parent))
    create_key(path, "a", ["forecast"])
    check_door(Settings(host=EVERYWHERE, state=path.parent))


def test_who_names_a_file_of_keys_wants_keys(path: Path) -> None:
    with pytest.raises(ConfigError, match="FORECASTER_KEYS"):
        check_door(Settings(keys=path, allow_anonymous=True))
    create_key(path, "a", ["forecast"])
    check_door(Settings(keys=path))


def test_a_damaged_file_keeps_the_service_from_starting(path: Path) -> None:
    written(path, lambda _: b"")
    with pytest.raises(ConfigError, match="damaged"):
        check_door(Settings(state=path.parent))


# --- the command


def test_the_command_offers_the_services_scopes() -> None:
    assert tuple(SCOPES) == COMMAND_SCOPES


def test_keys_are_made_listed_and_revoked_by_command(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORECASTER_STATE", str(path.parent))
    assert run(["keys", "list"]) == 0
    assert capsys.readouterr().err == f"No key in {path}.\n"
    assert run(["keys", "create", "shop", "--scope", "forecast", "--scope", "train", "--days", "90"]) == 0
    made = capsys.readouterr()
    (key,) = read_keys(path)
    assert re.fullmatch(rf"fk_{key.id}_[A-Za-z0-9_-]{{43}}\n", made.out)
    assert f"Key {key.id} may forecast, train until {key.expires}" in made.err
    assert made.out.strip() not in made.err
    assert run(["keys", "revoke", key.id]) == 0
    assert capsys.readouterr().err == f"Revoked {key.id} (shop).\n"
    assert run(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key.id in listed
    assert "revoked" in listed
    assert key.sha256 not in listed
    assert made.out.strip()[12:-4] not in listed


def test_what_is_wrong_with_a_key_is_said_in_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORECASTER_KEYS", str(path))
    wrong = (
        ["create", "a b/c", "--scope", "train"],
        ["create", "a"],
        ["revoke", "nothing"],
        ["create", "a", "--scope", "root"],
        ["create", "a", "--scope", "train", "--days", "0"],
    )
    for arguments in wrong:
        assert run(["keys", *arguments]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "error: " in shown.err.lower()
    assert not path.exists()


def test_a_key_that_cannot_be_kept_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setenv("FORECASTER_STATE", str(tmp_path))
    create_key(tmp_path / "keys.json", "a", ["forecast"])
    before = (tmp_path / "keys.json").read_bytes()
    monkeypatch.setattr(os, "fsync", fail)
    assert run(["keys", "create", "b", "--scope", "train"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "No space left on device" in shown.err
    assert (tmp_path / "keys.json").read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == [".keys.json.lock", "keys.json"]


def test_making_keys_loads_no_web_framework(path: Path) -> None:
    code = (
        "import sys; from forecaster.cli import run; assert run(sys.argv[1:]) == 0\n"
        "assert not {'flask', 'pydantic', 'numpy', 'numba'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, "keys", "create", "a", "--scope", "train"]
    environment = os.environ | {"FORECASTER_KEYS": str(path)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=PATIENCE)  # noqa: S603 - our own words
