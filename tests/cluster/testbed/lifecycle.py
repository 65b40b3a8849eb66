"""Up and down of a whole bed. Down needs no state: it finds what is left by the names alone."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import daemons, hosts, machine, network, processes, slurm_files, ssh_files
from .bed import CHECKOUT, LOGIN, Bed, all_beds
from .errors import BedError
from .processes import Process, clean_environment, kill, spawn, stop, wait_until

if TYPE_CHECKING:
    from .bed import Host, Options, State

_ENTRY_FILES = ("ssh_config", "slurm.conf", "hostfile")
_WATCHER = "watcher"


def up(bed: Bed, options: Options, owner: int | None = None) -> bool:
    """Bring the bed up; False if it was up already.

    Args:
        bed: Which one.
        options: How many hosts, and of what kind.
        owner: A process for whom it is: when that has ended, the bed goes down by itself.

    Raises:
        BedError: it cannot, or it is up with other options. Nothing is left then.
    """
    machine.require(options)
    down_orphans(keep=bed)
    with bed.changing() as state:
        if state.up and all(map(_as_left, state.hosts.values())):
            if state.options != options:
                raise BedError(f"{bed.name} is up with other options: tests/cluster/down first")
            return False
        _tear_down(bed, state)
        state.options = options
        state.owner = Process.of(owner) if owner else None
        try:
            _start(bed, state)
        except BaseException:
            _tear_down(bed, state)
            # what is left of half a bed must not lead a client to addresses that are not there
            for name in _ENTRY_FILES:
                (bed.etc / name).unlink(missing_ok=True)
            raise
    return True


def down(bed: Bed, *, keep_logs: bool = False) -> int:
    """End everything of the bed, whatever state it is in; returns how many hosts it had."""
    if not bed.run.exists() and not network.namespaces(bed):
        return 0
    with bed.changing() as state:
        count = len(state.hosts)
        _tear_down(bed, state)
        if not keep_logs:
            shutil.rmtree(bed.run, ignore_errors=True)
        shutil.rmtree(bed.sockets, ignore_errors=True)
    return count


def down_orphans(keep: Bed | None = None) -> tuple[Bed, ...]:
    """Take down the beds whose owner has ended without doing so."""
    orphans = []
    for bed in all_beds():
        owner = bed.peek().owner
        if bed != keep and owner is not None and not owner.alive():
            down(bed)
            orphans.append(bed)
    return tuple(orphans)


def _as_left(host: Host) -> bool:
    """Whether a host lives, or was crashed on purpose."""
    return "crash" in host.faults or (host.init is not None and host.init.alive())


def _start(bed: Bed, state: State) -> None:
    options = state.options
    state.hosts = network.host_records(options)
    _write_files(bed, options)
    # before the room is made: whoever takes a large bed down looks whether another one is up
    bed.write(state)
    machine.make_room_for_neighbours(options)
    network.lay(bed, state)
    if state.owner:
        state.daemons[_WATCHER] = _start_watcher(bed, state.owner)
    ssh_files.pid_file(bed, LOGIN).unlink(missing_ok=True)
    hosts.start(bed, state, LOGIN)
    with network.at_login(bed):
        _wait_for_sshd(state, [LOGIN])
    if options.slurm:
        daemons.start_login_munged(bed, state)
        # before the nodes: a slurmd that finds no controller tries again only after a second
        daemons.slurmctld(bed, state, "start", fresh=True)
    for name in state.hosts:
        if name != LOGIN:
            hosts.start(bed, state, name)
    bed.write(state)
    with network.at_login(bed):
        _wait_for_sshd(state, [name for name in state.hosts if name != "sshdown"])
    for name in state.hosts:
        began = partial(daemons.all_began, bed, state, name)
        wait_until(f"the daemons of {name}", began)
    if options.slurm:
        daemons.wait_for_nodes(bed, state, 90 + options.hosts)
    if options.broken_hosts:
        network.set_wire(bed, state.host("cutoff"), connected=False)
    state.up = True


def _write_files(bed: Bed, options: Options) -> None:
    for folder in (bed.etc, bed.home, bed.shared, bed.log):
        folder.mkdir(parents=True, exist_ok=True)
    places = [Path(place) for place in (CHECKOUT, sys.prefix, sys.base_prefix)]
    tops = {Path(*place.parts[:3]) for place in places if place.parts[:2] == ("/", "tmp")}
    (bed.etc / "visible").write_text("".join(f"{top}\n" for top in sorted(tops)))
    ssh_files.write_host_flags(bed, options)
    ssh_files.write_names(bed, options)
    ssh_files.write_keys(bed, options)
    ssh_files.write_configuration(bed, options)
    if options.slurm:
        slurm_files.write(bed, options)


def _wait_for_sshd(state: State, names: list[str]) -> None:
    waiting = list(names)

    def all_listen() -> bool:
        # none is asked again once it has answered: each connection costs its sshd a fork
        while waiting and network.listens(state.host(waiting[-1]).ip):
            waiting.pop()
        return not waiting

    wait_until("sshd", all_listen, 90 + len(names))


def _start_watcher(bed: Bed, owner: Process) -> Process:
    script = Path(__file__).resolve().parents[1] / "bed"
    words = ["--name", bed.name, "watch", str(owner.pid)]
    return spawn(
        [sys.executable, str(script), *words], bed.log / "watcher.out", clean_environment(bed.home)
    )


def _tear_down(bed: Bed, state: State) -> None:
    for name in ("slurmctld", "munged"):
        stop(state.daemons.pop(name, None), grace=10.0)
    watcher = state.daemons.pop(_WATCHER, None)
    if watcher and watcher.pid != os.getpid():
        stop(watcher)
    kill(state.daemons.values())
    # the end of a host's `unshare` ends its init, and the kernel everything else in the host
    kill([host.init for host in state.hosts.values() if host.init])
    # also what the state does not know: the login node's commands, and a whole bed whose `up` was
    # killed before it could write down what it had started, and which may still be at it
    while left := processes.parts_of(bed.name) + network.processes_in(network.namespaces(bed)):
        kill(left)
    network.remove(network.namespaces(bed))
    state.hosts, state.daemons, state.up, state.owner = {}, {}, False, None
    bed.write(state)
    machine.give_back_room()
