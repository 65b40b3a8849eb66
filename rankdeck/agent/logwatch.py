"""LogWatch: how much a rank has written and what its last lines say, never its whole text."""

from __future__ import annotations

import os
import struct

from rankdeck.agent.progress import find_progress, last_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.ranks import Rank

_PAIR = struct.Struct("<dQ")
_TAIL = 4096
_LONGEST_LINE = 200
_PAIR_GAP = 0.1
_READ_GAP = 0.5


class LogWatch:
    """Looks at one rank's log a few times a second; the cost does not grow with the log."""

    def __init__(self, rank: Rank, attempt_dir: str) -> None:
        base = f"{attempt_dir}/rank-{rank.rank}"
        self._rank = rank
        self._log = os.open(f"{base}.log", os.O_RDONLY | os.O_CLOEXEC)
        self._times_path = f"{base}.times"
        self._times: int | None = None
        self._paired_size = 0
        self._paired_at = 0.0
        self._paired_time = 0.0
        self._read_size = 0
        self._read_at = 0.0

    def look(self, now: float, tick: float, last: bool = False) -> bool:
        """Update the rank; whether it reached a new rung.

        `now` is the wall clock, for records; `tick` the monotonic one, for intervals. `last`: the
        rank has ended, nothing more will come.

        Raises:
            OSError: The times file cannot be written.
        """
        rank = self._rank
        size = os.fstat(self._log).st_size
        if size != rank.log_bytes:
            rank.log_bytes = size
            rank.last_output = now
        if size != self._paired_size and (last or tick - self._paired_at >= _PAIR_GAP):
            self._paired_size, self._paired_at = size, tick
            # readers search by time: a clock that was set back must not disorder the pairs
            self._paired_time = max(self._paired_time, now)
            os.write(self._open_times(), _PAIR.pack(self._paired_time, size))
        if size == self._read_size:
            return False
        new_rung = rank.reach("output", now)
        # the tail is read seldom, but a rung is not missed
        if new_rung or last or "stepping" not in rank.times or tick - self._read_at >= _READ_GAP:
            self._read_size, self._read_at = size, tick
            new_rung |= self._read_tail(size, now)
        return new_rung

    def _open_times(self) -> int:
        if self._times is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._times = os.open(self._times_path, flags, 0o600)
        return self._times

    def _read_tail(self, size: int, now: float) -> bool:
        lines = last_lines(os.pread(self._log, _TAIL, max(0, size - _TAIL)))
        if not lines:
            return False
        self._rank.last_line = lines[0][:_LONGEST_LINE]
        progress = find_progress(lines)
        if progress is None:
            return False
        self._rank.step = progress.step
        if progress.total is not None:
            self._rank.total_steps = progress.total
        self._rank.metrics = progress.metrics or self._rank.metrics
        return self._rank.reach("stepping", now)

    def tail(self, size: int = _TAIL) -> bytes:
        """The log's last bytes."""
        return os.pread(self._log, size, max(0, os.fstat(self._log).st_size - size))
