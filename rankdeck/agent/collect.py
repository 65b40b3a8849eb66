"""Collector: brings torchrun's own two log files of a rank into the rank's one log.

Only for ranks that are no Python programs (`--no-python`): the shim gives all others their log
directly. Whole lines are moved, so that the two streams do not tear each other's lines.
"""

from __future__ import annotations

import os

_CHUNK = 256 * 1024
_CHUNKS_A_TURN = 32


class Collector:
    """Appends what the sources gain to the log."""

    def __init__(self, sources: list[str], log: str) -> None:
        self._sources = [[os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0] for path in sources]
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def turn(self, last: bool = False) -> None:
        """Move what is there, all of it when it is the last time.

        Raises:
            OSError: The log cannot be written.
        """
        for source in self._sources:
            fd, _ = source
            turns = 0
            while last or turns < _CHUNKS_A_TURN:
                chunk = os.pread(fd, _CHUNK, source[1])
                if not last and len(chunk) < _CHUNK:
                    chunk = chunk[: chunk.rfind(b"\n") + 1]
                if not chunk:
                    break
                source[1] += os.write(self._log, chunk)
                turns += 1


def own_logs(pid: int, pet_dir: str) -> list[str]:
    """The files torchrun gave a rank as stdout and stderr; empty when it has others."""
    paths = []
    for number in (1, 2):
        try:
            path = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            return []
        if path.startswith(f"{pet_dir}/") and path not in paths:
            paths.append(path)
    return paths
