"""`rankdeck rerun`: the same job again, from its own record, with changes if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import find_run, json_option, run_argument
from rankdeck.cli.job_options import JobCommand, draft_from, job_options
from rankdeck.cli.run import launch

if TYPE_CHECKING:
    from rankdeck.job.draft import JobDraft
    from rankdeck.run.layout import RunDir


@click.command("rerun", cls=JobCommand)
@run_argument()
@job_options
@click.option("-d", "--detach", is_flag=True, help="Start it and return; print the run's id.")
@click.option(
    "--dry-run", is_flag=True, help="Print exactly what would be executed, start nothing."
)
@click.option(
    "--exclude-bad-nodes",
    is_flag=True,
    help="Leave out the nodes that the run's failure and problems are blamed on.",
)
@json_option
def rerun_command(
    ref: str,
    detach: bool,
    dry_run: bool,
    exclude_bad_nodes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Start RUN's job again as a new run; options change it.

    The output directory is a new one unless the job names one: name it to resume from its
    checkpoints.
    """
    run = find_run(ref)
    draft = draft_from(options)
    if exclude_bad_nodes:
        draft = _without_bad_nodes(run, draft)
    launch(str(run.job), draft, detach=detach, dry_run=dry_run, as_json=as_json)


def _without_bad_nodes(run: RunDir, draft: JobDraft) -> JobDraft:
    """The changes with those to the choice of nodes; says which nodes are left out, and why."""
    from rankdeck.run.blame import blamed
    from rankdeck.run.rerun import without_nodes
    from rankdeck.run.stored import read_state

    found = blamed(read_state(run))
    if not found:
        click.echo("rankdeck: no node is to blame: none is left out", err=True)
        return draft
    changed = without_nodes(run, [blame.node for blame in found], draft)
    for blame in found:
        click.echo(f"rankdeck: without {blame.node}: {blame.why}", err=True)
    return changed
