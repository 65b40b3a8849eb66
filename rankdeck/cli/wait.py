"""`rankdeck wait`: block until a run has ended, then exit with its code."""

from __future__ import annotations

import sys

import click

from rankdeck.cli.common import exit_code_of, find_run, run_argument, wait_until_final
from rankdeck.errors import ExitCode, UserError


@click.command("wait")
@run_argument()
@click.option("--timeout", type=click.FloatRange(min=0), help="Give up after so many seconds.")
def wait_command(ref: str, timeout: float | None) -> None:
    """Wait for RUN; exit with 0 if it succeeded, 1 if it failed, 130 if it was stopped."""
    from rankdeck.run.view import RunReader

    run = find_run(ref)
    state = wait_until_final(RunReader(run), timeout)
    if state is None:
        raise UserError(
            f"{run.id} is still going on after {timeout:g} s",
            "wait longer, or look at it with `rankdeck show`",
            exit_code=ExitCode.UNUSABLE,
        )
    reason = f": {state.reason}" if state.reason else ""
    click.echo(f"{state.id} {state.state.value}{reason}", err=True)
    sys.exit(exit_code_of(state))
