"""Whether a rank has met the others: it holds a TCP connection to or from the master port."""

from __future__ import annotations

import os

_ESTABLISHED = b"01"


def connected(pids: list[int], port: int) -> set[int]:
    """The processes among `pids` that hold an established connection of that port."""
    if not pids:
        return set()
    inodes = _connections(pids[0], f"{port:04X}".encode())
    return {pid for pid in pids if inodes and _holds(pid, inodes)}


def _connections(pid: int, port: bytes) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            # the rank's own view: it may be in another network namespace
            with open(f"/proc/{pid}/net/{table}", "rb") as file:
                rows = file.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            ends = (fields[1].rsplit(b":")[-1], fields[2].rsplit(b":")[-1])
            if fields[3] == _ESTABLISHED and port in ends:
                inodes.add(f"socket:[{fields[9].decode()}]")
    return inodes


def _holds(pid: int, inodes: set[str]) -> bool:
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                return True
    except OSError:
        return False
    return False
