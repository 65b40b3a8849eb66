"""View: what other threads may know of the current start of a run's job. Pure."""

from __future__ import annotations

import msgspec

from backends.slurm.calls import Ref
from rankdeck.backend import AgentLiveness


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Replaced as a whole by the thread that looks after the job."""

    key: tuple[int, int] = (-1, -1)
    """Which job of the run, and which start of it."""
    said: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    """Nodes whose waiter has ended."""
    over: bool = False
    """Nothing of it runs any more."""
    suspended: bool = False

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        """Whether its waiter has seen the agent end.

        That it lives, its own words say better than Slurm could; a suspended one has none.
        """
        try:
            found = Ref.parse(ref)
        except ValueError:
            return AgentLiveness.UNKNOWN
        key = (found.attempt, found.start)
        ended = f"{node}.{found.number}.ended" in self.said or node in self.gone
        if key < self.key or (key == self.key and (self.over or ended)):
            return AgentLiveness.DEAD
        return AgentLiveness.ALIVE if self.suspended else AgentLiveness.UNKNOWN
