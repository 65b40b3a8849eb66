"""A real terminal, and what happens when it goes away."""

from __future__ import annotations

import os
import pty
import signal
from typing import TYPE_CHECKING

from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

STEPS = """
import time
for step in range(1, 61):
    print(f"step {step}/60 \\x1b[31mred\\x1b[0m \\x1b]52;c;eA==\\x07", flush=True)
    time.sleep(0.05)
"""


def in_terminal(cli: Cli, *args: str | Path) -> tuple[int, int]:
    """Start the command as the leader of a terminal's session; returns its pid and the terminal."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cli.home.parent)
        argv = [*cli.argv, *map(str, args)]
        os.execvpe(argv[0], argv, {**cli.env, "TERM": "xterm-256color"})
    return pid, master


def test_closed_terminal_detaches(cli: Cli, program: Callable[..., Path]) -> None:
    pid, master = in_terminal(cli, "run", "--launcher", "direct", program(STEPS))
    cli.until_rank(0, "stepping")
    os.close(master)
    assert until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)
    assert cli("wait", "last").returncode == 0
    assert cli.log(0).count(b"step") == 60


def test_lines_are_made_safe_on_a_terminal(cli: Cli, program: Callable[..., Path]) -> None:
    pid, master = in_terminal(cli, "run", "--launcher", "direct", program(STEPS))
    seen = b""
    try:
        while b"succeeded" not in seen:
            seen += os.read(master, 65536)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)
    assert b"\x1b]52" not in seen
    assert b"\x1b[38;5;1mred\x1b[0m" in seen
    # the positive control: the sequence is there, in the log itself
    assert b"\x1b]52" in cli.log(0)
