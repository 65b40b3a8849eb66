"""`rankdeck nodes`: the inventory a job would choose from, and where it was found."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import json_option, open_store, print_json
from rankdeck.cli.job_options import draft_from, field_options
from rankdeck.cli.library import workspace_option
from rankdeck.cli.text import shown, table
from rankdeck.nodes.host_entry import is_ipv6
from rankdeck.nodes.notes import NodeNote, NodeNotes, note_text, read_until
from rankdeck.nodes.slurm_list import expand_nodelist
from rankdeck.run.layout import rankdeck_home

if TYPE_CHECKING:
    from rankdeck.nodes.listing import ListedNode

_HEAD = ("NODE", "ADDRESS", "SLOTS", "GPUS", "CPUS", "STATE", "FROM")
_FIELDS = ("backend", "nnodes", "hostfile", "host", "include", "exclude")


@click.command("nodes")
@click.argument("project", metavar="[PROJECT|JOB.yaml]", required=False)
@field_options(*_FIELDS)
@workspace_option
@click.option(
    "--note",
    nargs=2,
    metavar="NODE TEXT",
    help="Note something of a node (node[01-04]: of each of them), for all runs.",
)
@click.option("--avoid", is_flag=True, help="With --note: jobs should keep off the node.")
@click.option("--until", metavar="DAY", help="With --avoid: how long (2026-11-30, 12h, 3d, 2w).")
@click.option("--clear", metavar="NODE", help="Forget what is noted of a node.")
@json_option
def nodes_command(
    project: str | None,
    workspace: str | None,
    as_json: bool,
    note: tuple[str, str] | None,
    avoid: bool,
    until: str | None,
    clear: str | None,
    **options: Any,
) -> None:
    """List the nodes a run would get, in rank order; none of them is connected to.

    They come from --host or --hostfile, the allocation this shell is in, or the project's file
    `hostfile`; for the slurm backend outside an allocation from sinfo. Without --backend the first
    of these that is there is shown, else this machine. What is noted of a node stands beside it.
    """
    if note or clear or avoid or until:
        _change_notes(note, clear, avoid=avoid, until=until)
        return
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
    notes = NodeNotes(rankdeck_home()).read()
    if as_json:
        known = {name: notes[name] for name in (n.node.name for n in nodes) if name in notes}
        print_json({"nodes": nodes, "notes": known})
        return
    rows: list[tuple[str, ...]] = [(*_HEAD, "NOTE")]
    rows += [(*_row(listed), _note(notes.get(listed.node.name))) for listed in nodes]
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    click.echo(table(rows, right=frozenset({2, 3, 4})))


def _change_notes(
    note: tuple[str, str] | None, clear: str | None, *, avoid: bool, until: str | None
) -> None:
    store = open_store()
    notes = NodeNotes(store.home)
    if (until and not avoid) or (avoid and not note) or (note and clear):
        raise click.UsageError("--avoid goes with --note, --until with --avoid, --clear alone")
    try:
        if clear:
            notes.clear(_names(clear))
        elif note:
            end = _end(until) if until else None
            written = NodeNote(text=note[1], avoid=avoid, until=end, written=time.time())
            notes.put(_names(note[0]), written)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _names(text: str) -> tuple[str, ...]:
    return (text,) if is_ipv6(text) else expand_nodelist(text)


def _end(until: str) -> float:
    try:
        return read_until(until, time.time())
    except ValueError as error:
        raise ValueError(f"--until {error}") from None


def _note(note: NodeNote | None) -> str:
    return "" if note is None else shown(note_text(note, time.time()), 80)


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
