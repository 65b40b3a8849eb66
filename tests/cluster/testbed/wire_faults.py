"""Faults of the network: cut, loss, delay, bandwidth. Each is undone by its own zero."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import hosts
from .bed import LOGIN
from .errors import BedError
from .network import at_switch, in_host_net, set_wire, wait_for_wire
from .processes import clean_environment, run, spawn, stop, wait_until

if TYPE_CHECKING:
    from .bed import Bed, Host, State

_RELAY = Path(__file__).with_name("relay.py")


def cut(bed: Bed, state: State, name: str) -> None:
    """Unplug the host: its packets vanish; no connection is closed or refused."""
    host = _wired(state, name)
    set_wire(bed, host, connected=False)
    host.faults["cut"] = "yes"


def heal(bed: Bed, state: State, name: str) -> None:
    """Plug the host in again; it can be reached when this returns."""
    host = _wired(state, name)
    set_wire(bed, host, connected=True)
    if not host.faults.keys() & {"drop", "delay", "rate"}:
        wait_for_wire(bed, name, host)
    host.faults.pop("cut", None)


def drop(bed: Bed, state: State, name: str, percent: float) -> None:
    """Lose that part of the packets each way; few kernels have netem, all have nftables."""
    host = _wired(state, name)
    in_host_net(bed, name, "nft", "delete table inet loss", check=False)
    host.faults.pop("drop", None)
    if percent:
        chains = "".join(
            f"chain {way} {{ type filter hook {way} priority 0; "
            'iifname "lo" accept; oifname "lo" accept; '
            f"numgen random mod 1000 < {round(percent * 10)} drop; }}\n"
            for way in ("input", "output")
        )
        in_host_net(bed, name, "nft", "-f", "-", text=f"table inet loss {{\n{chains}}}\n")
        host.faults["drop"] = str(percent)


def rate(bed: Bed, state: State, name: str, kilobits: int) -> None:
    """Let through no more than that each way."""
    host = _wired(state, name)
    ends = ((bed.netns(LOGIN), bed.veth(host.index)), (bed.netns(name), "eth0"))
    for namespace, device in ends:
        run(["tc", "-n", namespace, "qdisc", "del", "dev", device, "root"], check=False)
    host.faults.pop("rate", None)
    if kilobits:
        shape = ["tbf", "rate", f"{kilobits}kbit", "burst", "32kb", "latency", "400ms"]
        for namespace, device in ends:
            run(["tc", "-n", namespace, "qdisc", "add", "dev", device, "root", *shape])
        host.faults["rate"] = str(kilobits)


def delay(bed: Bed, state: State, name: str, milliseconds: float) -> None:
    """Hold every frame back, each way, by a process between the host's wire and the switch."""
    host = _wired(state, name)
    veth, tap, relay = bed.veth(host.index), f"{bed.name}t{host.index}", f"relay-{name}"
    stop(state.daemons.pop(relay, None))  # its end of the wire goes with it
    host.faults.pop("delay", None)
    offload = [sys.executable, str(_RELAY), "offload", "eth0"]
    if not milliseconds:
        in_host_net(bed, name, *offload, "1")
        at_switch(bed, "ip", "link", "set", veth, "master", bed.bridge)
        return
    # frames must be whole when the relay sees them
    in_host_net(bed, name, *offload, "0")
    at_switch(bed, "ip", "link", "set", veth, "nomaster")
    log = bed.log / f"{relay}.out"
    log.unlink(missing_ok=True)
    words = [sys.executable, str(_RELAY), "relay", veth, tap, str(milliseconds / 1000)]
    environment = clean_environment(bed.home)
    state.daemons[relay] = spawn([*hosts.entry(state, LOGIN), *words], log, environment)
    wait_until("the relay", lambda: log.exists() and "ready" in log.read_text())
    at_switch(bed, "ip", "link", "set", tap, "master", bed.bridge)
    at_switch(bed, "ip", "link", "set", tap, "up")
    host.faults["delay"] = str(milliseconds)


def _wired(state: State, name: str) -> Host:
    if name == LOGIN:
        raise BedError("the login node is the switch itself; use login2")
    return state.host(name)
