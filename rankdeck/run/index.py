"""The index: summaries of ended runs, so that listing need not open their directories.

Disposable: each line carries a checksum, a line that does not fit is passed over, and whatever is
missing is read from the run itself. Which runs exist is never taken from here.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.files import append_lines, write_atomic
from rankdeck.run.summary import RunSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_DECODER = msgspec.json.Decoder(RunSummary)
_BYTES_PER_RUN = 1024
"""A generous guess at the length of a line, for reading no more of the end than is needed."""


class RunIndex:
    """`index-1.jsonl`: lines of a CRC-32 and a RunSummary. The number is the format's."""

    def __init__(self, home: Path) -> None:
        """Use the index of the runs in `home`; nothing is opened yet."""
        self._path = home / "index-1.jsonl"
        self._lock = home / "index.lock"

    def read(self, newest: int | None = None) -> dict[str, RunSummary]:
        """Summaries by run id; with `newest`, those near the end of the index only."""
        try:
            with open(self._path, "rb") as stream:
                if newest is not None:
                    size = os.fstat(stream.fileno()).st_size
                    start = max(0, size - newest * _BYTES_PER_RUN)
                    stream.seek(start)
                    if start:
                        stream.readline()
                content = stream.read()
        except OSError:
            return {}
        found: dict[str, RunSummary] = {}
        decode = _DECODER.decode
        for line in content.splitlines():
            body = line[9:]
            if line[:8] == b"%08x" % zlib.crc32(body):
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    summary = decode(body)
                    found[summary.id] = summary
        return found

    def add(self, summaries: Iterable[RunSummary]) -> None:
        """Append summaries of ended runs. Does nothing if another process is writing just now."""
        with self._locked() as held:
            if held:
                append_lines(self._path, b"".join(_line(summary) for summary in summaries))

    def compact(self, summaries: Iterable[RunSummary]) -> None:
        """Replace the index by these, oldest first, unless another process is writing just now."""
        with self._locked() as held:
            if held:
                ordered = sorted(summaries, key=lambda summary: summary.id)
                write_atomic(self._path, b"".join(_line(summary) for summary in ordered))

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _line(summary: RunSummary) -> bytes:
    body = msgspec.json.encode(summary)
    return b"%08x %s\n" % (zlib.crc32(body), body)
