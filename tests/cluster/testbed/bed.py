"""What a bed is called and where its files lie; its state on disk and the lock around it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BedError
from .processes import Process, marked

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/var/lib/rankdeck-cluster")
CHECKOUT = Path(__file__).resolve().parents[3]
LOGIN, LOGIN2 = "login", "login2"
BROKEN = ("badkey", "sshdown", "wronghk", "tarpit", "cutoff", "stranger")
SILENT = ("tarpit", "cutoff")
"""Of these no answer ever comes; a client's patience with the others may be long."""
NAME_LENGTH = 7
"""With `v63` behind it this still is an interface name."""


@dataclass(frozen=True)
class Options:
    """What `up` was asked for."""

    hosts: int = 4
    gpus: int = 2
    """Stand-ins for GPUs on each host, as Slurm counts them."""
    gpu_type: str = ""
    cpus: int = 8
    """What Slurm believes of each host."""
    slurm: bool = True
    broken_hosts: bool = True
    tmp_size: str = "512m"
    """Each host's own /tmp, in memory; `0`: on the machine's disk, and `fill` is refused."""
    net: str = "10.77"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The hosts that work."""
        return tuple(f"node{number}" for number in range(1, self.hosts + 1))

    @property
    def large(self) -> bool:
        """Many hosts on few cores answer late and share one host key."""
        return self.hosts > 16


@dataclass
class Host:
    """A host as the bed has started it."""

    ip: str
    index: int
    init: Process | None = None
    """The `unshare` outside whose end is the end of everything in the host."""
    faults: dict[str, str] = field(default_factory=dict)
    """What was done to it and must be undone, by command."""


@dataclass
class State:
    """What is up; written to `state.json` after every change."""

    options: Options = field(default_factory=Options)
    hosts: dict[str, Host] = field(default_factory=dict)
    daemons: dict[str, Process] = field(default_factory=dict)
    """The login node's and the bed's own: slurmctld, munged, relays, the watcher."""
    up: bool = False
    owner: Process | None = None
    """Who the bed is for: it goes down when this process has ended."""

    def host(self, name: str) -> Host:
        """The host of this name.

        Raises:
            BedError: there is none.
        """
        if name not in self.hosts:
            raise BedError(f"no host {name}; there are {', '.join(self.hosts) or 'none'}")
        return self.hosts[name]


@dataclass(frozen=True)
class Bed:
    """One bed, named; all its files lie in one folder."""

    name: str

    @property
    def run(self) -> Path:
        """Everything that belongs to it."""
        return ROOT / self.name

    @property
    def etc(self) -> Path:
        """Configuration: keys, slurm.conf, hostfiles."""
        return self.run / "etc"

    @property
    def home(self) -> Path:
        """root's home on every host, shared as by NFS."""
        return self.run / "home"

    @property
    def shared(self) -> Path:
        """A folder that every host sees, for runs and projects."""
        return self.run / "shared"

    @property
    def log(self) -> Path:
        """What the bed's own processes printed."""
        return self.run / "log"

    @property
    def sockets(self) -> Path:
        """A short path that exists in every host's /run."""
        return Path("/run") / f"rankdeck-{self.name}"

    @property
    def slurm_conf(self) -> Path:
        """Slurm's configuration; absent without Slurm."""
        return self.etc / "slurm.conf"

    def of_host(self, host: str) -> Path:
        """A host's own files."""
        return self.run / "hosts" / host

    def netns(self, host: str) -> str:
        """The host's network namespace."""
        return f"{self.name}-{host}"

    @property
    def bridge(self) -> str:
        """The switch, inside the login node's namespace."""
        return f"{self.name}br"

    def veth(self, index: int) -> str:
        """The switch's end of a host's wire."""
        return f"{self.name}v{index}"

    def environment(self) -> dict[str, str]:
        """What a command on one of its hosts has in its environment besides the usual."""
        found = {"HOME": str(self.home), "CLUSTER_NAME": self.name, "CLUSTER_RUN": str(self.run)}
        if self.slurm_conf.exists():
            found["SLURM_CONF"] = str(self.slurm_conf)
        return found

    def read(self) -> State:
        """What is up.

        Raises:
            BedError: nothing is.
        """
        state = self.peek()
        if not state.hosts:
            raise BedError(f"the bed {self.name} is not up: tests/cluster/up")
        return state

    def peek(self) -> State:
        """What is up, which may be nothing."""
        try:
            return _state_from(json.loads((self.run / "state.json").read_text()))
        except FileNotFoundError:
            return State()

    def write(self, state: State) -> None:
        """Keep the state; nothing once the folder is gone."""
        if self.run.exists():
            fresh = self.run / "state.json.new"
            fresh.write_text(json.dumps(asdict(state), indent=1))
            fresh.replace(self.run / "state.json")

    @contextmanager
    def changing(self) -> Iterator[State]:
        """The state, for one writer at a time; kept at the end, also after an error."""
        with self._locked(), marked(self.name):
            state = self.peek()
            try:
                yield state
            finally:
                self.write(state)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        while True:
            self.run.mkdir(parents=True, exist_ok=True)
            with (self.run / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    # another process may have taken the bed down, and its folder away, meanwhile
                    if not os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name)):
                        continue
                except FileNotFoundError:
                    continue
                yield
                return


def _state_from(document: dict[str, Any]) -> State:
    def process(record: dict[str, Any] | None) -> Process | None:
        return Process(**record) if record else None

    hosts = {
        name: Host(record["ip"], record["index"], process(record["init"]), record["faults"])
        for name, record in document["hosts"].items()
    }
    daemons = {name: Process(**record) for name, record in document["daemons"].items()}
    owner = process(document["owner"])
    return State(Options(**document["options"]), hosts, daemons, document["up"], owner)


def checkout_bed() -> Bed:
    """The playground of this checkout: always the same name."""
    return Bed(f"rd{_short_hash(str(CHECKOUT))}")


def free_bed() -> Bed:
    """A bed with a name that nobody has; its folder is made here, so nobody else gets it."""
    for turn in range(1000):
        bed = Bed(f"rt{_short_hash(f'{CHECKOUT} {os.getpid()} {turn}')}")
        ROOT.mkdir(parents=True, exist_ok=True)
        try:
            bed.run.mkdir()
        except FileExistsError:
            continue
        return bed
    raise BedError(f"no free name: too many beds under {ROOT}")


def all_beds() -> tuple[Bed, ...]:
    """Every bed of this machine that has left files."""
    if not ROOT.exists():
        return ()
    return tuple(Bed(entry.name) for entry in sorted(ROOT.iterdir()) if entry.is_dir())


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:4]
