"""Hosts as sets of namespaces: starting one, entering it, and looking at its processes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .bed import LOGIN
from .errors import BedError
from .processes import Process, clean_environment, run, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bed import Bed, State

INIT = Path(__file__).with_name("init.sh")


def start(bed: Bed, state: State, name: str) -> None:
    """Start a host; its daemons are up some time later."""
    own = ["--uts", "--mount", "--propagation", "private"]
    if name != LOGIN:
        own += ["--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words = [name, str(bed.run), str(bed.sockets), state.options.tmp_size]
    state.host(name).init = spawn(
        ["ip", "netns", "exec", bed.netns(name), "unshare", *own, "bash", str(INIT), *words],
        bed.of_host(name) / "init.log",
        clean_environment(bed.home),
    )


def init_pid(state: State, name: str) -> int:
    """The host's first process as this machine numbers it.

    Raises:
        BedError: the host is not up.
    """
    outer = state.host(name).init
    if outer is None or not outer.alive():
        raise BedError(f"{name} is not up")
    if name == LOGIN:  # it has the machine's processes, so its init was not forked
        return outer.pid
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    if not children:
        raise BedError(f"{name} is not up")
    return int(children[0])


def entry(state: State, name: str, cwd: str = "") -> list[str]:
    """The words before a command that make it run inside the host."""
    kinds = ["-n", "-u", "-m"] if name == LOGIN else ["-n", "-u", "-m", "-i", "-p"]
    # the folder is entered inside: one taken along would belong to this machine's mounts
    inside = ["env", "-C", cwd] if cwd else []
    return ["nsenter", "-t", str(init_pid(state, name)), *kinds, "--", *inside]


def inside(bed: Bed, state: State, name: str, *argv: str, check: bool = True) -> str:
    """Run a command in the host, without sshd; returns what it printed."""
    environment = clean_environment(bed.home) | bed.environment()
    return run([*entry(state, name), *argv], env=environment, check=check)


def seen(state: State, name: str, path: str) -> Path:
    """A path of the host, reached from here."""
    return Path(f"/proc/{init_pid(state, name)}/root") / path.lstrip("/")


def processes(state: State, name: str) -> dict[int, Process]:
    """The host's living processes: by its own numbers, as this machine's, its init left out.

    For the login node: those of this machine's processes that have its network.
    """
    init = init_pid(state, name)
    kind = "net" if name == LOGIN else "pid"
    wanted = os.readlink(f"/proc/{init}/ns/{kind}")
    found = {}
    for pid in _all_pids():
        with suppress(OSError):
            if pid != init and os.readlink(f"/proc/{pid}/ns/{kind}") == wanted:
                process = Process.of(pid)
                if process.started:
                    found[_number_inside(pid) if kind == "pid" else pid] = process
    return found


def carriers(state: State, variable: str, value: str) -> dict[str, list[int]]:
    """Every process that has this in its environment, by host and the host's own numbers.

    Looked up in this machine's own process table, which no host can hide anything from. What runs
    outside every host is found under the empty name.
    """
    mark = f"{variable}={value}".encode()
    homes = _namespaces_of(state)
    found: dict[str, list[int]] = {}
    for pid in _all_pids():
        # a zombie has an empty environment, so it is never found
        with suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                network = os.readlink(f"/proc/{pid}/ns/net")
                own = os.readlink(f"/proc/{pid}/ns/pid")
                name = homes.get(own) or homes.get(network) or ""
                found.setdefault(name, []).append(_number_inside(pid) if own in homes else pid)
    return found


def _namespaces_of(state: State) -> dict[str, str]:
    """Which host a process namespace belongs to; for the login node, its network's."""
    homes = {}
    for name in state.hosts:
        with suppress(BedError, OSError):
            kind = "net" if name == LOGIN else "pid"
            homes[os.readlink(f"/proc/{init_pid(state, name)}/ns/{kind}")] = name
    return homes


def _all_pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _number_inside(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    raise BedError("this kernel does not tell a process's number inside its namespace")
