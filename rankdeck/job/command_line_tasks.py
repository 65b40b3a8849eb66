"""How many ranks on how many nodes: srun, mpirun and a launcher together. The last step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.job.command_line_parts import divided, nodes_for
from rankdeck.job.draft import JobDraft

if TYPE_CHECKING:
    from rankdeck.job.command_line_parts import Growing


def finish(job: Growing) -> JobDraft:
    """The draft.

    Raises:
        UserError: What was said of tasks, nodes and ranks does not go together.
    """
    _count(job)
    for step in job.later:
        step()
    _cpus(job)
    fields = dict(job.fields)
    fields.setdefault("project", job.cwd)
    if fields.get("nnodes") == 1 and fields.get("backend", "local") == "local":
        del fields["nnodes"]
    if job.launcher_args:
        fields["launcher_args"] = tuple(job.launcher_args)
    if job.env:
        fields["env"] = job.env
    if job.setup:
        fields["setup"] = "\n".join(job.setup)
    if job.options:
        fields["backend_options"] = job.options
    if not fields.get("args"):
        fields.pop("args", None)
    if _several(fields) and "backend" not in fields:
        fields["backend"] = "ssh"
        if "host" not in fields and "hostfile" not in fields:
            job.note("the line names no hosts: give --hostfile or --host, or another backend")
    return JobDraft(**fields)


def _several(fields: dict[str, object]) -> bool:
    count = fields.get("nnodes")
    return isinstance(count, int) and count > 1


def _count(job: Growing) -> None:
    if not job.starter:
        _without_starter(job)
        return
    nodes = job.fields.get("nnodes")
    if nodes is None and "host" in job.fields:
        nodes = len(job.fields["host"])
    tasks, per_node = job.tasks, job.tasks_per_node
    if job.one_task_a_rank:
        _ranks_by_starter(job, nodes, tasks, per_node)
        return
    if per_node is not None and per_node > 1 and job.fields.get("launcher") != "direct":
        raise UserError(
            f"{job.starter} would start {per_node} launchers on each node, and each of them the"
            " ranks of the node",
            "start one launcher a node: --ntasks-per-node=1 (mpirun: -N 1)",
        )
    if tasks is not None and nodes is not None and tasks != nodes:
        raise UserError(
            f"{job.starter} would start {tasks} launchers on {nodes} nodes",
            "start one launcher a node",
        )
    if nodes is None:
        nodes = tasks
    if nodes is not None:
        job.fields["nnodes"] = nodes


def _ranks_by_starter(
    job: Growing, nodes: int | None, tasks: int | None, per_node: int | None
) -> None:
    """Srun or mpirun starts the ranks themselves."""
    if tasks is not None and per_node is not None and nodes is None:
        per_node = min(per_node, tasks)
        nodes = nodes_for(tasks, per_node, f"{job.starter}'s tasks")
    if nodes is None and "hostfile" in job.fields and tasks is not None:
        raise UserError(
            f"{job.starter} -n {tasks} does not say how many of its tasks are on a node",
            "add -N RANKS-PER-NODE to the line",
        )
    if job.starter == "mpirun" and tasks is None and per_node is None:
        raise UserError("mpirun does not say how many processes", "add -np NUMBER to the line")
    nodes = nodes or 1
    if tasks is not None and per_node is not None and tasks != nodes * per_node:
        raise UserError(
            f"{job.starter} would start {tasks} tasks, but {per_node} on each of {nodes} nodes",
            "Rankdeck starts as many ranks on every node: change the numbers in the text",
        )
    if per_node is None:
        per_node = divided(tasks, nodes, f"{job.starter}'s tasks") if tasks else 1
    job.fields["nproc_per_node"] = per_node
    job.fields["nnodes"] = nodes
    job.options["per_rank"] = True
    job.note(
        f"{job.starter} starts the ranks themselves (per_rank); RANK, LOCAL_RANK and WORLD_SIZE"
        " are set for them too"
    )


def _without_starter(job: Growing) -> None:
    """A command that runs on one node, whatever a batch script reserves."""
    if not job.batch:
        return
    nodes = job.fields.get("nnodes")
    if nodes is not None and nodes > 1 and "nproc_per_node" not in job.fields:
        job.note("without srun the command ran on the first node only; here it runs on every one")


def _cpus(job: Growing) -> None:
    """Slurm's CPUs of a task: of a rank, or of all ranks of a node."""
    count = job.cpus_per_task
    if count is None or job.fields.get("backend") != "slurm":
        return
    ranks = 1 if job.one_task_a_rank else job.fields.get("nproc_per_node", 1)
    if not isinstance(ranks, int):
        job.note(f"--cpus-per-task {count} is left out: give the CPUs of each rank")
    elif count % ranks:
        job.options["cpus_per_task"] = max(1, count // ranks)
        job.note(f"--cpus-per-task {count} is {max(1, count // ranks)} CPUs for each rank")
    else:
        job.options["cpus_per_task"] = count // ranks
