"""The only door from the interface to the runs. Nothing here blocks the caller.

A thread reads what a screen watches and posts frozen facts to it, at most ten times a second and
only when they have changed; a small pool does what was asked for.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from textual.message import Message

from rankdeck.errors import UserError
from rankdeck.run.layout import RunDir
from tui.asking import DeckAsk
from tui.feed import RunFacts, RunFeed, RunsFeed
from tui.watch import Reading, Watch
from tui.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.message_pump import MessagePump

    from rankdeck.job.draft import JobDraft
    from rankdeck.run.store import RunStore
    from rankdeck.run.summary import RunSummary

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


class Answer(Message, bubble=False):
    """The result of something asked for; `deliver` gives it to whoever asked."""

    def __init__(self, deliver: Callable[[], None]) -> None:
        super().__init__()
        self.deliver = deliver


class Controller:
    """Watches runs for screens and carries out what they ask for."""

    def __init__(self, store: RunStore, app: MessagePump, *, read_only: bool = False) -> None:
        """Serve `app`; threads start when there is something to do.

        Args:
            store: The runs.
            app: Whom answers are posted to.
            read_only: Refuse everything that changes something (`do(..., writes=True)`).
        """
        self.store = store
        self.read_only = read_only
        self._app = app
        self._pool = WorkPool()
        # a launch may wait for the user's answer, and must keep nothing else waiting
        self._launches = WorkPool(threads=1)
        self._questions = DeckAsk(app)
        self._watch: Watch | None = None
        self._runs_feed = RunsFeed(store)
        self._runs_reading = threading.Lock()
        self._adopted: dict[str, float] = {}

    @property
    def questions(self) -> DeckAsk:
        """The user, for work in the background that has to ask something."""
        return self._questions

    # -- watching ---------------------------------------------------------------------------

    def watch_runs(self, watcher: MessagePump) -> None:
        """Post RunsChanged to `watcher` until something else is watched."""

        def read() -> Reading:
            # the thread of an earlier watch may still be reading
            with self._runs_reading:
                runs = self._runs_feed.poll()
            for run_id in self._runs_feed.orphans():
                self._adopt(run_id)
            return Reading(runs, _RUNS_EVERY if self._runs_feed.complete else 0.0)

        self.watch(watcher, read, lambda runs: RunsChanged(runs))

    def watch_run(self, watcher: MessagePump, run_id: str) -> None:
        """Post RunChanged to `watcher` until something else is watched."""
        run = RunDir(self.store.runs_dir / run_id)
        feed = RunFeed(run)

        def read() -> Reading:
            facts = feed.poll()
            if feed.orphaned():
                self._adopt(run.id)
            return Reading(facts, 1.0 if facts.snapshot.run.state.final else _RUN_EVERY)

        self.watch(watcher, read, lambda facts: RunChanged(facts))

    def watch(
        self, watcher: MessagePump, read: Callable[[], Reading], message: Callable[[Any], Message]
    ) -> None:
        """Read again and again on a thread of its own, until something else is watched.

        Args:
            watcher: Gets `message(facts)` whenever `read` gives other facts (compared by
                identity), and `WatchFailed` where it raises.
            read: Gives the facts and how long to wait before it is called again.
            message: Makes the message.
        """
        self.watch_nothing()
        self._watch = Watch(watcher, read, message, _told)

    def watch_nothing(self) -> None:
        """Read nothing until something is watched again."""
        if self._watch is not None:
            self._watch.end()
        self._watch = None

    def close(self) -> None:
        """Stop reading and working; returns at once."""
        self.watch_nothing()
        self._questions.close()
        self._launches.close()
        self._pool.close()

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

        self.do(job, lambda _, error: done(error), writes=True)

    def count_living(self, done: Callable[[int | None, UserError | None], None]) -> None:
        """How many runs have not ended, among the newest."""
        self.do(
            lambda: sum(not run.state.final for run in self.store.list(_RECENT)), done, key="count"
        )

    def launch(
        self,
        target: str | None,
        draft: JobDraft,
        done: Callable[[RunDir | None, UserError | None], None],
    ) -> None:
        """Start the job; `done` gets its run directory. May ask the user something first."""

        def job() -> RunDir:
            from rankdeck.job.resolve import resolve_job
            from rankdeck.library.workspaces import base_of
            from rankdeck.run.launch import submit

            environ = dict(os.environ)
            cwd = _cwd()
            base = base_of(target, environ)
            spec = resolve_job(target, draft, cwd, environ, base=base)
            return submit(spec, self.store, cwd=cwd, environ=environ, ask=self._questions)

        self.do(job, done, writes=True, pool=self._launches)

    def do(
        self,
        job: Callable[[], _T],
        done: Callable[[_T | None, UserError | None], None],
        *,
        writes: bool = False,
        key: object = None,
        pool: WorkPool | None = None,
    ) -> None:
        """Do something in the background; `done` hears of it on the app's own thread.

        Args:
            job: What to do; may wait for a disk or a network.
            done: Gets the result, or the error; whatever `job` raises becomes one.
            writes: Whether it changes anything; refused where the deck is read-only.
            key: A waiting job with the same key is replaced.
            pool: Who does it; None: a small pool that everything shares.
        """
        if writes and self.read_only:
            done(None, UserError("this deck is read-only", "start it without --read-only"))
            return

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
