"""Choice: one row of a list that something is chosen from. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One row."""

    key: str
    """What is given to whoever asked."""
    label: str
    detail: str = ""
    kind: str = ""
    """A word before the label: `template`, `run`."""

    @property
    def words(self) -> str:
        """What is filtered by."""
        return f"{self.kind} {self.label} {self.detail}".casefold()
