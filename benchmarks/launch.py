"""`rankdeck run` beside bare `torchrun`: time to rank 0's first line, and to the exit."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Goal, Report, first_line, interleave, ratio
from benchmarks.projects import HELLO, environment, rankdeck, write_program


def measure(repeats: int) -> Report:
    """Two ranks that print one line each; both sides are started as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        program = str(write_program(root / "project", "hello.py", HELLO))
        env = environment(root / "state")
        exits: dict[str, list[float]] = {"rankdeck run (exit)": [], "torchrun (exit)": []}

        def ours() -> float:
            argv = rankdeck("run", "--nproc-per-node", "2", "--python", sys.executable, program)
            seen, end = first_line(argv, b"first-line", env)
            exits["rankdeck run (exit)"].append(end)
            return seen

        def bare() -> float:
            argv = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1"]
            argv += ["--nproc-per-node", "2", "--master-port", "29871", program]
            seen, end = first_line(argv, b"first-line", env)
            exits["torchrun (exit)"].append(end)
            return seen

        samples = interleave({"rankdeck run": ours, "torchrun": bare}, repeats)
    ends = {name: values[1:] for name, values in exits.items()}
    goals = (
        Goal(
            "launch to first line / bare torchrun", ratio(samples, "rankdeck run", "torchrun"), 1.15
        ),
        Goal(
            "launch to exit / bare torchrun",
            ratio(ends, "rankdeck run (exit)", "torchrun (exit)"),
            1.15,
        ),
    )
    return Report("launch", {**samples, **ends}, "s", goals)
