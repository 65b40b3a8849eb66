"""Other programs that take over the terminal for a while: the user's pager and editor."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from rankdeck.command_log import executed
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import App

_PLUS = frozenset(
    {
        *("vi", "vim", "nvim", "vimdiff", "view", "gvim", "ex", "kak", "zile", "mg", "ne"),
        *("nano", "pico", "emacs", "emacsclient", "micro", "joe", "jed", "jmacs", "mcedit"),
        *("less", "more", "most"),
    }
)
"""Programs that take `+LINE FILE`."""
_COLON = frozenset(["hx", "helix", "subl", "zed"])
"""Programs that take `FILE:LINE`."""
_GOTO = frozenset(["code", "code-insiders", "codium", "cursor", "windsurf"])


def at_line(command: Sequence[str], path: str, line: int) -> list[str]:
    """The command that shows a file at a line, as far as the program is known to do that."""
    name = os.path.basename(command[0])
    if name in _PLUS:
        return [*command, f"+{line}", path]
    if name in _COLON:
        return [*command, f"{path}:{line}"]
    if name in _GOTO:
        wait = [] if "--wait" in command or "-w" in command else ["--wait"]
        return [*command, *wait, "--goto", f"{path}:{line}"]
    return [*command, path]


@contextmanager
def lent_terminal(app: App[Any]) -> Iterator[None]:
    """The terminal is another program's, and so is what is typed to interrupt it.

    Raises:
        SuspendNotSupported: This terminal cannot be given away.
    """
    with app.suspend():
        # a handler that does nothing: what is ignored would be ignored by the program, too
        before = {
            number: signal.signal(number, lambda *_: None)
            for number in (signal.SIGINT, signal.SIGQUIT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def run_outside(app: App[Any], command: Sequence[str]) -> None:
    """Give the terminal to another program until it ends.

    Raises:
        UserError: It cannot be started, or this terminal cannot be given away.
    """
    try:
        with lent_terminal(app):
            began = time.monotonic()
            done = subprocess.run(command, check=False)
    except SuspendNotSupported:
        raise UserError(
            "this terminal cannot be given to another program",
            f"run it elsewhere: {shlex.join(command)}",
        ) from None
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started: {error.strerror or error}") from None
    seconds = time.monotonic() - began
    executed(command, why="give it the terminal", seconds=seconds, exit_code=done.returncode)
    app.refresh(layout=True)
