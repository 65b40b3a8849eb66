"""SlurmBackend: one agent per node of a job that Slurm starts, or of an allocation at hand.

The run directory must be on a file system that the nodes share.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from backends.slurm.options import OPTIONS
from backends.slurm.settings import read_settings
from rankdeck.backend import BackendOption, Capability
from rankdeck.errors import InvalidJobError, Problem, UserError
from rankdeck.nodes.inventory import select_nodes
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rankdeck.ask import Ask
    from rankdeck.backend import Session, SessionContext
    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir

_PLACEHOLDER = "slurm"


class SlurmBackend:
    """Runs on the nodes of a Slurm cluster."""

    name = "slurm"
    title = "Slurm"
    capabilities: frozenset[Capability] = frozenset(
        {Capability.MULTI_NODE, Capability.QUEUE, Capability.SHARED_FILES}
    )
    options: tuple[BackendOption, ...] = OPTIONS

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """The allocation's nodes; outside of one those that were named, or placeholders.

        Raises:
            InvalidJobError: Options or names are wrong.
            UserError: The allocation cannot be read.
        """
        from rankdeck.nodes.allocation import slurm_nodes

        settings = read_settings(spec.backend_options)
        if settings.per_rank and spec.launcher != "direct":
            raise UserError(
                f"with --per-rank srun itself starts the ranks; the {spec.launcher} launcher"
                " would start each of them again",
                "use --launcher direct, or leave out --per-rank",
            )
        if spec.hostfile:
            raise _refused("hostfile", "cannot be used: Slurm knows its nodes", "use --include")
        allocated = slurm_nodes(os.environ)
        if allocated:
            chosen = select_nodes(_with_hosts_included(spec), allocated)
            return tuple(_with_gpus(node, settings.gpus) for node in chosen)
        return self._wanted(spec)

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        """See whether Slurm would take the job; there is nothing to ask.

        Raises:
            UserError: It would not, or cannot be reached.
        """
        from backends.slurm.checks import check_submission
        from backends.slurm.placement import allocation_of

        if not allocation_of(os.environ):
            check_submission(spec, nodes, os.environ)
        return {}

    def open(self, context: SessionContext) -> Session:
        """A session that has not talked to Slurm yet."""
        from backends.slurm.session import SlurmSession

        return SlurmSession(context)

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Whether Slurm's programs are here: jobs can be looked after from any such host."""
        return shutil.which("squeue") is not None and shutil.which("sbatch") is not None

    def shell_command(self, run: RunDir, node: str) -> tuple[str, ...] | None:
        """A step of the run's job on that node, with a terminal; None when no job lives there."""
        from backends.slurm.shell import shell_on

        return shell_on(run, node, os.environ.get("SHELL") or "/bin/sh")

    def batch_script(self, plan: LaunchPlan, home: Path) -> str:
        """The script that a run of this plan submits, or has submitted.

        Raises:
            InvalidJobError: The plan's options are wrong.
        """
        from backends.slurm.layout import job_dir
        from backends.slurm.placement import first_placement
        from backends.slurm.script import job_script
        from rankdeck.run.layout import RunDir

        run = RunDir(home / "runs" / plan.run_id)
        job = job_dir(run, 0)
        if job.script.exists():
            return job.script.read_text()
        return job_script(first_placement(plan, run, {}, 0), job)

    def _wanted(self, spec: JobSpec) -> tuple[Node, ...]:
        settings = read_settings(spec.backend_options)
        names = _named(spec)
        if names:
            if spec.nnodes is not None and spec.nnodes > len(names):
                message = f"{spec.nnodes} nodes are wanted, but only {len(names)} are named"
                raise _refused("nnodes", message)
            names = names[: spec.nnodes] if spec.nnodes is not None else names
        count = len(names) or spec.nnodes or 1
        nproc = spec.nproc_per_node if isinstance(spec.nproc_per_node, int) else 1
        return tuple(
            Node(
                name=names[index] if names else f"{_PLACEHOLDER}-{index}",
                gpus=settings.gpus,
                cpus=nproc * (settings.cpus_per_task or 1),
                placeholder=not names,
                origin="--include" if names else "",
            )
            for index in range(count)
        )


def _named(spec: JobSpec) -> tuple[str, ...]:
    """The nodes that the job names, all of which it is to run on."""
    from rankdeck.nodes.filter_text import parse_filter
    from rankdeck.nodes.groups import resolve_group
    from rankdeck.nodes.inventory import parse_host_option

    names: list[str] = [node.name for node in parse_host_option(spec.host)]
    for field in ("include", "exclude"):
        text: str | None = getattr(spec, field)
        if not text:
            continue
        try:
            terms = parse_filter(text, resolve_group).terms
        except ValueError as error:
            raise _refused(field, str(error)) from None
        if any(term.slots for term in terms):
            raise _refused(
                field, "names slots of a node: Slurm chooses them", "use --gpus-per-node"
            )
        if field == "include":
            names += [host for term in terms for host in term.hosts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _refused("include", f"names {twice[0]} twice")
    return tuple(names)


def _with_hosts_included(spec: JobSpec) -> JobSpec:
    """Inside an allocation `--host` chooses from it, as `--include` does."""
    import msgspec

    if not spec.host:
        return spec
    if spec.include:
        raise _refused("host", "cannot be used together with --include inside an allocation")
    return msgspec.structs.replace(spec, host=(), include=",".join(spec.host))


def _with_gpus(node: Node, gpus: int) -> Node:
    import msgspec

    return msgspec.structs.replace(node, gpus=gpus) if gpus else node


def _refused(field: str, message: str, hint: str = "") -> InvalidJobError:
    option = f"--{field.replace('_', '-')}"
    return InvalidJobError((Problem(message, key=option, field=field, hint=hint),))
