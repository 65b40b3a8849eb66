"""LogChoices: how the user wants lines of logs to be shown, kept from one deck to the next.

Wrapping, numbers and times are habits; filters and merged views belong to what is looked at and
are not kept. Reads and writes, so only for the threads that read logs; but for `current`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.files import read_regular, write_atomic
from tui.log_page import Times

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.log_page import Look

_FILE = "log-view.json"
_LARGEST = 4096


class Choices(msgspec.Struct, frozen=True):
    """What is kept."""

    wrap: bool = False
    numbers: bool = True
    times: Times = Times.OFF

    def of(self, look: Look) -> Look:
        """The look with these in place of its own."""
        return replace(look, wrap=self.wrap, numbers=self.numbers, times=self.times)


def choices_in(look: Look) -> Choices:
    """What of a look is kept."""
    return Choices(look.wrap, look.numbers, look.times)


class LogChoices:
    """The choices of one user; panes of one deck share them."""

    def __init__(self, home: Path, refuse: Callable[[], str] = lambda: "") -> None:
        """Nothing is read yet.

        Args:
            home: The state directory.
            refuse: Why nothing may be written now; empty: it may.
        """
        self._path = home / _FILE
        self._refuse = refuse
        self.current: Choices | None = None
        """The newest ones; None: nobody has looked yet. Any thread may ask."""

    def recall(self) -> Choices:
        """What was chosen last; what cannot be read is as by default."""
        if self.current is None:
            found = Choices()
            with suppress(OSError, msgspec.DecodeError):
                content = read_regular(self._path, _LARGEST)
                found = msgspec.json.decode(content, type=Choices) if content else found
            self.current = found
        return self.current

    def keep(self, choices: Choices) -> str:
        """Have these the next time; what to tell about it, or nothing."""
        if choices == self.current:
            return ""
        self.current = choices
        if self._refuse():
            return ""
        try:
            write_atomic(self._path, msgspec.json.encode(choices))
        except OSError as error:
            return f"this holds only until you leave: {self._path}: {error.strerror or error}"
        return ""
