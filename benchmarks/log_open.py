"""A log of 1 GiB: from the key to its painted last line, its line numbers, and memory.

`python -m benchmarks.log_open --mib 64` tries it small.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import MIB, Goal, Report, interleave
from benchmarks.projects import environment
from benchmarks.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

_MARKER = b"the-very-last-line"
_LINE = 96
_PEERS = {
    "less +G (s)": ["less", "+G"],
    "less -N +G (s)": ["less", "-N", "+G"],
    "lnav (s)": ["lnav", "-q"],
    "toolong (s)": ["tl"],
}


def write_log(path: Path, mib: int) -> int:
    """A log of lines of 96 bytes; returns how many."""
    lines = mib * MIB // _LINE
    chunk = 20_000
    with open(path, "wb") as out:
        for first in range(0, lines, chunk):
            texts = (
                f"[rank0] step {number:>9}/{lines} loss=2.3456 tokens/s=18432.0 lr=1.0e-04"
                for number in range(first, min(lines, first + chunk))
            )
            out.write("".join(f"{text:<{_LINE - 1}}\n" for text in texts).encode())
        out.write(_MARKER + b"\n")
    return lines + 1


def measure(repeats: int, mib: int = 1024) -> Report:
    """Ours: the key in an app that is open already. Peers: from their start, they have no key."""
    figures: dict[str, list[float]] = {
        "lines counted (s)": [],
        "memory over the empty app (MiB)": [],
    }
    with tempfile.TemporaryDirectory(dir=".") as folder:
        root = Path(folder).absolute()
        log, facts = root / "rank-0.log", root / "facts.json"
        lines = write_log(log, mib)
        env = environment(root / "state", TERM="xterm-256color", COLORTERM="truecolor")
        env.pop("NO_COLOR")
        with open(log, "rb", buffering=0) as warm:
            while warm.read(MIB):
                pass

        def ours() -> float:
            facts.unlink(missing_ok=True)
            argv = [sys.executable, "-m", "benchmarks.log_app", str(facts), str(log)]
            with Terminal(argv, env) as terminal:
                terminal.wait_for(b"ready-to-open")
                terminal.drain(0.3)
                before, begun = terminal.resident, time.monotonic()
                pressed = terminal.press(b"\x0f")
                seen = terminal.wait_for(_MARKER) - pressed
                while not facts.exists() and time.monotonic() < begun + 60:
                    terminal.drain(0.1)
                terminal.drain(0.5)
                told = json.loads(facts.read_text())
                assert told["lines"] == lines, told
                figures["lines counted (s)"].append(told["counted"] - begun)
                grown = (terminal.resident - before) / MIB
                figures["memory over the empty app (MiB)"].append(grown)
            return seen

        contestants = {"rankdeck: key to last line (s)": ours}
        for name, argv in _PEERS.items():
            if shutil.which(argv[0]):
                contestants[name] = _peer([*argv, str(log)], env)
        samples = interleave(contestants, repeats)
    return Report(
        f"opening a log of {mib} MiB", {**samples, **figures}, "", _goals(samples, figures)
    )


def _peer(argv: list[str], env: dict[str, str]) -> Callable[[], float]:
    def start() -> float:
        with Terminal(argv, env) as terminal:
            if argv[0] == "tl":
                terminal.wait_for(b"[rank0]")
                terminal.press(b"\x1b[F")
            return terminal.wait_for(_MARKER) - terminal.started

    return start


def _goals(samples: dict[str, list[float]], figures: dict[str, list[float]]) -> tuple[Goal, ...]:
    def middle(values: list[float]) -> float:
        return sorted(values)[len(values) // 2]

    ours = middle(samples["rankdeck: key to last line (s)"])
    goals = [
        Goal("key to painted last line", ours * 1000, 100, "ms"),
        Goal("line numbers of the whole file", middle(figures["lines counted (s)"]), 1, "s"),
        Goal(
            "memory over the empty app",
            max(figures["memory over the empty app (MiB)"]),
            60,
            "MiB",
        ),
    ]
    return tuple(goals)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    print(measure(chosen.repeat, chosen.mib))
