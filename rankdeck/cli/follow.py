"""Following a run in the terminal it was started from: lines with their ranks, then the end.

Ctrl-C stops a run that this command started, a second one kills it. A hangup, or a reader that
goes away, only detaches: the run belongs to its supervisor.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import FOLLOWED_SIGNALS, exit_code_of, whoami
from rankdeck.cli.log_output import LAUNCHER, LineWriter, RunFollower
from rankdeck.errors import ExitCode
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.state import RunPhase
from rankdeck.run.view import RunReader
from rankdeck.text import attempt_text, shown, silence_text

if TYPE_CHECKING:
    from types import FrameType

    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunState
    from rankdeck.run.view import RunSnapshot

_WAITING = frozenset({RunPhase.PLANNED, RunPhase.QUEUED, RunPhase.STARTING})
_STARTING_PERIOD = 0.02
_RUNNING_PERIOD = 0.05
_SUPERVISION_PERIOD = 2.0


class _Signals:
    """What the user and the terminal asked for since it was last looked at."""

    def __init__(self) -> None:
        self.interrupts = 0
        self.hangup = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        # a run started with `nohup` keeps its hangups ignored
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._hang_up)
        # those that came while the run was being started
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FOLLOWED_SIGNALS)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupts += 1

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self.hangup = True


def follow_run(run: RunDir, *, owns_run: bool) -> ExitCode:
    """Print every line of every rank until the run has ended; returns what to exit with.

    Args:
        run: The run.
        owns_run: Ctrl-C stops the run (it was started here); otherwise it only stops following.

    Raises:
        UserError: Every supervisor of the run ends as soon as it starts.
    """
    signals = _Signals()
    try:
        return _Follow(run, signals, owns_run=owns_run).until_end()
    except BrokenPipeError:
        _silence_stdout()
        _say(f"the reader of our output has gone; {run.id} goes on")
        return ExitCode.OK


class _Follow:
    """One session of following: the lines, the signals, and the state of the run."""

    def __init__(self, run: RunDir, signals: _Signals, *, owns_run: bool) -> None:
        self._run = run
        self._signals = signals
        self._owns_run = owns_run
        self._reader = RunReader(run)
        self._told: tuple[RunPhase, str] = (RunPhase.PLANNED, "")
        self._attempt = 0
        self._named: tuple[str, ...] = ()
        self._silent: frozenset[str] = frozenset()
        self._handled = 0

    def until_end(self) -> ExitCode:
        snapshot = self._reader.snapshot()
        writer = LineWriter(snapshot.run.world_size, launcher=snapshot.run.launcher)
        logs = RunFollower(self._run)
        next_supervision = time.monotonic() + _SUPERVISION_PERIOD
        while True:
            snapshot = self._reader.snapshot()
            final = snapshot.run.state.final
            self._name_nodes(snapshot, writer)
            logs.look_for(snapshot)
            # the state is read before the lines: what a final run has written is all there
            logs.pass_on(writer, last=final)
            if final:
                return self._tell_end(snapshot.run)
            if self._signals.hangup:
                return ExitCode.OK
            if (left := self._answer_interrupt()) is not None:
                return left
            self._tell_progress(snapshot.run)
            self._tell_silence(snapshot)
            now = time.monotonic()
            if now >= next_supervision:
                next_supervision = now + _SUPERVISION_PERIOD
                self._keep_supervised()
            started = snapshot.run.started is not None
            time.sleep(_RUNNING_PERIOD if started else _STARTING_PERIOD)

    def _keep_supervised(self) -> None:
        from rankdeck.run.crashes import crash_loop
        from rankdeck.run.launch import ensure_supervised

        if not ensure_supervised(self._run) and (fault := crash_loop(self._run)) is not None:
            raise fault

    def _answer_interrupt(self) -> ExitCode | None:
        if self._signals.interrupts == self._handled:
            return None
        self._handled = self._signals.interrupts
        if not self._owns_run:
            _say(f"detached; {self._run.id} goes on")
            return ExitCode.OK
        kind = RunCommandKind.STOP if self._handled == 1 else RunCommandKind.KILL
        send_command(self._run, RunCommand(command=kind, by=whoami(), time=time.time()))
        if kind is RunCommandKind.STOP:
            _say("stopping; press Ctrl-C again to kill at once")
        elif self._handled == 2:
            _say("killing")
        return None

    def _name_nodes(self, snapshot: RunSnapshot, writer: LineWriter) -> None:
        """With several nodes each line says which one it is from, once they are chosen."""
        names = tuple(node.name for node in snapshot.nodes)
        if len(names) == 1 or names == self._named or snapshot.nodes[0].placeholder:
            return
        self._named = names
        nodes = {rank.rank: rank.node for rank in snapshot.ranks}
        nodes |= {LAUNCHER - node.node_rank: node.name for node in snapshot.nodes}
        writer.name_nodes(nodes)

    def _tell_progress(self, state: RunState) -> None:
        """Tell of new attempts, and what the run waits for: a line for each change."""
        if state.attempt != self._attempt:
            self._attempt = state.attempt
            self._tell_attempt(state)
        if (state.state, state.reason) == self._told:
            return
        before, self._told = self._told, (state.state, state.reason)
        if state.reason and state.state in _WAITING:
            _say(f"{state.state.value}: {shown(state.reason)}")
        elif before[0] is RunPhase.QUEUED:
            _say(state.state.value)

    def _tell_attempt(self, state: RunState) -> None:
        why = shown(state.reason) if state.state is RunPhase.STARTING else ""
        if why:
            self._told = (state.state, state.reason)
        # a restart's reason begins with its number
        numbered = why.startswith("attempt ")
        _say(why if numbered else ": ".join(filter(None, (attempt_text(state), why))))

    def _tell_silence(self, snapshot: RunSnapshot) -> None:
        silent = frozenset(n.name for n in snapshot.nodes if n.silent_since is not None)
        if silent == self._silent:
            return
        for node in snapshot.nodes:
            if node.name in silent - self._silent:
                _say(f"{shown(node.name)} {silence_text(node)}")
            elif node.name in self._silent - silent:
                _say(f"{shown(node.name)} is heard again")
        self._silent = silent

    def _tell_end(self, state: RunState) -> ExitCode:
        if state.failure is not None and state.state is not RunPhase.SUCCEEDED:
            from rankdeck.cli.why import card

            click.echo("\n".join(card(state.failure)), err=True)
        reason = f" ({state.reason})" if state.reason and state.failure is None else ""
        _say(f"{state.id} {state.state.value}{reason}")
        return exit_code_of(state)


def _say(text: str) -> None:
    # the terminal may be gone: what we would have said is then nobody's loss
    with suppress(OSError):
        click.echo(f"rankdeck: {text}", err=True)


def _silence_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
