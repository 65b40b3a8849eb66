"""`rankdeck run`: start a run, and follow it unless told to let go."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rankdeck.cli.common import FOLLOWED_SIGNALS, json_option, open_store, print_json
from rankdeck.cli.job_options import JobCommand, draft_from, job_options, split_at_target
from rankdeck.cli.library import template_option, workspace_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.job.draft import JobDraft
    from rankdeck.job.spec import JobSpec
    from rankdeck.run.layout import RunDir


class RunCommandParser(JobCommand):
    """Reads `run` lines as torchrun and `colossalai run` users write them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Separate our options from the script's before click looks at them."""
        return super().parse_args(ctx, split_at_target(self, args))


@click.command("run", cls=RunCommandParser)
@click.argument("target", metavar="[PROJECT|JOB.yaml|SCRIPT]", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]")
@job_options
@template_option
@workspace_option
@click.option("-d", "--detach", is_flag=True, help="Start it and return; print the run's id.")
@click.option(
    "--dry-run", is_flag=True, help="Print exactly what would be executed, start nothing."
)
@json_option
def run_command(
    target: str | None,
    args: tuple[str, ...],
    template: str | None,
    workspace: str | None,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a project folder (the current one by default), a job file, or a script.

    Attached, every line is printed with its rank, and the exit code is 0 only if the run
    succeeded. Ctrl-C stops the run, a second one kills it; a closed terminal leaves it running.
    Everything after SCRIPT, or after `--`, goes to the script.
    """
    launch(
        target,
        draft_from(options, args),
        begin=Beginning(template=template, workspace=workspace),
        detach=detach,
        dry_run=dry_run,
        as_json=as_json,
    )


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What lies under the options of a job."""

    template: str | None = None
    """A template's name."""
    workspace: str | None = None
    """A workspace's name; None: the current one; empty: none."""


_USUAL = Beginning()


def resolve(target: str | None, draft: JobDraft, begin: Beginning = _USUAL) -> JobSpec:
    """The complete job; warnings go to stderr.

    Raises:
        InvalidJobError: With everything that is wrong.
    """
    from rankdeck.job import resolve as resolving
    from rankdeck.library.names import current_file

    base = None
    if begin.workspace or (begin.workspace is None and os.path.lexists(current_file())):
        from rankdeck.library.workspaces import base_of

        base = base_of(target, os.environ, begin.workspace)
    template = None
    if begin.template is not None:
        from rankdeck.library.templates import template_store

        template = Path(template_store().get(begin.template).path)
    found = resolving.resolve(
        target,
        draft,
        Path.cwd(),
        dict(os.environ),
        base=base,
        template=template,
    )
    for problem in found.warnings:
        click.echo(f"rankdeck: warning: {problem}", err=True)
    return found.spec


def launch(
    target: str | None,
    draft: JobDraft,
    *,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    begin: Beginning = _USUAL,
) -> None:
    """Start (or only plan) a job, and exit with its code if attached."""
    if dry_run:
        _show_plan(resolve(target, draft, begin), as_json=as_json)
        return
    if as_json and not detach:
        raise click.UsageError("--json goes with --dry-run or --detach")
    attached = not (detach or as_json)
    run = submit_draft(target, draft, begin, begins=_hold_signals if attached else None)
    if as_json:
        print_json({"id": run.id, "path": str(run.path)})
    elif detach:
        click.echo(run.id)
    else:
        from rankdeck.cli.follow import follow_run

        sys.exit(follow_run(run, owns_run=True))


def _hold_signals() -> None:
    """From here on there is a run: Ctrl-C shall stop it, so it waits for `follow_run`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, FOLLOWED_SIGNALS)


def submit_draft(
    target: str | None,
    draft: JobDraft,
    begin: Beginning = _USUAL,
    begins: Callable[[], None] | None = None,
) -> RunDir:
    """Resolve a job and start it.

    The supervisor's interpreter starts first of all: it loads while the job is being read.
    `begins` is called when the run is about to begin.
    """
    from rankdeck.run.spawn import start_waiting_supervisor

    waiting = start_waiting_supervisor()
    try:
        from rankdeck.cli.asking import terminal_ask
        from rankdeck.run.launch import submit

        return submit(
            resolve(target, draft, begin),
            open_store(),
            cwd=Path.cwd(),
            environ=dict(os.environ),
            waiting=waiting,
            ask=terminal_ask(),
            begins=begins,
        )
    finally:
        waiting.cancel()


def _show_plan(spec: JobSpec, *, as_json: bool) -> None:
    from rankdeck.plan.preview import preview_plan

    plan = preview_plan(spec)
    if as_json:
        print_json(plan)
    else:
        from rankdeck.plan.render import render_plan

        click.echo(render_plan(plan))
