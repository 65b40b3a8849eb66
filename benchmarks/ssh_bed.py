"""Many real sshd on one machine, and the clients that are measured on them.

Everything runs on the login node of a test bed: nothing leaves the machine. The servers run on
the same cores as the clients; CPU figures are the client's whole process tree.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import MIB
from tests.cluster.testbed import hosts, lifecycle
from tests.cluster.testbed.bed import LOGIN, Bed, Options, free_bed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
QUICK = ("-o", "KexAlgorithms=curve25519-sha256", "-c", "aes128-gcm@openssh.com")
"""What makes ssh as quick as it can be."""
USUAL_PORT, STOCK_PORT, SLOW_PORT = 22, 2300, 2301
"""sshd with one key exchange; with those it comes with; with a slow authentication."""
AUTHENTICATION = 0.3

_SSHD = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {key}
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
StrictModes no
MaxStartups 400
MaxSessions 100
"""
# a directory service that answers late, once for a connection: ssh asks twice, others once
_SLOW = """\
#!/bin/sh
asked=/run/asked-$PPID
[ -e $asked ] || {{ : > $asked; sleep {delay}; }}
exec cat {keys}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn of a client."""

    wall: float
    cpu: float
    """User and system time of its whole process tree."""
    output: bytes
    memory: float = 0.0
    """Most proportional memory of the tree at once, MiB; 0: not watched."""


class SshBed:
    """The bed, with the programs that run on its login node."""

    def __init__(self, bed: Bed, names: Sequence[str]) -> None:
        self._bed = bed
        self.names = tuple(names)
        self.shared = bed.shared
        self.key = bed.etc / "id_ed25519"
        self.config = bed.shared / "bench_config"
        # on a busy machine the last of many hosts waits longer than a user's configuration allows
        usual = (bed.etc / "ssh_config").read_text()
        self.config.write_text(f"ConnectTimeout 60\n{usual}")
        self._start_servers()

    def run(self, *argv: str | Path, quiet: bool = True, memory: bool = False) -> Sample:
        """Run a client on the login node to its end.

        Raises:
            RuntimeError: It failed.
        """
        words = [*hosts.entry(self._bed.read(), LOGIN, str(CHECKOUT)), *map(str, argv)]
        watch = _Memory() if memory else None
        start = time.perf_counter()
        with (self.shared / "errors").open("w+b") as errors:
            process = subprocess.Popen(
                words,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
                stderr=errors,
            )
            if watch is not None:
                watch.start(process.pid)
            output = b"" if process.stdout is None else process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            most = watch.stop() if watch is not None else 0.0
            if process.returncode:
                errors.seek(0)
                said = errors.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"{argv[:4]} exited with {process.returncode}: {said}")
        return Sample(wall, usage.ru_utime + usage.ru_stime, output, most)

    def start(self, *argv: str | Path) -> subprocess.Popen[bytes]:
        """Start a program on the login node that goes on by itself."""
        words = [*hosts.entry(self._bed.read(), LOGIN, str(CHECKOUT)), *map(str, argv)]
        return subprocess.Popen(words, env=self._environment(), stdout=subprocess.DEVNULL)

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, **self._bed.environment(), "PYTHONPATH": str(CHECKOUT)}

    def _start_servers(self) -> None:
        run, etc = self._bed.run, self._bed.etc
        keys = etc / "authorized_keys"
        slow = run / "slow-keys"
        slow.write_text(_SLOW.format(delay=AUTHENTICATION, keys=keys))
        slow.chmod(0o755)
        more = {
            STOCK_PORT: f"AuthorizedKeysFile {keys}\n",
            SLOW_PORT: f"AuthorizedKeysFile none\nAuthorizedKeysCommand {slow}\n"
            "AuthorizedKeysCommandUser root\n",
        }
        commands = []
        for port, lines in more.items():
            path = run / f"sshd-{port}"
            path.write_text(_SSHD.format(port=port, key=etc / "host_shared") + lines)
            commands.append(f"/usr/sbin/sshd -f {shlex.quote(str(path))}")
        program = (sys.executable, "-m", "benchmarks.ssh_client", "sweep")
        self.run(*program, self.config, str(USUAL_PORT), " && ".join(commands), *self.names)


@contextmanager
def ssh_bed(count: int) -> Iterator[SshBed]:
    """A bed of so many hosts, for as long as the context lasts."""
    bed = free_bed()
    options = Options(hosts=count, slurm=False, broken_hosts=False, tmp_size="0")
    lifecycle.up(bed, options, owner=os.getpid())
    try:
        yield SshBed(bed, options.nodes)
    finally:
        lifecycle.down(bed)


