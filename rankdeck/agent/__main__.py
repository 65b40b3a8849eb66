"""`python agent.pyz ORDER.json` looks after one node; `--MODE …` does another of the agent's jobs.

Little is imported before the launcher is started: every millisecond here delays every run.
"""

from __future__ import annotations

import os
import sys

from rankdeck.agent import kernel
from rankdeck.agent.guardian import run_guarded
from rankdeck.agent.launch import Launch
from rankdeck.agent.notes import note
from rankdeck.agent.order import Order, OrderError, read_order
from rankdeck.agent.problem import ProblemError
from rankdeck.agent.signals import Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# each is a module of this package with a `main(arguments) -> exit code`
_MODES = ("sweep", "serve", "pick", "shim", "courier", "gpus")
_USAGE = f"usage: agent.pyz ORDER.json | agent.pyz --({'|'.join(_MODES)}) ..."


def main() -> NoReturn:
    """Run as the command line says; exits the process."""
    arguments = sys.argv[1:]
    if arguments and arguments[0][2:] in _MODES and arguments[0].startswith("--"):
        from importlib import import_module

        sys.exit(import_module(f"rankdeck.agent.{arguments[0][2:]}").main(arguments[1:]))
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit(_USAGE)
    obey(arguments[0])


def obey(order_path: str) -> NoReturn:
    """Be the agent for that order; exits the process."""
    try:
        order = read_order(order_path)
    except OrderError as error:
        sys.exit(f"agent: {error}")
    umask = os.umask(0o077)
    _settle(order)
    code = run_guarded(order, lambda guardian_fd: _run(order, umask, guardian_fd))
    # two processes share this interpreter's state: neither may run the other's exit handlers
    os._exit(code)


def _settle(order: Order) -> None:
    """Leave the terminal and the starter's session: output goes to the agent's own log."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.makedirs(order.node_dir, exist_ok=True)
    log = os.open(f"{order.node_dir}/agent.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(null)


def _ended(guardian_fd: int) -> bool:
    import select

    return bool(select.select([guardian_fd], [], [], 0)[0])


def _run(order: Order, umask: int, guardian_fd: int) -> int:
    kernel.set_name("rankdeck-agent")
    kernel.become_subreaper()
    signals = Signals()
    launch = Launch(order, umask, lambda: signals.told or _ended(guardian_fd))
    problem = None
    try:
        launch.prepare()
        if not (order.wait_for_go or launch.interrupted):
            launch.start(order.master_addr, launch.master_port)
    except ProblemError as found:
        problem = found
    # the ranks are on their way: from here on time is cheap
    from rankdeck.agent.loop import Agent

    agent = Agent(order, launch, signals, guardian_fd)
    try:
        agent.run(problem)
    except Exception as error:
        import traceback

        note(f"agent: {traceback.format_exc()}")
        agent.give_up(error)
        return 1
    return 0


if __name__ == "__main__":
    main()
