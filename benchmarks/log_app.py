"""The log pane alone in an app, for measuring: `python -m benchmarks.log_app FACTS LOG [RUN]`.

`ctrl+o` opens the log, `m` shows all ranks of the run; `p` is answered, through the reader's
thread, with a word of which every letter differs from the one before it. FACTS is a file in which
it tells what it knows: when all lines were counted and how many there are.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.binding import Binding

from rankdeck.run.layout import RunDir
from tui.environment import prepare_threads
from tui.terminal.frames import PacedScreen
from tui.terminal.output import CellOutput
from tui.widgets.bars import LineBar
from tui.widgets.log_pane import LogPane

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.screen import Screen

    from tui.log_page import Page


class _Probe(NamedTuple):
    number: int


def answer(number: int) -> str:
    """The word shown for the probe with this number, from 1."""
    return "".join(chr(97 + (number + place * 7) % 26) for place in range(12))


class _Pane(LogPane):
    facts: Path
    told: object = None

    def _show(self, page: Page) -> None:
        super()._show(page)
        facts = (page.lines, page.counted >= 1.0)
        if facts != self.told and page.counted >= 1.0:
            self.told = facts
            told = {"lines": page.lines, "counted": time.monotonic()}
            draft = self.facts.with_suffix(".draft")
            draft.write_text(json.dumps(told))
            os.replace(draft, self.facts)

    def _take(self, found: object) -> None:
        if isinstance(found, _Probe):
            self.app.query_one("#answer", LineBar).show(((answer(found.number), ""),))
        else:
            super()._take(found)

    def probe(self, number: int) -> None:
        """Have the reader answer."""
        self._send("probe", lambda work: work.hand(_Probe(number)))


class LogApp(CellOutput):
    """One pane."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("p", "probe"), Binding("ctrl+o", "open_log")]

    def __init__(self, facts: Path, log: Path, run: Path | None) -> None:
        super().__init__()
        self._facts, self._log = facts, log
        self._run_dir = None if run is None else RunDir(run)
        self._probes = 0

    def get_default_screen(self) -> Screen[None]:
        """Frames as the deck has them."""
        return PacedScreen(id="_default")

    def compose(self) -> ComposeResult:
        """The pane, and a line for answers."""
        pane = _Pane()
        pane.facts = self._facts
        yield pane
        bar = LineBar(id="answer")
        bar.show((("ready-to-open", ""),))
        yield bar

    def on_mount(self) -> None:
        """Tick as a screen does."""
        pane = self.query_one(_Pane)
        pane.focus()
        self.set_interval(0.1, pane.tick)

    def action_open_log(self) -> None:
        """Open the log."""
        rank = None if self._run_dir is None else 0
        self.query_one(_Pane).open(self._log, "rank 0", run=self._run_dir, rank=rank)

    def action_probe(self) -> None:
        """Answer."""
        self._probes += 1
        self.query_one(_Pane).probe(self._probes)


if __name__ == "__main__":
    prepare_threads()
    LogApp(
        Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None
    ).run()
