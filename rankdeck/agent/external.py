"""Ranks that mpirun or srun starts itself, each through a shim (`rankdeck.agent.shim`).

The agent tells the shims to begin by a file, and learns from two others what they have started and
how it ended. All three lie in the attempt's directory and are only used on this node.
"""

from __future__ import annotations

import json
import os

from rankdeck.agent import kernel
from rankdeck.agent.exits import Exit, exit_from_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.order import Order
    from rankdeck.agent.ranks import Rank

SHIM_NAME = "rankdeck-shim"
START_SECONDS = 60.0
"""By which every rank must have been started."""
_NOTE_SECONDS = 2.0
"""What may pass until the note of a shim that has ended can be read: it was probably killed."""
_SHIM_SECONDS = 30.0
"""What a shim that lives may take to note how its rank ended."""


def go_path(order: Order) -> str:
    """The file that the shims wait for."""
    return f"{order.attempt_dir}/go.json"


def exits_path(order: Order) -> str:
    """`rank pid wait-status`, a line for each rank that has ended."""
    return f"{order.attempt_dir}/exits"


def let_go(order: Order, environ: dict[str, str] | None) -> None:
    """Let the shims start their ranks with this environment; None: they shall not, or end them."""
    path = go_path(order)
    temporary = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        json.dump({"environ": environ}, file)
    os.rename(temporary, path)


class External:
    """The ranks of one node, as their shims tell of them."""

    def __init__(self, order: Order, tick: float) -> None:
        self._fd = os.open(exits_path(order), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._rest = b""
        self._statuses: dict[int, int] = {}
        self._gone_since: dict[int, float] = {}
        self._shims: dict[int, int] = {}
        """By the pid of their rank."""
        self.deadline = tick + START_SECONDS

    def settled(self, ranks: list[Rank], tick: float) -> list[tuple[Rank, Exit | None]]:
        """Ranks whose process is gone, with how it ended; None: nobody can tell any more."""
        for rank in ranks:
            if rank.running and rank.pid is not None and rank.pid not in self._shims:
                stat = kernel.read_stat(rank.pid)
                # a rank whose shim was killed has got another parent
                if stat is not None and _is_shim(stat.parent):
                    self._shims[rank.pid] = stat.parent
        gone = [rank for rank in ranks if rank.pid is not None and rank.gone and not rank.final]
        if not gone:
            return []
        self._read()
        found: list[tuple[Rank, Exit | None]] = []
        for rank in gone:
            assert rank.pid is not None
            since = self._gone_since.setdefault(rank.pid, tick)
            if rank.pid in self._statuses:
                found.append((rank, exit_from_status(self._statuses[rank.pid])))
            elif tick - since >= (_SHIM_SECONDS if self._shim_lives(rank.pid) else _NOTE_SECONDS):
                found.append((rank, None))
        return found

    def _shim_lives(self, pid: int) -> bool:
        stat = kernel.read_stat(self._shims[pid]) if pid in self._shims else None
        return stat is not None and not stat.ended

    def _read(self) -> None:
        text = self._rest + os.read(self._fd, 65536)
        *lines, self._rest = text.split(b"\n")
        for line in lines:
            _, pid, status = map(int, line.split())
            self._statuses[pid] = status


def _is_shim(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip() == SHIM_NAME
    except OSError:
        return False
