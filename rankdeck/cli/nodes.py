"""`rankdeck nodes`: the inventory a job would choose from, and where it was found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.job_options import draft_from, field_options
from rankdeck.cli.library import workspace_option
from rankdeck.cli.text import shown, table

if TYPE_CHECKING:
    from rankdeck.nodes.listing import ListedNode

_HEAD = ("NODE", "ADDRESS", "SLOTS", "GPUS", "CPUS", "STATE", "FROM")
_FIELDS = ("backend", "nnodes", "hostfile", "host", "include", "exclude")


@click.command("nodes")
@click.argument("project", metavar="[PROJECT|JOB.yaml]", required=False)
@field_options(*_FIELDS)
@workspace_option
@json_option
def nodes_command(
    project: str | None, workspace: str | None, as_json: bool, **options: Any
) -> None:
    """List the nodes a run would get, in rank order; none of them is connected to.

    They come from --host or --hostfile, the allocation this shell is in, or the project's file
    `hostfile`; for the slurm backend outside an allocation from sinfo. Without --backend the first
    of these that is there is shown, else this machine.
    """
    from rankdeck.job.resolve import resolve_inventory
    from rankdeck.library.workspaces import base_of
    from rankdeck.nodes.listing import list_nodes

    spec, backend_named = resolve_inventory(
        project,
        draft_from(options),
        Path.cwd(),
        base=base_of(project, os.environ, workspace),
    )
    nodes = list_nodes(spec, dict(os.environ), any_backend=not backend_named)
    if as_json:
        print_json({"nodes": nodes})
    else:
        click.echo(table([_HEAD, *map(_row, nodes)], right=frozenset({2, 3, 4})))


def _row(listed: ListedNode) -> tuple[str, ...]:
    node = listed.node
    slots = "–" if node.slots is None else str(node.slots)
    if node.devices:
        slots += f" ({','.join(map(str, node.devices))})"
    address = node.address or node.name
    if node.user:
        address = f"{node.user}@{address}"
    if node.port:
        address = f"[{address}]:{node.port}" if ":" in address else f"{address}:{node.port}"
    return (
        shown(node.name, 40),
        shown(address, 50),
        slots,
        str(node.gpus) if node.gpus else "–",
        str(node.cpus) if node.cpus else "–",
        shown(listed.state, 60) or "–",
        shown(node.origin, 200) or "–",
    )
