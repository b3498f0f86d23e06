"""The HTTP service: forecasts of the models in a folder.

`create_app` is imported when it is first used (PEP 562): what starts the service, works on its jobs or makes its keys
needs no web framework, and should not wait for one.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, which the smallest process of the service does not wait for
if TYPE_CHECKING:
    from service.app import create_app as create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("service.app"), name)
