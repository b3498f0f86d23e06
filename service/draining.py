"""How a service that is to stop says so, and how its sockets close without losing who has just come.

The parent of all processes holds one end of a pipe, the others inherit the other end and its number. When the parent
closes its end, or dies, the service is stopping. A pipe needs no writable folder and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
from functools import lru_cache

from service.supervisor import VARIABLE

__all__ = ["hold_back_newcomers", "is_draining"]


_ATTACH_FILTER = 26  # SO_ATTACH_FILTER of asm-generic/socket.h
_DROP_SYN = (  # classic BPF: code, jump if true, jump if false, operand
    (0x30, 0, 0, 13),  # load the byte of flags in the TCP header
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # a SYN without ACK begins a connection:
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFF_FFFF),  # take all else
)


def is_draining() -> bool:
    """Return whether the service is about to stop; never where no parent of ours started this process."""
    pipe = _pipe()
    if pipe is None:
        return False
    watch = select.poll()  # not kept: two threads cannot ask the same one
    watch.register(pipe, select.POLLHUP)
    return bool(watch.poll(0))


@lru_cache(maxsize=1)
def _pipe() -> int | None:
    number = os.environ.get(VARIABLE, "")
    return int(number) if number.isdecimal() else None


def hold_back_newcomers(listener: socket.socket) -> None:
    """Let a listening socket take no new connection, while those under way still come to be.

    The kernel resets what waits in the queue of a socket that is closed. With no newcomers the queue can be emptied
    first. Where the kernel knows no such filter, those that come in the moment between are reset.
    """
    program = b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN)
    kept = ctypes.create_string_buffer(program, len(program))
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN), ctypes.addressof(kept))
        )
