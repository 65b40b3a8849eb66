"""Cluster: the test bed as a test uses it. Each method does what the command of that name does.

Brought up in this process, with this process as its owner: it goes down also if pytest is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.cluster.testbed import (
    daemons,
    file_faults,
    host_faults,
    hosts,
    lifecycle,
    restore,
    wire_faults,
)
from tests.cluster.testbed.bed import LOGIN, Bed, Options, State, free_bed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Cluster", "Options"]

_SLURM_SETTLES = 120.0


@dataclass
class Cluster:
    """Several real hosts, up for as long as a test module runs."""

    bed: Bed
    options: Options
    shared: Path
    """A folder that every host sees; each test has its own."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def up(cls, options: Options) -> Cluster:
        """Bring up a bed that nobody else uses."""
        bed = free_bed()
        lifecycle.up(bed, options, owner=os.getpid())
        return cls(bed, options, bed.shared)

    def down(self) -> None:
        """End everything of it."""
        lifecycle.down(self.bed)

    def renew(self) -> None:
        """Bring up the same hosts anew, after something could not be mended."""
        lifecycle.down(self.bed)
        lifecycle.up(self.bed, self.options, owner=os.getpid())

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that work, without the login nodes."""
        return self.options.nodes

    @property
    def ssh_config(self) -> Path:
        """A configuration by which every host can be reached; `~/.ssh/config` is its like."""
        return self.bed.etc / "ssh_config"

    @property
    def user_ssh(self) -> Path:
        """root's `.ssh` on every host; a test may change it, it is made anew afterwards."""
        return self.bed.home / ".ssh"

    def login(
        self,
        *argv: str | Path,
        on: str = LOGIN,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the login node (or `on` another host) as a user there would."""
        return subprocess.run(
            [*self.entry(on, cwd), *map(str, argv)],
            env=self.environment(env),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def start(
        self,
        *argv: str | Path,
        on: str = LOGIN,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command on the login node; what still runs is killed when the test ends."""
        process = subprocess.Popen(
            [*self.entry(on, cwd), *map(str, argv)],
            env=self.environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.started.append(process)
        return process

    def entry(self, on: str = LOGIN, cwd: Path | None = None) -> list[str]:
        """The words before a command that put it on a host."""
        return hosts.entry(self.state(), on, str(cwd or self.shared))

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """A user's environment on the login node."""
        return {**os.environ, **self.bed.environment(), **(extra or {})}

    def ssh(self, host: str, command: str, timeout: float = 120.0) -> str:
        """Run a shell command on a host through its sshd; it must succeed."""
        done = self.login("ssh", "-o", "ConnectTimeout=90", host, command, timeout=timeout)
        assert done.returncode == 0, (host, command, done.stdout, done.stderr)
        return done.stdout

    def exec(self, host: str, *argv: str, check: bool = True) -> str:
        """Run a command in a host without its sshd."""
        return hosts.inside(self.bed, self.state(), host, *argv, check=check)

    def state(self) -> State:
        """What is up, and which faults are on."""
        return self.bed.read()

    # faults: of the wire

    def cut(self, host: str) -> None:
        """Unplug: packets vanish."""
        with self._changing() as state:
            wire_faults.cut(self.bed, state, host)

    def heal(self, host: str) -> None:
        """Plug in again."""
        with self._changing() as state:
            wire_faults.heal(self.bed, state, host)

    def drop(self, host: str, percent: float) -> None:
        """Lose that many packets each way; 0 heals."""
        with self._changing() as state:
            wire_faults.drop(self.bed, state, host, percent)

    def delay(self, host: str, milliseconds: float) -> None:
        """Hold packets back each way; 0 heals."""
        with self._changing() as state:
            wire_faults.delay(self.bed, state, host, milliseconds)

    def rate(self, host: str, kilobits: int) -> None:
        """Bandwidth each way; 0 heals."""
        with self._changing() as state:
            wire_faults.rate(self.bed, state, host, kilobits)

    # of whole hosts

    def crash(self, host: str) -> None:
        """Power cut."""
        with self._changing() as state:
            host_faults.crash(self.bed, state, host)

    def boot(self, host: str) -> None:
        """Start it again; its sshd listens when this returns."""
        with self._changing() as state:
            host_faults.boot(self.bed, state, host)

    def freeze(self, host: str, pid: int = 0) -> None:
        """Stop every process of a host, or one by its number there."""
        with self._changing() as state:
            host_faults.freeze(self.bed, state, host, pid)

    def thaw(self, host: str, pid: int = 0) -> None:
        """Let go on."""
        with self._changing() as state:
            host_faults.thaw(self.bed, state, host, pid)

    def kill(self, host: str, pid: int, number: int = signal.SIGKILL) -> None:
        """Signal one process by its number on that host."""
        host_faults.send_signal(self.state(), host, pid, number)

    # of daemons and keys

    def sshd(self, host: str, action: str) -> None:
        """`start`, `stop` (open sessions live on) or `restart`."""
        with self._changing() as state:
            daemons.sshd(self.bed, state, host, action)

    def slurmd(self, host: str, action: str) -> None:
        """`start`, `stop` or `restart`."""
        with self._changing() as state:
            daemons.slurmd(self.bed, state, host, action)

    def slurmctld(self, action: str) -> None:
        """`start`, `stop` or `restart`; it finds its jobs again."""
        with self._changing() as state:
            daemons.slurmctld(self.bed, state, action)

    def new_key(self, host: str) -> None:
        """Let the host show a key that `known_hosts` does not have."""
        with self._changing() as state:
            host_faults.new_key(self.bed, state, host)

    def known_key(self, host: str) -> None:
        """Let it show its first key again."""
        with self._changing() as state:
            host_faults.known_key(self.bed, state, host)

    def max_startups(self, host: str, count: int) -> None:
        """Let sshd drop connections beyond `count` that are not logged in; 0: as usual."""
        with self._changing() as state:
            host_faults.max_startups(self.bed, state, host, count)

    # of files and time

    def fill(self, host: str, path: str | Path = "/tmp", leave: int = 0) -> None:
        """A real ENOSPC at `path`."""
        with self._changing() as state:
            file_faults.fill(self.bed, state, host, str(path), leave)

    def free(self, host: str, path: str | Path = "/tmp") -> None:
        """Undo `fill`."""
        with self._changing() as state:
            file_faults.free(self.bed, state, host, str(path))

    def hide(self, host: str, path: str | Path) -> None:
        """Cover a folder: it is not shared with this host."""
        with self._changing() as state:
            file_faults.hide(self.bed, state, host, str(path))

    def show(self, host: str, path: str | Path) -> None:
        """Undo `hide`."""
        with self._changing() as state:
            file_faults.show(self.bed, state, host, str(path))

    def private_home(self, host: str) -> None:
        """A home directory of its own, empty."""
        with self._changing() as state:
            file_faults.private_home(self.bed, state, host)

    def no_python(self, host: str) -> None:
        """Take every Python away from the host."""
        with self._changing() as state:
            file_faults.no_python(self.bed, state, host)

    def clock(self, host: str, seconds: float) -> None:
        """Move the time of day of what is started on the host from now on; 0: right again."""
        with self._changing() as state:
            file_faults.clock(self.bed, state, host, seconds)

    # what is left

    def processes(self, run_id: str) -> dict[str, list[int]]:
        """Every process of a run, by host; empty when nothing is left anywhere."""
        return hosts.carriers(self.state(), "RANKDECK_RUN_ID", run_id)

    def processes_on(self, host: str, run_id: str) -> list[int]:
        """The run's processes on one host, by its own numbers."""
        return self.processes(run_id).get(host, [])

    def assert_nothing_left(self, run_id: str, seconds: float = 60.0) -> None:
        """No process of the run is left on any host."""
        deadline = time.monotonic() + seconds
        while left := self.processes(run_id):
            if time.monotonic() > deadline:
                pytest.fail(f"after {seconds:.0f} s there still runs: {self._described(left)}")
            time.sleep(0.02)

    def _described(self, left: dict[str, list[int]]) -> str:
        def words(host: str, pid: int) -> str:
            if not host:
                return f"{pid} outside every host"
            line = self.exec(host, "ps", "-o", "args=", "-p", str(pid), check=False)
            return f"{host} {pid}: {line.strip()[:200]}"

        return "; ".join(words(host, pid) for host, pids in left.items() for pid in pids)

    def restore(self) -> None:
        """Undo every fault; runs go on."""
        with self._changing() as state:
            restore.restore_all(self.bed, state)

    def finish_test(self) -> None:
        """Bring everything back to how a test finds it."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.started.clear()
        self.restore()
        restore.reset_files(self.bed)
        if self.options.slurm:
            self._settle_slurm()
        if self.shared != self.bed.shared:
            shutil.rmtree(self.shared, ignore_errors=True)

    def _settle_slurm(self) -> None:
        """Cancel every job and resume every node, until there is none of either kind."""
        self._until(self._empty_queue, "Slurm's queue does not empty")
        self._until(self._idle_nodes, "Slurm's nodes do not become idle")

    def _empty_queue(self) -> bool:
        jobs = self.login("squeue", "-h")
        if jobs.stdout.strip():
            self.login("scancel", "-u", "root")
        return jobs.returncode == 0 and not jobs.stdout.strip()

    def _idle_nodes(self) -> bool:
        """Whether the controller answers and would give a job any node."""
        listing = self.login("sinfo", "-h", "-N", "-p", "debug", "-o", "%n %t").stdout
        states = dict(line.split() for line in listing.splitlines())
        odd = [name for name in self.hosts if states.get(name) != "idle"]
        for name in odd if states else ():
            self.login("scontrol", "update", f"nodename={name}", "state=resume")
        return not odd

    def _until(self, look: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _SLURM_SETTLES
        while not look():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.2)

    @contextmanager
    def _changing(self) -> Iterator[State]:
        with self.bed.changing() as state:
            yield state
