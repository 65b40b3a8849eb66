"""`rankdeck export`: the same run as a script, without Rankdeck."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.job_options import JobCommand, draft_from, job_options
from rankdeck.errors import UserError
from rankdeck.job.draft import JobDraft
from rankdeck.run.layout import rankdeck_home

if TYPE_CHECKING:
    from rankdeck.plan.records import LaunchPlan


@click.command("export", cls=JobCommand)
@click.argument("target", metavar="RUN|PROJECT|JOB.yaml")
@job_options
@click.option("--script", is_flag=True, help="A shell script (the default, and the only form yet).")
@click.option("--sbatch", is_flag=True, help="The batch script that Slurm is given instead.")
@click.option("--node", default=0, type=click.IntRange(min=0), help="Which node's part (0).")
def export_command(target: str, script: bool, sbatch: bool, node: int, **options: Any) -> None:
    """Print what a run or job executes as a script to run by hand; options change it.

    Values of variables that look like secrets are left out; set them in the environment.
    """
    from rankdeck.plan.render import command_scripts

    plan = _plan_of(target, draft_from(options))
    if sbatch:
        if script:
            raise click.UsageError("--script and --sbatch are two scripts: give one of them")
        click.echo(_batch_script(plan), nl=False)
        return
    scripts = command_scripts(plan)
    if node >= len(plan.nodes):
        raise UserError(f"there is no node {node}: the plan has {len(plan.nodes)} node(s)")
    click.echo(list(scripts.values())[node], nl=False)


def _plan_of(target: str, draft: JobDraft) -> LaunchPlan:
    if not Path(target).exists():
        from rankdeck.cli.common import find_run

        run = find_run(target)
        if draft == JobDraft():
            from rankdeck.run.stored import read_plan

            return read_plan(run)
        target = str(run.job)
    from rankdeck.cli.run import resolve
    from rankdeck.plan.preview import preview_plan

    return preview_plan(resolve(target, draft))


def _batch_script(plan: LaunchPlan) -> str:
    from rankdeck.plan.preview import batch_script

    text = batch_script(plan, rankdeck_home())
    if text is None:
        raise UserError(
            f"the {plan.backend} backend submits no batch script", "choose --backend slurm"
        )
    return text
