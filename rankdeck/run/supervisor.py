"""The supervisor process: one per run, detached, replaceable at any moment.

Started by `rankdeck.run.spawn`, with the run directory as its argument or on standard input.
Between its start and the agents' start it imports and writes as little as it can.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend import SessionContext, load_backend
from rankdeck.command_log import keep_in
from rankdeck.run.conductor import Conductor
from rankdeck.run.events import Event, EventKind
from rankdeck.run.journal import Journal
from rankdeck.run.launch_env import read_launch_env, remove_launch_env
from rankdeck.run.layout import RunDir, rankdeck_home
from rankdeck.run.lock import acquire_lock
from rankdeck.run.process import this_process
from rankdeck.run.stored import created_time, read_plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Thread

    from rankdeck.run.progress import ProgressTracker

_GATHER_SECONDS = 0.2
"""How long the news of very many ranks may be gathered."""
_SNAPSHOT_SECONDS = 30.0
"""How long an ended run waits for the record of its code."""


class Supervisor:
    """The process around a Conductor: its clock, its signals, its side work."""

    def __init__(self, run: RunDir, secrets: Mapping[str, str]) -> None:
        """Take the run over. `secrets` are what its backend asked the user for.

        Raises:
            UserError: The run's plan or backend cannot be used.
        """
        self._run = run
        plan = read_plan(run)
        self._plan = plan
        self._journal = Journal(run, plan)
        self._launch_env = read_launch_env(run)
        environ = None
        if self._launch_env is not None:
            environ = self._launch_env.variables()
            os.umask(self._launch_env.umask)
        if not self._journal.state.state.final:
            self._announce()
        self._wake, self._wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._session = load_backend(plan.backend).open(
            SessionContext(
                run=run,
                plan=plan,
                environ=environ,
                secrets=secrets,
                taken_over=any(e.kind is EventKind.ATTEMPT for e in self._journal.history),
                wake=self._be_woken,
            )
        )
        self._conductor = Conductor(run, plan, self._session, self._journal)
        self._stepped = 0.0
        self._progress: ProgressTracker | None = None
        self._progress_due = 0.0
        self._told_disk_full = False
        self._code_snapshot: Thread | None = None
        self._leaving = False
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._leave)

    def conduct(self) -> None:
        """Stay with the run until it has ended, or until told to leave it to a successor."""
        conductor, journal = self._conductor, self._journal
        if not journal.state.state.final:
            conductor.step()
            journal.publish()
            self._begin_side_work()
        while not journal.state.state.final and not self._leaving:
            self._sleep(conductor.interval())
            self._stepped = time.monotonic()
            conductor.step()
            if not journal.state.state.final:
                self._look_after_itself()
                journal.publish()
        if journal.state.state.final:
            self._finish()
        self._session.close()

    def _announce(self) -> None:
        journal, now = self._journal, time.time()
        facts = []
        if not journal.history:
            message = None
            if self._launch_env is not None:
                message = f"by {self._launch_env.user} in {self._launch_env.cwd}"
            facts.append(
                Event(seq=0, t=created_time(self._run), kind=EventKind.CREATED, message=message)
            )
        earlier = journal.state.supervisor
        me = this_process()
        facts.append(
            Event(
                seq=0,
                t=now,
                kind=EventKind.SUPERVISOR,
                pid=me.pid,
                supervisor=me,
                message=f"took over from {earlier.pid} on {earlier.host}" if earlier else None,
            )
        )
        journal.record(facts)

    def _begin_side_work(self) -> None:
        """What may wait until the agents are on their way."""
        self._journal.reserve()
        from rankdeck.run.code_snapshot import begin_code_snapshot

        self._code_snapshot = begin_code_snapshot(self._run, Path(self._plan.project))

    def _look_after_itself(self) -> None:
        now = time.monotonic()
        if now < self._progress_due:
            return
        self._progress_due = now + max(1.0, self._plan.world_size / 1000)
        self._refresh_progress()
        if self._journal.disk_full and not self._told_disk_full:
            self._conductor.note(f"the file system of {self._run.path} is full")
        self._told_disk_full = self._journal.disk_full
        if self._told_disk_full:
            self._journal.reserve()

    def _refresh_progress(self) -> None:
        if self._progress is None:
            from rankdeck.run.progress import ProgressTracker

            self._progress = ProgressTracker(self._run.metrics)
        progress = self._progress.update(self._conductor.said().values(), time.time())
        if progress is not None and progress != self._journal.state.progress:
            self._journal.progress(progress)

    def _sleep(self, seconds: float) -> None:
        ready, _, _ = select.select([self._wake], [], [], seconds)
        if ready:
            # many nodes have much to tell: they are heard together, not one by one
            early = self._stepped + min(_GATHER_SECONDS, self._plan.world_size * 0.001)
            time.sleep(max(0.0, early - time.monotonic()))
            told = b""
            with contextlib.suppress(BlockingIOError):
                told = os.read(self._wake, 65536)
            if signal.SIGCHLD in told:
                self._conductor.child_ended()

    def _be_woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writer, b"\0")

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def _finish(self) -> None:
        # whoever sees that the run has ended may rely on it
        remove_launch_env(self._run)
        self._refresh_progress()
        self._journal.finish()
        self._journal.publish()
        self._conductor.release()
        self._journal.publish()
        from rankdeck.run.index import RunIndex
        from rankdeck.run.summary import summarise

        with contextlib.suppress(OSError):
            RunIndex(self._run.path.parent.parent).add([summarise(self._journal.state)])
        if self._code_snapshot is not None:
            self._code_snapshot.join(_SNAPSHOT_SECONDS)
        # last of all: a command given while all that was done gets its answer too
        self._conductor.refuse_all()
        self._journal.publish()


def main(arguments: list[str]) -> None:
    """Supervise the run named in the arguments, or on standard input."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir("/")
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("rankdeck-super")
    waiting = not arguments
    if waiting:
        _warm_up()
    path, secrets = _told(_read_all(0)) if waiting else (arguments[0], {})
    if not path:
        return
    run = RunDir(Path(path))
    if waiting:
        _redirect_output(run)
    # held until the process ends
    if acquire_lock(run.supervisor_lock) is None:
        return
    keep_in(run.path)
    Supervisor(run, secrets).conduct()


def _told(message: bytes) -> tuple[str, dict[str, str]]:
    """The run's path, and behind a NUL the secrets, if there are any."""
    path, _, secrets = message.partition(b"\0")
    return os.fsdecode(path), msgspec.json.decode(secrets, type=dict[str, str]) if secrets else {}


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 4096):
        parts.append(part)
    return b"".join(parts)


def _warm_up() -> None:
    """Do now, while the run is still being described, what its agents will need at once."""
    from rankdeck.agent_bundle import agent_bundle

    load_backend("local")
    with contextlib.suppress(OSError):
        agent_bundle(rankdeck_home() / "cache")


def _redirect_output(run: RunDir) -> None:
    """Let go of the pipe to the submitting process, and speak to the run's own log."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    log = os.open(run.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)
