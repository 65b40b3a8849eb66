"""The supervisor's pen: events are numbered, appended and folded; `state.json` follows.

Survives a full disk: a reserve is given up for the last words, and what still does not fit is kept
and tried again.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rankdeck.run.eventlog import EventLog
from rankdeck.run.fold import fold, initial_state
from rankdeck.run.state import Progress, RunPhase, RunState
from rankdeck.run.stored import STATE_DECODER, created_time, write_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.events import Event
    from rankdeck.run.layout import RunDir

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Journal:
    """Owns `events.jsonl` and `state.json` of one run."""

    def __init__(self, run: RunDir, plan: LaunchPlan) -> None:
        """Open the log, mend it, and fold what it holds.

        Raises:
            OSError: The log cannot be opened.
        """
        self._run = run
        self._log = EventLog(run.events)
        self.history = self._log.history
        """The events of earlier supervisors."""
        self.state = fold(initial_state(plan, created_time(run)), self.history)
        """The run as it is now."""
        if (progress := _stored_progress(run)) is not None:
            self.state = replace(self.state, progress=progress)
        self._reserve = Reserve(run.path / ".reserve", max(256 * 1024, plan.world_size * 2048))
        self._unwritten: list[Event] = []
        self._published: RunState | None = None
        self.disk_full = False
        """Whether a write found no room, and there has not been plenty since."""

    def record(self, facts: Sequence[Event]) -> None:
        """Append `facts` to the log, numbered, and fold them into the state."""
        if not facts:
            return
        first = self.state.last_seq + 1
        events = [replace(fact, seq=first + index) for index, fact in enumerate(facts)]
        before = self.state.state
        self.state = fold(self.state, events)
        self._unwritten += events
        # a node may crash together with its file system's cache; what ends a run should survive
        self._write_events(sync=self.state.state is not before and before is not RunPhase.PLANNED)

    def progress(self, progress: Progress) -> None:
        """Replace the progress in the state; it is not an event."""
        self.state = replace(self.state, progress=progress)

    def publish(self) -> None:
        """Bring `state.json` up to date, and whatever could not be written before."""
        if self._unwritten:
            self._write_events(sync=False)
        if self.state is self._published:
            return
        try:
            write_state(self._run, self.state, sync=self.state.state.final)
        except OSError as error:
            self._give_way(error)
            with suppress(OSError):
                write_state(self._run, self.state)
                self._published = self.state
            return
        self._published = self.state

    def reserve(self) -> None:
        """Set room aside for the last words, if there is plenty."""
        if self._reserve.make():
            self.disk_full = False

    def finish(self) -> None:
        """Give the reserve back; the run has ended."""
        self._reserve.release()

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def _write_events(self, *, sync: bool) -> None:
        try:
            self._log.append(self._unwritten, sync=sync)
        except OSError as error:
            self._give_way(error)
            try:
                self._log.append(self._unwritten, sync=sync)
            except OSError:
                return
        self._unwritten = []

    def _give_way(self, error: OSError) -> None:
        if error.errno in _NO_ROOM:
            self.disk_full = True
            self._reserve.release()


class Reserve:
    """A file that only takes up room, to be given up when the disk is full."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._made = path.exists()

    def make(self) -> bool:
        """Take the room, unless that would fill the disk; whether it is taken."""
        if self._made:
            return True
        with suppress(OSError):
            facts = os.statvfs(self._path.parent)
            if facts.f_bavail * facts.f_frsize < 8 * self._size:
                return False
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
                self._made = True
            finally:
                os.close(descriptor)
        return self._made

    def release(self) -> None:
        """Give the room back."""
        with suppress(OSError):
            os.unlink(self._path)
        self._made = False


def _stored_progress(run: RunDir) -> Progress | None:
    import msgspec

    try:
        return STATE_DECODER.decode(run.state.read_bytes()).progress
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
