"""Which address all nodes meet at: chosen from what each of them sees. Pure.

A name may mean different things on different nodes; on many systems a host's own name means
127.0.1.1 there. A wrong choice shows itself only minutes later, as a hang.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.run.node_state import NodeNetwork


class MasterProblem(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes cannot meet at the address that the user has fixed."""

    node: str
    """Where it leads nowhere."""
    message: str
    hint: str


class MasterChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Where the nodes meet."""

    address: str
    note: str = ""
    """Worth telling: why it is not the plan's address, or what is doubtful about it."""
    problem: MasterProblem | None = None


def choose_master(
    plan_address: str,
    fixed_by_user: bool,
    networks: Mapping[str, NodeNetwork | None],
    reached: str,
) -> MasterChoice:
    """An address that every node resolves to the same one of the first node, never loopback.

    Args:
        plan_address: What the plan says; kept wherever it will do.
        fixed_by_user: It is the user's own choice, and never replaced.
        networks: What each node has told, in rank order; None: it told nothing.
        reached: The name or address by which the backend reached the first node.
    """
    (first, home), *others = networks.items()
    if home is None or not others:
        return MasterChoice(address=plan_address)
    one_host = _one_host(networks)
    # where all are one host its name may mean whatever it likes, if it means anything
    if one_host and home.master:
        return MasterChoice(address=plan_address)
    if fixed_by_user:
        return _keep(plan_address, first, networks)
    why = _unfit(plan_address, first, networks)
    address: str | None
    if not why:
        return MasterChoice(address=plan_address)
    if one_host:
        address = next((a for a in home.addresses if not is_loopback(a)), "127.0.0.1")
    else:
        address = _best(home, [network for _, network in others if network], reached)
    if address is None:
        note = f"{why}; no other address of {first} is known, so it is used all the same"
        return MasterChoice(address=plan_address, note=note)
    return MasterChoice(address=address, note=f"{why}; the ranks meet at {address} instead")


def _keep(address: str, first: str, networks: Mapping[str, NodeNetwork | None]) -> MasterChoice:
    for node, network in networks.items():
        if network is None or node == first:
            continue  # the first node listens on all its addresses
        usable = [found for found in network.master if not is_loopback(found)]
        if usable:
            continue
        wrong = f"is {network.master[0]} there" if network.master else "cannot be resolved there"
        problem = MasterProblem(
            node=node,
            message=f"{node} cannot reach the master address {address}: it {wrong}",
            hint="leave --master-addr out to have one chosen, or give one that all nodes know",
        )
        return MasterChoice(address=address, problem=problem)
    return MasterChoice(address=address, note=_unfit(address, first, networks))


def _unfit(address: str, first: str, networks: Mapping[str, NodeNetwork | None]) -> str:
    """What speaks against an address, in one sentence; empty: nothing does."""
    home = networks[first]
    owned = set(home.addresses) if home else set()
    common: set[str] | None = None
    for node, network in networks.items():
        if network is None:
            continue
        if not network.master:
            return f"{node} cannot resolve {address}"
        for found in network.master:
            if is_loopback(found) or found not in owned:
                foreign = "" if is_loopback(found) else f", which is no address of {first}"
                return f"{address} is {found} on {node}{foreign}"
        common = set(network.master) if common is None else common & set(network.master)
    if not common:
        return f"{address} is not the same address on all nodes"
    return ""


def _best(home: NodeNetwork, others: Sequence[NodeNetwork], reached: str) -> str | None:
    """The first node's address that the others are most likely to reach."""
    # two hosts can have the same address only where nobody else can reach it (docker0)
    private = {address for network in others for address in network.addresses}
    subnets = dict(zip(home.addresses, home.subnets, strict=False))
    candidates = [
        address for address in home.addresses if address not in private and not is_loopback(address)
    ]

    def merit(address: str) -> tuple[int, bool, int, bool]:
        return (
            sum(address in network.master for network in others),
            address == reached,
            sum(subnets.get(address) in network.subnets for network in others),
            ":" not in address,
        )

    # of equals the first one: interfaces come in the order the node was set up with
    return max(candidates, key=merit, default=None)


def _one_host(networks: Mapping[str, NodeNetwork | None]) -> bool:
    """Whether all of them are one and the same host."""
    told = {
        (network.hostname, network.addresses)
        for network in networks.values()
        if network is not None
    }
    return len(told) == 1


def is_loopback(address: str) -> bool:
    """Whether an address leads back to whoever uses it."""
    return address.startswith("127.") or address == "::1"
