"""`rankdeck export`: the same run as a script, without Rankdeck."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rankdeck.errors import UserError


@click.command("export")
@click.argument("target", metavar="RUN|PROJECT|JOB.yaml")
@click.option(
    "--script",
    "as_script",
    is_flag=True,
    default=True,
    help="A shell script that runs one node's part by hand (the default).",
)
@click.option("--node", default=0, type=click.IntRange(min=0), help="Which node's part (0).")
def export_command(target: str, as_script: bool, node: int) -> None:
    """Print what a run or job executes as a script to run by hand.

    Values of variables that look like secrets are left out and must be set in the environment.
    """
    from rankdeck.plan.render import command_scripts

    plan = _plan_of(target)
    if node >= len(plan.nodes):
        raise UserError(f"there is no node {node}: the plan has {len(plan.nodes)} node(s)")
    scripts = command_scripts(plan)
    wanted = (
        sorted(scripts)[0]
        if len(scripts) == 1
        else next(name for name in sorted(scripts) if name.startswith(f"node-{node}"))
    )
    click.echo(scripts[wanted], nl=False)


def _plan_of(target: str):  # type: ignore[no-untyped-def]
    return (target, os, Path)
