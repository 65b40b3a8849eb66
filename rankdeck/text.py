"""Text for people, shared by the command line and the terminal interface. Pure."""

from __future__ import annotations

import re
import time
import unicodedata
from typing import TYPE_CHECKING

from rankdeck.logs.sanitise import clean
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rankdeck.run.events import Event
    from rankdeck.run.state import RunNode, RunState
    from rankdeck.run.summary import RunSummary
    from rankdeck.run.view import NodeView

MARKS = {
    RunPhase.PLANNED: ("◌", "cyan"),
    RunPhase.QUEUED: ("◌", "cyan"),
    RunPhase.STARTING: ("◔", "cyan"),
    RunPhase.RUNNING: ("●", "green"),
    RunPhase.STOPPING: ("◑", "yellow"),
    RunPhase.SUCCEEDED: ("✔", "green"),
    RunPhase.FAILED: ("✖", "red"),
    RunPhase.STOPPED: ("■", "yellow"),
    RunPhase.LOST: ("?", "magenta"),
}
"""A mark and a colour for each state; the word always stands beside them."""

CERTAINTIES = {"certain": "certain", "likely": "likely, not certain"}
"""How sure a failure's cause is, in words; anything else is not certain."""

UNSURE = "not certain: the cause is not in what the ranks left behind"

HANGS = {
    "waiting": ("waits for ranks", "waited for ranks when it was ended"),
    "quiet": ("quiet", "was quiet when it was ended"),
    "lagging": ("ranks have stopped", "ranks had stopped when it was ended"),
    "stalled": ("stalled", "was stalled when it was ended"),
}
"""What a run does that makes no progress, and did: by the state of its hang."""


def width(text: str) -> int:
    """Cells the text takes on a terminal; East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def duration(seconds: float | None) -> str:
    """`2:12:41`, `3:09` or `–`."""
    if seconds is None:
        return "–"
    total = max(0, int(seconds))
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(seconds: float) -> str:
    """The coarse age of something: `12s`, `5m`, `3h`, `2d`."""
    total = max(0, int(seconds))
    for unit, size_of in (("d", 86400), ("h", 3600), ("m", 60)):
        if total >= size_of:
            return f"{total // size_of}{unit}"
    return f"{total}s"


def clock(moment: float) -> str:
    """The time of day here: `12:01:07`."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def size(count: int | None) -> str:
    """Bytes for people: `12 MiB`."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def shown(text: str, limit: int = 0) -> str:
    """Text from outside, made safe for the terminal, and cut to `limit` cells if that is given."""
    safe = clean(text).replace("\t", " ")
    if not limit or width(safe) <= limit:
        return safe
    kept, used = [], 0
    for char in safe:
        used += width(char)
        if used > limit - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers, runs of them shortened: `0, 2-5`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def ranks_text(numbers: Collection[int]) -> str:
    """`rank 3`, `ranks 0-41, 43`."""
    return f"rank{'s' if len(numbers) > 1 else ''} {ranges(numbers)}"


def event_columns(event: Event) -> tuple[str, str, str, str, str]:
    """One event as time, kind, subject, state and details; safe for a terminal."""
    when = time.strftime("%H:%M:%S", time.localtime(event.t)) + f".{int(event.t % 1 * 1000):03}"
    subject = event.node or ""
    if event.rank is not None:
        subject = f"rank {event.rank}"
    details = []
    if event.exit_code is not None:
        details.append(f"exit code {event.exit_code}")
    if event.signal is not None:
        from rankdeck.run.signals import signal_name

        details.append(signal_name(event.signal))
    if event.command:
        details.append(f"{event.command} {event.outcome or ''}".strip())
    if event.message:
        details.append(shown(event.message))
    return (when, event.kind.value, shown(subject), event.state or "", "; ".join(details))


def figure(value: float) -> str:
    """A number in few cells: `0.0003`, `2.092`, `11.5k`, `3.2M`."""
    for least, divisor, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / divisor:.3g}{unit}"
    return f"{value:.4g}"


def attempt_text(run: RunState) -> str:
    """Which attempt this is: `attempt 2 of at most 4`, `attempt 3, begun anew by the scheduler`."""
    if run.requeues and run.attempt == run.requeues and not run.max_restarts:
        return f"attempt {run.attempt + 1}, begun anew by the scheduler"
    told = f"attempt {run.attempt - run.requeues + 1} of at most {run.max_restarts + 1}"
    if run.requeues:
        times = "once" if run.requeues == 1 else f"{run.requeues} times"
        told += f", begun anew {times} by the scheduler"
    return told


def silence_text(node: NodeView, now: float | None = None) -> str:
    """`cannot be heard for 14s: connection timed out`; without `now` not for how long."""
    age_text = ""
    if now is not None and node.silent_since is not None:
        age_text = f" for {age(now - node.silent_since)}"
    why = shown(node.silence).removeprefix(f"{node.name}: ")
    return f"cannot be heard{age_text}" + (f": {why}" if why else "")


def state_text(run: RunState | RunSummary, now: float) -> str:
    """Why a run is in its state; for one that waits, also for how long: `for 5m: Priority`."""
    waits = run.state in (RunPhase.QUEUED, RunPhase.STARTING)
    since = f"for {age(now - run.since)}" if waits and run.since is not None else ""
    return ": ".join(part for part in (since, shown(run.reason)) if part)


def problem_text(node: RunNode) -> str:
    """What is wrong with the node, as a sentence that names it."""
    text = shown(node.problem or "")
    return text if mentions(text, node.name) else f"{shown(node.name)}: {text}"


def mentions(text: str, node: str) -> bool:
    """Whether the text names the node; a path with its name in it does not."""
    return bool(re.search(rf"(?<![\w./-]){re.escape(node)}(?![\w-])", text))


def other_problems(run: RunState) -> tuple[RunNode, ...]:
    """Nodes with a problem that is not the run's failure itself."""
    told = run.failure.summary if run.failure else ""
    return tuple(
        node for node in run.nodes if node.problem is not None and node.problem not in told
    )
