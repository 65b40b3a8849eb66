"""RunHang: finds out in the background whether the run makes progress; the card's and its lines.

What holds a run up is read from its directory, so never on the interface's own thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rankdeck.run.layout import RunDir
from rankdeck.text import CERTAINTIES, HANGS, UNSURE, clock, ranges
from tui.looks import Line, safe
from tui.screens.base import DeckScreen

if TYPE_CHECKING:
    from rankdeck.diagnose.hang import Hang
    from rankdeck.errors import UserError
    from rankdeck.run.view import RunSnapshot
    from tui.feed import RunFacts

_LOOK_EVERY = 5
"""Seconds between looks whether anything has been printed lately."""
_LOOK_CLOSER_EVERY = 30
_SHARE = 30
"""Looking may take one part in so many of the time: thousands of ranks are looked at seldom."""
_ALARMS = ("stalled", "lagging")
_NAMED = 3


class RunHang(DeckScreen):
    """The part of the run screen that looks for a hang."""

    run_id: str
    facts: RunFacts | None
    hang: Hang | None = None
    """What holds the run up, or held it up when it was ended; None: nothing that is known."""
    _hang_of: object = None
    _hang_ticks = 0
    _hang_due = 0.0

    if TYPE_CHECKING:

        def hang_changed(self) -> None:
            """Show what is known of it now: the screen does."""

    @property
    def stalled(self) -> bool:
        """Whether nothing has moved for longer than is usual."""
        return self.hang is not None and self.hang.state.value == "stalled"

    def look_for_hang(self) -> None:
        """Look whether it is time to look; once a second."""
        if self.facts is None:
            return
        snapshot = self.facts.snapshot
        if snapshot.run.state.final:
            # it no longer changes: once is enough
            if self._hang_of is not snapshot.run:
                self._hang_of = snapshot.run
                self._ask_hang(snapshot, thorough=True)
            return
        if self._hang_ticks % _LOOK_EVERY == 0 and time.monotonic() >= self._hang_due:
            self._ask_hang(snapshot, thorough=self._hang_ticks % _LOOK_CLOSER_EVERY == 0)
        self._hang_ticks += 1

    def _ask_hang(self, snapshot: RunSnapshot, *, thorough: bool) -> None:
        run = RunDir(self.controller.store.runs_dir / self.run_id)
        now = self.now()
        # between two closer looks, what only a closer one sees must not flicker
        thorough = thorough or self.hang is not None

        def look() -> Hang | None:
            from rankdeck.diagnose.hang_report import find_hang

            began = time.monotonic()
            found = find_hang(snapshot, run, now, thorough=thorough)
            ended = time.monotonic()
            self._hang_due = ended + _SHARE * (ended - began)
            return found

        def heard(hang: Hang | None, error: UserError | None) -> None:
            # what cannot be read is told by the panes that show it
            if error is None and self.is_there and hang != self.hang:
                self.hang = hang
                self.hang_changed()

        self.controller.do(look, heard, key=("hang", self.run_id))


def hang_line(hang: Hang | None, *, over: bool) -> Line | None:
    """The hang in the run's header; None where it is no reason for an alarm."""
    if hang is None or over or hang.state.value not in _ALARMS:
        return None
    word = HANGS[hang.state.value][0]
    return ((" ⚠ ", "warning"), (f"{word}: {safe(hang.summary)}", "warning"))


def hang_lines(hang: Hang, *, over: bool) -> list[Line]:
    """The hang as a card, without its line of keys."""
    word = HANGS[hang.state.value][over]
    lines: list[Line] = [(("◌ ", "warning"), (f"{word}: {safe(hang.summary)}", "warning")), ()]
    if hang.suspects:
        named = ranges(suspect.rank for suspect in hang.suspects)
        nodes = list(dict.fromkeys(suspect.node for suspect in hang.suspects))
        where = ", ".join(map(safe, nodes[:_NAMED])) + (" …" if len(nodes) > _NAMED else "")
        several = "s" if hang.suspect_count > 1 else ""
        lines.append((("who   ", "key"), (f"rank{several} {named}, node {where}", "bold")))
        lines.append((("sure  ", "key"), (CERTAINTIES.get(hang.certainty, UNSURE), "")))
    if hang.since is not None:
        lines.append((("since ", "key"), (clock(hang.since), "")))
    lines += [(("· ", "dim"), (safe(fact), "")) for fact in hang.facts]
    lines += [(("try   ", "key"), (safe(hint), "")) for hint in hang.hints]
    return lines
