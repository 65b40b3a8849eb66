"""The plan a job would get now, for showing: nothing is written and nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.backend import load_backend
from rankdeck.plan.build import build_plan

if TYPE_CHECKING:
    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan


def preview_plan(spec: JobSpec) -> LaunchPlan:
    """The plan with placeholders for the run's id and directory.

    Raises:
        InvalidJobError: The job does not fit the nodes.
        UserError: There are no nodes, or the inventory cannot be read.
    """
    return build_plan(spec, load_backend(spec.backend).nodes(spec))
