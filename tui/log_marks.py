"""LogMarks: bookmarks in the logs of one run, kept in its directory for as long as the run is.

A bookmark is the place of a line in a file, with a sum over the line's first bytes: where the file
has been written anew it does not move to another line. Reads and writes, so only for the threads
that read logs; several may share one.
"""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING

import msgspec

from rankdeck.logs.handle import Handle
from rankdeck.run.files import read_regular, write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rankdeck.run.layout import RunDir

MOST = 500
"""Bookmarks in the logs of one run."""
_LARGEST = 1 << 20
_SUMMED = 64
"""Bytes of a line that tell whether it is the one that was marked."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """One bookmark."""

    offset: int
    """Where the line begins."""
    length: int
    """How many of its bytes were summed; fewer where it was not longer then."""
    sum: int
    """CRC-32 of them."""


class MarkedLog(msgspec.Struct, frozen=True):
    """The bookmarks of one log."""

    log: str
    """Its path from the run directory."""
    marks: tuple[Mark, ...]


class MarksFile(msgspec.Struct, frozen=True):
    """What `bookmarks.json` holds."""

    version: int = 1
    logs: tuple[MarkedLog, ...] = ()


class LogMarks:
    """The bookmarks of one run's logs."""

    def __init__(self, run: RunDir | None = None, refuse: Callable[[], str] = lambda: "") -> None:
        """Nothing is read yet.

        Args:
            run: The run; without one, bookmarks are kept as long as this object.
            refuse: Why nothing may be written now; empty: it may.
        """
        self._run = run
        self._refuse = refuse
        self._lock = threading.RLock()
        self._marks: dict[Path, dict[int, Mark]] | None = None
        self._unchecked: set[Path] = set()

    def of(self, path: Path) -> frozenset[int]:
        """Where in this log lines are marked."""
        with self._lock:
            return frozenset(self._known(path))

    def marked(self) -> tuple[Path, ...]:
        """The logs in which there are bookmarks."""
        with self._lock:
            return tuple(path for path in self._all() if self._known(path))

    def toggle(self, path: Path, offset: int) -> str:
        """Mark the line that begins here, or mark it no more; what to tell about it, or nothing.

        Raises:
            OSError: The log cannot be read.
        """
        with self._lock:
            known = self._known(path)
            mark = None
            if offset not in known:
                if sum(len(marks) for marks in self._all().values()) >= MOST:
                    return f"{MOST} lines of this run are marked already: b on one takes it away"
                mark = _mark_of(path, offset)
            self._change(known, offset, mark)
            return self._keep(path, offset, mark)

    def check(self) -> None:
        """Logs have been replaced: look again which lines are still there."""
        with self._lock:
            self._unchecked.update(self._all())

    # -- what is known ----------------------------------------------------------------------

    def _all(self) -> dict[Path, dict[int, Mark]]:
        if self._marks is None:
            try:
                self._marks = self._read()
            except OSError:
                # the first one that is to be written will tell
                self._marks = {}
            self._unchecked.update(self._marks)
        return self._marks

    def _known(self, path: Path) -> dict[int, Mark]:
        marks = self._all().setdefault(path, {})
        if path in self._unchecked:
            self._unchecked.discard(path)
            for offset in _gone(path, marks.values()):
                del marks[offset]
        return marks

    @staticmethod
    def _change(marks: dict[int, Mark], offset: int, mark: Mark | None) -> None:
        if mark is None:
            marks.pop(offset, None)
        else:
            marks[offset] = mark

    # -- the file ---------------------------------------------------------------------------

    def _read(self) -> dict[Path, dict[int, Mark]]:
        run = self._run
        if run is None:
            return {}
        content = read_regular(run.bookmarks, _LARGEST)
        try:
            found = msgspec.json.decode(content, type=MarksFile) if content else MarksFile()
        except msgspec.DecodeError:
            raise OSError(f"{run.bookmarks.name} is not as this version writes it") from None
        kept = (log for log in found.logs if ".." not in log.log.split("/"))
        return {run.path / log.log: {mark.offset: mark for mark in log.marks} for log in kept}

    def _keep(self, path: Path, offset: int, mark: Mark | None) -> str:
        """Put one change into the file as it is now: another deck may have written it."""
        run = self._run
        if run is None:
            return ""
        why = self._refuse()
        if not why:
            try:
                every = self._read()
                self._change(every.setdefault(path, {}), offset, mark)
                logs = tuple(
                    MarkedLog(log.relative_to(run.path).as_posix(), tuple(marks.values()))
                    for log, marks in every.items()
                    if marks
                )
                write_atomic(run.bookmarks, msgspec.json.encode(MarksFile(logs=logs)))
            except OSError as error:
                why = f"{run.bookmarks}: {error.strerror or error}"
            except ValueError:
                why = f"{path} is no log of the run"
        return f"bookmarks hold only until you leave: {why}" if why else ""


def _mark_of(path: Path, offset: int) -> Mark:
    data = _line_start(Handle(path), offset, _SUMMED)
    return Mark(offset, len(data), zlib.crc32(data))


def _gone(path: Path, marks: Iterable[Mark]) -> list[int]:
    """Which of these are not there any more."""
    try:
        handle = Handle(path)
    except OSError:
        return []
    lost = []
    for mark in marks:
        data = _line_start(handle, mark.offset, mark.length)
        if (len(data), zlib.crc32(data)) != (mark.length, mark.sum):
            lost.append(mark.offset)
    return lost


def _line_start(handle: Handle, offset: int, length: int) -> bytes:
    data = handle.read(offset, length)
    return data[: data.find(b"\n") + 1 or length]
