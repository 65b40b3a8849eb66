"""Ranks that srun starts itself, one process each, so that they can be MPI's, too.

The agents are there as always; the waiter of the first node starts a further step of shims, one
per rank, each of which finds its node's order in a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.agent_order import EXTERNAL
from rankdeck.errors import UserError
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from backends.slurm.live_job import LiveJob
    from backends.slurm.settings import Settings
    from rankdeck.agent_order import AgentOrder
    from rankdeck.run.layout import RunDir


def ranks_started_by_srun(
    job: LiveJob, run: RunDir, orders: tuple[AgentOrder, ...], settings: Settings
) -> tuple[tuple[AgentOrder, ...], tuple[str, ...]]:
    """The orders as agents get them, and the program that starts their ranks.

    Raises:
        UserError: The nodes have different numbers of ranks.
        OSError: The list cannot be written.
    """
    nproc = orders[0].nproc
    if any(order.nproc != nproc for order in orders):
        raise UserError("with --per-rank every node must have as many ranks as the others")
    entries = [
        {
            "node": order.node,
            "address": order.node,
            "order": str(run.node(order.node).attempt(order.attempt).order),
            "first_rank": order.first_rank,
            "nproc": order.nproc,
        }
        for order in sorted(orders, key=lambda order: order.node_rank)
    ]
    path = job.start.path / f"ranks-{orders[0].attempt}.json"
    if not path.exists():
        write_atomic(path, msgspec.json.encode({"orders": entries}), sync=True)
    bundle = agent_bundle(run.path.parent.parent / "cache")
    nodes = len(job.nodes)
    start = (
        "srun", f"--jobid={job.id}", "--overlap", f"--nodes={nodes}",
        f"--nodelist={','.join(job.nodes)}", f"--ntasks={nodes * nproc}",
        f"--ntasks-per-node={nproc}", f"--cpus-per-task={settings.cpus_per_task or 1}",
        "--distribution=block", "--kill-on-bad-exit=0", "--wait=0", "--cpu-bind=none",
        "--input=none", "--open-mode=append", f"--output={job.start.path}/ranks-%N.log",
        *((f"--mpi={settings.mpi}",) if settings.mpi else ()),
        *agent_command(orders[0].python, bundle, "--shim", str(path)),
    )  # fmt: skip
    carried = tuple(msgspec.structs.replace(order, spawn=EXTERNAL) for order in orders)
    return carried, start
