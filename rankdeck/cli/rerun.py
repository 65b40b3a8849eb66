"""`rankdeck rerun`: the same job again, from its own record, with changes if wanted."""

from __future__ import annotations

from typing import Any

import click

from rankdeck.cli.common import find_run, json_option, run_argument
from rankdeck.cli.job_options import JobCommand, draft_from, job_options
from rankdeck.cli.run import launch


@click.command("rerun", cls=JobCommand)
@run_argument()
@job_options
@click.option("-d", "--detach", is_flag=True, help="Start it and return; print the run's id.")
@click.option(
    "--dry-run", is_flag=True, help="Print exactly what would be executed, start nothing."
)
@json_option
def rerun_command(ref: str, detach: bool, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Start RUN's job again as a new run; options change it.

    The output directory is a new one unless the job names one: name it to resume from its
    checkpoints.
    """
    job = str(find_run(ref).job)
    launch(job, draft_from(options), detach=detach, dry_run=dry_run, as_json=as_json)
