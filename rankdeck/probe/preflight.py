"""Findings: what speaks for or against starting a job, each about one of its fields.

`quick_findings` looks at this machine only and is cheap enough for every change of a form;
`node_findings` makes findings of what the nodes have answered.
"""

from __future__ import annotations

import os
import socket
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.job.validate import runs_elsewhere
from rankdeck.probe.facts import free_bytes, port_free
from rankdeck.text import mentions, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.probe.verdict import NodeCheck

_LITTLE_SPACE = 1 << 30
_NAMES = 3


class Level(str, Enum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found."""

    level: Level
    field: str
    """The job's field it is about; empty: the nodes as a whole."""
    text: str
    """Hostile: sanitise before showing."""
    hint: str = ""


def ranks_text(plan: LaunchPlan) -> str:
    """`16 nodes × 8 = 128 ranks`."""
    count = len(plan.nodes)
    nodes = "1 node" if count == 1 else f"{count} nodes"
    ranks = "1 rank" if plan.world_size == 1 else f"{plan.world_size} ranks"
    if any(node.nproc != plan.nodes[0].nproc for node in plan.nodes):
        return f"{nodes}, {ranks}"
    return f"{nodes} × {plan.nproc_per_node} = {ranks}"


def quick_findings(
    spec: JobSpec, plan: LaunchPlan, avoided: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """What this machine alone can say of a plan.

    Args:
        spec: The job.
        plan: Its plan.
        avoided: Nodes that a note says to avoid, and what the note says.
    """
    found = [
        Finding(level=Level.WARNING, field=node_field(spec), text=f"avoid {node.name}: {why}")
        for node in plan.nodes
        if (why := (avoided or {}).get(node.name))
    ]
    if runs_elsewhere(spec.backend):
        return tuple(found)
    nproc = plan.nodes[0].nproc
    cpus, gpus = len(os.sched_getaffinity(0)), _gpus()
    if gpus and nproc > gpus:
        text = f"{nproc} ranks, but {_count(gpus, 'GPU')}"
        found.append(Finding(level=Level.WARNING, field="nproc_per_node", text=text))
    elif nproc > cpus:
        text = f"{nproc} ranks on {_count(cpus, 'CPU')}"
        found.append(Finding(level=Level.WARNING, field="nproc_per_node", text=text))
    if plan.master_port and not port_free(plan.master_port):
        text = f"port {plan.master_port} is taken on {socket.gethostname()}"
        hint = "leave it empty: a free one is chosen"
        found.append(Finding(level=Level.ERROR, field="master_port", text=text, hint=hint))
    free = free_bytes(plan.output_dir)
    if free is not None:
        level = Level.WARNING if free < _LITTLE_SPACE else Level.OK
        word = "only " if free < _LITTLE_SPACE else ""
        found.append(Finding(level=level, field="output_dir", text=f"{word}{size(free)} free"))
    return tuple(found)


def node_findings(spec: JobSpec, checks: Sequence[NodeCheck]) -> tuple[Finding, ...]:
    """What the nodes' answers come to: each thing once, the worst first."""
    found = [
        *_told(spec, ((c, t) for c in checks for t in c.failures), Level.ERROR),
        *_told(spec, ((c, t) for c in checks for t in c.warnings), Level.WARNING),
    ]
    answered = [check.facts for check in checks if check.facts is not None]
    if not answered:
        return tuple(found)
    wrong = {finding.field for finding in found}
    good: dict[str, str] = {}
    good[node_field(spec)] = f"{len(answered)} of {_count(len(checks), 'node')} answered"
    versions = {facts.torch for facts in answered if facts.torch}
    pythons = sorted({facts.version for facts in answered})
    if len(versions) == 1:
        good["python"] = f"Python {', '.join(pythons)}, torch {versions.pop()}"
    elif pythons:
        good["python"] = f"Python {', '.join(pythons)}"
    gpus = sorted({facts.gpus for facts in answered})
    if gpus != [0]:
        busy = any(facts.busy_gpus for facts in answered)
        idle = "" if busy or any(facts.busy_gpus is None for facts in answered) else ", all idle"
        good["nproc_per_node"] = f"{'–'.join(map(str, gpus))} GPUs on each node{idle}"
    free = [facts.output_free for facts in answered if facts.output_free is not None]
    if free:
        good["output_dir"] = f"{size(min(free))} free"
    good["entry"] = "is there on every node" if len(answered) == len(checks) else ""
    found += [
        Finding(level=Level.OK, field=field, text=text)
        for field, text in good.items()
        if text and field not in wrong
    ]
    return tuple(found)


def node_field(spec: JobSpec) -> str:
    """The field that says which nodes there are."""
    named = (name for name in ("include", "host", "hostfile", "nnodes") if getattr(spec, name))
    fallback = "nnodes" if runs_elsewhere(spec.backend) else "nproc_per_node"
    return next(named, fallback)


def _told(
    spec: JobSpec, remarks: Iterable[tuple[NodeCheck, str]], level: Level
) -> Iterable[Finding]:
    where: dict[str, list[NodeCheck]] = {}
    for check, text in remarks:
        where.setdefault(text, []).append(check)
    for text, checks in where.items():
        names = [check.node for check in checks]
        # a backend's own sentence names its node already
        said = len(names) == 1 and mentions(text, names[0])
        field = checks[0].concerns.get(text) or _field_of(spec, checks[0])
        told = text if said else f"{_names(names)}: {text}"
        yield Finding(level=level, field=field, text=told, hint=checks[0].hint)


def _field_of(spec: JobSpec, check: NodeCheck) -> str:
    return "python" if check.category == "no-python" else node_field(spec)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _gpus() -> int:
    try:
        names = os.listdir("/dev")
    except OSError:
        return 0
    return sum(name.startswith("nvidia") and name[6:].isdigit() for name in names)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
