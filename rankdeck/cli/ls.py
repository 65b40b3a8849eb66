"""`rankdeck ls`: the runs, newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import json_option, open_store, print_json
from rankdeck.cli.text import age, duration, paint, shown, state_label, table
from rankdeck.run.state import RunPhase
from rankdeck.text import state_text

if TYPE_CHECKING:
    from rankdeck.run.summary import RunSummary

_HEAD = ("STATE", "NAME", "RUN", "BACKEND", "NODES", "RANKS", "STEP", "LOSS", "ELAPSED", "AGE")


@click.command("ls")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, help="How many (20).")
@click.option("-a", "--all", "everything", is_flag=True, help="All runs.")
@click.option(
    "--state",
    "states",
    type=click.Choice([phase.value for phase in RunPhase]),
    multiple=True,
    help="Only runs in this state (repeatable).",
)
@json_option
def ls_command(limit: int, everything: bool, states: tuple[str, ...], as_json: bool) -> None:
    """List runs, newest first.

    A run whose supervisor has died is given a new one.
    """
    store = open_store()
    wanted = frozenset(RunPhase(state) for state in states)
    runs = store.list(None if everything or wanted else limit)
    if wanted:
        runs = tuple(run for run in runs if run.state in wanted)
        runs = runs if everything else runs[:limit]
    for run in runs:
        if not run.state.final and not run.supervised:
            from rankdeck.run.launch import ensure_supervised

            ensure_supervised(store.find(run.id))
    if as_json:
        print_json({"runs": runs})
    elif not runs:
        click.echo("no runs yet; `rankdeck demo` starts one" if not wanted else "no such runs")
    else:
        now = time.time()
        click.echo(table([_HEAD, *(_row(run, now) for run in runs)], right=frozenset({4, 5})))


def _row(run: RunSummary, now: float) -> tuple[str, ...]:
    step = "–" if run.step is None else str(run.step)
    if run.step is not None and run.total_steps:
        step = f"{run.step}/{run.total_steps}"
    loss = "–" if run.loss is None else f"{run.loss:.4g}"
    if run.failure_summary:
        loss = paint(shown(run.failure_summary, 60), "red")
    elif run.loss is None and not run.state.final:
        loss = shown(state_text(run, now), 60) or "–"
    elapsed = None if run.started is None else (run.ended or now) - run.started
    return (
        state_label(run.state),
        shown(run.name, 24),
        run.id,
        run.backend,
        str(run.nnodes),
        str(run.world_size),
        step,
        loss,
        duration(elapsed),
        age(now - run.created),
    )
