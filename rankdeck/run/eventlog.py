"""`events.jsonl` on disk: one appender, any number of readers.

A torn or unreadable end (a writer was killed, a disk was full) is not an event: readers pass over
it and the next writer cuts it off.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.events import Event
from rankdeck.run.files import write_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rankdeck.run.layout import RunDir

_DECODER = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()
_FIRST_CHUNK = 64 * 1024


def read_events(run: RunDir, after_seq: int = 0) -> list[Event]:
    """The run's events with a `seq` above `after_seq`, in order; none if there is no log yet.

    With `after_seq` only as much of the end of the log is read as is needed.
    """
    try:
        descriptor = os.open(run.events, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        size = os.fstat(descriptor).st_size
        chunk = size if after_seq <= 0 else min(_FIRST_CHUNK, size)
        while True:
            events = _parse(_pread(descriptor, chunk, size - chunk), torn_head=chunk < size)
            if chunk == size or (events and events[0].seq <= after_seq + 1):
                return [event for event in events if event.seq > after_seq]
            chunk = min(chunk * 4, size)
    finally:
        os.close(descriptor)


class EventLog:
    """The appender. Opening it mends the end of the log."""

    def __init__(self, path: Path) -> None:
        """Open the log, made if it is not there.

        Raises:
            OSError: It cannot be opened or mended.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        content = _pread(self._descriptor, size, 0)
        self._size = _sound_length(content)
        if self._size != size:
            os.ftruncate(self._descriptor, self._size)
        self.history = tuple(_parse(content[: self._size], torn_head=False))
        """Every event that was there when the log was opened."""

    def append(self, events: Sequence[Event], *, sync: bool = False) -> None:
        """Add events; all of them or, if that fails, none.

        Raises:
            OSError: They could not be written (the disk is full).
        """
        data = b"".join(_ENCODER.encode(event) + b"\n" for event in events)
        try:
            write_all(self._descriptor, data)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)
        if sync:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _pread(descriptor: int, count: int, offset: int) -> bytes:
    parts = []
    while count > 0 and (part := os.pread(descriptor, count, offset)):
        parts.append(part)
        count -= len(part)
        offset += len(part)
    return b"".join(parts)


def _parse(content: bytes, *, torn_head: bool) -> list[Event]:
    if torn_head:
        content = content.partition(b"\n")[2]
    content = content[: content.rfind(b"\n") + 1]
    try:
        return _DECODER.decode_lines(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [event for line in content.splitlines() if (event := _event(line)) is not None]


def _event(line: bytes) -> Event | None:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _sound_length(content: bytes) -> int:
    """Length of the log without the unreadable lines at its end."""
    end = content.rfind(b"\n") + 1
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        if _event(content[start:end]) is not None:
            break
        end = start
    return end
