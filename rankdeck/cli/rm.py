"""`rankdeck rm`: delete finished runs."""

from __future__ import annotations

import click

from rankdeck.cli.common import open_store, run_argument


@click.command("rm")
@run_argument(nargs=-1)
def rm_command(refs: tuple[str, ...]) -> None:
    """Delete each RUN with its logs. A run that has not ended is refused.

    What the training wrote into its own output directory stays.
    """
    store = open_store()
    runs = [store.find(ref) for ref in refs]
    for run in dict.fromkeys(runs):
        store.remove(run)
        click.echo(f"deleted {run.id}")
