"""RankFiles: the logs of many ranks and their times, read by place or by time.

Descriptors are few however many ranks there are: those not used for a while are closed, and of so
many logs a piece of each is kept instead. What is known of a file's content holds until `look`
tells that it is another one now.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING

from rankdeck.logs.handle import Change, Handle
from rankdeck.logs.merge import Glue, goes_on, stands_alone
from rankdeck.logs.nearby import Nearby
from rankdeck.logs.times import LogTimes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.logs.sources import RankLog

_OPEN = 128
_MARK = 64
_BACK = 4096
"""Bytes before a place that are looked at for a traceback that it may lie in."""
_AHEAD = 8192
_GLANCE_BACK, _GLANCE_AHEAD = 384, 640
"""Bytes around a place that mostly tell that there is none."""
_FAR = 1 << 20
_FEW_TIMES = 32
"""Times that are kept of each of very many logs."""


class _File:
    """What is known of one rank's log."""

    __slots__ = ("identity", "log", "mark", "nowhere", "size", "stamp")

    def __init__(self, log: RankLog) -> None:
        self.log = log
        self.identity: tuple[int, int] | None = None
        self.size = 0
        self.stamp = 0
        self.mark = b""
        self.nowhere = 0.0
        """The time of what has no times: the log's last change when it was first seen."""


