"""Where a job's nodes come from, and which of them it uses.

The sources, first one that is there: `--host` or `--hostfile`; the allocation this process is in
(`$SLURM_JOB_NODELIST`, `$PBS_NODEFILE`); a file named `hostfile` in the project. An allocation wins
over that file: it says what may be used now. Then `--include` or `--exclude`, then the first
`--nnodes`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rankdeck.errors import ExitCode, InvalidJobError, Problem, UserError
from rankdeck.job.values import quoted
from rankdeck.nodes.allocation import pbs_nodes, slurm_nodes
from rankdeck.nodes.filters import filter_nodes
from rankdeck.nodes.host_entry import parse_host
from rankdeck.nodes.hostfile import read_hostfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node

HOSTFILE = "hostfile"
"""The project's own list of nodes."""


def find_nodes(spec: JobSpec, environ: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes this job runs on, in rank order; each says where it was named.

    Raises:
        InvalidJobError: The lists, the options or the filters have mistakes; with all that can
            be found at once.
        UserError: There is no list of nodes at all.
    """
    nodes = inventory(spec, environ)
    if nodes is None:
        raise UserError(
            "no nodes are known to run on",
            f"name them with --host a,b or --hostfile FILE, or write {spec.project}/{HOSTFILE}",
            exit_code=ExitCode.UNUSABLE,
        )
    return select_nodes(spec, nodes)


def inventory(spec: JobSpec, environ: Mapping[str, str]) -> tuple[Node, ...] | None:
    """Every node of the first source that is there; None when there is no source.

    Raises:
        InvalidJobError: The source has mistakes.
    """
    if spec.host and spec.hostfile:
        message = "cannot be used together with --hostfile: choose from it with --include"
        raise InvalidJobError((Problem(message, key="--host", field="host"),))
    if spec.host:
        return parse_host_option(spec.host)
    if spec.hostfile:
        return read_hostfile(spec.hostfile)
    allocated = slurm_nodes(environ) or pbs_nodes(environ)
    if allocated:
        return allocated
    path = os.path.join(spec.project, HOSTFILE)
    return read_hostfile(path) if os.path.lexists(path) else None


def select_nodes(spec: JobSpec, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Those of an inventory that the job's `include`, `exclude` and `nnodes` leave.

    Raises:
        InvalidJobError: A filter is wrong, or more nodes are wanted than are left.
    """
    left = filter_nodes(nodes, spec.include, spec.exclude)
    if spec.nnodes is None:
        return left
    if spec.nnodes > len(left):
        have = f"{len(left)} of {len(nodes)}" if len(left) < len(nodes) else str(len(left))
        message = f"{spec.nnodes} nodes are wanted, but there are only {have}: {_names(left)}"
        raise InvalidJobError((Problem(message, key="--nnodes", field="nnodes"),))
    return left[: spec.nnodes]


def parse_host_option(words: tuple[str, ...]) -> tuple[Node, ...]:
    """The nodes of `--host a,b[1-3]`, in the order given.

    Raises:
        InvalidJobError: With every word that is wrong and every host that is named twice.
    """
    nodes: dict[str, Node] = {}
    problems: list[Problem] = []
    for word in words:
        try:
            found = parse_host(word).nodes(origin="--host")
        except ValueError as error:
            problems.append(_host_problem(f"{quoted(word)} {error}"))
            continue
        for node in found:
            if node.name in nodes:
                problems.append(_host_problem(f"names host {node.name} twice"))
            nodes[node.name] = node
    if problems:
        raise InvalidJobError(tuple(problems))
    return tuple(nodes.values())


def _host_problem(message: str) -> Problem:
    return Problem(message, key="--host", field="host")


def _names(nodes: tuple[Node, ...]) -> str:
    shown = ", ".join(node.name for node in nodes[:8])
    return shown if len(nodes) <= 8 else f"{shown}, ..."
