"""Lines in `agent.log`. A log that cannot be written must not end an agent."""

from __future__ import annotations

import contextlib
import os


def note(text: str) -> None:
    """Append one line, if there is room."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
