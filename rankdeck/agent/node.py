"""Node: everything this agent knows, and the document it makes of it (NodeState)."""

from __future__ import annotations

import os
import sys
import time

from rankdeck.agent.kernel import read_stat
from rankdeck.agent.ranks import Rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rankdeck.agent.exits import Exit
    from rankdeck.agent.order import Order
    from rankdeck.agent.problem import ProblemError

_STATE_VERSION = 1


class LauncherProcess:
    """The launcher (torchrun, bash train.sh), when there is one."""

    def __init__(self, pid: int, started: float) -> None:
        self.pid = pid
        self.started = started
        self.ended: float | None = None
        self.exit: Exit | None = None

    def record(self) -> dict[str, Any]:
        """As it goes into the node's state."""
        return {
            "pid": self.pid,
            "started": self.started,
            "ended": self.ended,
            "exit_code": self.exit.code if self.exit else None,
            "signal": self.exit.signal if self.exit else None,
        }


class Node:
    """One node's part of one attempt."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.phase = "preparing"
        self.ranks = [Rank(rank, local) for local, rank in enumerate(order.ranks)]
        self.launcher: LauncherProcess | None = None
        self.master_addr = ""
        self.awaiting = False
        """Ranks that others start are still to come, or how they ended is."""
        self.master_port = order.master_port
        self.network: dict[str, Any] | None = None
        self.module = ""
        self.load: dict[str, Any] | None = None
        self.disk_free: int | None = None
        self.problem: ProblemError | None = None
        self.stop: dict[str, Any] | None = None
        self.outcome: str | None = None
        self.ended: float | None = None
        self._started = time.time()
        self._seq = 0
        stat = read_stat(os.getpid())
        self._agent = {
            "pid": os.getpid(),
            "starttime": stat.start if stat else 0,
            "host": os.uname().nodename,
        }

    @property
    def launcher_runs(self) -> bool:
        """Whether there is a launcher that has not ended."""
        return self.launcher is not None and self.launcher.ended is None

    @property
    def alive(self) -> bool:
        """Whether the launcher or any rank has not ended."""
        return self.launcher_runs or self.awaiting or any(rank.running for rank in self.ranks)

    @property
    def failed_ranks(self) -> list[Rank]:
        """The ranks that have failed, in the order they did."""
        failed = [rank for rank in self.ranks if rank.state == "failed"]
        return sorted(failed, key=lambda rank: rank.times["failed"])

    def document(self) -> dict[str, Any]:
        """The next NodeState."""
        self._seq += 1
        version = ".".join(map(str, sys.version_info[:3]))
        return {
            "version": _STATE_VERSION,
            "run_id": self.order.run_id,
            "node": self.order.node,
            "attempt": self.order.attempt,
            "phase": self.phase,
            "agent": self._agent,
            "python": f"{sys.executable} ({version})",
            "time": time.time(),
            "seq": self._seq,
            "started": self._started,
            "ended": self.ended,
            "master_addr": self.master_addr,
            "master_port": self.master_port,
            "network": self.network,
            "module": self.module,
            "launcher": self.launcher.record() if self.launcher else None,
            "ranks": [rank.record() for rank in self.ranks],
            "load": self.load,
            "disk_free": self.disk_free,
            "problem": self.problem.record() if self.problem else None,
            "stop": self.stop,
            "outcome": self.outcome,
        }
