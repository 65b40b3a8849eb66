"""RunBody: the panes of a run, each with its title, placed by `run_layout`; a line to type into."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.containers import Container, Vertical
from textual.geometry import NULL_OFFSET, Spacing
from textual.layout import Layout, WidgetPlacement
from textual.message import Message
from textual.widgets import Input

from tui.keys import Scope, bindings
from tui.looks import line_width, whole_pieces
from tui.screens.run_layout import Needs, RunLayout, border_at, dragged, place_panes
from tui.widgets.bars import LineBar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.geometry import Region, Size
    from textual.layout import ArrangeResult
    from textual.widget import Widget

    from tui.looks import Line
    from tui.screens.run_layout import Border

_LEAST_PIECES = 3
"""Of a pane's title: the mark of the focus, the pane's name, what it is about."""


class Pane(Vertical):
    """One pane: a line that names it, and what it shows."""

    DEFAULT_CSS = """
    Pane { height: 1fr; }
    Pane > .pane--title { background: $panel; color: $text-muted; }
    Pane.-focused > .pane--title { background: $primary 40%; color: $text; }
    """

    def __init__(self, name: str, content: Widget) -> None:
        super().__init__(id=f"pane-{name}", name=name)
        self.content = content
        self._title = LineBar(id=f"title-{name}")
        self._title.add_class("pane--title")
        self._told: tuple[Line, Line] = ((), ())

    def compose(self) -> ComposeResult:
        """The title above the content."""
        yield self._title
        yield self.content

    def show_title(self, line: Line, tabs: Line = ()) -> None:
        """Say what the pane shows, as much as fits; at the right, what else there is.

        What else there is comes before all but the first pieces of the line, and what is wrong.
        """
        self._told = (line, tabs)
        room = self.size.width - line_width(tabs) - 1
        kept = whole_pieces(line, room)
        if tabs and len(kept) >= min(_LEAST_PIECES, len(line)) and not _grave(line[len(kept) :]):
            gap = " " * (room + 1 - line_width(kept))
            self._title.show((*kept, (gap, ""), *tabs))
            return
        kept = whole_pieces(line, self.size.width)
        cut = len(kept) < _LEAST_PIECES or _grave(line[len(kept) :])
        self._title.show(line if cut else kept)

    def on_resize(self) -> None:
        """Put what stands at the right there again."""
        self.show_title(*self._told)


def _grave(line: Line) -> bool:
    return any(style in ("error", "warning") for _, style in line)


class _PlacesLayout(Layout):
    """Puts panes where the pure function says."""

    name = "places"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """See the library."""
        parent.pre_layout(self)
        places = cast("RunBody", parent).places(size.width, size.height)
        return [
            WidgetPlacement(places[child.name or ""], NULL_OFFSET, Spacing(), child)
            for child in children
            if child.name in places
        ]


class RunBody(Container):
    """All panes, of which some are seen."""

    DEFAULT_CSS = "RunBody { height: 1fr; overflow: hidden; }"

    class Dragged(Message):
        """A border was taken to another place with the mouse."""

        def __init__(self, layout: RunLayout) -> None:
            super().__init__()
            self.layout = layout

        def can_replace(self, message: Message) -> bool:
            """Only where it is at last matters."""
            return isinstance(message, RunBody.Dragged)

    def __init__(self, panes: Sequence[Pane], layout: RunLayout) -> None:
        super().__init__(*panes, id="body")
        self.panes = {cast("str", pane.name): pane for pane in panes}
        self.wanted = layout
        self.needs = Needs()
        self._border: Border | None = None
        self._places_layout = _PlacesLayout()

    @property
    def layout(self) -> Layout:
        """Places by the pure function; no style sheet knows of it."""
        return self._places_layout

    def places(self, width: int, height: int) -> dict[str, Region]:
        """Where the panes stand in so much room."""
        return place_panes(width, height, self.wanted, self.needs)

    @property
    def seen(self) -> tuple[str, ...]:
        """The panes that are seen and can have the keys, in reading order."""
        places = self.places(*self.size)
        # a pane of a single row has room for its title only
        return tuple(name for name, region in places.items() if region.height > 1)

    def arrange_panes(self, layout: RunLayout | None = None, needs: Needs | None = None) -> None:
        """Place the panes anew where anything has changed."""
        before = self.places(*self.size)
        self.wanted = layout or self.wanted
        self.needs = needs or self.needs
        places = self.places(*self.size)
        self._display(places)
        if places != before:
            # asked of a child: a container remembers where it has put its own
            next(iter(self.panes.values())).refresh(layout=True)

    # -- borders ----------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take a border."""
        if event.button != 1:
            return
        self._border = border_at(*self._place(event), *self.size, self.wanted, self.needs)
        if self._border is not None:
            event.stop()
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the border that was taken."""
        if self._border is None:
            return
        x, y = self._place(event)
        layout = dragged(self.wanted, self._border, x, y, *self.size, self.needs)
        if layout != self.wanted:
            self.post_message(self.Dragged(layout))

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._border is not None:
            self._border = None
            self.release_mouse()

    def _place(self, event: events.MouseEvent) -> tuple[int, int]:
        return int(event.screen_x) - self.region.x, int(event.screen_y) - self.region.y

    def on_resize(self) -> None:
        """Show what has a place at this size."""
        self._display(self.places(*self.size))

    def _display(self, places: dict[str, Region]) -> None:
        for name, pane in self.panes.items():
            if pane.display != (name in places):
                pane.display = name in places
            place = places.get(name)
            left = place is not None and place.x == 0 and place.width < self.size.width
            pane.set_class(left, "-left")


class RunPrompt(Input):
    """A line in which something is typed; below everything, and only while it is needed."""

    DEFAULT_CSS = """
    RunPrompt { height: 1; border: none; padding: 0 1; background: $boost; display: none; }
    """
    BINDINGS = bindings(Scope.PROMPT)

    def __init__(self) -> None:
        super().__init__(id="prompt", compact=True)
        self._done: Callable[[str | None], None] | None = None
        self._before: Widget | None = None

    def ask(self, what: str, value: str, done: Callable[[str | None], None]) -> None:
        """Let something be typed; `done` gets it, or None."""
        self._before = self.screen.focused
        self._done = done
        self.placeholder = what
        self.value = value
        self.display = True
        self.focus()
        self.select_all()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        event.stop()
        self._close(event.value)

    async def action_give(self) -> None:
        """Give what was typed."""
        await self.action_submit()

    def action_cancel(self) -> None:
        """Give nothing."""
        self._close(None)

    def _close(self, value: str | None) -> None:
        done, self._done = self._done, None
        self.display = False
        if self._before is not None:
            self._before.focus()
        if done is not None:
            done(value)
