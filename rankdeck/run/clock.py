"""The two clocks of a supervisor, together so that a test can turn them."""

from __future__ import annotations

import time


class Clock:
    """Wall time says when something happened, steady time how long ago: wall clocks jump."""

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()

    def steady(self) -> float:
        """Seconds that only ever go forward."""
        return time.monotonic()
