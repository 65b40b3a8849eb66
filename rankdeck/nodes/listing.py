"""The inventory as it is shown to somebody who has not started anything yet."""

from __future__ import annotations

from shutil import which
from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import load_backend
from rankdeck.errors import UserError
from rankdeck.nodes.allocation import slurm_nodes
from rankdeck.nodes.inventory import find_nodes, inventory, select_nodes
from rankdeck.nodes.node import Node
from rankdeck.nodes.sinfo import read_sinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.job.spec import JobSpec

_SLURM = "slurm"
_BY_INVENTORY = frozenset({"ssh", "mpi"})


class ListedNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node of the list."""

    node: Node
    state: str = ""
    """What the scheduler says about it; empty: nobody was asked."""
    usable: bool | None = None
    """Whether a job could get it; None: nobody was asked."""


def list_nodes(
    spec: JobSpec, environ: Mapping[str, str], *, any_backend: bool
) -> tuple[ListedNode, ...]:
    """The nodes that a job would run on, in rank order.

    Args:
        spec: Its backend and its node options count.
        environ: Where allocations and programs are looked for.
        any_backend: No backend was named: list the first inventory that is there.

    Raises:
        InvalidJobError: The options or the inventory have mistakes.
        UserError: There is no inventory, or the scheduler gives no answer.
    """
    if any_backend:
        found = inventory(spec, environ)
        if found is not None:
            return _unasked(select_nodes(spec, found))
        if which("sinfo", path=environ.get("PATH")):
            return _slurm_if_it_answers(spec, environ)
        spec = msgspec.structs.replace(spec, backend="local")
    if spec.backend == _SLURM:
        return _slurm(spec, environ)
    if spec.backend in _BY_INVENTORY:
        return _unasked(find_nodes(spec, environ))
    return _unasked(load_backend(spec.backend).nodes(spec))


def _unasked(nodes: tuple[Node, ...]) -> tuple[ListedNode, ...]:
    return tuple(ListedNode(node=node) for node in nodes)


def _slurm_if_it_answers(spec: JobSpec, environ: Mapping[str, str]) -> tuple[ListedNode, ...]:
    try:
        return _slurm(spec, environ)
    except UserError as error:
        hint = error.hint or "--backend local lists this machine"
        raise UserError(error.message, hint, exit_code=error.exit_code) from error


def _slurm(spec: JobSpec, environ: Mapping[str, str]) -> tuple[ListedNode, ...]:
    """The allocation, the hosts that were named, or the whole cluster; with Slurm's states."""
    known = {record.name: record for record in read_sinfo(environ)}
    if spec.host or spec.hostfile:
        nodes = inventory(spec, {}) or ()
    else:
        nodes = slurm_nodes(environ) or tuple(record.node for record in known.values())
    listed = []
    for node in select_nodes(spec, nodes):
        record = known.get(node.name)
        if record is None:
            listed.append(ListedNode(node=node, state="not known to Slurm", usable=False))
            continue
        facts = msgspec.structs.replace(
            node,
            gpus=node.gpus or record.gpus,
            cpus=node.cpus or record.cpus,
            labels=node.labels or record.node.labels,
        )
        reason = f": {record.reason}" if record.reason else ""
        state = record.state_text + reason
        listed.append(ListedNode(node=facts, state=state, usable=record.usable))
    return tuple(listed)
