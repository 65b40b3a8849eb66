"""Whether Slurm would take a job, found out before the run exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.slurm.refusals import explain
from backends.slurm.script import Placement, job_options
from backends.slurm.settings import read_settings
from backends.slurm.tools import Slurm
from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.nodes.sinfo import SlurmNode

_NOT_NOW = "node configuration is not available"
"""Slurm says the same of nodes that do not exist and of nodes that are down at present."""


def check_submission(spec: JobSpec, nodes: Sequence[Node], environ: Mapping[str, str]) -> None:
    """Have Slurm look at the job without taking it.

    Raises:
        UserError: It would refuse the job, or the job could never run.
    """
    slurm = Slurm(environ)
    placement = _placement(spec, nodes)
    answer = slurm.ask(
        "sbatch", "--test-only", *job_options(placement), *_extra(placement), "--wrap=true"
    )
    if answer.ok:
        return
    complaint = answer.complaint.removeprefix("allocation failure: ")
    if _NOT_NOW in complaint:
        from rankdeck.nodes.sinfo import read_sinfo

        lacking = what_is_lacking(read_sinfo(slurm.environ), placement)
        if not lacking:
            return  # it may have to wait for nodes that are down now; that is the queue's to say
        raise UserError(lacking, "sinfo shows what there is", exit_code=ExitCode.UNUSABLE)
    message, hint = explain(complaint)
    raise UserError(message, hint, exit_code=ExitCode.UNUSABLE)


def what_is_lacking(nodes: Sequence[SlurmNode], placement: Placement) -> str:
    """Why there are too few nodes for the job even if all were up and free; empty: there are."""
    settings = placement.settings
    partition = settings.partition
    there = [n for n in nodes if not partition or partition in n.partitions]
    where = f"partition {partition}" if partition else "the cluster"
    if len(there) < placement.nodes:
        return f"{placement.nodes} nodes are wanted, {where} has {len(there)}"
    if settings.gpus:
        fit = [node for node in there if node.gpus >= settings.gpus]
        if len(fit) < placement.nodes:
            most = max((node.gpus for node in there), default=0)
            return (
                f"{placement.nodes} nodes with {settings.gpus} GPUs are wanted,"
                f" {where} has {len(fit)}: its nodes have at most {most}"
            )
    cpus = placement.nproc * (settings.cpus_per_task or 1)
    fit = [node for node in there if not node.cpus or node.cpus >= cpus]
    if len(fit) < placement.nodes and not settings.exclusive:
        most = max((node.cpus for node in there), default=0)
        return (
            f"{placement.nodes} nodes with {cpus} CPUs are wanted,"
            f" {where} has {len(fit)}: its nodes have at most {most}"
        )
    return ""


def _placement(spec: JobSpec, nodes: Sequence[Node]) -> Placement:
    from rankdeck.plan.build import ranks_on

    return Placement(
        run_id="test",
        attempt=0,
        name=spec.name,
        nodes=len(nodes),
        nproc=max(ranks_on(node, spec.nproc_per_node) for node in nodes),
        nodelist=tuple(node.name for node in nodes if not node.placeholder),
        exclude=spec.exclude or "",
        time_limit=spec.time_limit,
        python="",
        bundle="",
        settings=read_settings(spec.backend_options),
    )


def _extra(placement: Placement) -> tuple[str, ...]:
    import shlex

    return tuple(word for line in placement.settings.lines for word in shlex.split(line))
