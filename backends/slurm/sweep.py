"""Ending what is left of a run on one node of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.backend_reports import Swept

if TYPE_CHECKING:
    from backends.slurm.carrier import Carrier
    from backends.slurm.tools import Slurm
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir

_SECONDS = 20.0


def sweep_node(carrier: Carrier, slurm: Slurm, run: RunDir, plan: LaunchPlan, node: str) -> Swept:
    """KILL every process of the run on that node, through the job that it belongs to.

    Of a job that has ended nothing is left: Slurm has ended its processes.
    """
    job = carrier.job
    if job is None or not job.started or carrier.over:
        return Swept(node=node)
    python = plan.nodes[0].python
    bundle = agent_bundle(run.path.parent.parent / "cache")
    answer = slurm.ask(
        "srun", f"--jobid={job.id}", "--overlap", f"--nodelist={node}", "--nodes=1", "--ntasks=1",
        "--mpi=none", "--cpu-bind=none", "--input=none", "--immediate=10",
        *agent_command(python, bundle, "--sweep", run.id, node),
        timeout=_SECONDS,
    )  # fmt: skip
    try:
        left = msgspec.json.decode(answer.out, type=tuple[int, ...])
    except msgspec.DecodeError:
        return Swept(node=node, error=f"{node} could not be searched: {answer.complaint}")
    return Swept(node=node, left=left)
