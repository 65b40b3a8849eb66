"""Rank: one rank as this agent has seen it, up its ladder and to its end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rankdeck.agent.exits import Exit

LADDER = ("pending", "spawned", "rendezvous", "output", "stepping")
FINAL = ("exited", "failed", "killed", "lost")


class Rank:
    """The fields of `rankdeck.run.node_state.RankRecord`; every rung is reached once."""

    def __init__(self, rank: int, local_rank: int) -> None:
        self.rank = rank
        self.local_rank = local_rank
        self.restarts_left = 0
        """How often its launcher would start it again after a failure."""
        self.log_bytes = 0
        self.last_output: float | None = None
        self.last_line = ""
        self._begin()

    def _begin(self) -> None:
        self.state = "pending"
        self.pid: int | None = None
        self.starttime: int | None = None
        self.times: dict[str, float] = {}
        self.exit: Exit | None = None
        self.gone = False
        self.step: int | None = None
        self.total_steps: int | None = None
        self.metrics: dict[str, float] = {}
        self.cpu_percent: float | None = None
        self.rss_bytes: int | None = None
        self.threads: int | None = None
        self.last_write: float | None = None
        """When its process was last seen to write much."""
        self.gpu: int | None = None
        self.error: dict[str, Any] | None = None

    @property
    def final(self) -> bool:
        """Whether it has ended for good."""
        return self.state in FINAL

    @property
    def running(self) -> bool:
        """Whether it was started and not seen to end."""
        return self.pid is not None and not self.gone

    def spawned(self, pid: int, starttime: int | None, now: float) -> None:
        """A process of this rank has started; a second one begins the ladder anew."""
        self._begin()
        self.pid = pid
        self.starttime = starttime
        self.reach("spawned", now)

    def reach(self, rung: str, now: float) -> bool:
        """Note a rung of the ladder; whether it was new."""
        if rung in self.times or self.final:
            return False
        self.times[rung] = now
        if LADDER.index(rung) > LADDER.index(self.state):
            self.state = rung
        return True

    def end(self, state: str, how: Exit | None, now: float) -> None:
        """Its end, for good."""
        self.state = state
        self.exit = how
        self.gone = True
        self.times[state] = now
        self.cpu_percent = None

    def record(self) -> dict[str, Any]:
        """As it goes into the node's state."""
        how = self.exit
        return {
            "rank": self.rank,
            "local_rank": self.local_rank,
            "state": self.state,
            "pid": self.pid,
            "starttime": self.starttime,
            "times": self.times,
            "exit_code": how.code if how else None,
            "signal": how.signal if how else None,
            "core_dumped": how.core_dumped if how else False,
            "exit_source": how.source if how else None,
            "log_bytes": self.log_bytes,
            "last_output": self.last_output,
            "last_line": self.last_line,
            "step": self.step,
            "total_steps": self.total_steps,
            "metrics": self.metrics,
            "cpu_percent": self.cpu_percent,
            "rss_bytes": self.rss_bytes,
            "threads": self.threads,
            "last_write": self.last_write,
            "gpu": self.gpu,
            "error": self.error,
        }
