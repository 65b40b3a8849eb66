"""The logs of 4,096 ranks in one view: opening it, jumping in it, folding it, and its memory.

Each turn is a process of its own, so every jump is a first one. The logs take 3.3 GB; `python -m
benchmarks.log_many --ranks 256` tries it small, `--logs FOLDER` keeps them for the next time.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.harness import Goal, Report
from benchmarks.rank_logs import make_logs, planned_logs

if TYPE_CHECKING:
    from rankdeck.logs.merged import MergedSource
    from rankdeck.logs.source import LogSource

_RANKS = 4096
_LEAST, _MOST = 2_000, 20_000
_PAGE = 50
_VIEWS = {"merged": "", "folded": " (folded)", "minority": " (minority report)"}


def measure(repeats: int, ranks: int = _RANKS, logs: Path | None = None) -> Report:
    """Time to a page of 50 lines; the page cache is warm."""
    with tempfile.TemporaryDirectory(dir=".") as temporary:
        folder = logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / f"rank-{ranks - 1}.log").exists():
            make_logs(folder, ranks, _LEAST, _MOST)
        figures: dict[str, list[float]] = {}
        memory = 0.0
        for turn in range(repeats + 1):
            for view, words in _VIEWS.items():
                _warm(folder)
                command = (sys.executable, "-m", "benchmarks.log_many", "--view", view, str(folder))
                told = json.loads(
                    subprocess.run(
                        (*command, "--ranks", str(ranks)), check=True, stdout=subprocess.PIPE
                    ).stdout
                )
                memory = max(memory, told.pop("memory"))
                for name, seconds in told.items():
                    if turn:
                        figures.setdefault(name + words, []).extend(seconds)
    goals = [
        Goal(name, max(figures[name]), target, "s", note="the slowest")
        for name, target in (("jump", 1.0), ("jump (folded)", 2.0))
    ]
    goals += [
        Goal("opening", median(figures["open"]), 1.0, "s"),
        Goal("memory over the idle process", memory, 60, "MiB"),
    ]
    return Report(f"{ranks:,} logs in one view", figures, "s", goals)


def _warm(folder: Path) -> None:
    """Have all logs in the page cache."""
    for path in folder.iterdir():
        with path.open("rb", buffering=0) as stream:
            while stream.read(1 << 20):
                pass


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def _look(folder: Path, ranks: int, view: str) -> dict[str, object]:
    """Open it and jump about: to the middle, the begin, and eight places by chance."""
    from rankdeck.logs.folded import FoldedSource
    from rankdeck.logs.merged import MergedSource

    logs = planned_logs(folder, ranks)
    idle = _resident()
    begin = time.perf_counter()
    merged: MergedSource = MergedSource(logs)
    source: LogSource = merged
    if view != "merged":
        local_ranks = {log.rank: log.local_rank for log in logs}
        source = FoldedSource(merged, local_ranks, only_minority=view == "minority")
    position = source.size
    while position and not (lines := source.before(position, _PAGE)):
        position = lines.looked_to
    opened = time.perf_counter() - begin
    dice = random.Random(4)
    jumps: list[float] = []
    processor: list[float] = []
    memory = _resident()
    for part in (0.5, 0.0, *(dice.random() for _ in range(8))):
        begin, used = time.perf_counter(), time.process_time()
        position = source.position_near(part)
        found = 0
        while found < _PAGE:
            lines = source.after(position, _PAGE - found)
            found += len(lines)
            position = lines.looked_to
            if not lines.more:
                break
        jumps.append(time.perf_counter() - begin)
        processor.append(time.process_time() - used)
        memory = max(memory, _resident())
    return {"open": [opened], "jump": jumps, "jump, CPU": processor, "memory": memory - idle}


def main() -> int:
    """With sizes of one's own; `--view` is how it calls itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.log_many", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--ranks", type=int, default=_RANKS)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="where they are, or will be")
    parser.add_argument("--view", choices=_VIEWS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.view:
        print(json.dumps(_look(chosen.folder, chosen.ranks, chosen.view)))
    else:
        print(measure(chosen.repeat, chosen.ranks, chosen.logs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
