"""`rankdeck signal`: send a signal to the ranks of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import keep_supervised, open_store, run_argument, whoami
from rankdeck.errors import ExitCode, UserError
from rankdeck.run.control import SIGNALS, RunCommand, RunCommandKind, send_command
from rankdeck.run.eventlog import read_events
from rankdeck.run.events import Event, EventKind
from rankdeck.run.view import RunReader, RunSnapshot

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

_ANSWER_SECONDS = 15.0


def _signal(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """`SIGUSR1` for `SIGUSR1`, `usr1` or `10`."""
    from rankdeck.run.signals import signal_name

    name = signal_name(int(value)) if value.isdecimal() else value.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in SIGNALS:
        raise click.BadParameter(f"{value!r} is none of {', '.join(SIGNALS)}", ctx, param)
    return name


@click.command("signal")
@run_argument()
@click.argument("signal", callback=_signal)
@click.option("--rank", "ranks", type=int, multiple=True, help="Only this rank (repeatable).")
@click.option("--node", "nodes", multiple=True, help="Only the ranks of this node (repeatable).")
def signal_command(ref: str, signal: str, ranks: tuple[int, ...], nodes: tuple[str, ...]) -> None:
    """Send SIGNAL (SIGUSR1, TERM, 10 …) to the ranks of RUN themselves, and to nothing else."""
    run = open_store().find(ref)
    snapshot = RunReader(run).snapshot()
    if snapshot.run.state.final:
        raise UserError(f"{run.id} has already ended: {snapshot.run.state.value}")
    chosen = choose_ranks(snapshot, ranks, nodes)
    after = snapshot.run.last_seq
    asked = time.time()
    command = RunCommand(
        command=RunCommandKind.SIGNAL, signal=signal, ranks=chosen, by=whoami(), time=asked
    )
    send_command(run, command)
    keep_supervised(run)
    answer = await_answer(run, after, signal)
    click.echo(answer.message)


def choose_ranks(
    snapshot: RunSnapshot, ranks: tuple[int, ...], nodes: tuple[str, ...]
) -> tuple[int, ...]:
    """The ranks that are meant; none: all of them.

    Raises:
        UserError: The run has no such rank or node.
    """
    known = {node.name for node in snapshot.nodes}
    for node in nodes:
        if node not in known:
            raise UserError(f"{snapshot.run.id} has no node {node}")
    world = len(snapshot.ranks)
    for rank in ranks:
        if not 0 <= rank < world:
            raise UserError(f"{snapshot.run.id} has no rank {rank}: they are 0 to {world - 1}")
    of_nodes = (rank.rank for rank in snapshot.ranks if rank.node in nodes)
    return tuple(sorted({*ranks, *of_nodes}))


def await_answer(run: RunDir, after: int, signal: str) -> Event:
    """What the supervisor has done with the signal.

    Raises:
        UserError: It was refused, or nobody has answered.
    """
    answer = _answer(run, after, signal)
    if answer is None:
        raise UserError(
            f"{run.id}: nobody has answered for {_ANSWER_SECONDS:.0f} s",
            f"`rankdeck show {run.id}` tells what came of it",
            exit_code=ExitCode.UNUSABLE,
        )
    if answer.outcome != "accepted":
        raise UserError(answer.message or "refused", exit_code=ExitCode.UNUSABLE)
    return answer


def _answer(run: RunDir, after: int, signal: str) -> Event | None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        for event in read_events(run, after):
            told = (event.message or "").startswith(signal) or event.outcome != "accepted"
            if event.kind is EventKind.COMMAND and event.command == "signal" and told:
                return event
        time.sleep(0.1)
    return None
