from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.batch.chunks import Chunk, compact
from forecaster.batch.pieces import Piece, piece_of, whole_series
from forecaster.batch.sizes import Sizes
from forecaster.errors import InputError


def chunks_of(names: Sequence[str], cuts: Sequence[int], *, texts: bool = False) -> list[Chunk]:
    """Return rows of these series, cut at these places; values and lines tell the row."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(names)}), len(names)]
    chunks = []
    for begin, end in pairwise(places):
        if begin == end:
            continue
        encoded = pa.array(names[begin:end], "string").dictionary_encode()
        ids = compact(encoded.dictionary, encoded.indices.to_numpy().astype(np.int64))
        rows = np.arange(begin, end)
        stamps = tuple(str(half) for half in range(begin // 2, (end + 1) // 2)) if texts else None
        times = rows // 2 - begin // 2 if texts else rows
        chunks.append(Chunk(ids, times, rows.astype(float), rows + 2, {"rows": begin}, stamps))
    return chunks


def sizes(rows: int, series: int, longest: int) -> Sizes:
    return Sizes(rows=rows, series=series, longest=longest, chunk=1)


def rows_of(piece: Piece) -> list[tuple[str, int]]:
    table = piece.table
    assert sorted(set(table.codes.tolist())) == list(range(len(table.names)))
    assert table.lines is not None
    np.testing.assert_array_equal(table.lines - 2, table.values)
    return [(table.names[code], int(value)) for code, value in zip(table.codes, table.values, strict=True)]


RUNS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@settings(deadline=None)
@given(lengths=RUNS, cuts=st.lists(st.integers(1, 60)), rows=st.integers(1, 20), series=st.integers(1, 5))
def test_pieces_are_whole_series_in_their_order(lengths: list[int], cuts: list[int], rows: int, series: int) -> None:
    names = [f"s{number}" for number, length in enumerate(lengths) for _ in range(length)]
    pieces = list(whole_series(chunks_of(names, cuts), sizes(rows, series, 9), "row"))
    assert [row for piece in pieces for row in rows_of(piece)] == [(name, row) for row, name in enumerate(names)]
    owners = [name for piece in pieces for name in piece.table.names]
    assert len(owners) == len(set(owners))
    assert all(len(piece.table.names) <= series for piece in pieces)
    assert all(piece.rows < rows + 9 for piece in pieces)
    before = 0
    for piece in pieces[:-1]:
        before += piece.rows
        assert piece.end["rows"] == before
        assert len(piece.table.names) == series or piece.rows >= rows
    assert pieces[-1].end == {}


@settings(deadline=None)
@given(
    lengths=st.lists(st.sampled_from([1, 3, 10, 11, 40]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 200)),
    rows=st.integers(1, 12),
)
def test_a_series_that_is_too_long_is_left_out_and_the_others_are_not(
    lengths: list[int], cuts: list[int], rows: int
) -> None:
    names = [f"s{number}" for number, length in enumerate(lengths) for _ in range(length)]
    pieces = list(whole_series(chunks_of(names, [*cuts, *range(0, 300, 5)]), sizes(rows, 100, 10), "row"))
    left_out = {f"s{number}": length for number, length in enumerate(lengths) if length > 10}
    kept = [(name, row) for row, name in enumerate(names) if name not in left_out]
    assert [row for piece in pieces for row in rows_of(piece)] == kept
    faults = {name: fault for piece in pieces for name, fault in piece.faults.items()}
    assert faults.keys() == left_out.keys()
    for name, fault in faults.items():
        assert fault.row == names.index(name) + 2
        assert f"row {fault.row}: {left_out[name]} rows begin here, more than the 10" in str(fault)
    assert sum(piece.rows for piece in pieces) == len(names)
    assert max((len(piece.table.values) for piece in pieces), default=0) <= rows + 10
    (whole,) = chunks_of(names, [])
    for number, piece in enumerate(pieces[:-1], 1):  # reading on from there gives what is left, whatever the chunks
        again = whole_series([whole.rows(piece.end["rows"], len(names))], sizes(rows, 100, 10), "row")
        assert [row for one in again for row in rows_of(one)] == [
            row for one in pieces[number:] for row in rows_of(one)
        ]


def test_faults_go_with_their_series() -> None:
    (chunk,) = chunks_of(["a", "a", "b", "c", "c", "d"], [])
    faults = {name: InputError(name, series=name, row=row) for name, row in (("a", 3), ("c", 5), ("d", 7))}
    pieces = list(
        whole_series(
            [Chunk(chunk.ids, chunk.times, chunk.values, chunk.lines, chunk.mark, faults=faults)],
            sizes(1, 2, 9),
            "line",
        )
    )
    assert [list(piece.faults) for piece in pieces] == [["a"], [], ["c"], ["d"]]


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_timestamps_that_no_row_has_are_not_looked_at(cut: int) -> None:
    names = ["a", "a", "b", "b", "c", "c"]
    for piece in whole_series(chunks_of(names, [cut], texts=True), sizes(1, 1, 9), "line"):
        table = piece.table
        assert table.stamps is not None
        assert [table.stamps[time] for time in table.times] == [str(int(value) // 2) for value in table.values]
        assert set(table.times.tolist()) == set(range(len(table.stamps)))


def test_nothing_is_a_piece_too() -> None:
    piece = piece_of([], "row", {"bucket": 1})
    assert (piece.rows, piece.table.names, piece.end) == (0, (), {"bucket": 1})
