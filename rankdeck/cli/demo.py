"""`rankdeck demo`: a real training run on this machine, in one command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rankdeck.cli.common import open_store
from rankdeck.errors import UserError

_SIMULATED_RANKS = 8


@click.command("demo")
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--ranks", type=click.IntRange(min=1), help="How many ranks (one per GPU, else two).")
@click.option("--simulate", is_flag=True, help="Simulate a cluster; nothing is executed.")
@click.option(
    "--nnodes", type=click.IntRange(min=1, max=512), help="With --simulate: how many nodes (16)."
)
@click.option(
    "--scenario",
    metavar="NAME",
    help="With --simulate: what goes wrong (oom, segfault, hang, straggler, nan, node-lost).",
)
def demo_command(
    directory: str | None,
    ranks: int | None,
    simulate: bool,
    nnodes: int | None,
    scenario: str | None,
) -> None:
    """Make a sample project, train it for real, and open the interface on it.

    A small GPT learns the source text of Python's own standard library. With --simulate nothing is
    trained: a cluster of up to 512 nodes with 8 ranks each (--ranks) is made up, for a look at
    what a large run is like. Without a terminal, the logs are followed and the exit code is the
    run's.
    """
    from rankdeck.cli.run import Beginning, submit_draft
    from rankdeck.job.draft import JobDraft
    from rankdeck.project.scaffold import scaffold

    if (nnodes or scenario) and not simulate:
        raise UserError("--nnodes and --scenario are for a simulated cluster", "add --simulate")
    store = open_store()
    name = "demo-simulated" if simulate else "demo"
    project = Path(directory).absolute() if directory else store.home / name
    if not project.is_dir() or not any(project.iterdir()):
        scaffold(project, "direct" if simulate else "ddp")
    click.echo(f"rankdeck: the project is in {project}", err=True)
    if simulate:
        draft = JobDraft(
            name=f"demo-{scenario}" if scenario else "demo",
            backend="demo",
            nnodes=nnodes or 16,
            nproc_per_node=ranks or _SIMULATED_RANKS,
            backend_options={"scenario": scenario or "healthy"},
        )
    else:
        count = ranks or _default_ranks()
        draft = JobDraft(name="demo", nproc_per_node=count, launcher="torchrun")
    # a demonstration is the same everywhere, whatever workspace is in use
    run = submit_draft(str(project), draft, Beginning(workspace=""))
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
