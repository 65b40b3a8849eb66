"""Tells that a run has ended while something else is looked at: a toast, the bell, a command.

Looks at the newest runs every few seconds while one of them lives, and never when none does.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from typing import TYPE_CHECKING

from rankdeck.command_log import executed
from rankdeck.run.state import RunPhase
from rankdeck.text import duration
from tui.looks import safe

if TYPE_CHECKING:
    from rankdeck.errors import UserError
    from rankdeck.run.summary import RunSummary
    from tui.deck import Deck

_EVERY = 4.0
_NEWEST = 40
_COMMAND_SECONDS = 20.0


class Notices:
    """Remembers which runs lived when they were last looked at."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._alive: frozenset[str] = frozenset()
        self._waiting = False
        self._asked = 0.0

    def look(self) -> None:
        """Look now, unless that has just been done; again and again while a run lives."""
        if self._deck.settings.notify and time.monotonic() - self._asked >= 1.0:
            self._ask()

    def _ask(self) -> None:
        self._asked = time.monotonic()
        store = self._deck.controller.store
        self._deck.controller.do(lambda: store.list(_NEWEST), self._heard, key="notices")

    def _heard(self, runs: tuple[RunSummary, ...] | None, error: UserError | None) -> None:
        if runs is None:
            # whatever keeps the runs from being read is told by the screen that shows them
            return
        for run in runs:
            if run.id in self._alive and run.state.final:
                self._tell(run)
        self._alive = frozenset(run.id for run in runs if not run.state.final)
        if self._alive and not self._waiting:
            self._waiting = True
            self._deck.set_timer(_EVERY, self._again)

    def _again(self) -> None:
        self._waiting = False
        self._ask()

    def _tell(self, run: RunSummary) -> None:
        if self._deck.seen_run != run.id:
            self._deck.notify(
                ended_text(run),
                severity="information" if run.state is RunPhase.SUCCEEDED else "error",
                timeout=10,
                markup=False,
            )
            self._deck.bell()
        command = self._deck.settings.notify_command
        if command:
            self._deck.controller.do(
                lambda: run_command(command, run),
                lambda _, error: self._deck.tell(error) if error else None,
            )


def ended_text(run: RunSummary) -> str:
    """What is told of a run that has ended."""
    took = "" if run.ended is None else f" after {duration(run.ended - run.created)}"
    why = run.failure_summary or run.reason
    return f"{safe(run.name)}: {run.state.value}{took}" + (f"\n{safe(why)}" if why else "")


def run_command(command: str, run: RunSummary) -> None:
    """Execute the user's own command for a run that has ended.

    Raises:
        UserError: It cannot be executed, failed or took too long.
    """
    from rankdeck.errors import UserError

    began = time.monotonic()
    try:
        words = shlex.split(command)
        done = subprocess.run(
            words,
            env={
                **os.environ,
                "RANKDECK_RUN": run.id,
                "RANKDECK_NAME": run.name,
                "RANKDECK_STATE": run.state.value,
                "RANKDECK_SUMMARY": run.failure_summary or run.reason,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(f"notify_command: {error}", "see its setting") from error
    seconds = time.monotonic() - began
    executed(words, why=f"tell that {run.name} ended", seconds=seconds, exit_code=done.returncode)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise UserError(f"notify_command failed with {done.returncode}: {said}", "see its setting")
