"""API keys in a file: made, listed, revoked; of each secret only its digest is kept.

The file stands apart from the database of the jobs, so that forecasts do not depend on one. Whoever writes it replaces
it whole, and one at a time; whoever reads it sees the old one or the new one. It is plain JSON and is read without the
types of the HTTP interface, since processes that are to be small read it too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from forecaster import ConfigError, InputError, OutputError, flush_folder
from service.settings import Settings

__all__ = ["SCOPES", "Key", "Scope", "check_door", "create_key", "digest_of", "read_keys", "revoke_key", "split_token"]

Scope = Literal["forecast", "train", "admin", "metrics"]
SCOPES: dict[Scope, str] = {
    "forecast": "Ask for forecasts, backtests and explanations, read models, run forecasting jobs.",
    "train": "Run training jobs, which add versions of models.",
    "admin": "Choose which version of a model answers; see and end the jobs of all keys.",
    "metrics": "Read /metrics, and nothing else.",
}

PREFIX = "fk"
FORMAT = 1
LARGEST_FILE = 2**20
MOST_DAYS = 36_500
_ID = re.compile(r"[0-9a-f]{8}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
_OTHERS_WRITE = 0o002
_FIELDS = {"format_version", "keys"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is kept of a key.

    Attributes
    ----------
    id
        Its name in lists and logs, a part of the token.
    name
        What it is for, in its maker's words.
    sha256
        Digest of the secret, which has 256 random bits: nothing slower is needed.
    hint
        Last characters of the secret, by which a person tells tokens apart.
    scopes
        What it may.
    created, expires, revoked
        Moments in UTC as ISO 8601; None: never.
    """

    id: str
    name: str
    sha256: str
    hint: str
    scopes: tuple[str, ...]
    created: str
    expires: str | None = None
    revoked: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, without repeating it: a damaged file may hold anything."""
        good = (
            _is_text(self.id, _ID)
            and _is_text(self.name, _NAME)
            and _is_text(self.sha256, _DIGEST)
            and isinstance(self.hint, str)
            and len(self.scopes) > 0
            and set(self.scopes) <= set(SCOPES)
            and _is_moment(self.created)
            and all(moment is None or _is_moment(moment) for moment in (self.expires, self.revoked))
        )
        if not good:
            raise ValueError("a key is not as `forecaster keys create` writes it")

    def state(self, now: datetime) -> str:
        """Return ``valid``, ``expired`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and datetime.fromisoformat(self.expires) <= now else "valid"


def _is_text(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split_token(token: str) -> tuple[str, str] | None:
    """Return the id and the secret of a token, or None if it is none of ours."""
    parts = token.split("_", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == PREFIX and _ID.fullmatch(parts[1]) else None


def read_keys(path: Path) -> list[Key]:
    """Return all keys of a file, revoked ones too; none if there is no file.

    Raises
    ------
    ConfigError
        The file cannot be read, is not what `create_key` writes, or everybody on the machine can write it. The message
        holds nothing of it.
    """
    try:
        with path.open("rb") as file:
            others_write = os.fstat(file.fileno()).st_mode & _OTHERS_WRITE
            text = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(
            f"The keys in {path} cannot be read: {error.strerror}. Let this user read the file."
        ) from None
    if others_write:
        raise ConfigError(f"The keys in {path} are not used, since everybody can write there: chmod o-w {path}")
    try:
        return _parsed(text)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(
            f"{path} is not a file of keys as `forecaster keys create` writes it, or is damaged. Restore it, or remove "
            "it and make new keys."
        ) from None


def _parsed(text: bytes) -> list[Key]:
    document = json.loads(text.decode()) if len(text) <= LARGEST_FILE else None
    if not isinstance(document, dict) or document.get("format_version") != FORMAT or set(document) != _FIELDS:
        raise ValueError("another shape")
    keys = [Key(**{**item, "scopes": tuple(item["scopes"])}) for item in document["keys"]]
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("an id twice")
    return keys


def check_door(settings: Settings) -> None:
    """Check that the service does not open to a network without anybody having said so.

    Raises
    ------
    ConfigError
        It would, or the keys cannot be read.
    """
    keys = read_keys(settings.keys_file)
    if settings.keys is not None and not keys:
        raise ConfigError(
            f"FORECASTER_KEYS names {settings.keys}, and there is no key. Make one with `forecaster keys create NAME "
            "--scope forecast`, or unset the variable."
        )
    if not keys and not settings.lets_anyone_in:
        raise ConfigError(
            f"The address {settings.host} can be reached by other machines, and there is no key in "
            f"{settings.keys_file}. Make one with `forecaster keys create NAME --scope forecast`, listen on 127.0.0.1, "
            "or set FORECASTER_ALLOW_ANONYMOUS=true to let in whoever reaches it."
        )


