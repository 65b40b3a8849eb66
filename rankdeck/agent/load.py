"""Load of the node and of its ranks: psutil where the interpreter has it, /proc otherwise."""

from __future__ import annotations

import os
import sys

from rankdeck.agent.kernel import bytes_written, read_stat
from rankdeck.agent.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from rankdeck.agent.ranks import Rank

    class Source(Protocol):
        """Where figures come from; the same ones from either."""

        def busy_and_total(self) -> tuple[float, float]:
            """Seconds all cores together were busy, and have passed."""
            ...

        def memory(self) -> tuple[int, int]:
            """Bytes in total and in use."""
            ...

        def process(self, pid: int) -> tuple[float, int, int] | None:
            """CPU seconds, resident bytes and threads of a process; None: it is gone."""
            ...


_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MUCH = 1 << 20
"""Bytes written between two samples that tell of work, a checkpoint for example."""


class ProcSource:
    """Figures straight from /proc."""

    def busy_and_total(self) -> tuple[float, float]:
        """See Source."""
        with open("/proc/stat", "rb") as file:
            ticks = [int(field) for field in file.readline().split()[1:9]]
        idle = ticks[3] + ticks[4]
        return (sum(ticks) - idle) / _TICK, sum(ticks) / _TICK

    def memory(self) -> tuple[int, int]:
        """See Source."""
        values = {}
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                name, _, rest = line.partition(b":")
                values[name] = int(rest.split()[0]) * 1024
        total = values[b"MemTotal"]
        return total, total - values.get(b"MemAvailable", values[b"MemFree"])

    def process(self, pid: int) -> tuple[float, int, int] | None:
        """See Source."""
        stat = read_stat(pid)
        if stat is None or stat.ended:
            return None
        return stat.ticks / _TICK, stat.rss_pages * _PAGE, stat.threads


class PsutilSource:
    """Figures from psutil."""

    def __init__(self, psutil: Any) -> None:
        self._psutil = psutil
        self._known: dict[int, Any] = {}

    def busy_and_total(self) -> tuple[float, float]:
        """See Source."""
        times = self._psutil.cpu_times()
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total - times.idle - getattr(times, "iowait", 0.0), total

    def memory(self) -> tuple[int, int]:
        """See Source."""
        memory = self._psutil.virtual_memory()
        return memory.total, memory.total - memory.available

    def process(self, pid: int) -> tuple[float, int, int] | None:
        """See Source."""
        try:
            if pid not in self._known:
                self._known[pid] = self._psutil.Process(pid)
            process = self._known[pid]
            with process.oneshot():
                times = process.cpu_times()
                return times.user + times.system, process.memory_info().rss, process.num_threads()
        except self._psutil.Error:
            return None


def find_source() -> Source:
    """The best source this interpreter offers."""
    before = list(sys.path)
    try:
        sys.path += _site_packages()  # the agent may have been started without them
        import psutil

        return PsutilSource(psutil)
    except Exception as error:
        # a psutil built for another interpreter must not matter to a run
        if not isinstance(error, ImportError):
            note(f"agent: psutil cannot be used: {error!r}")
        return ProcSource()
    finally:
        sys.path[:] = before


def _site_packages() -> list[str]:
    prefixes = dict.fromkeys((os.path.dirname(os.path.dirname(sys.executable)), sys.prefix))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    places = [f"{prefix}/lib/{version}/site-packages" for prefix in prefixes]
    return [place for place in (*places, "/usr/lib/python3/dist-packages") if os.path.isdir(place)]


class Load:
    """Samples load; percentages are over the time since the last sample."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._node = source.busy_and_total()
        self._seconds: dict[int, tuple[float, float]] = {}
        self._written: dict[int, int] = {}

    def sample(self, ranks: list[Rank], now: float, tick: float) -> dict[str, Any]:
        """Update the ranks' figures and return the node's (NodeState.load)."""
        for rank in ranks:
            if rank.running and rank.pid is not None:
                self._sample_rank(rank, rank.pid, tick)
                self._look_at_writes(rank, rank.pid, now)
        busy, total = self._source.busy_and_total()
        passed = total - self._node[1]
        percent = 100.0 * (busy - self._node[0]) / passed if passed > 0 else None
        self._node = (busy, total)
        memory_total, memory_used = self._source.memory()
        return {
            "time": now,
            "cpus": os.cpu_count() or 1,
            "cpu_percent": None if percent is None else round(max(percent, 0.0), 1),
            "load1": os.getloadavg()[0],
            "mem_total": memory_total,
            "mem_used": memory_used,
        }

    def _sample_rank(self, rank: Rank, pid: int, tick: float) -> None:
        figures = self._source.process(pid)
        if figures is None:
            return
        seconds, rank.rss_bytes, rank.threads = figures
        before = self._seconds.get(pid)
        if before is not None and tick > before[0]:
            rank.cpu_percent = round(100.0 * (seconds - before[1]) / (tick - before[0]), 1)
        self._seconds[pid] = (tick, seconds)

    def _look_at_writes(self, rank: Rank, pid: int, now: float) -> None:
        written = bytes_written(pid)
        if written is None:
            return
        if written - self._written.get(pid, written) >= _MUCH:
            rank.last_write = now
        self._written[pid] = written
