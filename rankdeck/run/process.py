"""Processes that can be recognised again: a pid together with its start time."""

from __future__ import annotations

import os

from rankdeck.run.node_state import ProcessRef


def start_time(pid: int) -> int | None:
    """Start time of a process (clock ticks since boot); None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # the command name may hold spaces and parentheses; the fields follow its last one
            fields = stream.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def host_name() -> str:
    """This host's name, as `socket.gethostname` gives it but without loading that."""
    return os.uname().nodename


def this_process() -> ProcessRef:
    """This process, so that others can recognise it."""
    pid = os.getpid()
    return ProcessRef(pid=pid, starttime=start_time(pid) or 0, host=host_name())
