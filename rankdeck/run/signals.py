"""Names of signals, for people."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; `signal 77` where there is no name (real-time signals)."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def signal_number(name: str) -> int | None:
    """9 for `SIGKILL`; None where there is no such signal."""
    try:
        return signal.Signals[name].value
    except KeyError:
        return None
