"""The guardian: the outer process. It only waits, and cleans up after an agent that was killed."""

from __future__ import annotations

import os
import signal

from rankdeck.agent import kernel
from rankdeck.agent.notes import note
from rankdeck.agent.processes import belonging, end_all, marks_of
from rankdeck.agent.signals import WARNINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Callable

    from rankdeck.agent.order import Order


def run_guarded(order: Order, agent: Callable[[int], int]) -> int:
    """Fork; run `agent` in the child and guard it in the parent. Returns the exit code of either.

    The agent gets a descriptor that reaches end-of-file when the guardian is gone.
    """
    alive_read, alive_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(alive_write)
        os.setsid()
        return agent(alive_read)
    os.close(alive_read)
    return _guard(order, pid)


def _guard(order: Order, agent: int) -> int:
    def forward(number: int, frame: FrameType | None) -> None:
        try:
            os.kill(agent, signal.SIGTERM)
        except ProcessLookupError:
            # it has ended: what it may have left is being ended already
            return

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in WARNINGS:
        # not ignored: that would be inherited
        signal.signal(number, lambda number, frame: None)
    kernel.set_name("rankdeck-guard")
    kernel.become_subreaper()
    status = _wait_for(agent)
    if status == 0:
        return 0
    marks = marks_of(order.run_id, order.node)
    left = end_all(lambda: belonging(os.getpid(), marks, ()))
    how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"with status {status}"
    end = f"could not be ended: {left}" if left else "nothing of the run is left"
    note(f"guardian: the agent ended {how}; {end}")
    return 1


def _wait_for(agent: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == agent:
            return status
