"""Stopper: TERM, the grace, KILL, and looking until nothing of the run is left.

A small state machine the loop turns; it never blocks. Evidence first: after a failure the other
ranks get a moment to say and record their own before they are told to end.
"""

from __future__ import annotations

import signal

from rankdeck.agent.processes import send, send_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from rankdeck.agent.node import Node
    from rankdeck.agent.processes import Processes

_RANKS_AFTER = 1.0
"""Seconds a launcher gets to end its ranks by itself before they are told directly."""
_LEFTOVER_GRACE = 2.0
_KILL_SECONDS = 5.0


class Stopper:
    """Ends a node's part of a run; idle until `begin`."""

    def __init__(self, node: Node, find: Callable[[], Processes]) -> None:
        self._node = node
        self._find = find
        self._stage = "idle"
        self._grace = 0.0
        self._due = 0.0
        self._ranks_due: float | None = None
        self._told: set[int] = set()
        self.asked = False
        """Whether somebody asked for it, rather than a failure."""

    @property
    def begun(self) -> bool:
        """Whether a stop is under way or over."""
        return self._stage != "idle"

    @property
    def finished(self) -> bool:
        """Whether the stop is over."""
        return self._stage == "done"

    @property
    def signalled(self) -> bool:
        """Whether anything was told to end, so that ends are no failures any more."""
        record = self._node.stop
        return record is not None and (record["term"] is not None or record["kill"] is not None)

    def begin(
        self,
        reason: str,
        now: float,
        tick: float,
        *,
        grace: float,
        evidence: float = 0.0,
        asked: bool = False,
    ) -> None:
        """Begin to stop, or hasten a stop under way: the shorter grace counts. 0: KILL at once."""
        if self._stage == "idle":
            self._stage = "evidence"
            self._grace = grace
            self._due = tick + evidence
            self._node.stop = _record(reason, now)
            self.asked = asked
        elif self._stage == "evidence":
            self._due = min(self._due, tick + evidence)
            self._grace = min(self._grace, grace)
        elif self._stage == "term":
            self._due = min(self._due, tick + grace)

    def turn(self, now: float, tick: float) -> None:
        """Do what is due."""
        if self._stage == "evidence" and (tick >= self._due or not self._node.alive):
            self._tell(now, tick)
        elif self._stage == "term":
            self._wait(now, tick)
        elif self._stage == "kill":
            self._kill(now, tick)

    def _tell(self, now: float, tick: float) -> None:
        self._stage = "term"
        self._due = tick + self._grace
        if self._grace <= 0:
            self._start_killing(now, tick)
            return
        launcher = self._node.launcher
        if launcher is not None and self._node.launcher_runs:
            self._set("term", now)
            send_group(launcher.pid, signal.SIGTERM)
            self._ranks_due = tick + _RANKS_AFTER
        else:
            self._ranks_due = tick
        self._wait(now, tick)

    def _wait(self, now: float, tick: float) -> None:
        if self._ranks_due is not None and tick >= self._ranks_due:
            self._ranks_due = None
            for rank in self._node.ranks:
                if rank.running and rank.pid is not None:
                    self._set("term", now)
                    send_group(rank.pid, signal.SIGTERM)
        if not self._node.alive:
            left = self._find()
            if not left:
                self._finish(now)
                return
            if not left.keys() <= self._told:
                self._due = min(self._due, tick + _LEFTOVER_GRACE)
            for pid, stat in left.items():
                if pid not in self._told:
                    self._set("term", now)
                    self._told.add(pid)
                    send(pid, stat, signal.SIGTERM)
        if tick >= self._due:
            self._start_killing(now, tick)

    def _start_killing(self, now: float, tick: float) -> None:
        self._stage = "kill"
        self._due = tick + _KILL_SECONDS
        self._kill(now, tick)

    def _kill(self, now: float, tick: float) -> None:
        left = self._find()
        if not left and not self._node.alive:
            self._finish(now)
            return
        if left:
            self._set("kill", now)
        for pid, stat in left.items():
            send(pid, stat, signal.SIGKILL)
        if tick >= self._due and self._node.stop is not None:
            self._node.stop["left"] = sorted(left)
            self._stage = "done"

    def _finish(self, now: float) -> None:
        self._set("verified", now)
        self._stage = "done"

    def _set(self, step: str, now: float) -> None:
        if self._node.stop is not None and self._node.stop[step] is None:
            self._node.stop[step] = now


def _record(reason: str, now: float) -> dict[str, Any]:
    return {
        "reason": reason,
        "requested": now,
        "term": None,
        "kill": None,
        "verified": None,
        "left": [],
    }
