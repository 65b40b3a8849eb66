"""The plan a job would get now, for showing: nothing is written and nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.backend import load_backend
from rankdeck.plan.build import build_plan

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan


def preview_plan(spec: JobSpec) -> LaunchPlan:
    """The plan with placeholders for the run's id and directory.

    Raises:
        InvalidJobError: The job does not fit the nodes.
        UserError: There are no nodes, or the inventory cannot be read.
    """
    return build_plan(spec, load_backend(spec.backend).nodes(spec))


def batch_script(plan: LaunchPlan, home: Path) -> str | None:
    """The script that the plan's backend gives to a scheduler; None: it submits none.

    Raises:
        InvalidJobError: The plan's options are wrong.
    """
    writer = getattr(load_backend(plan.backend), "batch_script", None)
    if writer is None:
        return None
    text: str = writer(plan, home)
    return text
