"""Faults of a whole host: power cut, freeze; and of its sshd: another key, few connections."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from . import daemons, hosts, ssh_files
from .bed import LOGIN
from .errors import BedError
from .network import set_wire, wait_for_wire
from .processes import Process, kill, wait_until

if TYPE_CHECKING:
    from .bed import Bed, Host, State

_OUTLIVE_CRASH = frozenset({"key", "drop", "delay", "rate"})
"""Faults of the wire and of files; the others are mounts, processes and stopped daemons."""


def crash(bed: Bed, state: State, name: str) -> None:
    """Power cut: everything in the host ends at once, and nothing tells its peers."""
    host = _separate(state, name)
    set_wire(bed, state.host(name), connected=False)
    if host.init and host.init.alive():
        # the inner one ends last, when nothing of the host holds a port or a file any more
        kill([host.init, Process.of(hosts.init_pid(state, name))])
    host.faults = {fault: value for fault, value in host.faults.items() if fault in _OUTLIVE_CRASH}
    host.faults["crash"] = "yes"


def boot(bed: Bed, state: State, name: str) -> None:
    """Start a host again after `crash`; returns when it can be reached and its daemons listen."""
    host = _separate(state, name)
    if host.init and host.init.alive():
        raise BedError(f"{name} is up")
    ssh_files.write_sshd(bed, name)
    hosts.start(bed, state, name)
    set_wire(bed, state.host(name), connected=True)
    wait_until(f"the daemons of {name}", lambda: daemons.all_began(bed, state, name))
    wait_for_wire(bed, name, host)
    host.faults.pop("crash", None)


def freeze(bed: Bed, state: State, name: str, number: int = 0) -> None:
    """Stop all processes of a host, or one by its number there; the kernel still answers TCP."""
    _separate(state, name)
    if number:
        process = _process(state, name, number)
        process.signal(signal.SIGSTOP)
        wait_until(f"{number} on {name} to stand still", lambda: process.state() in ("T", ""))
        return
    state.host(name).faults["freeze"] = "yes"
    told: set[Process] = set()
    clean: list[bool] = []

    def still() -> bool:
        # twice: one that was started by the last that ran may have been missed
        clean.append(_stop_those_that_run(state, name, told))
        return all(clean[-2:]) and len(clean) > 1

    wait_until(f"{name} to stand still", still)


def _stop_those_that_run(state: State, name: str, told: set[Process]) -> bool:
    """Stop what runs on a host; whether nothing did."""
    letters = {process: process.state() for process in hosts.processes(state, name).values()}
    # one that waits in the kernel, as for a child that is stopped itself, stops when that is over
    running = [
        process
        for process, letter in letters.items()
        if letter not in ("T", "") and not (letter == "D" and process in told)
    ]
    for process in running:
        process.signal(signal.SIGSTOP)
    told.update(running)
    return not running


def thaw(bed: Bed, state: State, name: str, number: int = 0) -> None:
    """Let go on what `freeze` has stopped."""
    _separate(state, name)
    if number:
        _process(state, name, number).signal(signal.SIGCONT)
        return
    for process in hosts.processes(state, name).values():
        process.signal(signal.SIGCONT)
    state.host(name).faults.pop("freeze", None)


def send_signal(state: State, name: str, number: int, signal_number: int) -> None:
    """Signal one process of a host, by its number there."""
    _process(state, name, number).signal(signal_number)


def new_key(bed: Bed, state: State, name: str) -> None:
    """Let the host show another key than `known_hosts` has, as after a new installation."""
    key = ssh_files.host_key(bed, name)
    kept = key.with_name("known_key")
    if not kept.exists():
        key.replace(kept)
        ssh_files.public(key).replace(ssh_files.public(kept))
    else:
        key.unlink()
        ssh_files.public(key).unlink()
    ssh_files.make_key(key)
    daemons.sshd(bed, state, name, "restart")
    state.host(name).faults["key"] = "new"


def known_key(bed: Bed, state: State, name: str) -> None:
    """Let the host show its first key again."""
    key = ssh_files.host_key(bed, name)
    kept = key.with_name("known_key")
    if kept.exists():
        kept.replace(key)
        ssh_files.public(kept).replace(ssh_files.public(key))
        daemons.sshd(bed, state, name, "restart")
    state.host(name).faults.pop("key", None)


def max_startups(bed: Bed, state: State, name: str, count: int) -> None:
    """Let sshd drop connections beyond `count` that are not logged in yet; 0: as usual."""
    if count:
        ssh_files.write_sshd(bed, name, str(count))
    else:
        ssh_files.write_sshd(bed, name)
    daemons.sshd(bed, state, name, "restart")
    if count:
        state.host(name).faults["maxstartups"] = str(count)
    else:
        state.host(name).faults.pop("maxstartups", None)


def _separate(state: State, name: str) -> Host:
    if name == LOGIN:
        raise BedError("the login node has the machine's own processes; use login2")
    return state.host(name)


def _process(state: State, name: str, number: int) -> Process:
    found = hosts.processes(state, name).get(number)
    if found is None:
        raise BedError(f"no process {number} on {name}")
    return found
