"""`rankdeck export`: the same run as a script, without Rankdeck."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rankdeck.errors import UserError
from rankdeck.job.draft import JobDraft

if TYPE_CHECKING:
    from rankdeck.plan.records import LaunchPlan


@click.command("export")
@click.argument("target", metavar="RUN|PROJECT|JOB.yaml")
@click.option("--script", is_flag=True, help="A shell script (the default, and the only form yet).")
@click.option("--node", default=0, type=click.IntRange(min=0), help="Which node's part (0).")
def export_command(target: str, script: bool, node: int) -> None:
    """Print what a run or job executes as a script to run by hand.

    Values of variables that look like secrets are left out; set them in the environment.
    """
    from rankdeck.plan.render import command_scripts

    plan = _plan_of(target)
    scripts = command_scripts(plan)
    if node >= len(plan.nodes):
        raise UserError(f"there is no node {node}: the plan has {len(plan.nodes)} node(s)")
    click.echo(list(scripts.values())[node], nl=False)


def _plan_of(target: str) -> LaunchPlan:
    if Path(target).exists():
        from rankdeck.cli.run import resolve
        from rankdeck.plan.preview import preview_plan

        return preview_plan(resolve(target, JobDraft()))
    from rankdeck.cli.common import find_run
    from rankdeck.run.stored import read_plan

    return read_plan(find_run(target))
