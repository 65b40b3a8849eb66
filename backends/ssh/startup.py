"""Startup: a link on which no courier has said hello yet; login shells may be slow, or hang."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backends.ssh.bootstrap import begin_courier, courier_command
from backends.ssh.frames import CourierLine
from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from backends.ssh.bootstrap import Hello, PackedBundle
    from backends.ssh.link import Link

LIMIT_SECONDS = 30.0


class Startup:
    """Run by the host's thread; others may `check` and `close`."""

    def __init__(self, name: str, link: Link) -> None:
        self._name = name
        self._link = link
        self._since = time.monotonic()

    def run(self, python: str, root: str, bundle: PackedBundle) -> tuple[CourierLine, Hello]:
        """Start the courier; `python` is tried first. Closes the link if that fails.

        Raises:
            NodeError: The node cannot be used.
            LinkError: The connection broke, or was closed because it took too long.
        """
        try:
            line = CourierLine(self._link.exec(courier_command(python)), self._name)
            return line, begin_courier(line, self._name, root, bundle)
        except LinkError as error:
            self._link.close()
            if self._late(time.monotonic()):
                raise LinkError(
                    LinkFault.TIMEOUT,
                    f"{self._name}: the login shell did not begin its work "
                    f"within {LIMIT_SECONDS:.0f} s",
                    f"look what its start-up files wait for: ssh {self._name} true",
                ) from error
            raise
        except BaseException:
            self._link.close()
            raise

    def check(self, now: float) -> None:
        """Give up when it takes too long."""
        if self._late(now):
            self._link.close()

    def close(self) -> None:
        """Give up now."""
        self._link.close()

    def _late(self, now: float) -> bool:
        return now - self._since > LIMIT_SECONDS
