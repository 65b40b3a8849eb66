"""A log from one offset to another, in order, in bounded pieces: for printing and for merging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.logs.assemble import LineAssembler
from rankdeck.logs.handle import Handle
from rankdeck.logs.lines import MAX_LINE, LogLine, clip, last_state, whole_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 256 * 1024


def stream_batches(path: Path, start: int = 0, stop: int | None = None) -> Iterator[list[bytes]]:
    """The lines of a log, many at a time, as `Follower` would have given them in the end.

    Args:
        path: The log; nothing is yielded if it is not there.
        start: Where to begin; the begin of a line.
        stop: Where to end; None: at the end.

    Raises:
        OSError: The file is there but cannot be read.
    """
    assembler = LineAssembler(live=False)
    for data in _chunks(path, start, stop, _CHUNK):
        if lines := assembler.feed(data, 0.0):
            yield lines
    if lines := assembler.end():
        yield lines


def stream_lines(
    path: Path, start: int = 0, stop: int | None = None, chunk: int = _CHUNK
) -> Iterator[LogLine]:
    """The lines of a log one by one, with their places.

    Raises:
        OSError: The file is there but cannot be read.
    """
    rest = b""
    head: bytes | None = None
    offset, length = start, 0
    for data in _chunks(path, start, stop, chunk):
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for raw in lines:
            if head is None:
                line = whole_line(offset, raw)
            else:
                line = _put_together(offset, length, head, raw, ended=True)
                head, length = None, 0
            yield line
            offset = line.end
        if len(rest) > 4 * MAX_LINE:
            head = head if head is not None else clip(rest)
            length += len(rest) - MAX_LINE
            rest = rest[-MAX_LINE:]
    if head is not None:
        yield _put_together(offset, length, head, rest, ended=False)
    elif rest:
        yield whole_line(offset, rest, ended=False)


def _put_together(offset: int, length: int, head: bytes, raw: bytes, *, ended: bool) -> LogLine:
    """A line of which `length` bytes, beginning with `head`, went by before `raw`."""
    state = last_state(raw)
    written_over = len(state) < len(raw.rstrip(b"\r"))
    data = clip(state) if written_over else head
    clipped = len(data) < len(state) if written_over else True
    return LogLine(offset, length + len(raw), data, ended, clipped=clipped)


def _chunks(path: Path, start: int, stop: int | None, size: int) -> Iterator[bytes]:
    try:
        handle = Handle(path)
    except FileNotFoundError:
        return
    while stop is None or start < stop:
        data = handle.read(start, size if stop is None else min(size, stop - start))
        if not data:
            return
        start += len(data)
        yield data
