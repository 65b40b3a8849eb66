"""A busy training loop under the agent, beside the same loop by itself."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Goal, Report, interleave, ratio, wall
from benchmarks.projects import LOOP, environment, rankdeck, write_program


def measure(repeats: int) -> Report:
    """One rank that trains a small network with torch and prints a line every ten steps."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        program = str(write_program(root / "project", "loop.py", LOOP))
        result = root / "result"
        env = environment(root / "state", BENCH_RESULT=str(result))

        cpu: dict[str, list[float]] = {"under rankdeck (CPU)": [], "alone (CPU)": []}

        def timed(name: str) -> float:
            elapsed, used = ast.literal_eval(result.read_text())
            cpu[name].append(used)
            return float(elapsed)

        def ours() -> float:
            run = ("run", "-d", "--launcher", "direct", "--python", sys.executable, program)
            wall(rankdeck(*run), env)
            wall(rankdeck("wait", "last"), env)
            return timed("under rankdeck (CPU)")

        def plain() -> float:
            subprocess.run(
                [sys.executable, "-u", program], env=env, stdout=subprocess.DEVNULL, check=True
            )
            return timed("alone (CPU)")

        samples = interleave({"under rankdeck": ours, "alone": plain}, repeats)
    slower = 100 * (ratio(samples, "under rankdeck", "alone") - 1)
    dearer = 100 * (ratio(cpu, "under rankdeck (CPU)", "alone (CPU)") - 1)
    alone = sorted(samples["alone"])
    quarter = len(alone) // 4
    spread = 100 * (alone[-1 - quarter] / alone[quarter] - 1)
    noise = f"the loop alone differs from itself by {spread:.0f} % (quartiles)"
    goals = (
        Goal("slowdown of the loop", slower, 1.0, "%", note=noise),
        Goal("the same in CPU time of the rank", dearer, 1.0, "%", note=noise),
    )
    return Report("slowdown of a training loop", {**samples, **cpu}, "s", goals)
