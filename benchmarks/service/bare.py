"""The least a Flask service does with the same bytes: parse them and answer as many."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

ANSWER: Any = json.loads(Path(os.environ["FORECASTER_BARE_ANSWER"]).read_text(encoding="utf-8"))
"""An answer of the real service: the bare one writes the same."""

app = Flask("bare", static_folder=None)


@app.post("/v1/forecast")
def forecast() -> Response:
    """Parse the body, answer what was answered before."""
    json.loads(request.get_data())
    return Response(json.dumps(ANSWER), content_type="application/json")


@app.get("/readyz")
def ready() -> str:
    """Say that it answers."""
    return "ready"
