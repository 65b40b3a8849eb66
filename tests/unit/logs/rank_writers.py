"""Logs of ranks written bit by bit, with the times an agent would note."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rankdeck.logs.sources import RankLog

if TYPE_CHECKING:
    from pathlib import Path


class Writer:
    """One rank's log as it is written."""

    def __init__(self, folder: Path, rank: int, *, clock_ahead: float = 0.0) -> None:
        path = folder / f"rank-{rank}.log"
        self.log = RankLog(rank, f"n{rank}", 0, 0, path, folder / f"rank-{rank}.times", clock_ahead)
        self.text = b""

    def write(self, text: bytes) -> None:
        """Append to the log."""
        self.text += text
        with self.log.path.open("ab") as stream:
            stream.write(text)

    def note(self, time: float) -> None:
        """Note the size of now."""
        with self.log.times.open("ab") as stream:
            stream.write(struct.pack("<dQ", time + self.log.clock_ahead, len(self.text)))

    def replace(self, text: bytes) -> None:
        """Begin anew, as another file."""
        self.text = b""
        self.log.path.unlink()
        self.write(text)


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
