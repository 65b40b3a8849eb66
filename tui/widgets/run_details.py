"""The details of the run under the cursor: what it is, and what became of it, beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Container

from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tui.looks import Line


class RunDetailsPane(Container):
    """Two pages of text; under the table, or at its side where the screen is wide (`-side`)."""

    DEFAULT_CSS = """
    RunDetailsPane { height: 14; layout: horizontal; border-top: solid $panel; }
    RunDetailsPane > TextLines { width: 1fr; height: 1fr; padding: 0 1; }
    RunDetailsPane.-side {
        width: 64; height: 1fr; layout: vertical; border-top: none; border-left: solid $panel;
    }
    RunDetailsPane.-side > #news-of-run { display: none; }
    """

    def compose(self) -> ComposeResult:
        """Both pages."""
        yield TextLines(id="about-run")
        yield TextLines(id="news-of-run")

    def show(self, about: Sequence[Line], news: Sequence[Line]) -> None:
        """Show these."""
        self.query_one("#about-run", TextLines).show(about)
        self.query_one("#news-of-run", TextLines).show(news)
