"""Which processes belong to the run, and ending them.

Two independent traces: being a descendant (orphans come back to a subreaper, so detaching does
not hide a process), and carrying the run's id in the environment (which survives the agent).
"""

from __future__ import annotations

import os
import signal
import time

from rankdeck.agent.kernel import Stat, read_environ, read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    Processes = dict[int, Stat]


def all_processes() -> Processes:
    """Every process that may be seen and has not ended."""
    found: Processes = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = read_stat(int(entry))
            if stat is not None and not stat.ended:
                found[int(entry)] = stat
    return found


def descendants(processes: Processes, root: int) -> set[int]:
    """The pids below `root`, itself left out."""
    children: dict[int, list[int]] = {}
    for pid, stat in processes.items():
        children.setdefault(stat.parent, []).append(pid)
    found: set[int] = set()
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, ())
    return found


def carries(pid: int, marks: Iterable[bytes]) -> bool:
    """Whether a process was started with all these `NAME=value` in its environment."""
    entries = read_environ(pid).split(b"\0")
    return all(mark in entries for mark in marks)


def marks_of(run_id: str, node: str | None = None) -> list[bytes]:
    """The environment entries of a run, or of one node's part of it."""
    marks = [b"RANKDECK_RUN_ID=" + os.fsencode(run_id)]
    if node is not None:
        marks.append(b"RANKDECK_NODE=" + os.fsencode(node))
    return marks


def belonging(root: int | None, marks: list[bytes], spared: Iterable[int]) -> Processes:
    """Living processes below `root` or with these marks, except the spared ones.

    None only if two looks find none: one that forks and ends, or becomes another program, while
    the list is read may hide what comes of it.
    """
    spare = {os.getpid(), *spared}
    return _look_for(root, marks, spare) or _look_for(root, marks, spare)


def _look_for(root: int | None, marks: list[bytes], spare: set[int]) -> Processes:
    processes = all_processes()
    below = descendants(processes, root) if root is not None else set()
    return {
        pid: stat
        for pid, stat in processes.items()
        if pid not in spare and (pid in below or carries(pid, marks))
    }


def send(pid: int, stat: Stat, number: int) -> None:
    """Signal a process unless its pid has meanwhile gone to another one."""
    current = read_stat(pid)
    if current is None or current.start != stat.start:
        return
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # gone; or not ours any more (a set-user-id program): it will be reported as left


def send_group(pid: int, number: int) -> None:
    """Signal a process and the group it leads, if it leads one; nothing happens when it is gone."""
    for target in (os.killpg, os.kill):
        try:
            target(pid, number)
        except ProcessLookupError:
            continue  # deepspeed's ranks are in its own group, which may have to end by itself
        except PermissionError:
            pass
        return


def end_all(find: Callable[[], Processes], seconds: float = 5.0) -> list[int]:
    """KILL whatever `find` finds until it finds nothing; return the pids that stay."""
    deadline = time.monotonic() + seconds
    while True:
        reap()
        left = find()
        if not left or time.monotonic() > deadline:
            return sorted(left)
        for pid, stat in left.items():
            send(pid, stat, signal.SIGKILL)
        time.sleep(0.02)


def reap() -> list[tuple[int, int]]:
    """Take the statuses of all ended children: (pid, wait status)."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, status))
