"""The address all nodes meet at, for every way that nodes may see each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run.events import EventKind
from rankdeck.run.master import choose_master
from rankdeck.run.node_state import NodeNetwork, NodeState
from rankdeck.run.state import RunPhase
from tests.unit.run.simulation import Fate, World

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

_A, _B, _C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def seen(
    hostname: str,
    *addresses: str,
    master: tuple[str, ...] = (),
    subnets: tuple[str, ...] | None = None,
) -> NodeNetwork:
    """What a node tells."""
    nets = tuple(f"{a.rpartition('.')[0]}.0/24" for a in addresses) if subnets is None else subnets
    return NodeNetwork(hostname=hostname, addresses=addresses, subnets=nets, master=master)


def test_the_plans_name_is_kept_where_all_nodes_mean_the_same_by_it() -> None:
    networks = {"a": seen("a", _A, master=(_A,)), "b": seen("b", _B, master=(_A,))}
    choice = choose_master("a", False, networks, "a")
    assert (choice.address, choice.note, choice.problem) == ("a", "", None)


def test_it_is_kept_where_a_node_knows_more_of_the_masters_addresses() -> None:
    networks = {
        "a": seen("a", _A, "fd00::1", master=(_A, "fd00::1"), subnets=("10.0.0.0/24", "fd00::/64")),
        "b": seen("b", _B, master=(_A,)),
    }
    assert choose_master("a", False, networks, "a").address == "a"


@pytest.mark.parametrize(
    ("own", "other", "why"),
    [
        (("127.0.1.1",), (_A,), "a is 127.0.1.1 on a"),
        ((_A,), ("127.0.0.1",), "a is 127.0.0.1 on b"),
        ((_A,), (), "b cannot resolve a"),
        ((), (), "a cannot resolve a"),
        ((_A,), ("203.0.113.9",), "a is 203.0.113.9 on b, which is no address of a"),
        ((_A, "127.0.1.1"), (_A,), "a is 127.0.1.1 on a"),
        (("::1",), (_A,), "a is ::1 on a"),
    ],
)
def test_otherwise_an_address_of_the_first_node(
    own: tuple[str, ...], other: tuple[str, ...], why: str
) -> None:
    networks = {"a": seen("a", _A, master=own), "b": seen("b", _B, master=other)}
    choice = choose_master("a", False, networks, "a")
    assert choice.address == _A
    assert choice.note == f"{why}; the ranks meet at {_A} instead"


def test_nodes_that_mean_different_addresses_of_the_first_one() -> None:
    networks = {
        "a": seen("a", _A, "10.9.0.1", master=(_A,)),
        "b": seen("b", _B, master=("10.9.0.1",)),
        "c": seen("c", _C, master=("10.9.0.1",)),
    }
    choice = choose_master("a", False, networks, "a")
    # what the others mean counts
    assert choice.address == "10.9.0.1"
    assert choice.note.startswith("a is not the same address on all nodes")


def test_the_address_it_was_reached_by() -> None:
    networks = {"a": seen("a", "10.9.0.1", _A), "b": seen("b", "10.8.0.2")}
    assert choose_master("a", False, networks, _A).address == _A


def test_an_address_in_a_subnet_that_the_others_are_in() -> None:
    networks = {"a": seen("a", "192.168.7.1", _A), "b": seen("b", _B), "c": seen("c", _C)}
    assert choose_master("a", False, networks, "a").address == _A


def test_never_an_address_that_another_node_has_too() -> None:
    """Every host with docker has 172.17.0.1, in a subnet that all of them are in."""
    networks = {
        "a": seen("a", "172.17.0.1", _A, master=("127.0.1.1",)),
        "b": seen("b", "172.17.0.1", _B, master=()),
    }
    assert choose_master("a", False, networks, "172.17.0.1").address == _A


def test_version_4_before_version_6() -> None:
    networks = {
        "a": seen("a", "fd00::1", _A, subnets=("fd00::/64", "10.0.0.0/24")),
        "b": seen("b", "fd00::2", _B, subnets=("fd00::/64", "10.0.0.0/24")),
    }
    assert choose_master("a", False, networks, "a").address == _A


def test_without_any_other_address_the_plans_is_used_with_a_note() -> None:
    choice = choose_master("a", False, {"a": seen("a"), "b": seen("b", _B)}, "a")
    assert choice.address == "a"
    assert "no other address of a is known" in choice.note


def test_a_node_that_told_nothing_has_no_vote() -> None:
    networks = {"a": seen("a", _A, master=(_A,)), "b": None, "c": seen("c", _C, master=(_A,))}
    assert choose_master("a", False, networks, "a").address == "a"
    assert choose_master("a", False, {"a": None, "b": seen("b", _B)}, "a").address == "a"


def test_agents_of_one_and_the_same_host_meet_anywhere() -> None:
    networks = {name: seen("same", _A, master=("127.0.0.1",)) for name in ("a", "b", "c")}
    assert choose_master("127.0.0.1", False, networks, "a").address == "127.0.0.1"


@pytest.mark.parametrize(("own", "address"), [((_A,), _A), ((), "127.0.0.1")])
def test_one_host_under_names_that_only_we_know(own: tuple[str, ...], address: str) -> None:
    """Aliases in ~/.ssh/config are names nowhere else."""
    networks = {name: seen("same", *own) for name in ("a", "b")}
    choice = choose_master("a", False, networks, "a")
    assert choice.address == address
    assert choice.note == f"a cannot resolve a; the ranks meet at {address} instead"


@pytest.mark.parametrize(
    ("resolved", "wrong"),
    [((), "it cannot be resolved there"), (("127.0.1.1",), "it is 127.0.1.1 there")],
)
def test_a_fixed_address_that_a_node_cannot_use_is_a_problem(
    resolved: tuple[str, ...], wrong: str
) -> None:
    networks = {"a": seen("a", _A, master=(_A,)), "b": seen("b", _B, master=resolved)}
    choice = choose_master("m", True, networks, "a")
    assert choice.address == "m"
    assert choice.problem is not None
    assert choice.problem.node == "b"
    assert choice.problem.message == f"b cannot reach the master address m: {wrong}"


def test_a_fixed_address_that_is_doubtful_is_kept_with_a_note() -> None:
    """The first node listens on all of its addresses, and there may be one it does not see."""
    networks = {
        "a": seen("a", _A, master=("127.0.1.1",)),
        "b": seen("b", _B, master=("203.0.113.9",)),
    }
    choice = choose_master("m", True, networks, "a")
    assert (choice.address, choice.problem) == ("m", None)
    assert choice.note == "m is 127.0.1.1 on a"


def test_a_fixed_address_that_fits() -> None:
    networks = {"a": seen("a", _A, master=(_A,)), "b": seen("b", _B, master=(_A,))}
    choice = choose_master(_A, True, networks, "a")
    assert (choice.address, choice.note, choice.problem) == (_A, "", None)


def conducted(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch, networks: dict[str, NodeNetwork]
) -> World:
    """A run of two nodes whose agents tell these networks."""

    def state(**fields: object) -> NodeState:
        return msgspec.convert({**fields, "network": networks[str(fields["node"])]}, NodeState)

    monkeypatch.setattr("tests.unit.run.simulation.NodeState", state)
    return World(run_dir, {(name, 0): Fate(ends={0: (1.0, 0), 1: (1.0, 0)}) for name in networks})


def test_all_nodes_are_told_the_same_address_with_the_reason(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = {"a": seen("a", _A, master=("127.0.1.1",)), "b": seen("b", _B, master=(_A,))}
    world = conducted(run_dir, monkeypatch, networks)
    assert world.run_to_end().state is RunPhase.SUCCEEDED
    for name in networks:
        assert [go.master_addr for go in world.agent_on(name).commands] == [_A]
    notes = [event.message for event in world.check_log() if event.kind is EventKind.NOTE]
    assert notes == [f"a is 127.0.1.1 on a; the ranks meet at {_A} instead"]


def test_a_fixed_address_that_leads_nowhere_ends_the_run_before_it_hangs(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = {"a": seen("a", _A, master=(_A,)), "b": seen("b", _B)}
    world = conducted(run_dir, monkeypatch, networks)
    plan = msgspec.structs.replace(world.plan, master_addr="m")
    run_dir.plan.write_bytes(msgspec.json.encode(plan))
    world.conductor = world.supervise()
    end = world.run_to_end()
    assert end.state is RunPhase.FAILED
    assert end.reason == "b cannot reach the master address m: it cannot be resolved there"
    assert all(world.agent_on(name).started is None for name in networks)
