from __future__ import annotations

import resource
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.batch import buckets
from forecaster.batch.buckets import bucket_count, gathered
from forecaster.batch.pieces import Piece
from forecaster.batch.sizes import Sizes
from forecaster.errors import InputError
from tests.batch.test_pieces import chunks_of, rows_of, sizes

NAMES = [f"s{number % 37}" for number in range(1000)]


def pieces_of(
    names: Sequence[str], count: int, of: Sizes, tmp_path: Path, *, skip: int = 0, texts: bool = False
) -> list[Piece]:
    chunks = chunks_of(names, range(0, len(names), 90), texts=texts)
    found = list(gathered(chunks, tmp_path / "scratch", count, of, "row", skip=skip))
    assert list(tmp_path.iterdir()) == []
    return found


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize(
    ("count", "longest", "series"), [(1, 1000, 100), (7, 1000, 100), (7, 1000, 3), (5, 60, 100), (2, 28, 2)]
)
def test_each_series_is_whole_in_one_piece(count: int, longest: int, series: int, texts: bool, tmp_path: Path) -> None:
    pieces = pieces_of(NAMES, count, sizes(longest, series, longest), tmp_path, texts=texts)
    found = [row for piece in pieces for row in rows_of(piece)]
    assert sorted(found, key=lambda row: row[1]) == [(name, row) for row, name in enumerate(NAMES)]
    owners = Counter(name for piece in pieces for name in piece.table.names)
    assert set(owners.values()) == {1}
    assert all(len(piece.table.values) <= longest for piece in pieces)
    assert all(len(piece.table.names) <= series for piece in pieces)
    assert [piece.end["bucket"] for piece in pieces if piece.end] == list(range(1, count + 1))
    assert sum(piece.rows for piece in pieces) == len(NAMES)
    for piece in pieces:
        for code in range(len(piece.table.names)):  # rows of a series keep their order
            assert (np.diff(piece.table.values[piece.table.codes == code]) > 0).all()


def test_going_on_gives_the_buckets_that_are_left(tmp_path: Path) -> None:
    of = sizes(1000, 4, 1000)
    whole = pieces_of(NAMES, 5, of, tmp_path)
    done = next(place for place, piece in enumerate(whole, 1) if piece.end.get("bucket") == 3)
    rest = pieces_of(NAMES, 5, of, tmp_path, skip=3)
    assert [rows_of(piece) for piece in rest] == [rows_of(piece) for piece in whole[done:]]
    assert [piece.end for piece in rest] == [piece.end for piece in whole[done:]]


def test_a_series_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    names = [name for other in range(200) for name in ("long", f"s{other % 9}")]
    pieces = pieces_of(names, 3, sizes(30, 100, 60), tmp_path)
    faults = {name: fault for piece in pieces for name, fault in piece.faults.items()}
    assert list(faults) == ["long"]
    assert faults["long"].row == 2
    assert "200 rows begin here, more than the 60" in str(faults["long"])
    assert sorted(row for piece in pieces for row in rows_of(piece)) == sorted(
        (name, row) for row, name in enumerate(names) if name != "long"
    )
    assert sum(piece.rows for piece in pieces) == len(names)


@pytest.mark.parametrize("longest", [1000, 60])
def test_faults_come_with_their_series(longest: int, tmp_path: Path) -> None:
    chunks = chunks_of(NAMES, range(0, 1000, 90))
    chunks[2] = replace(
        chunks[2], faults={name: InputError(f"x {name}", series=name, row=7, column="y") for name in ("s3", "s30")}
    )
    chunks[5] = replace(chunks[5], faults={"s3": InputError("later", series="s3", row=9)})
    found = {}
    for piece in gathered(chunks, tmp_path / "scratch", 6, sizes(longest, 100, longest), "row"):
        assert set(piece.faults) <= set(piece.table.names)
        found |= piece.faults
    assert {name: (str(fault), fault.row, fault.column) for name, fault in found.items()} == {
        "s3": ("x s3", 7, "y"), "s30": ("x s30", 7, "y"),
    }  # fmt: skip


def test_dates_and_zones_keep_their_kind(tmp_path: Path) -> None:
    days = np.datetime64("2024-01-01", "us") + np.arange(1000)
    chunks = [replace(chunk, times=days[chunk.times], utc=True) for chunk in chunks_of(NAMES, [500])]
    for piece in gathered(chunks, tmp_path / "scratch", 3, sizes(1000, 100, 1000), "row"):
        assert piece.table.utc
        np.testing.assert_array_equal(piece.table.times, days[piece.table.values.astype(int)])


def test_what_was_left_in_the_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "000").write_bytes(b"of a run that was killed")
    assert len(pieces_of(NAMES, 2, sizes(1000, 100, 1000), tmp_path)) == 2


def test_series_with_one_hash_are_told_apart_from_one_that_is_too_long_by_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ids whose hashes are equal cannot be parted; as long as they fit they need not be."""
    monkeypatch.setattr(buckets, "hashes", lambda names: np.zeros(len(names), np.uint64) + np.uint64(zlib.crc32(b"x")))
    pieces = pieces_of(NAMES, 4, sizes(2000, 100, 2000), tmp_path)
    assert sorted(row for piece in pieces for row in rows_of(piece)) == sorted(
        (name, row) for row, name in enumerate(NAMES)
    )


def test_how_many_buckets_there_are() -> None:
    of = sizes(1000, 100, 2000)
    assert [bucket_count(rows, of) for rows in (None, 1, 600, 601, 10**9)] == [256, 1, 1, 2, 256]


@pytest.mark.parametrize(("files", "most"), [(resource.RLIM_INFINITY, 256), (1024, 256), (256, 160), (100, 16)])
def test_there_are_no_more_buckets_than_files_that_may_be_open(
    files: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """256 is what macOS allows a process of itself."""
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (files, files))
    assert [bucket_count(rows, sizes(1000, 100, 2000)) for rows in (None, 600, 10**9)] == [most, 1, most]
