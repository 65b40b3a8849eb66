"""`rankdeck attach`: come back to a run."""

from __future__ import annotations

import sys

import click

from rankdeck.cli.common import find_run, run_argument


@click.command("attach")
@run_argument()
@click.option("--read-only", is_flag=True, help="Open it so that it changes nothing.")
@click.pass_obj
def attach_command(given: dict[str, bool] | None, ref: str, read_only: bool) -> None:
    """Open the interface on RUN; without a terminal, follow its logs and exit with its code."""
    run = find_run(ref)
    from rankdeck.run.launch import ensure_supervised

    ensure_supervised(run)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from rankdeck.cli.deck import open_deck

        open_deck(run.id, read_only=read_only or bool(given and given.get("read_only")))
        return
    from rankdeck.cli.follow import follow_run

    sys.exit(follow_run(run, owns_run=False))
