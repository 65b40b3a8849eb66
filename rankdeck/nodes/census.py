"""Census: every node that a job could choose from, and what each of them says of itself.

Nothing is chosen yet: `--include`, `--exclude` and `--nnodes` are left aside. May wait for disks,
schedulers and networks; nothing is changed anywhere.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import load_backend
from rankdeck.backend_reach import ReachesNodes
from rankdeck.errors import UserError
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_inventory
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.listing import ListedNode, list_nodes
from rankdeck.nodes.sinfo import SlurmLoad, read_loads
from rankdeck.probe.script import probe_command, probe_input
from rankdeck.probe.verdict import NodeCheck, Wanted, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rankdeck.ask import Ask
    from rankdeck.backend_reach import NodeAnswer


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes, and who can ask them."""

    spec: JobSpec
    listed: tuple[ListedNode, ...]
    backend: str
    """The one that a job on these nodes would use."""
    silence: str = ""
    """Why nobody can ask them now; empty: they can be asked."""
    loads: dict[str, SlurmLoad] = msgspec.field(default_factory=dict)
    """By node, how busy a scheduler says it is."""

    @property
    def source(self) -> str:
        """Where they are named."""
        places = (_file(listed.node.origin) for listed in self.listed if listed.node.origin)
        return ", ".join(dict.fromkeys(places))


def take_census(draft: JobDraft, cwd: Path, environ: Mapping[str, str]) -> Census:
    """List every node of a job's inventory.

    Args:
        draft: Names a backend, hosts or a project; all may be missing.
        cwd: What paths in it are relative to.
        environ: Where allocations and programs are looked for.

    Raises:
        InvalidJobError: The inventory has mistakes.
        UserError: There is none, or the scheduler gives no answer.
    """
    wanted = JobDraft(
        project=draft.project,
        backend=draft.backend,
        hostfile=draft.hostfile,
        host=draft.host,
        backend_options=draft.backend_options,
    )
    spec, named = resolve_inventory(None, wanted, cwd)
    listed = list_nodes(spec, environ, any_backend=not named)
    backend = spec.backend if named else _backend_of(listed)
    spec = msgspec.structs.replace(spec, backend=backend)
    silence = ""
    if not isinstance(load_backend(backend), ReachesNodes):
        silence = f"{backend} reaches its nodes only while a job runs"
    loads: dict[str, SlurmLoad] = {}
    if any(found.state for found in listed):
        # they are shown without it rather than not at all
        with suppress(UserError):
            loads = read_loads(environ)
    return Census(spec=spec, listed=listed, backend=backend, silence=silence, loads=loads)


def ask_nodes(
    census: Census, ask: Ask, refused: Callable[[UserError], None]
) -> Iterator[NodeAnswer]:
    """Ask every node; answers come as they are known.

    Args:
        census: The nodes.
        ask: Whoever can be asked for a passphrase, or whether a host is the one it should be.
        refused: Hears why some cannot be asked; the others are asked all the same.
    """
    backend = load_backend(census.backend)
    if not isinstance(backend, ReachesNodes):
        return
    nodes = tuple(listed.node for listed in census.listed)
    secrets: Mapping[str, str] = {}
    try:
        secrets = backend.prepare(census.spec, nodes, ask)
    except UserError as error:
        refused(error)
    command = probe_command(census.spec.python)
    data = probe_input("facts", {})
    yield from backend.run_on_nodes(census.spec, nodes, secrets, command, data)


def judge_nodes(answers: Sequence[NodeAnswer]) -> dict[str, NodeCheck]:
    """What the answers come to, by node. Pure."""
    checks = judge(list(answers), Wanted(python="python3", module=None))
    return {check.node: check for check in checks}


def _backend_of(listed: tuple[ListedNode, ...]) -> str:
    """What a job on these nodes would run by, where nobody said it."""
    origins = {listed.node.origin for listed in listed}
    if any(origin == "sinfo" or origin.startswith("$SLURM") for origin in origins):
        return "slurm"
    return "ssh" if any(origins) else "local"


def _file(origin: str) -> str:
    file, colon, line = origin.rpartition(":")
    text = file if colon and line.isdigit() else origin
    return os.path.basename(text) if len(text) > 60 else text
