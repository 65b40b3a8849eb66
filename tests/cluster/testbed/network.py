"""The wires: a network namespace per host, joined by a bridge inside the login node's own.

The machine's own namespace gets no interface, no route and no name, and the login node has no
default route: what a host or a test sends cannot leave.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .bed import BROKEN, LOGIN, LOGIN2, Bed, Host, Options, State
from .errors import BedError
from .processes import Process, run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SSH_PORT = 22
SECOND_SSH_PORT = 2222
_NOBODYS_PORT = 9
_CLONE_NEWNET = 0x40000000


def address_table(options: Options) -> dict[str, str]:
    """Every host's address, the login nodes included."""
    net = options.net
    table = {
        name: f"{net}.{index // 250}.{index % 250 + 1}" for index, name in enumerate(options.nodes)
    }
    if options.broken_hosts:
        table |= {name: f"{net}.200.{index + 1}" for index, name in enumerate(BROKEN)}
    return table | {LOGIN2: f"{net}.255.253", LOGIN: f"{net}.255.254"}


def host_records(options: Options) -> dict[str, Host]:
    """The hosts before anything of them runs; the login node has number 0."""
    table = address_table(options)
    numbered = {name: ip for name, ip in table.items() if name != LOGIN}
    records = {name: Host(ip, index) for index, (name, ip) in enumerate(numbered.items(), 1)}
    return records | {LOGIN: Host(table[LOGIN], 0)}


def lay(bed: Bed, state: State) -> None:
    """Make all namespaces and wires; some 15 `ip` processes for any number of hosts."""
    net = state.options.net
    wired = {name: host for name, host in state.hosts.items() if name != LOGIN}
    Path("/run/netns").mkdir(exist_ok=True)
    _ip_batch([f"netns add {bed.netns(name)}" for name in (LOGIN, *wired)])
    login_ip = state.hosts[LOGIN].ip
    lines = [
        "link set lo up",
        f"link add {bed.bridge} type bridge forward_delay 0 mcast_snooping 0",
        f"addr add {login_ip}/16 dev {bed.bridge}",
        f"link set {bed.bridge} up",
        _quick_route(net, login_ip, bed.bridge),
    ]
    for name, host in wired.items():
        veth = bed.veth(host.index)
        lines.append(f"link add {veth} type veth peer name eth0 netns {bed.netns(name)}")
        lines.append(f"link set {veth} master {bed.bridge} up")
    _ip_batch(lines, bed.netns(LOGIN))
    for name, host in wired.items():
        _ip_batch(
            [
                f"addr add {host.ip}/16 dev eth0",
                "link set lo up",
                "link set eth0 up",
                _quick_route(net, host.ip, "eth0"),
            ],
            bed.netns(name),
        )


def _quick_route(net: str, ip: str, device: str) -> str:
    # an ssh handshake waits three times 40 ms for delayed acknowledgements otherwise
    return f"route replace {net}.0.0/16 dev {device} proto kernel scope link src {ip} quickack 1"


def _ip_batch(lines: Sequence[str], namespace: str = "") -> None:
    inside = ["-n", namespace] if namespace else []
    run(["ip", *inside, "-batch", "-"], text="\n".join(lines) + "\n")


def at_switch(bed: Bed, tool: str, *words: str) -> str:
    """`ip` or `tc` where the bridge and the hosts' wires are."""
    return run([tool, "-n", bed.netns(LOGIN), *words])


def set_wire(bed: Bed, host: Host, *, connected: bool) -> None:
    """Plug a host's cable in or out: packets vanish, nothing is refused."""
    at_switch(bed, "ip", "link", "set", bed.veth(host.index), "up" if connected else "down")


def wait_for_wire(bed: Bed, name: str, host: Host) -> None:
    """Wait until a host that was plugged in is reached again: the switch takes a moment."""
    with at_login(bed):
        wait_until(f"the wire of {name}", lambda: _answers(host.ip))


def _answers(ip: str) -> bool:
    """Whether its kernel says anything of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((ip, _NOBODYS_PORT)) in (0, errno.ECONNREFUSED)


def in_host_net(
    bed: Bed, name: str, *argv: str, text: str | None = None, check: bool = True
) -> str:
    """Run a command with the host's network and this machine's files."""
    return run(["ip", "netns", "exec", bed.netns(name), *argv], text=text, check=check)


@contextmanager
def at_login(bed: Bed) -> Iterator[None]:
    """Sockets that this thread opens meanwhile are the login node's."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/run/netns/{bed.netns(LOGIN)}", os.O_RDONLY)
        try:
            if setns(there, _CLONE_NEWNET):
                raise BedError(f"setns: {os.strerror(ctypes.get_errno())}")
            yield
        finally:
            os.close(there)
            setns(back, _CLONE_NEWNET)
    finally:
        os.close(back)


def listens(ip: str, port: int = SSH_PORT) -> bool:
    """Whether something accepts connections there."""
    with suppress(OSError), socket.create_connection((ip, port), 0.5):
        return True
    return False


def namespaces(bed: Bed) -> tuple[str, ...]:
    """The bed's network namespaces that exist, whether or not the state knows them."""
    lines = run(["ip", "netns", "list"]).splitlines()
    names = (line.split()[0] for line in lines if line.strip())
    return tuple(sorted(name for name in names if name.startswith(f"{bed.name}-")))


def processes_in(names: Sequence[str]) -> list[Process]:
    """Everything that runs in these network namespaces."""
    found = []
    for name in names:
        pids = run(["ip", "netns", "pids", name], check=False).split()
        found += [Process.of(int(pid)) for pid in pids if pid.isdigit() and int(pid) != os.getpid()]
    return found


def remove(names: Sequence[str]) -> None:
    """Delete network namespaces; their wires go with them."""
    if names:
        # -force: go on after one that has just gone by itself
        subprocess.run(
            ["ip", "-force", "-batch", "-"],
            input="".join(f"netns del {name}\n" for name in names),
            text=True,
            capture_output=True,
            check=False,
        )
