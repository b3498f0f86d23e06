from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.batch.chunks import compact, hashes, names_list
from forecaster.batch.survey import _Together, are_together

NAMES = st.lists(st.text(max_size=6), min_size=1, max_size=30)


@settings(deadline=None)
@given(names=NAMES, data=st.data())
def test_ids_are_numbered_in_the_order_in_which_they_come(names: list[str], data: st.DataObject) -> None:
    codes = np.array(data.draw(st.lists(st.integers(0, len(names) - 1), min_size=1)))
    ids = compact(pa.array(names, "string"), codes)
    found = names_list(ids.names)
    assert [found[code] for code in ids.codes] == [names[code] for code in codes]
    assert found == list(dict.fromkeys(names[code] for code in codes))


@settings(deadline=None)
@given(names=NAMES, data=st.data())
def test_ids_of_some_rows_are_those_of_the_rows_alone(names: list[str], data: st.DataObject) -> None:
    codes = np.array(data.draw(st.lists(st.integers(0, len(names) - 1), min_size=1)))
    start = data.draw(st.integers(0, len(codes) - 1))
    stop = data.draw(st.integers(start + 1, len(codes)))
    some, alone = (compact(pa.array(names, "string"), of) for of in (codes, codes[start:stop]))
    some = some.rows(start, stop)
    assert names_list(some.names) == names_list(alone.names)
    assert some.count == alone.count
    for name in ("of_runs", "begins"):
        np.testing.assert_array_equal(getattr(some, name), getattr(alone, name))
    assert [some.name(row) for row in range(some.count)] == [names[code] for code in codes[start:stop]]


@settings(deadline=None)
@given(names=NAMES)
def test_a_hash_is_that_of_the_text_alone(names: list[str]) -> None:
    together = hashes(pa.array(["", *names, "x"], "string").slice(1, len(names)))
    alone = np.concatenate([hashes(pa.array([name], "string")) for name in names])
    np.testing.assert_array_equal(together, alone)


def test_hashes_are_the_same_in_every_process_and_all_different() -> None:
    assert hashes(pa.array(["", "a", "series 1"])).tolist() == [
        0,
        17189161910051005891,
        hashes(pa.array(["series 1"]))[0],
    ]
    many = hashes(pa.array([f"{prefix}{number}" for prefix in ("", "series ", "0") for number in range(1000, 30_000)]))
    assert len(np.unique(many)) == len(many)
    assert np.bincount((many % np.uint64(16)).astype(np.int64)).min() > len(many) / 16 * 0.9


@settings(deadline=None)
@given(runs=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4)), min_size=1), cuts=st.sets(st.integers(1, 30)))
@pytest.mark.parametrize("digits", [1, 3])
def test_rows_are_together_where_no_series_comes_back(digits: int, runs: list[tuple[int, int]], cuts: set[int]) -> None:
    rows = [f"{name:0{digits}}" for name, count in runs for _ in range(count)]
    places = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    found = _Together()
    for begin, end in pairwise(places):
        encoded = pa.array(rows[begin:end]).dictionary_encode()
        found.still(compact(encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)))
    changes = [row for place, row in enumerate(rows) if place == 0 or row != rows[place - 1]]
    assert found.at_the_end() == (len(set(changes)) == len(changes))


def test_of_too_many_series_only_those_in_order_are_known_to_be_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.batch.survey._REMEMBERED", 10)

    class Ids:
        together, rows = None, 40

        def __init__(self, names: list[str]) -> None:
            self.names = names

        def ids(self):  # type: ignore[no-untyped-def]  # as the class it stands for
            for at in range(0, len(self.names), 4):
                yield compact(pa.array(self.names[at : at + 4]), np.arange(4)), at

    names = [f"{number:03}" for number in range(40)]
    seen: list[int] = []
    assert are_together(Ids(names), seen.append)  # type: ignore[arg-type]  # as much of a source as is needed
    assert seen[-1] == 40
    assert not are_together(Ids(names[::-1]), lambda _rows: None)  # type: ignore[arg-type]  # has what is asked of it
    assert are_together(Ids(names[:8][::-1]), lambda _rows: None)  # type: ignore[arg-type]  # has what is asked of it
