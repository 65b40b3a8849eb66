"""LineAssembler: bytes as they arrive, made into lines for people.

A line that is written over with carriage returns is one line with many states: the state of the
moment is given a few times a second, and the final one. Lines are bounded; an unfinished line is
given when it has rested for a while. Pure: the clock is the caller's.
"""

from __future__ import annotations

from rankdeck.logs.lines import clip, last_state

LINE_LIMIT = 64 * 1024
"""Bytes of one line that are passed on."""
PROGRESS_GAP = 0.3
"""Seconds between two states of one progress line."""
REST_DELAY = 1.0
"""Seconds after which an unfinished line is passed on."""


class LineAssembler:
    """The lines of one stream."""

    __slots__ = (
        "_cut",
        "_flushed",
        "_grown_at",
        "_live",
        "_progress",
        "_rest",
        "_shown",
        "_shown_at",
    )

    def __init__(self, *, live: bool = True) -> None:
        """Begin with an empty line; not `live`: only final states of progress lines are given."""
        self._live = live
        self._grown_at = 0.0
        self._shown_at = float("-inf")
        self._reset()

    def _reset(self) -> None:
        self._rest = b""
        self._flushed = False
        # bytes so far of a line too long to pass on
        self._cut = 0
        # whether the unfinished line has been written over, and which state of it was given last
        self._progress = False
        self._shown: bytes | None = None

    @property
    def resting(self) -> bool:
        """Whether an unfinished line waits to be passed on."""
        return bool(self._rest)

    def feed_whole(self, data: bytes, now: float) -> bytes | list[bytes]:
        """As `feed`, but mostly in one piece: the lines with newlines between them."""
        if self._flushed or self._cut or self._progress or b"\r" in data:
            return self.feed(data, now)
        first, last = data.find(b"\n"), data.rfind(b"\n")
        if first < 0 or len(data) > LINE_LIMIT or len(self._rest) + first > LINE_LIMIT:
            return self.feed(data, now)
        lines = self._rest + data[:last] if self._rest else data[:last]
        self._rest = data[last + 1 :]
        if self._rest:
            self._grown_at = now
        return lines

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take what was read; the lines that are complete now."""
        plain = not (self._flushed or self._cut or self._progress) and b"\r" not in data
        size = len(self._rest) + len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if not plain:
            lines = [shown for line in lines if (shown := self._complete(line)) is not None]
        elif size > LINE_LIMIT and lines and len(max(lines, key=len)) > LINE_LIMIT:
            lines = [_bounded(line) for line in lines]
        if self._rest:
            self._grown_at = now
            self._keep_rest(lines)
            if self._progress and self._live:
                lines += self._progress_state(now)
        return lines

    def idle(self, now: float) -> list[bytes]:
        """Nothing has arrived: what has rested long enough."""
        if not self._rest:
            return []
        if self._progress:
            return self._progress_state(now)
        if now - self._grown_at < REST_DELAY:
            return []
        return self._flush()

    def end(self) -> list[bytes]:
        """No more will come: what is left."""
        if self._progress:
            state = last_state(self._rest)
            left = [state] if state != self._shown and state else []
        else:
            left = self._flush() if self._rest else []
        if self._cut:
            left.append(_mark(self._cut))
        self._reset()
        return left

    def _complete(self, line: bytes) -> bytes | None:
        """What to pass on of a line that has ended; None: all of it has been already."""
        flushed, cut, shown = self._flushed, self._cut, self._shown
        self._flushed, self._cut, self._progress, self._shown = False, 0, False, None
        if cut and b"\r" not in line:
            return _mark(cut + len(line))
        state = last_state(line)
        if state == shown or (flushed and not state):
            return None
        return _bounded(state)

    def _keep_rest(self, lines: list[bytes]) -> None:
        """Bound the unfinished line: only the last state of a progress line, only so much."""
        if b"\r" in self._rest:
            body = self._rest.rstrip(b"\r")
            self._rest = self._rest[body.rfind(b"\r") + 1 :]
            self._progress = True
            self._cut = 0
        if self._cut:
            self._cut += len(self._rest)
            self._rest = b""
        elif len(self._rest) > LINE_LIMIT:
            self._cut = len(self._rest)
            lines.append(clip(self._rest, LINE_LIMIT) + " …".encode())
            self._rest = b""

    def _progress_state(self, now: float) -> list[bytes]:
        state = last_state(self._rest)
        if state == self._shown or not state or now - self._shown_at < PROGRESS_GAP:
            return []
        self._shown, self._shown_at = state, now
        return [state]

    def _flush(self) -> list[bytes]:
        flushed, self._rest, self._flushed = self._rest, b"", True
        return [flushed]


def _bounded(line: bytes) -> bytes:
    if len(line) <= LINE_LIMIT:
        return line
    return clip(line, LINE_LIMIT) + f" … [{len(line):,} bytes]".encode()


def _mark(length: int) -> bytes:
    return f"… [{length:,} bytes]".encode()
