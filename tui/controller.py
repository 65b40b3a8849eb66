"""The only door from the interface to the runs. Nothing here blocks the caller.

One poller thread reads what a screen watches and posts frozen facts to it, at most ten times a
second and only when they have changed; a small pool does what was asked for.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from textual.message import Message

from rankdeck.errors import UserError
from rankdeck.run.layout import RunDir
from tui.asking import DeckAsk
from tui.feed import RunFacts, RunFeed, RunsFeed
from tui.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.message_pump import MessagePump

    from rankdeck.job.draft import JobDraft
    from rankdeck.run.store import RunStore
    from rankdeck.run.summary import RunSummary
    from tui.preview import JobPreview

_T = TypeVar("_T")

_RUN_EVERY = 0.1
_RUNS_EVERY = 0.5
_ADOPT_EVERY = 10.0
_RECENT = 200
"""A run that lives is among this many newest ones."""


class RunsChanged(Message, bubble=False):
    """The runs list, to whoever watches it."""

    def __init__(self, runs: tuple[RunSummary, ...]) -> None:
        super().__init__()
        self.runs = runs


class RunChanged(Message, bubble=False):
    """One run, to whoever watches it."""

    def __init__(self, facts: RunFacts) -> None:
        super().__init__()
        self.facts = facts


class WatchFailed(Message, bubble=False):
    """What is watched cannot be read (any more)."""

    def __init__(self, error: UserError) -> None:
        super().__init__()
        self.error = error


class Answer(Message, bubble=False):
    """The result of something asked for; `deliver` gives it to whoever asked."""

    def __init__(self, deliver: Callable[[], None]) -> None:
        super().__init__()
        self.deliver = deliver


class Controller:
    """Watches runs for screens and carries out what they ask for."""

    def __init__(self, store: RunStore, app: MessagePump) -> None:
        """Serve `app`; threads start when there is something to do."""
        self.store = store
        self._app = app
        self._pool = WorkPool()
        # a launch may wait for the user's answer, and must keep nothing else waiting
        self._launches = WorkPool(threads=1)
        self._questions = DeckAsk(app)
        self._wake = threading.Condition()
        self._runs_watcher: MessagePump | None = None
        self._run_watcher: tuple[MessagePump, RunFeed, RunDir] | None = None
        self._runs_feed = RunsFeed(store)
        self._posted: object = None
        self._watch_number = 0
        self._polled_number = 0
        self._adopted: dict[str, float] = {}
        self._poller: threading.Thread | None = None
        self._closed = False

    # -- watching ---------------------------------------------------------------------------

    def watch_runs(self, watcher: MessagePump) -> None:
        """Post RunsChanged to `watcher` until something else is watched."""
        self._watch(watcher, None)

    def watch_run(self, watcher: MessagePump, run_id: str) -> None:
        """Post RunChanged to `watcher` until something else is watched."""
        run = RunDir(self.store.runs_dir / run_id)
        self._watch(None, (watcher, RunFeed(run), run))

    def watch_nothing(self) -> None:
        """Read nothing until something is watched again."""
        self._watch(None, None)

    def close(self) -> None:
        """Stop reading and working; returns at once."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._questions.close()
        self._launches.close()
        self._pool.close()

    def _watch(
        self, runs: MessagePump | None, run: tuple[MessagePump, RunFeed, RunDir] | None
    ) -> None:
        with self._wake:
            self._runs_watcher, self._run_watcher = runs, run
            self._posted = None
            self._watch_number += 1
            if self._poller is None:
                self._poller = threading.Thread(target=self._poll, name="deck-poll", daemon=True)
                self._poller.start()
            self._wake.notify()

    def _poll(self) -> None:
        while True:
            with self._wake:
                while not self._closed and not (self._runs_watcher or self._run_watcher):
                    self._wake.wait()
                if self._closed:
                    return
                runs, run = self._runs_watcher, self._run_watcher
                self._polled_number = self._watch_number
            began = time.monotonic()
            pause = self._poll_runs(runs) if runs else self._poll_run(*run) if run else 0.0
            # a slow file system is asked less often, so that reading never takes half a core
            pause = max(pause, 4 * (time.monotonic() - began)) if pause else 0.0
            with self._wake:
                same = self._polled_number == self._watch_number
                if same and not self._closed and pause:
                    self._wake.wait(pause)

    def _poll_runs(self, watcher: MessagePump) -> float:
        try:
            runs = self._runs_feed.poll()
        except Exception as error:  # told on the screen; the thread must live on
            told = _told(error)
            self._post(watcher, told.message, WatchFailed(told))
            return _RUNS_EVERY
        self._post(watcher, runs, RunsChanged(runs))
        for run_id in self._runs_feed.orphans():
            self._adopt(run_id)
        return _RUNS_EVERY if self._runs_feed.complete else 0.0

    def _poll_run(self, watcher: MessagePump, feed: RunFeed, run: RunDir) -> float:
        try:
            facts = feed.poll()
        except Exception as error:  # told on the screen; the thread must live on
            told = _told(error)
            self._post(watcher, told.message, WatchFailed(told))
            return 1.0
        self._post(watcher, facts, RunChanged(facts))
        if feed.orphaned():
            self._adopt(run.id)
        return 1.0 if facts.snapshot.run.state.final else _RUN_EVERY

    def _post(self, watcher: MessagePump, facts: object, message: Message) -> None:
        with self._wake:
            told = facts is self._posted or (isinstance(facts, str) and facts == self._posted)
            # facts of what was watched before are no longer wanted
            if told or self._polled_number != self._watch_number:
                return
            self._posted = facts
        watcher.post_message(message)

    def _adopt(self, run_id: str) -> None:
        now = time.monotonic()
        if now - self._adopted.get(run_id, -_ADOPT_EVERY) < _ADOPT_EVERY:
            return
        self._adopted[run_id] = now

        def adopt() -> None:
            from rankdeck.run.launch import ensure_supervised

            try:
                ensure_supervised(RunDir(self.store.runs_dir / run_id))
            except (UserError, OSError):
                # deleted meanwhile, or only another machine can reach it: it shows as it is
                return

        self._pool.submit(adopt, key=("adopt", run_id))

    # -- doing ------------------------------------------------------------------------------

    def end_run(self, run_id: str, *, kill: bool, done: Callable[[UserError | None], None]) -> None:
        """Ask the run's supervisor to stop or kill it; `done` hears whether that was possible."""

        def job() -> None:
            from rankdeck.run.control import RunCommand, RunCommandKind, send_command
            from rankdeck.run.launch import ensure_supervised

            run = RunDir(self.store.runs_dir / run_id)
            kind = RunCommandKind.KILL if kill else RunCommandKind.STOP
            send_command(run, RunCommand(command=kind, by=_whoami(), time=time.time()))
            ensure_supervised(run)

        self._ask(job, lambda _, error: done(error))

    def delete_run(self, run_id: str, done: Callable[[UserError | None], None]) -> None:
        """Delete a run that has ended, with everything in its directory."""
        run = RunDir(self.store.runs_dir / run_id)
        self._ask(lambda: self.store.remove(run), lambda _, error: done(error))

    def measure_run(
        self, run_id: str, done: Callable[[int | None, UserError | None], None]
    ) -> None:
        """How many bytes a run's directory takes."""
        self._ask(lambda: _tree_size(self.store.runs_dir / run_id), done)

    def count_living(self, done: Callable[[int | None, UserError | None], None]) -> None:
        """How many runs have not ended, among the newest."""
        self._ask(
            lambda: sum(not run.state.final for run in self.store.list(_RECENT)), done, key="count"
        )

    def preview(
        self,
        target: str | None,
        draft: JobDraft,
        done: Callable[[JobPreview | None, UserError | None], None],
    ) -> None:
        """Work out what the job would do; a newer question replaces one that still waits."""

        def job() -> JobPreview:
            from tui.preview import preview_job

            return preview_job(target, draft, _cwd(), os.environ)

        self._ask(job, done, key="preview")

    def launch(
        self,
        target: str | None,
        draft: JobDraft,
        done: Callable[[RunDir | None, UserError | None], None],
    ) -> None:
        """Start the job; `done` gets its run directory. May ask the user something first."""

        def job() -> RunDir:
            from rankdeck.job.resolve import resolve_job
            from rankdeck.run.launch import submit

            environ = dict(os.environ)
            cwd = _cwd()
            spec = resolve_job(target, draft, cwd, environ)
            return submit(spec, self.store, cwd=cwd, environ=environ, ask=self._questions)

        self._ask(job, done, pool=self._launches)

    def _ask(
        self,
        job: Callable[[], _T],
        done: Callable[[_T | None, UserError | None], None],
        key: object = None,
        pool: WorkPool | None = None,
    ) -> None:
        def work() -> None:
            result: _T | None = None
            failure: UserError | None = None
            try:
                result = job()
            except Exception as error:  # told to whoever asked; the thread must live on
                failure = _told(error)
            self._app.post_message(Answer(lambda: done(result, failure)))

        if not (pool or self._pool).submit(work, key):
            done(None, UserError("too much is waiting to be done", "try again in a moment"))


def _told(error: Exception) -> UserError:
    """The error for a person; what nobody foresaw is kept in a file first."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        return UserError(str(error))
    from rankdeck.cli.crash import record_crash

    return record_crash(error)


def _cwd() -> Path:
    from pathlib import Path

    try:
        return Path.cwd()
    except OSError:
        # the directory we were started in has been deleted
        return Path("/")


def _whoami() -> str:
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _tree_size(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                # it went away while we counted
                continue
    return total
