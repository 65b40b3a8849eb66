"""Which processes on this machine belong to runs, and ending some of them.

Also sent to other machines as text: standard library only, Python 3.8, no imports of ours.
"""

from __future__ import annotations

import json
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ID = b"RANKDECK_RUN_ID="
_NODE = b"RANKDECK_NODE="
_SECONDS = 5.0


def main(arguments: dict[str, Any]) -> None:
    """Print what is there; with `end`, first end those processes: a list of [pid, start]."""
    wanted = [(int(pid), int(start)) for pid, start in arguments.get("end", [])]
    left = _end(wanted) if wanted else []
    print(json.dumps({"found": find(), "left": left}), flush=True)


def find() -> list[dict[str, object]]:
    """Every process of this user that carries a run's id: pid, start, run, node, command."""
    found: list[dict[str, object]] = []
    own = _self_and_ancestors()
    for name in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        if int(name) in own:
            continue
        entries = _read(name, "environ").split(b"\0")
        run = next((e[len(_ID) :] for e in entries if e.startswith(_ID)), None)
        if not run:
            continue
        node = next((e[len(_NODE) :] for e in entries if e.startswith(_NODE)), b"")
        words = _read(name, "cmdline").split(b"\0")
        start = _start(int(name))
        if start is None or not _is_ours(name):
            continue
        found.append(
            {
                "pid": int(name),
                "start": start,
                "run": os.fsdecode(run),
                "node": os.fsdecode(node),
                "agent": any(_is_agent(word) for word in words[:8]),
                "command": os.fsdecode(b" ".join(words).strip())[:300],
            }
        )
    return found


def _self_and_ancestors() -> set[int]:
    """Whoever looks may itself have been started by a run."""
    pids: set[int] = set()
    pid = os.getpid()
    while pid > 1 and pid not in pids:
        pids.add(pid)
        stat = _read(str(pid), "stat")
        fields = stat[stat.rfind(b")") + 2 :].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return pids


def _end(wanted: list[tuple[int, int]]) -> list[int]:
    """KILL these until they are gone; the pids that stay."""
    deadline = time.monotonic() + _SECONDS
    while True:
        left = [(pid, start) for pid, start in wanted if _start(pid) == start]
        if not left or time.monotonic() > deadline:
            return [pid for pid, _ in left]
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.02)


def _is_agent(word: bytes) -> bool:
    return word.endswith(b".pyz") and os.path.basename(word).startswith(b"agent-")


def _is_ours(name: str) -> bool:
    try:
        return os.stat("/proc/" + name).st_uid == os.geteuid()
    except OSError:
        return False


def _start(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None for a process that has ended, also as a zombie."""
    stat = _read(str(pid), "stat")
    fields = stat[stat.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def _read(name: str, file: str) -> bytes:
    try:
        with open("/proc/" + name + "/" + file, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


if __name__ == "__probe__":
    main(globals()["ARGUMENTS"])
