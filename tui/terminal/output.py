"""CellOutput: a Textual app that sends its terminal only the cells that have changed.

Textual sends a region again whenever a widget in it was refreshed; over SSH that is most of what
goes over the line.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.events import Key

from tui.terminal.cells import Cells, cells_of
from tui.terminal.shadow import Shadow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from textual import events
    from textual.screen import Screen


class CellOutput(App[None]):
    """An app that remembers what its terminal shows."""

    _shadow: Shadow | None = None
    _cursor_was: tuple[int, int] | None = None
    last_key = float("-inf")
    """When a key was sent on its way last, by the loop's clock: `PacedScreen` hurries then."""

    async def on_event(self, event: events.Event) -> None:
        """Note when there is an answer to be painted."""
        if isinstance(event, Key) and not event.is_forwarded:
            self.last_key = asyncio.get_running_loop().time()
        await super().on_event(event)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        driver = self._driver
        if driver is None or driver.is_inline or self.is_headless or self._batch_count:
            super()._display(screen, renderable)
            return
        if not isinstance(renderable, (LayoutUpdate, ChopsUpdate)):
            if renderable is not None:
                self.forget_terminal()
            super()._display(screen, renderable)
            return
        if not self._running or self._closed:
            return
        # the size that was drawn for, not the one that may have been told meanwhile
        size = screen._compositor.size
        shadow = self._shadow
        if shadow is None or (shadow.width, shadow.height) != size:
            shadow = self._shadow = Shadow(*size)
        system = self.console._color_system or ColorSystem.TRUECOLOR
        sequence = shadow.change(_pieces(renderable, system))
        cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
        if sequence or cursor != self._cursor_was:
            self._cursor_was = cursor
            super()._display(screen, _Written(sequence))
        else:
            self.post_display_hook()

    def forget_terminal(self) -> None:
        """Something else may have written on the terminal: send everything the next time."""
        self._shadow = None
        self._cursor_was = None

    def redraw(self) -> None:
        """Send the whole screen again."""
        self.forget_terminal()
        self.refresh(layout=True)

    def on_resize(self) -> None:
        """Terminals move or cut what they show when their size changes."""
        self.forget_terminal()

    def _resume_signal(self) -> None:
        # whoever had the terminal meanwhile has drawn on it
        self.forget_terminal()
        super()._resume_signal()


class _Written(CompositorUpdate):
    """An update that has been worked out already."""

    def __init__(self, sequence: str) -> None:
        self._sequence = sequence

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._sequence

    def render_segments(self, console: Console) -> str:
        """The sequence."""
        return self._sequence


def _pieces(
    update: LayoutUpdate | ChopsUpdate, system: ColorSystem
) -> Iterator[tuple[int, int, Cells]]:
    """Row, column and cells of everything in an update."""
    if isinstance(update, LayoutUpdate):
        left = update.region.x
        for y, strips in enumerate(update.strips, update.region.y):
            yield y, left, cells_of((s for strip in strips for s in strip), system)
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= last and end > first:
                yield y, x, cells_of(strip, system)