class Peers:
    """Command lines of the other programs, as their users would write them."""

    def __init__(self, bed: SshBed) -> None:
        self._bed = bed
        here = str(Path(sys.executable).parent)
        places = os.pathsep.join((os.environ.get("RANKDECK_BENCH_PEERS", ""), here, os.defpath))
        self.clush_path = shutil.which("clush", path=places)
        self.pdsh_path = shutil.which("pdsh", path=places)
        self.python_with_pssh = self._python_with_pssh(places)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not installed here."""
        found = {
            "clush": self.clush_path,
            "pdsh": self.pdsh_path,
            "parallel-ssh": self.python_with_pssh,
        }
        return tuple(f"{name} is not installed: left out" for name, at in found.items() if not at)

    def ours(self, command: str, port: int = USUAL_PORT, count: int = 64) -> list[str | Path]:
        """Our own client, every line with its host's name before it."""
        program = (sys.executable, "-m", "benchmarks.ssh_client", "sweep")
        return [*program, self._bed.config, str(port), command, *self._bed.names[:count]]

    def clush(
        self, command: str, port: int = USUAL_PORT, count: int = 64, more: Sequence[str] = QUICK
    ) -> list[str | Path]:
        """`clush -S -f N`."""
        words = shlex.join(("-F", str(self._bed.config), "-p", str(port), *more))
        assert self.clush_path
        nodes = ",".join(self._bed.names[:count])
        return [self.clush_path, "-S", "-f", str(count), "-o", words, "-w", nodes, command]

    def pdsh(self, command: str, port: int = USUAL_PORT, count: int = 64) -> list[str | Path]:
        """`pdsh -S -f N` over ssh."""
        words = shlex.join(("-F", str(self._bed.config), "-p", str(port), *QUICK))
        assert self.pdsh_path
        nodes = ",".join(self._bed.names[:count])
        settings = ("PDSH_RCMD_TYPE=ssh", f"PDSH_SSH_ARGS={words} -x -l%u %h")
        return ["env", *settings, self.pdsh_path, "-S", "-f", str(count), "-w", nodes, command]

    def xargs(self, command: str, port: int = USUAL_PORT, count: int = 64) -> list[str | Path]:
        """`xargs -P N ssh`."""
        listing = self._bed.shared / f"hosts-{count}"
        listing.write_text("".join(f"{name}\n" for name in self._bed.names[:count]))
        one = ("ssh", "-F", str(self._bed.config), "-p", str(port), *QUICK, "{}", command)
        return ["xargs", "-a", listing, "-P", str(count), "-I{}", *one]

    def pssh(self, command: str, port: int = USUAL_PORT, count: int = 64) -> list[str | Path]:
        """A short program that uses parallel-ssh."""
        assert self.python_with_pssh
        program = CHECKOUT / "benchmarks" / "ssh_peer_pssh.py"
        names = self._bed.names[:count]
        return [self.python_with_pssh, program, self._bed.key, str(port), command, *names]

    def ssh(self, *words: str) -> list[str | Path]:
        """One ssh."""
        return ["ssh", "-F", self._bed.config, *QUICK, *words]

    @staticmethod
    def _python_with_pssh(places: str) -> str:
        for folder in places.split(os.pathsep):
            python = shutil.which("python3", path=folder) if folder else None
            if python:
                asked = [python, "-c", "import pssh.clients"]
                if not subprocess.run(asked, capture_output=True, check=False).returncode:
                    return python
        return ""


class _Memory:
    """Watches the proportional memory of a process tree."""

    def __init__(self) -> None:
        self._most = 0.0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, root: int) -> None:
        self._thread = threading.Thread(target=self._watch, args=(root,))
        self._thread.start()

    def stop(self) -> float:
        self._done.set()
        assert self._thread is not None
        self._thread.join()
        return self._most

    def _watch(self, root: int) -> None:
        while not self._done.wait(0.02):
            self._most = max(self._most, sum(map(_pss, _tree(root))))


def _tree(root: int) -> list[int]:
    found, fresh = [root], [root]
    while fresh:
        pid = fresh.pop()
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
            except OSError:
                continue
            found += children
            fresh += children
    return found


def _pss(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / MIB
    except OSError:
        return 0.0
    return 0.0
