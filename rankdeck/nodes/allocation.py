"""The nodes of the scheduler's allocation that a process finds itself in, from its environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import ExitCode, UserError
from rankdeck.job.values import quoted
from rankdeck.nodes.node import Node
from rankdeck.nodes.ranges import check_host_name
from rankdeck.nodes.slurm_list import expand_counts, expand_nodelist

if TYPE_CHECKING:
    from collections.abc import Mapping

_GPUS = re.compile(r"(?:[A-Za-z0-9_.-]+:)?([0-9]{1,4})")


def slurm_nodes(environ: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes of `$SLURM_JOB_NODELIST` in Slurm's order; none outside an allocation.

    Slurm's task counts set no limit here: a job has one agent a node, whatever they say.

    Raises:
        UserError: The list cannot be read.
    """
    text = environ.get("SLURM_JOB_NODELIST") or environ.get("SLURM_NODELIST") or ""
    if not text.strip():
        return ()
    try:
        hosts = expand_nodelist(text)
    except ValueError as error:
        raise _unreadable(f"$SLURM_JOB_NODELIST: {error}") from None
    if len(set(hosts)) < len(hosts):
        raise _unreadable(f"$SLURM_JOB_NODELIST names a host twice: {quoted(text)}")
    cpus = _counts(environ.get("SLURM_JOB_CPUS_PER_NODE", ""), len(hosts))
    gpus = _GPUS.fullmatch(environ.get("SLURM_GPUS_PER_NODE", ""))
    return tuple(
        Node(
            name=host,
            cpus=count,
            gpus=int(gpus[1]) if gpus else 0,
            origin="$SLURM_JOB_NODELIST",
        )
        for host, count in zip(hosts, cpus, strict=True)
    )


def pbs_nodes(environ: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes of the file `$PBS_NODEFILE`: one line a slot, a node where it is first named.

    Raises:
        UserError: The file cannot be read, or a line of it is no host.
    """
    path = environ.get("PBS_NODEFILE", "")
    if not path:
        return ()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise _unreadable(f"{path} ($PBS_NODEFILE) cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(f"{path} ($PBS_NODEFILE) is not valid UTF-8") from error
    slots: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        host = line.strip()
        if not host:
            continue
        try:
            check_host_name(host)
        except ValueError as error:
            raise _unreadable(f"{path}:{number}: {quoted(host)} {error}") from None
        slots[host] = slots.get(host, 0) + 1
    if not slots:
        raise _unreadable(f"{path} ($PBS_NODEFILE) names no host")
    return tuple(
        Node(name=host, slots=count, origin="$PBS_NODEFILE") for host, count in slots.items()
    )


def _counts(text: str, nodes: int) -> tuple[int, ...]:
    """CPUs of each node; 0, not known, when Slurm did not say it for these nodes."""
    try:
        counts = expand_counts(text) if text else ()
    except ValueError:
        counts = ()
    return counts if len(counts) == nodes else (0,) * nodes


def _unreadable(message: str) -> UserError:
    hint = "name the nodes with --host or --hostfile"
    return UserError(message, hint, exit_code=ExitCode.UNUSABLE)
