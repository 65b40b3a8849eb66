"""Signals as bytes in a pipe, so that the one loop sees them like everything else."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """From here on TERM and INT ask for a stop, HUP does nothing, and CHLD wakes the loop."""

    def __init__(self) -> None:
        self.fd, write_end = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (*_STOPPING, signal.SIGCHLD):
            signal.signal(number, _noted)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def stop_asked(self) -> bool:
        """Take what has come; whether a stop was among it."""
        try:
            return any(number in _STOPPING for number in os.read(self.fd, 4096))
        except BlockingIOError:
            return False


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor carries the signal; a handler must exist for that."""
