"""Signals: those that come as bytes in a pipe, so that the loop sees them; those for the ranks."""

from __future__ import annotations

import os
import signal

from rankdeck.agent.kernel import catches, holds_back, read_stat
from rankdeck.agent.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from rankdeck.agent.node import Node
    from rankdeck.agent.ranks import Rank

STACKS = "STACKS"
_STACKS_SIGNAL = 61
"""What the recorder in a rank (`hooks/sitecustomize`) writes the stacks on."""
_STOPPING = (signal.SIGTERM, signal.SIGINT)
# schedulers send these to every process of a job as a warning; they would end a process that has
# no use for them
WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """From here on TERM and INT ask for a stop and CHLD wakes the loop.

    HUP and the warnings do nothing.
    """

    def __init__(self) -> None:
        self.told = False
        """A stop has been asked for, whether the loop has heard of it yet or not."""
        self.fd, write_end = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (*_STOPPING, *WARNINGS, signal.SIGCHLD):
            signal.signal(number, self._noted)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def stop_asked(self) -> bool:
        """Take what has come; whether a stop was among it."""
        try:
            return any(number in _STOPPING for number in os.read(self.fd, 4096))
        except BlockingIOError:
            return False

    def _noted(self, number: int, frame: FrameType | None) -> None:
        """The wake-up descriptor carries the signal to the loop."""
        self.told |= number in _STOPPING


class Warned:
    """A scheduler's warning on its way to the ranks: each gets it once, when it can take it.

    One that has just begun has no handler yet, and the signal would end it; one without a use for
    the warning never gets it.
    """

    def __init__(self) -> None:
        self._number = 0
        self._told: set[int] = set()

    def begin(self, name: str) -> None:
        """The scheduler has sent the signal of that name (`USR1`)."""
        number = getattr(signal, f"SIG{name}", None)
        if isinstance(number, signal.Signals):
            self._number = number
        else:
            note(f"agent: there is no signal {name!r}")

    def hand_on(self, node: Node) -> None:
        """Tell the ranks that can take it by now."""
        if not self._number:
            return
        for rank in node.ranks:
            if rank.rank in self._told or not rank.running or rank.pid is None:
                continue
            # before its program begins, whoever started it may have signals blocked for it
            waits = rank.state != "spawned" and holds_back(rank.pid, self._number)
            if waits or catches(rank.pid, self._number):
                self._told.add(rank.rank)
                _send(rank, self._number)


def send_to_ranks(node: Node, name: str, only: list[int]) -> None:
    """Send the signal of that name (`USR1`) to the ranks themselves, and to nothing else.

    `only`: to these of them; none named: to all.
    """
    known = _STACKS_SIGNAL if name == STACKS else getattr(signal, f"SIG{name}", None)
    number: int = known if isinstance(known, int) else 0
    if name != STACKS and not isinstance(known, signal.Signals):
        note(f"agent: there is no signal {name!r}")
        return
    for rank in node.ranks:
        if not rank.running or rank.pid is None or (only and rank.rank not in only):
            continue
        if name == STACKS and not catches(rank.pid, _STACKS_SIGNAL):
            note(f"agent: rank {rank.rank} has no recorder that could tell its stacks")
            continue  # the signal would end it
        _send(rank, number)


def _send(rank: Rank, number: int) -> None:
    stat = None if rank.pid is None else read_stat(rank.pid)
    if rank.pid is None or stat is None or rank.starttime not in (None, stat.start):
        return  # its pid may be another process's by now
    try:
        os.kill(rank.pid, number)
    except (ProcessLookupError, PermissionError) as error:
        note(f"agent: rank {rank.rank} did not get signal {number}: {error}")
