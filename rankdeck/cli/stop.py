"""`rankdeck stop` and `rankdeck kill`: end runs."""

from __future__ import annotations

import time

import click

from rankdeck.cli.common import (
    keep_supervised,
    open_store,
    run_argument,
    wait_until_final,
    whoami,
)
from rankdeck.cli.text import state_label
from rankdeck.errors import ExitCode, UserError
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.launch import ensure_supervised
from rankdeck.run.view import RunReader


@click.command("stop")
@run_argument(nargs=-1)
@click.option("--grace", type=click.FloatRange(min=0), help="Seconds between TERM and KILL.")
@click.option("--no-wait", is_flag=True, help="Ask, and do not wait until it is done.")
def stop_command(refs: tuple[str, ...], grace: float | None, no_wait: bool) -> None:
    """Stop each RUN: TERM to its ranks, the grace, KILL, then a check that nothing is left."""
    _end(refs, RunCommandKind.STOP, grace, no_wait)


@click.command("kill")
@run_argument(nargs=-1)
@click.option("--no-wait", is_flag=True, help="Ask, and do not wait until it is done.")
def kill_command(refs: tuple[str, ...], no_wait: bool) -> None:
    """Kill each RUN at once, without grace."""
    _end(refs, RunCommandKind.KILL, None, no_wait)


def _end(refs: tuple[str, ...], kind: RunCommandKind, grace: float | None, no_wait: bool) -> None:
    store = open_store()
    readers = [RunReader(store.find(ref)) for ref in refs]
    asked: list[RunReader] = []
    for reader in readers:
        state = reader.snapshot().run
        if state.state.final:
            click.echo(f"{state.id} has already ended: {state_label(state.state)}")
            continue
        command = RunCommand(command=kind, grace=grace, by=whoami(), time=time.time())
        send_command(reader.dir, command)
        if no_wait:
            keep_supervised(reader.dir)
        else:
            # whoever waits is told as well, but only once it is sure that nobody else helps
            ensure_supervised(reader.dir)
        asked.append(reader)
    if no_wait:
        return
    for reader in asked:
        end = wait_until_final(reader, timeout=120.0 + (grace or 0.0))
        if end is None:
            raise UserError(
                f"{reader.dir.id} has not ended after two minutes",
                "`rankdeck show` tells what is left; `rankdeck kill` ends it without grace",
                exit_code=ExitCode.UNUSABLE,
            )
        reason = f" ({end.reason})" if end.reason else ""
        click.echo(f"{end.id} {state_label(end.state)}{reason}")
