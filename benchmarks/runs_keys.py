"""A key in the list of 10,000 runs: what the interface's own thread does until it is painted.

Beside it the same keys in a list of three runs: what a key costs however many runs there are.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Goal, Report
from benchmarks.history import make_history

if TYPE_CHECKING:
    from textual.pilot import Pilot

_RUNS = 10_000
_SIZE = (120, 40)
_TARGET = 50.0
_TARGET_OF_MOST = 60.0
_KEYS = (
    *("j", "j", "j", "pagedown", "pagedown", "G", "g", "space", "ctrl+a", "ctrl+a"),
    *("o",) * 9,
    "O",
    "slash",
    *"train",
    *("space", *"state", "colon", *"succ"),
    *("space", *"node", "colon", *"node1"),
    "enter",
    "j",
    "escape",
)


async def _press(pilot: Pilot[None], key: str) -> float:
    start = time.thread_time()
    await pilot.press(key)
    await pilot.pause()
    return 1000 * (time.thread_time() - start)


async def _keys(home: Path, count: int) -> list[float]:
    from rankdeck.run.store import RunStore
    from tui.deck import Deck
    from tui.widgets.run_table import RunTable

    deck = Deck(RunStore(home))
    async with deck.run_test(size=_SIZE) as pilot:
        table = deck.screen.query_one(RunTable)
        for _ in range(300):
            await asyncio.sleep(0.1)
            if len(table.rows) == count:
                break
        # the texts that a filter looks into are made in the background
        await asyncio.sleep(1.0)
        return [await _press(pilot, key) for key in _KEYS]


def measure(repeat: int = 3) -> Report:
    """Every key of a short session, in both lists."""
    from tui.environment import prepare_environment

    prepare_environment(os.environ)
    samples: dict[str, list[float]] = {"10,000 runs": [], "3 runs": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("10,000 runs", _RUNS), ("3 runs", 3)):
            home = Path(folder) / str(count)
            make_history(home, count)
            for _ in range(repeat):
                samples[name] += asyncio.run(_keys(home, count))
    many = sorted(samples["10,000 runs"])
    goals = (
        Goal("a key, median", statistics.median(many), _TARGET, "ms"),
        Goal("a key, 95 of 100", many[len(many) * 95 // 100], _TARGET, "ms"),
        Goal("a key, 99 of 100", many[len(many) * 99 // 100], _TARGET_OF_MOST, "ms"),
    )
    return Report(f"keys among {_RUNS:,} runs", samples, "ms", goals)
