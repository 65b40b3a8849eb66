"""GpuFeed: the agent's end of the GPU sampler: starts it, reads what has come, never waits for it.

A sampler that hangs is ended once; where even that has no effect, no other is started. One that
has ended is started again, ever more seldom.
"""

from __future__ import annotations

import glob
import os
import signal
import sys

from rankdeck.agent import kernel, processes
from rankdeck.agent.gpu_figures import GpuFigures
from rankdeck.agent.notes import note
from rankdeck.agent.signals import WARNINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from rankdeck.agent.ranks import Rank

VARIABLE = "RANKDECK_GPUS"
"""`off`, or the only source to be used: `nvml`, `nvidia-smi`, `amdgpu`."""
_HOPELESS = 60.0
_FIRST_PAUSE, _LAST_PAUSE = 30.0, 600.0
_MOST = 65536
_NVIDIA = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg")
_AMD = "/sys/class/drm/card*/device/gpu_busy_percent"


def wanted_source() -> str:
    """What the sampler shall use; empty: there is no driver here, or nobody wants it.

    Looks for names only: no driver is asked anything.
    """
    word = os.environ.get(VARIABLE, "")
    if word:
        return "" if word == "off" else word
    return "any" if any(map(os.path.exists, _NVIDIA)) or glob.glob(_AMD) else ""


class GpuFeed:
    """The GPUs of this node."""

    def __init__(self, source: str) -> None:
        """Nothing is started for an empty `source`."""
        self._wanted = source
        self._figures = GpuFigures()
        self._figures.nothing = not source
        self._pid: int | None = None
        self._stat: kernel.Stat | None = None
        self._pipe = -1
        self._rest = b""
        self._ended = False
        self._due = 0.0
        self._pause = _FIRST_PAUSE
        self._environs: dict[int, dict[str, str]] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        """The sampler, as long as it may be there: no process of the run."""
        return () if self._pid is None else (self._pid,)

    def sample(self, ranks: list[Rank], now: float, tick: float) -> dict[str, Any] | None:
        """What is known now (GpuLoad), with it the ranks' GPUs; None: of no GPU."""
        if self._pid is not None:
            self._read(now, tick)
            self._look_after(tick)
        elif not self._figures.nothing and tick >= self._due:
            self._start(tick)
        for rank in ranks:
            if rank.running and rank.pid is not None:
                rank.gpu = self._gpu_of(rank.pid, rank.local_rank)
        return self._figures.record(tick, asked=self._pid is not None)

    def close(self) -> None:
        """End the sampler, without waiting for that: it may not be possible."""
        self._figures.nothing = True
        self._end()
        self._forget()

    def _gpu_of(self, pid: int, local_rank: int) -> int | None:
        if self._figures.nothing:
            return None
        if pid not in self._environs:
            self._environs[pid] = _variables(pid)
        return self._figures.gpu_of(pid, local_rank, self._environs[pid])

    def _start(self, tick: float) -> None:
        self._figures.since, self._ended, self._rest = tick, False, b""
        self._due, self._pause = tick + self._pause, min(2 * self._pause, _LAST_PAUSE)
        self._pipe, theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        agent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            note(f"agent: GPUs: {error}")
            os.close(theirs)
            self._forget()
            return
        if pid == 0:
            _become_sampler(agent, theirs, self._wanted)
        os.close(theirs)
        self._pid, self._stat = pid, kernel.read_stat(pid)

    def _look_after(self, tick: float) -> None:
        if self._pid is None:
            self._due = max(self._due, tick + _FIRST_PAUSE)
        elif not self._ended and tick - self._figures.since > _HOPELESS:
            # a process that is stuck in its driver stays; then there is nothing else to be done
            self._ended = True
            note(f"agent: GPUs: no answer for {_HOPELESS:.0f} s, the sampler is ended")
            self._end()

    def _end(self) -> None:
        if self._pid is not None and self._stat is not None:
            processes.send(self._pid, self._stat, signal.SIGKILL)

    def _forget(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe, self._pid = -1, None

    def _read(self, now: float, tick: float) -> None:
        while True:
            try:
                text = os.read(self._pipe, _MOST)
            except BlockingIOError:
                return
            if not text:
                self._forget()
                return
            *lines, self._rest = (self._rest + text).split(b"\n")
            self._rest = self._rest[:_MOST]
            for line in lines:
                self._figures.take(line.decode("utf-8", "replace").strip(), now, tick)


def _variables(pid: int) -> dict[str, str]:
    """Of the variables that a process was started with those that are about GPUs."""
    pairs = (entry.partition(b"=") for entry in kernel.read_environ(pid).split(b"\0"))
    return {
        os.fsdecode(name): os.fsdecode(value)
        for name, _, value in pairs
        if name.endswith(b"_VISIBLE_DEVICES")
    }


def _become_sampler(agent: int, pipe: int, source: str) -> NoReturn:
    """Be the sampler: nothing of the run's is in its environment, and it ends with the agent."""
    try:
        command = [sys.executable, "-I", "-S", os.path.abspath(sys.argv[0]), "--gpus", source]
        signal.set_wakeup_fd(-1)  # its other end is the agent's
        kernel.die_with_parent(signal.SIGKILL)
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        for number in WARNINGS:
            signal.signal(number, signal.SIG_IGN)
        os.dup2(pipe, 1)
        os.chdir("/")
        environ = {n: v for n, v in os.environ.items() if not n.startswith("RANKDECK_")}
        if os.getppid() == agent:
            os.execve(sys.executable, command, environ)
    except OSError as error:
        note(f"agent: GPUs: {error}")
    os._exit(1)
