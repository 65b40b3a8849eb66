"""When a failed connection is worth another try, and how long to wait before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from backends.ssh.host_config import HostConfig

T = TypeVar("T")
_BY_CHOICE = frozenset({LinkFault.REFUSED, LinkFault.NO_ROUTE, LinkFault.TIMEOUT})


def with_retries(attempt: Callable[[float], T], config: HostConfig, closing: threading.Event) -> T:
    """The result of `attempt`, which is given the moment at which it must give up.

    A busy server is asked again while the time for one connection lasts, each client at a moment
    of its own. For the rest the user's ConnectionAttempts counts, a second apart as ssh does it.

    Raises:
        LinkError: What the last attempt ended with.
    """
    tries = 0
    deadline = time.monotonic() + config.connect_timeout
    while True:
        tries += 1
        try:
            return attempt(deadline)
        except LinkError as error:
            if error.fault is LinkFault.BUSY:
                import random

                pause = random.uniform(0.5, 1.5) * min(2.0, 0.1 * 2.0**tries)
                if time.monotonic() + pause >= deadline or closing.wait(pause):
                    raise
            elif error.fault in _BY_CHOICE and tries < config.connection_attempts:
                if closing.wait(1.0):
                    raise
                deadline = time.monotonic() + config.connect_timeout
            else:
                raise
