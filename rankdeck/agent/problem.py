"""ProblemError: why this node could not start or go on, in one sentence (NodeState.problem)."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ProblemError(Exception):
    """A finding of a check, or a fault met on the way; ends the node's part as failed."""

    def __init__(self, category: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.category = category
        self.message = message
        self.hint = hint
        self.time = time.time()

    def record(self) -> dict[str, Any]:
        """As it goes into the node's state."""
        return {
            "category": self.category,
            "message": self.message,
            "hint": self.hint,
            "time": self.time,
        }
