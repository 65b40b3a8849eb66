"""What still runs on a node that could not be reached when its run ended.

A process of its own looks for such nodes for a while: it ends what is left there, brings home
what was written since, removes the run's folder, and is done.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.agent_order import AgentOrder
from rankdeck.backend import SessionContext
from rankdeck.command_log import executed
from rankdeck.run.layout import RunDir
from rankdeck.run.spawn import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SECONDS = 3600.0
_ROOT = str(Path(__file__).resolve().parents[2])
_START = (
    "import sys\n"
    "if not sys.path[0]: del sys.path[0]\n"
    f"sys.path.insert(0, {_ROOT!r})\n"
    "import rankdeck, backends\n"
    "del sys.path[0]\n"
    "from backends.ssh.leftovers import main\n"
    "main()"
)
"""This very installation, and nothing of the directory it is started in."""


class LeftBehind(msgspec.Struct, frozen=True):
    """An agent that may still be running."""

    order: AgentOrder
    ref: str


class _Task(msgspec.Struct, frozen=True):
    run: str
    plan: msgspec.Raw
    agents: tuple[LeftBehind, ...]
    secrets: dict[str, str]


def look_for_leftovers(
    context: SessionContext, agents: Sequence[LeftBehind], secrets: Mapping[str, str]
) -> int:
    """Start the process; returns its pid. What is secret goes through a pipe."""
    task = _Task(
        run=os.fspath(context.run.path),
        plan=msgspec.Raw(msgspec.json.encode(context.plan)),
        agents=tuple(agents),
        secrets=dict(secrets),
    )
    reading, writing = os.pipe2(os.O_CLOEXEC)
    log = os.fspath(context.run.supervisor_log)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", _START],
            {name: value for name, value in os.environ.items() if name not in IDENTITY},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(reading)
    with open(writing, "wb") as stream:
        stream.write(msgspec.json.encode(task))
    executed([sys.executable, "-c", _START], why="look for what the run has left behind")
    return pid


def main() -> None:
    """Do what standard input says."""
    from backends.ssh.session import SshSession
    from rankdeck.plan.records import LaunchPlan

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir("/")
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=_Task)
    context = SessionContext(
        run=RunDir(Path(task.run)),
        plan=msgspec.json.decode(task.plan, type=LaunchPlan),
        environ=None,
        secrets=task.secrets,
        taken_over=True,
        wake=lambda: None,
    )
    session = SshSession(context)
    for agent in task.agents:
        session.adopt(agent.order, agent.ref)
    session.release_within(_SECONDS)
