"""From a plan to the job that is submitted for it.

The first job's request is kept with the run: a plan that was bound to nodes since does not say any
more what was asked for, and another attempt may run on others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from backends.slurm.layout import slurm_dir
from backends.slurm.script import Placement
from backends.slurm.settings import read_settings
from rankdeck.agent_bundle import agent_bundle
from rankdeck.run.files import write_atomic
from rankdeck.run.spawn import supervisor_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir

ALLOCATION = "SLURM_JOB_ID"


def allocation_of(environ: Mapping[str, str]) -> str:
    """The job whose allocation this environment is of; empty outside of one."""
    job = environ.get(ALLOCATION, "")
    return job if environ.get("SLURM_JOB_NODELIST") else ""


def plan_placement(
    plan: LaunchPlan, run: RunDir, environ: Mapping[str, str], attempt: int
) -> Placement:
    """The job for one attempt of a run.

    Nodes that are no placeholders were asked for by name: Slurm must give exactly these.

    Raises:
        InvalidJobError: Its options are wrong.
        OSError: The request cannot be kept.
    """
    kept = slurm_dir(run) / "placement.json"
    try:
        first = msgspec.json.decode(kept.read_bytes(), type=Placement)
        return msgspec.structs.replace(first, attempt=attempt)
    except FileNotFoundError:
        placement = first_placement(plan, run, environ, attempt)
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomic(kept, msgspec.json.encode(placement), sync=True)
    return placement


def first_placement(
    plan: LaunchPlan, run: RunDir, environ: Mapping[str, str], attempt: int
) -> Placement:
    """The job for a plan that was not bound to nodes yet.

    Raises:
        InvalidJobError: Its options are wrong.
    """
    asked = tuple(node.name for node in plan.nodes if not node.placeholder)
    settings = read_settings(plan.backend_options)
    return Placement(
        run_id=plan.run_id,
        attempt=attempt,
        name=plan.name,
        nodes=len(plan.nodes),
        nproc=max(node.nproc for node in plan.nodes),
        nodelist=asked,
        exclude=plan.exclude,
        time_limit=plan.time_limit,
        python=plan.nodes[0].python,
        bundle=str(agent_bundle(run.path.parent.parent / "cache")),
        settings=settings,
        supervisor=tuple(supervisor_command(str(run.path))) if settings.standby else (),
        inside=allocation_of(environ),
    )