def create_key(path: Path, name: str, scopes: Sequence[str], *, days: int | None = None) -> tuple[Key, str]:
    """Add a key to a file, which is made where there is none.

    Parameters
    ----------
    path
        The file.
    name
        What it is for: 1 to 64 letters, digits, spaces and ``. _ @ -``.
    scopes
        Some of `SCOPES`.
    days
        After how many days it expires; None: never.

    Returns
    -------
    Key
        What is kept of it.
    str
        The token, which nobody can get a second time.

    Raises
    ------
    InputError
        The name, the scopes or the days cannot be.
    ConfigError, OutputError
        The file cannot be read, or cannot be written.
    """
    _check_wishes(name, scopes, days)
    now = datetime.now(UTC).replace(microsecond=0)
    secret = secrets.token_urlsafe(32)
    expires = None if days is None else (now + timedelta(days=days)).isoformat()
    with _changing(path) as keys:
        taken = {key.id for key in keys}
        key_id = next(made for made in iter(lambda: secrets.token_hex(4), "") if made not in taken)
        key = Key(
            id=key_id,
            name=name,
            sha256=digest_of(secret),
            hint=secret[-4:],
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created=now.isoformat(),
            expires=expires,
        )
        keys.append(key)
    return key, f"{PREFIX}_{key.id}_{secret}"


def _check_wishes(name: str, scopes: Sequence[str], days: int | None) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            "The name of a key has 1 to 64 letters, digits, spaces and . _ @ - and begins with a letter or digit."
        )
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise InputError(f"A key has one scope or more of {', '.join(SCOPES)}.")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InputError(f"A key expires after 1 to {MOST_DAYS} days, not {days}.")


def revoke_key(path: Path, key_id: str) -> Key:
    """End a key at once; it stays in the file, so that lists and logs can name it.

    Raises
    ------
    InputError
        There is no such key.
    ConfigError, OutputError
        The file cannot be read, or cannot be written.
    """
    with _changing(path) as keys:
        for place, key in enumerate(keys):
            if key.id == key_id:
                now = datetime.now(UTC).replace(microsecond=0).isoformat()
                keys[place] = replace(key, revoked=key.revoked or now)
                return keys[place]
    raise InputError(f"There is no key {key_id!r} in {path}. `forecaster keys list` names those there are.")


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """Give the keys of a file to be changed, and write them if nothing was raised; one process at a time."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_keys(path)
        keys = list(before)
        yield keys
        if keys != before:
            _write(path, keys)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        os.close(lock)


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}. Name another file with FORECASTER_KEYS, or another "
        "folder with FORECASTER_STATE."
    )


def _write(path: Path, keys: Sequence[Key]) -> None:
    place = path.resolve()  # a link stays a link
    text = json.dumps({"format_version": FORMAT, "keys": [asdict(key) for key in keys]}, indent=2) + "\n"
    beside = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path cannot be opened with a mode
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        beside.rename(place)
        flush_folder(place.parent)
    finally:
        beside.unlink(missing_ok=True)
