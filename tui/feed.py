"""What the disk says, as frozen facts: the same object for as long as nothing has changed.

Knows nothing of textual; the controller's poller thread is the only caller.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.run.eventlog import read_events
from rankdeck.run.layout import RunDir
from rankdeck.run.lock import lock_holder
from rankdeck.run.stored import written
from rankdeck.run.summary import RunSummary, summarise
from rankdeck.run.view import RunReader, RunSnapshot

if TYPE_CHECKING:
    from rankdeck.run.events import Event
    from rankdeck.run.state import RunState
    from rankdeck.run.store import RunStore

_FIRST_RUNS = 100
_LOCK_EVERY = 2.0
_FRESH_NS = 2_000_000_000
"""File systems tell times in ticks: what changed just now may change again at the same time."""
_FRESH = -1
"""In place of the time of a directory that is to be listed again."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything the run screen shows."""

    snapshot: RunSnapshot
    events: tuple[Event, ...]


class _LiveRun:
    __slots__ = ("checked", "reader", "state", "supervised")

    def __init__(self, reader: RunReader, supervised: bool) -> None:
        self.reader = reader
        self.state: RunState | None = None
        self.supervised = supervised
        self.checked = time.monotonic()


class RunsFeed:
    """The runs list. A directory is listed again only when it has changed."""

    def __init__(self, store: RunStore) -> None:
        """Prepare; nothing is read yet."""
        self._store = store
        self._listed: int | None = None
        self._complete = False
        self._runs: tuple[RunSummary, ...] = ()
        self._live: dict[str, _LiveRun] = {}

    def poll(self) -> tuple[RunSummary, ...]:
        """The runs, newest first; the first call reads only the newest hundred."""
        changed = self._directory_time()
        if self._listed is None or not self._complete or changed != self._listed:
            self._complete = self._listed is not None
            self._listed = changed if abs(time.time_ns() - changed) > _FRESH_NS else _FRESH
            listed = self._store.list(None if self._complete else _FIRST_RUNS)
            self._complete = self._complete or len(listed) < _FIRST_RUNS
            if listed != self._runs:
                self._runs = listed
            self._live = {
                run.id: self._live.get(run.id) or self._live_run(run)
                for run in listed
                if not run.state.final
            }
        self._refresh_live()
        return self._runs

    @property
    def complete(self) -> bool:
        """Whether the last poll gave every run."""
        return self._complete

    def orphans(self) -> tuple[str, ...]:
        """Runs that live and have no supervisor."""
        return tuple(run.id for run in self._runs if not run.state.final and not run.supervised)

    def _directory_time(self) -> int:
        try:
            return os.stat(self._store.runs_dir).st_mtime_ns
        except OSError:
            return 0

    def _live_run(self, run: RunSummary) -> _LiveRun:
        return _LiveRun(RunReader(RunDir(self._store.runs_dir / run.id)), run.supervised)

    def _refresh_live(self) -> None:
        updated: dict[str, RunSummary] = {}
        for run_id, live in tuple(self._live.items()):
            try:
                state = live.reader.snapshot().run
            except UserError:
                # it is being deleted; the directory's time says so at the next poll
                del self._live[run_id]
                continue
            supervised = live.supervised
            if time.monotonic() - live.checked >= _LOCK_EVERY:
                live.checked = time.monotonic()
                supervised = lock_holder(live.reader.dir.supervisor_lock) is not None
            if state is live.state and supervised == live.supervised:
                continue
            live.state, live.supervised = state, supervised
            updated[run_id] = summarise(
                state,
                supervised=supervised and not state.state.final,
                last_word=None if supervised or state.state.final else written(live.reader.dir),
            )
            if state.state.final:
                del self._live[run_id]
        if updated:
            runs = tuple(updated.get(run.id, run) for run in self._runs)
            if runs != self._runs:
                self._runs = runs


class RunFeed:
    """One run: its snapshot and its whole history."""

    def __init__(self, run: RunDir) -> None:
        """Prepare; nothing is read yet."""
        self._reader = RunReader(run)
        self._events: tuple[Event, ...] = ()
        self._events_size = -1
        self._facts: RunFacts | None = None
        self._checked = 0.0

    def poll(self) -> RunFacts:
        """The run as it is now.

        Raises:
            UserError: There is no such run (any more).
        """
        snapshot = self._reader.snapshot()
        try:
            size = os.stat(self._reader.dir.events).st_size
        except OSError:
            size = 0
        if size != self._events_size:
            last = self._events[-1].seq if self._events else 0
            self._events += tuple(read_events(self._reader.dir, last))
            self._events_size = size
        facts = self._facts
        if facts is None or facts.snapshot is not snapshot or facts.events is not self._events:
            self._facts = facts = RunFacts(snapshot, self._events)
        return facts

    def orphaned(self) -> bool:
        """Whether it lives and has no supervisor; looked at every few seconds."""
        now = time.monotonic()
        if self._facts is None or now - self._checked < _LOCK_EVERY:
            return False
        self._checked = now
        if self._facts.snapshot.run.state.final:
            return False
        return lock_holder(self._reader.dir.supervisor_lock) is None
