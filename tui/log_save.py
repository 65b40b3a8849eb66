"""Lines of a log as text for a clipboard, another program or a file; read a few at a time.

Text for people and clipboards is clean; a saved file has the bytes that were written.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rankdeck.logs.ranks import rank_prefix
from rankdeck.logs.sanitise import clean
from tui.log_gutter import short_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rankdeck.logs.lines import LogLine
    from tui.log_views import View

_AT_ONCE = 500
COPIED_MOST = 16 << 20
"""Bytes that are gathered for a clipboard (or the file in its place)."""


class Copied(NamedTuple):
    """Text that was gathered for the clipboard."""

    text: str
    lines: int
    whole: bool
    """Whether nothing had to be left out."""


def lines_between(view: View, low: int, high: int | None) -> Iterator[LogLine]:
    """The lines from position `low` to `high` (None: to the end), both included."""
    source, position = view.source, low
    while high is None or position <= high:
        lines = source.after(position, _AT_ONCE)
        for line in lines:
            if high is not None and line.offset > high:
                return
            yield line
        if not lines.more or (not lines and lines.looked_to <= position):
            return
        position = lines.looked_to


def prefix_of(line: LogLine, view: View) -> str:
    """Whose line it is, for a text in which that is not plain; else empty."""
    if not view.label:
        return ""
    if len(line.ranks) > 1:
        return f"[{short_ranks(line.ranks)}] "
    return rank_prefix(line.rank, view.world) if line.rank >= 0 else ""


def gather(view: View, low: int, high: int) -> Copied:
    """The text of these lines."""
    parts: list[str] = []
    room = COPIED_MOST
    for line in lines_between(view, low, high):
        text = prefix_of(line, view) + clean(view.whole(line))
        room -= len(text) + 1
        if room < 0:
            return Copied("\n".join(parts), len(parts), whole=False)
        parts.append(text)
    return Copied("\n".join(parts), len(parts), whole=True)


class Outside(NamedTuple):
    """A program of the user's that is to show lines which are in no file."""

    editor: bool
    current: int
    """Position of the line to show."""


class Save:
    """Writes lines into a new file, on a thread of its own."""

    def __init__(
        self, path: Path, done: Callable[[Save], object], *, then: Outside | None = None
    ) -> None:
        """Prepare; `begin` starts it.

        Args:
            path: The new file; one that is there is never written over.
            done: Called on the thread at its end.
            then: The program that it is for; it gets a file of that name in a new folder.
        """
        self.path = path
        self.then = then
        self.current = 1
        """The number, from 1, of the line that `then` is to show."""
        self.lines = 0
        self.percent = 0
        self.failure = ""
        self.cancelled = False
        self.begun = False
        self._done = done

    def cancel(self) -> None:
        """Stop, and take away what has been written."""
        self.cancelled = True

    def begin(self, view: View, low: int, high: int | None) -> None:
        """Write the lines from `low` to `high`."""
        self.begun = True
        threading.Thread(
            target=self._run, args=(view, low, high), name="log-save", daemon=True
        ).start()

    def _run(self, view: View, low: int, high: int | None) -> None:
        try:
            if self.then is not None:
                self.path = Path(tempfile.mkdtemp(prefix="rankdeck-")) / self.path.name
            self._write(view, low, high)
        except FileExistsError:
            self.failure = f"{self.path} is there already: choose another name"
        except OSError as error:
            self.failure = f"{self.path} cannot be written: {error.strerror or error}"
        except Exception as error:  # told on the screen
            self.failure = f"nothing was saved: {type(error).__name__}: {error}"
        if self.cancelled:
            self.failure = "cancelled"
        self._done(self)

    def _bytes(self, line: LogLine, view: View) -> bytes:
        if self.then is None:
            return prefix_of(line, view).encode() + view.whole(line)
        # pagers take escape sequences for a binary file, or give them to the terminal
        return (prefix_of(line, view) + clean(view.whole(line))).encode()

    def _write(self, view: View, low: int, high: int | None) -> None:
        end = view.source.size if high is None else high
        with open(self.path, "xb") as out:
            try:
                for line in lines_between(view, low, high):
                    out.write(self._bytes(line, view) + b"\n")
                    self.lines += 1
                    if self.then is not None and line.offset <= self.then.current:
                        self.current = self.lines
                    if not self.lines % _AT_ONCE:
                        self.percent = min(99, (line.offset - low) * 100 // max(1, end - low))
                        if self.cancelled:
                            break
            except Exception:
                self.cancelled = False
                self._discard()
                raise
        if self.cancelled:
            self._discard()

    def _discard(self) -> None:
        if self.then is not None:
            discard_copy(self.path)
        else:
            with suppress(OSError):
                os.unlink(self.path)


class OutsideFile(NamedTuple):
    """A file for another program, and the line to show there."""

    path: str
    line: int
    editor: bool
    copy: bool = False
    """It was made for the other program, in a folder of its own."""


def discard_copy(path: Path) -> None:
    """Remove what was written for another program, and its folder."""
    shutil.rmtree(path.parent, ignore_errors=True)
