"""How the agent learns of ranks that a launcher starts: the shim's lines, else looking for them."""

from __future__ import annotations

import os

from rankdeck.agent.kernel import read_environ
from rankdeck.agent.processes import all_processes, descendants


class Spawned:
    """One start of one rank."""

    __slots__ = ("pid", "rank", "restarts_left")

    def __init__(self, rank: int, pid: int, restarts_left: int) -> None:
        self.rank = rank
        self.pid = pid
        self.restarts_left = restarts_left


class SpawnFile:
    """Reads the lines the shim appends, each once."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rest = b""

    def read(self) -> list[Spawned]:
        """What has been added."""
        text = os.read(self._fd, 65536)
        if not text:
            return []
        *lines, self._rest = (self._rest + text).split(b"\n")
        found = []
        for line in lines:
            try:
                rank, _, pid, restarts, most = map(int, line.split())
            except ValueError:
                continue  # not written by a rank of torchrun's: it had no RANK
            found.append(Spawned(rank, pid, most - restarts))
        return found


def discover(launcher: int) -> list[Spawned]:
    """Look for ranks below a launcher: the uppermost processes with RANK in their environment.

    For ranks the shim did not start (`--no-python`, a launcher other than torchrun).
    """
    processes = all_processes()
    below = descendants(processes, launcher)
    variables = {pid: _variables(pid) for pid in below}
    ranks = {pid: env for pid, env in variables.items() if b"RANK" in env and b"LOCAL_RANK" in env}
    found = []
    for pid, env in ranks.items():
        if processes[pid].parent in ranks:
            continue
        try:
            left = int(env.get(b"TORCHELASTIC_MAX_RESTARTS", b"0")) - int(
                env.get(b"TORCHELASTIC_RESTART_COUNT", b"0")
            )
            found.append(Spawned(int(env[b"RANK"]), pid, left))
        except ValueError:
            continue
    return found


def _variables(pid: int) -> dict[bytes, bytes]:
    pairs = (entry.partition(b"=") for entry in read_environ(pid).split(b"\0"))
    return {name: value for name, _, value in pairs}
