"""`rankdeck demo`: a real training run on this machine, in one command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rankdeck.cli.common import open_store


@click.command("demo")
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--ranks", type=click.IntRange(min=1), help="How many ranks (one per GPU, else two).")
def demo_command(directory: str | None, ranks: int | None) -> None:
    """Make a sample project, train it for real, and open the interface on it.

    A small GPT learns the source text of Python's own standard library. Without a terminal, the
    logs are followed and the exit code is the run's.
    """
    from rankdeck.cli.run import submit_draft
    from rankdeck.job.draft import JobDraft
    from rankdeck.project.scaffold import scaffold

    store = open_store()
    project = Path(directory).absolute() if directory else store.home / "demo"
    if not (project / "train.py").exists():
        scaffold(project, "ddp")
    click.echo(f"rankdeck: the project is in {project}", err=True)
    count = ranks or _default_ranks()
    draft = JobDraft(name="demo", nproc_per_node=count, launcher="torchrun")
    run = submit_draft(str(project), draft)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from rankdeck.cli.deck import open_deck

        open_deck(run.id)
        return
    from rankdeck.cli.follow import follow_run

    sys.exit(follow_run(run, owns_run=True))


def _default_ranks() -> int:
    from rankdeck.backend import load_backend
    from rankdeck.job.spec import JobSpec

    (node,) = load_backend("local").nodes(JobSpec(name="demo", entry="", project=""))
    return node.gpus or min(2, node.cpus or 1)
