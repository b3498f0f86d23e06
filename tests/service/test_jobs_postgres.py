"""Connections to a PostgreSQL that has stopped answering without closing them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from service.jobs import postgres as patience
from service.jobs.database import meta, open_database
from service.settings import Settings
from tests.postgres import Cluster


def test_an_answer_is_not_waited_for_for_ever(
    postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(Settings(state=tmp_path, database_url=postgres.new_database()))
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.5)
    with engine.connect() as connection:
        with postgres.frozen(), pytest.raises(OperationalError, match="has not answered") as caught:
            connection.execute(select(meta))
        assert caught.value.connection_invalidated
    with engine.connect() as connection:
        assert connection.execute(select(meta.c.version)).scalar_one() == 1
    engine.dispose()
