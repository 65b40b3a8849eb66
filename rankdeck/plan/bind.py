"""A plan made for placeholders, with the nodes that a scheduler has chosen since. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.plan.records import LaunchPlan, NodePlan


def bind_plan(plan: LaunchPlan, hosts: Sequence[tuple[str, str]]) -> LaunchPlan:
    """The plan with real names and addresses in place of the placeholders'.

    An argument or variable that is exactly a placeholder's address becomes the real one.

    Args:
        plan: Its nodes have placeholder names and addresses, all different.
        hosts: Name and address of the real nodes, in rank order.

    Raises:
        UserError: There are more or fewer hosts than the plan has nodes, or one comes twice.
    """
    if len(hosts) != len(plan.nodes):
        raise UserError(
            f"{plan.run_id} is planned for {_nodes(len(plan.nodes))}, but was given"
            f" {_nodes(len(hosts))}: {', '.join(name for name, _ in hosts)}",
            exit_code=ExitCode.UNUSABLE,
        )
    names = [name for name, _ in hosts]
    if len(set(names)) < len(names):
        raise UserError(
            f"{plan.run_id} was given the same node twice: {', '.join(names)}",
            exit_code=ExitCode.UNUSABLE,
        )
    real = {
        node.address: address or name
        for node, (name, address) in zip(plan.nodes, hosts, strict=True)
    }
    return msgspec.structs.replace(
        plan,
        master_addr=real.get(plan.master_addr, plan.master_addr),
        nodes=tuple(
            _bound(node, name, real) for node, (name, _) in zip(plan.nodes, hosts, strict=True)
        ),
    )


def _bound(node: NodePlan, name: str, real: Mapping[str, str]) -> NodePlan:
    return msgspec.structs.replace(
        node,
        name=name,
        address=real[node.address],
        placeholder=False,
        argv=tuple(real.get(word, word) for word in node.argv),
        env={key: real.get(value, value) for key, value in node.env.items()},
    )


def _nodes(number: int) -> str:
    return f"{number} node" if number == 1 else f"{number} nodes"
