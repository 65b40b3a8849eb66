"""SourceView: what a source made of another one passes on to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rankdeck.logs.source import LogSource


class SourceView:
    """Another look at the lines of `base`; lines are counted there."""

    def __init__(self, base: LogSource) -> None:
        self.base = base

    @property
    def exists(self) -> bool:
        """Whether there has ever been a log."""
        return self.base.exists

    @property
    def size(self) -> int:
        """The position behind the last line of the whole log."""
        return self.base.size

    @property
    def line_count(self) -> int:
        """Lines of the whole log counted so far."""
        return self.base.line_count

    @property
    def indexed(self) -> bool:
        """Whether all lines of the whole log have been counted."""
        return self.base.indexed

    @property
    def indexed_part(self) -> float:
        """How much of the whole log has been counted."""
        return self.base.indexed_part

    def index_some(self, budget: int = 8 << 20) -> bool:
        """Count the lines of the whole log in up to `budget` more bytes."""
        return self.base.index_some(budget)
