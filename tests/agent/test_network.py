"""What an agent tells of its node's network, and what follows when another address is agreed on."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from rankdeck.agent import network
from rankdeck.agent.network import IFNAME_VARIABLES, Network, interfaces
from rankdeck.run.node_state import NodeOutcome, NodePhase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.agent.harness import AgentRun

_PRINT = """
import os, sys
for name in ("MASTER_ADDR", "MASTER_PORT", "PET_MASTER_ADDR", "PET_MASTER_PORT"):
    print(name, os.environ.get(name))
print(sys.argv[1:])
"""
_MULTI = {"wait_for_go": True, "nnodes": 2, "world_size": 2}


def resolve_as(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], Sequence[str]]) -> None:
    """Let names resolve to what `answer` says."""

    def getaddrinfo(name: str, *_: object) -> list[tuple[object, ...]]:
        found = answer(name)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr("_socket.getaddrinfo", getaddrinfo)


def test_a_ready_agent_tells_its_network(agent: AgentRun) -> None:
    agent.ranks("print(1)", master_addr="localhost", **_MULTI)
    told = agent.until(lambda state: state.phase is NodePhase.READY).network
    assert told is not None
    assert told.hostname == socket.gethostname()
    assert "127.0.0.1" in told.master
    assert told.addresses == tuple(interface.address for interface in interfaces())
    assert not any(address.startswith(("127.", "fe80:")) for address in told.addresses)
    assert len(told.subnets) == len(told.addresses)
    agent.send("stop")
    agent.done()


def test_a_single_node_looks_nothing_up(agent: AgentRun) -> None:
    agent.ranks("print(1)")
    assert agent.done().network is None


def test_every_place_that_carries_the_master_address_follows(agent: AgentRun) -> None:
    program = agent.script(_PRINT)
    agent.start(
        spawn="launcher",
        launcher="torchrun",
        master_addr="first.invalid",
        env={"MASTER_ADDR": "first.invalid"},
        argv=(
            sys.executable, str(program),
            "--master-addr", "first.invalid", "entry.py", "--master-addr", "first.invalid",
        ),
        **_MULTI,
    )  # fmt: skip
    agent.until(lambda state: state.phase is NodePhase.READY)
    agent.send("go", master_addr="127.0.0.1", master_port=23456)
    agent.done()
    assert agent.node.launcher_log.read_text().splitlines() == [
        "MASTER_ADDR 127.0.0.1",
        "MASTER_PORT 23456",
        "PET_MASTER_ADDR 127.0.0.1",
        "PET_MASTER_PORT 23456",
        # what stands behind the entry is the user's own
        "['--master-addr', '127.0.0.1', 'entry.py', '--master-addr', 'first.invalid']",
    ]


def test_a_name_server_that_does_not_answer_delays_nothing_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = threading.Event()
    resolve_as(monkeypatch, lambda name: ["192.0.2.1"] if never.wait(20.0) else [])
    monkeypatch.setattr(network, "LOOKUP_SECONDS", 0.05)
    found = Network("master.invalid")
    record = found.record()
    assert found.over
    assert (record["own"], record["master"]) == ((), ())
    never.set()


@pytest.mark.parametrize("own", [["127.0.1.1"], [], ["198.51.100.7"]])
def test_gloo_is_shown_the_interface_when_the_own_name_misleads(
    monkeypatch: pytest.MonkeyPatch, own: list[str]
) -> None:
    """Loopback, unknown, or somebody else's: in each case gloo would use what nobody reaches."""
    first = interfaces()[0]
    resolve_as(monkeypatch, lambda name: own if name == socket.gethostname() else [first.address])
    found = Network("master").interface_variables("master")
    assert found == dict.fromkeys(IFNAME_VARIABLES, first.name)


def test_gloo_is_told_nothing_when_the_own_name_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    first = interfaces()[0]
    resolve_as(monkeypatch, lambda name: [first.address])
    assert Network("master").interface_variables("master") == {}


def test_no_interface_for_a_master_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, lambda name: [])
    assert Network("master").interface_variables("master") == {}


def test_what_the_user_said_of_interfaces_stands(agent: AgentRun) -> None:
    agent.ranks(
        "import os; print(os.environ.get('GLOO_SOCKET_IFNAME'))",
        env={"GLOO_SOCKET_IFNAME": "mine"},
        **_MULTI,
    )
    agent.until(lambda state: state.phase is NodePhase.READY)
    agent.send("go", master_port=23456)
    assert agent.done().outcome is NodeOutcome.SUCCEEDED
    assert agent.log() == b"mine\n"
