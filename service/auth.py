"""Who asks, and what they may."""

from __future__ import annotations

from dataclasses import dataclass

from service.contract import SCOPES, Scope

__all__ = ["ANYONE", "Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request: a key, or anyone where the service has no keys.

    Attributes
    ----------
    key_id
        Name of the key in lists and logs; empty for anyone.
    scopes
        What it may.
    """

    key_id: str
    scopes: frozenset[Scope]


ANYONE = Caller("", frozenset(SCOPES))
