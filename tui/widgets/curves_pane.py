"""CurvesPane: the numbers that a run's logs tell, as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir
    from tui.feed import RunFacts


class CurvesPane(Widget, can_focus=True):
    """The curves of one run."""

    DEFAULT_CSS = "CurvesPane { height: 1fr; }"

    def open(self, run: RunDir) -> None:
        """Show the curves of this run."""

    def tick(self, facts: RunFacts, now: float) -> None:
        """Look for news; at most a few times a second."""