class RankFiles:
    """The logs by their index in `logs`; several threads may read at once."""

    def __init__(self, logs: Sequence[RankLog]) -> None:
        self.logs = tuple(logs)
        self._files = [_File(log) for log in self.logs]
        self._handles: OrderedDict[int, Handle] = OrderedDict()
        self._times: dict[int, LogTimes] = {}
        self._times_used: OrderedDict[int, None] = OrderedDict()
        """Those whose files may be open."""
        # where all of them can be open, reading a little is as cheap as remembering it
        self._nearby = Nearby(len(self.logs)) if len(self.logs) > _OPEN else None
        self._lock = threading.RLock()

    def size(self, index: int) -> int:
        """Bytes of a log, as of the last look at it."""
        return self._files[index].size

    def seen(self, index: int) -> bool:
        """Whether the log has ever been there."""
        return self._files[index].identity is not None

    def changed_at(self, index: int) -> float:
        """When a log was last written, by its file system's clock."""
        return self._files[index].stamp / 1e9

    def look(self, index: int) -> Change:
        """See whether a log has grown; a new one has, too. RESET: it is another one now.

        Raises:
            OSError: It is there but cannot be read.
        """
        file = self._files[index]
        try:
            facts = os.stat(file.log.path)
        except FileNotFoundError:
            return Change.SAME
        identity = (facts.st_dev, facts.st_ino)
        if identity == file.identity:
            if facts.st_size == file.size and facts.st_mtime_ns == file.stamp:
                return Change.SAME
            size = len(file.mark)
            held = facts.st_size >= file.size and (
                self._fetch(index, file.size - size, size) == file.mark
            )
            change = Change.GREW if held else Change.RESET
        else:
            change = Change.GREW if file.identity is None else Change.RESET
            file.nowhere = facts.st_mtime
        if change is Change.RESET or identity != file.identity:
            with self._lock:
                self._handles.pop(index, None)
                self._times.pop(index, None)
                if self._nearby is not None:
                    self._nearby.forget(index)
        if change is Change.GREW and facts.st_size == file.size:
            change = Change.SAME
        file.identity, file.size, file.stamp = identity, facts.st_size, facts.st_mtime_ns
        size = min(_MARK, file.size)
        file.mark = self._fetch(index, file.size - size, size)
        return change

    def refresh_times(self, index: int) -> None:
        """Take note of times that have come since; they come shortly after what they are of."""
        with self._lock:
            if (times := self._times.get(index)) is not None:
                times.refresh()

    def read(self, index: int, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer where the file ends or is another one now.

        Raises:
            OSError: The log cannot be read.
        """
        if size <= 0:
            return b""
        if self._nearby is None:
            return self._fetch(index, offset, size)
        with self._lock:
            known = self._nearby.get(index, offset, size)
        if known is not None:
            return known
        begin = self._nearby.around(offset, size)
        if begin is None:
            return self._fetch(index, offset, size)
        data = self._fetch(index, begin, self._nearby.piece)
        with self._lock:
            self._nearby.keep(index, begin, data)
        return data[offset - begin : offset - begin + size]

    def _fetch(self, index: int, offset: int, size: int) -> bytes:
        with self._lock:
            handle = self._handles.get(index)
            if handle is not None:
                self._handles.move_to_end(index)
            else:
                try:
                    handle = Handle(self._files[index].log.path)
                except FileNotFoundError:
                    return b""
                if self._files[index].identity not in (None, handle.identity):
                    return b""
                self._handles[index] = handle
                if len(self._handles) > _OPEN:
                    self._handles.popitem(last=False)
        return handle.read(offset, size)

    def time_at(self, index: int, offset: int) -> float:
        """When the byte at `offset` was written, by the supervisor's clock."""
        with self._lock:
            known = self._times_of(index).time_at(offset)
        file = self._files[index]
        return (file.nowhere if known is None else known) - file.log.clock_ahead

    def times_at(self, index: int, offsets: Sequence[int]) -> list[float]:
        """When each of these bytes of a log was written, in order of place."""
        with self._lock:
            known = self._times_of(index).times_at(offsets)
        file = self._files[index]
        ahead = file.log.clock_ahead
        if known is None:
            return [file.nowhere - ahead] * len(offsets)
        return [time - ahead for time in known] if ahead else known

    def latest_between(self, index: int, begin: int, end: int) -> float:
        """No byte between two places of a log was written later than this."""
        with self._lock:
            known = self._times_of(index).latest_between(begin, end)
        file = self._files[index]
        return (file.nowhere if known is None else known) - file.log.clock_ahead

    def dated(self, index: int) -> tuple[float, int] | None:
        """The time up to which, and the byte up to which a log has times."""
        with self._lock:
            times = self._times_of(index)
            last = times.last
            if last is None or last[1] < self._files[index].size:
                times.refresh()
                last = times.last
        if last is None:
            return None
        return last[0] - self._files[index].log.clock_ahead, last[1]

    def offset_at(self, index: int, time: float) -> int:
        """The first byte written at `time` or later; the size if there is none."""
        file = self._files[index]
        own = time + file.log.clock_ahead
        with self._lock:
            times = self._times_of(index)
            if times.count:
                offset = times.offset_near(own)
                return file.size if offset is None else offset
        return file.size if own > file.nowhere else 0

    def places_at(self, time: float, low: Sequence[int], high: Sequence[int]) -> array[int]:
        """Where each log has its first byte written at `time` or later, between these places."""
        places = array("Q", low)
        for index, (begin, end) in enumerate(zip(low, high, strict=True)):
            if begin < end:
                offset = self.offset_at(index, time)
                places[index] = min(max(offset, begin), end)
        return places

    def boundary(self, index: int, offset: int, limit: int) -> int:
        """The begin of the first line at `offset` or later that does not belong to one before.

        Args:
            index: Which log.
            offset: From where.
            limit: What is given when there is none before.
        """
        if offset <= 0:
            return 0
        if offset >= limit:
            return limit
        seen = self._seen_boundary(index, offset, limit)
        if seen is not None:
            return seen
        begin = max(0, offset - _BACK)
        data = self.read(index, begin, min(limit, offset + _AHEAD) - begin)
        if begin:
            begin, data = _from_line(begin, data)
        glue = Glue()
        at = begin
        end = begin + len(data)
        while at < end:
            stop = data.find(b"\n", at - begin)
            if stop < 0:
                break
            held = glue.holds(data[at - begin : stop])
            if at >= offset and not held:
                return at
            at = begin + stop + 1
        found = self.line_from(index, max(at, offset), limit)
        return limit if found is None else found

    def _seen_boundary(self, index: int, offset: int, limit: int) -> int | None:
        """The boundary, where the line before tells that no traceback goes on here."""
        begin = max(0, offset - _GLANCE_BACK)
        data = self.read(index, begin, min(limit, offset + _GLANCE_AHEAD) - begin)
        newline = data.find(b"\n", offset - 1 - begin)
        before = data.rfind(b"\n", 0, max(0, newline)) + 1
        if newline < 0 or (before == 0 and begin > 0):
            return None
        if not stands_alone(data[before:newline]):
            return None
        while True:
            at = newline + 1
            newline = data.find(b"\n", at)
            if newline < 0:
                return None
            if not goes_on(data[at : newline + 1]):
                return begin + at if stands_alone(data[at:newline]) else None

    def line_from(self, index: int, offset: int, limit: int) -> int | None:
        """Where the first line at `offset` or later begins, however far that is; None: nowhere.

        What is behind a newline counts as the begin of a line, if it is not beyond `limit`.
        """
        if offset <= 0:
            return 0
        at = offset - 1
        while at < limit:
            data = self.read(index, at, min(_FAR, limit - at))
            found = data.find(b"\n")
            if found >= 0:
                return at + found + 1
            if not data:
                break
            at += len(data)
        return None

    def line_before(self, index: int, offset: int, limit: int) -> int:
        """Where the last newline before `offset` ends, not before `limit`."""
        while offset > limit:
            begin = max(limit, offset - _AHEAD)
            found = self.read(index, begin, offset - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            offset = begin
        return limit

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            self._handles.clear()
            self._times.clear()
            self._times_used.clear()
            if self._nearby is not None:
                self._nearby.clear()

    def _times_of(self, index: int) -> LogTimes:
        times = self._times.get(index)
        if times is None:
            path = self._files[index].log.times
            times = LogTimes(path) if self._nearby is None else LogTimes(path, _FEW_TIMES)
            self._times[index] = times
        self._times_used[index] = None
        self._times_used.move_to_end(index)
        if len(self._times_used) > _OPEN:
            oldest = self._times.get(self._times_used.popitem(last=False)[0])
            if oldest is not None:
                oldest.release()
        return times


def _from_line(begin: int, data: bytes) -> tuple[int, bytes]:
    cut = data.find(b"\n") + 1
    return begin + cut, data[cut:]
