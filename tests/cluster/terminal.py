"""A command of the login node on a terminal, as a user has it there."""

from __future__ import annotations

import codecs
import os
import pty
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin


class Terminal:
    """A command of the login node on a terminal of its own."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self._argv, self._env = argv, env
        self.text = ""
        # a character may come in two pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def __enter__(self) -> Terminal:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvpe(self._argv[0], self._argv, self._env)
        self._ended = False
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def until(self, text: str, count: int = 1) -> None:
        """Wait until it has written that, so many times in all."""
        while self.text.count(text) < count:
            assert self._read(), f"it ended with: {self.text}"

    def type(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def end(self) -> int:
        """Wait for its end; its exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        self._ended = True
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        assert select.select([self.master], [], [], 90.0)[0], f"nothing follows: {self.text}"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            return False
        self.text += self._decoder.decode(data)
        return bool(data)


def on_a_terminal(cluster: Cluster, rankdeck: RankdeckAtLogin, *args: str | Path) -> Terminal:
    words = [*cluster.entry(), *rankdeck.argv, *map(str, args)]
    return Terminal(words, cluster.environment(rankdeck.env))
