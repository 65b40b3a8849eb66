"""A list to choose from: one row each, a cursor, drawn only where it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.looks import Line, Piece, fit, line_width, safe, segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from tui.form.choice import Choice


class ChoiceList(ScrollView, can_focus=False):
    """Rows of choices."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"choices--cursor"}
    DEFAULT_CSS = """
    ChoiceList { height: auto; max-height: 16; overflow-x: hidden; scrollbar-size-horizontal: 0; }
    ChoiceList > .choices--cursor { background: $primary-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._choices: tuple[Choice, ...] = ()
        self._cursor = 0
        self._columns = (0, 0)
        """Cells of the longest kind, and of the longest label that has a detail."""

    @property
    def choice(self) -> Choice | None:
        """The one under the cursor."""
        return self._choices[self._cursor] if self._choices else None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All of them."""
        return self._choices

    def show(self, choices: Sequence[Choice], at: int = 0) -> None:
        """Show these, with the cursor on one of them."""
        self._choices = tuple(choices)
        self._cursor = max(0, min(at, len(self._choices) - 1))
        kinds = max((len(choice.kind) for choice in self._choices), default=0)
        told = (cell_len(safe(choice.label)) for choice in self._choices if choice.detail)
        self._columns = (kinds, max(told, default=0))
        self.virtual_size = Size(0, max(1, len(self._choices)))
        self.refresh(layout=True)
        self._follow()

    def move(self, rows: int) -> None:
        """Move the cursor."""
        self._cursor = max(0, min(self._cursor + rows, len(self._choices) - 1))
        self._follow()
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A row each."""
        return max(1, len(self._choices))

    def _follow(self) -> None:
        self.scroll_to_region(
            Region(0, self._cursor, 1, 1), animate=False, force=True, x_axis=False
        )

    def render_line(self, y: int) -> Strip:
        """One row."""
        at, width = y + self.scroll_offset.y, self.size.width
        style: Style = self.rich_style
        if at >= len(self._choices):
            line: Line = (("  nothing like that", "dim"),) if not self._choices and not y else ()
        else:
            if at == self._cursor:
                style = self.get_component_rich_style("choices--cursor")
            line = self._line(self._choices[at], width)
        strip = Strip(segments(line, style))
        return strip.extend_cell_length(width, style).crop(0, width)

    def _line(self, choice: Choice, width: int) -> Line:
        pieces: list[Piece] = [(" ", "")]
        if self._columns[0]:
            pieces.append((fit(safe(choice.kind), self._columns[0] + 2), "accent"))
        label = safe(choice.label)
        if choice.detail:
            room = min(self._columns[1], max(10, (width - self._columns[0]) * 2 // 5))
            detail = safe(choice.detail)
            left = width - line_width(tuple(pieces)) - room - 2
            detail = fit(detail, max(1, left)) if cell_len(detail) > left else detail
            pieces += [(fit(label, room), "bold"), ("  ", ""), (detail, "dim")]
        else:
            pieces.append((label, "bold"))
        return tuple(pieces)
