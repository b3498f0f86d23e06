"""Joining parts while others are being made."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pytest

from forecaster.batch.joining import Joining
from forecaster.batch.parts import Part
from forecaster.errors import OutputError


def part(number: int, size: int = 1) -> Part:
    return Part(
        number=number, rows=1, series=1, skipped=0, bytes=size, sha256="", error_bytes=0, error_sha256="", end={}
    )


def numbers(parts: Iterable[Part], stream: BinaryIO) -> None:
    for one in parts:
        stream.write(b"%d " % one.number)


def test_parts_come_in_their_order_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    with Joining(tmp_path / "result", numbers) as joining:
        for number in range(50):
            joining.add(part(number, size=number % 2))
        joining.finish()
    assert (tmp_path / "result").read_text().split() == [str(number) for number in range(1, 50, 2)]


def test_a_run_that_ends_early_waits_for_nothing(tmp_path: Path) -> None:
    with Joining(tmp_path / "result", numbers) as joining:
        joining.add(part(1))
    assert not joining._thread.is_alive()


def test_what_cannot_be_written_is_said_to_whoever_gives_or_waits(tmp_path: Path) -> None:
    def fill_the_disk(parts: Iterable[Part], stream: BinaryIO) -> None:
        numbers(parts, stream)
        raise OSError(errno.ENOSPC, "No space left on device")

    with Joining(tmp_path / "result", fill_the_disk) as joining:
        with pytest.raises(OutputError, match="result cannot be written: No space left on device"):
            joining.finish()
        with pytest.raises(OutputError, match="No space left"):
            joining.add(part(1))


def test_a_fault_of_ours_is_not_hidden(tmp_path: Path) -> None:
    def fail(_parts: Iterable[Part], _stream: BinaryIO) -> None:
        raise ZeroDivisionError

    with Joining(tmp_path / "result", fail) as joining, pytest.raises(ZeroDivisionError):
        joining.finish()
