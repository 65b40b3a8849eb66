"""What several commands share: finding runs, printing JSON, waiting for a run to end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rankdeck.errors import ExitCode
from rankdeck.run.layout import RunDir, rankdeck_home
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.run.state import RunState
    from rankdeck.run.view import RunReader

FOLLOWED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What `follow_run` answers. A command that starts a run to follow it holds them back until then:
nobody else would stop the run."""
_ALONE_SECONDS = 3.0
"""By then a client on the right machine has taken a run over, if there is one."""

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def open_store() -> RunStore:
    """The user's run store, made if it is not there."""
    store = RunStore(rankdeck_home())
    store.ensure()
    return store


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion: run ids (newest first) that contain what was typed."""
    try:
        runs = RunStore(rankdeck_home()).list(limit=200)
    except OSError:
        return []
    return [run.id for run in runs if incomplete in run.id]


def run_argument(*, nargs: int = 1) -> Callable[[Any], Any]:
    """A RUN argument: an id, a unique prefix or suffix, a name, or `last`."""
    name = "refs" if nargs == -1 else "ref"
    return click.argument(
        name,
        metavar="RUN..." if nargs == -1 else "RUN",
        nargs=nargs,
        required=True,
        shell_complete=complete_run,
    )


def print_json(document: object) -> None:
    """Write one indented JSON document to stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def exit_code_of(state: RunState) -> ExitCode:
    """What a command that waited for this run exits with."""
    if state.state is RunPhase.SUCCEEDED:
        return ExitCode.OK
    return ExitCode.STOPPED if state.state is RunPhase.STOPPED else ExitCode.FAILED


def whoami() -> str:
    """`user@host` of this process, for the record of who asked."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def wait_until_final(reader: RunReader, timeout: float | None = None) -> RunState | None:
    """Wait until the run has ended; None when `timeout` seconds pass first.

    A run whose supervisor has died gets a new one, so that waiting for it makes sense.

    Raises:
        UserError: It has none, and only another machine could give it one (exit code 3).
    """
    from rankdeck.run.launch import ensure_supervised, left_alone

    deadline = None if timeout is None else time.monotonic() + timeout
    next_check = 0.0
    alone_since: float | None = None
    while True:
        state = reader.snapshot().run
        if state.state.final:
            return state
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            return None
        if now >= next_check:
            next_check = now + 2.0
            error = None if ensure_supervised(reader.dir) else left_alone(reader.dir)
            if error is None:
                alone_since = None
            elif alone_since is None:
                alone_since = now
            elif now - alone_since >= _ALONE_SECONDS:
                raise error
        time.sleep(0.1)


def keep_supervised(run: RunDir) -> bool:
    """Give a run that has lost its supervisor a new one; a warning where only others can.

    Returns whether all is well.
    """
    from rankdeck.run.launch import ensure_supervised, left_alone

    alone = None if ensure_supervised(run) else left_alone(run)
    if alone is not None:
        click.echo(f"rankdeck: warning: {alone.message}\n  {alone.hint}", err=True)
    return alone is None


def find_run(ref: str) -> RunDir:
    """The run that `ref` names.

    Raises:
        UserError: No run, or several, go by that name (exit code 4).
    """
    return open_store().find(ref)
