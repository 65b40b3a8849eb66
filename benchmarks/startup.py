"""What the small commands cost over an empty interpreter."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Goal, Report, difference, interleave, wall
from benchmarks.projects import environment, rankdeck


def measure(repeats: int) -> Report:
    """`--version` and `ls` (with a handful of runs) beside `python -c pass`."""
    from benchmarks.history import make_history

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "state"
        make_history(home, 30)
        env = environment(home)
        samples = interleave(
            {
                "python -c pass": lambda: wall([sys.executable, "-c", "pass"], env),
                "rankdeck --version": lambda: wall(rankdeck("--version"), env),
                "rankdeck ls": lambda: wall(rankdeck("ls"), env),
            },
            repeats * 3,
        )
    goals = (
        Goal(
            "--version over an empty interpreter",
            1000 * difference(samples, "rankdeck --version", "python -c pass"),
            60,
            "ms",
        ),
        Goal(
            "ls over an empty interpreter",
            1000 * difference(samples, "rankdeck ls", "python -c pass"),
            120,
            "ms",
        ),
    )
    return Report("start-up of small commands", samples, "s", goals)
