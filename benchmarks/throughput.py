"""A rank that writes as fast as it can, beside the same program writing to a plain file."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import MIB, Goal, Report, interleave, ratio, wall
from benchmarks.projects import WRITER, environment, rankdeck, write_program

_BYTES = 512 * MIB


def measure(repeats: int) -> Report:
    """512 MiB of 120-byte lines each time; every line must be there afterwards."""
    lost = 0
    with tempfile.TemporaryDirectory(dir=".") as folder:
        root = Path(folder).absolute()
        program = write_program(root / "project", "writer.py", WRITER)
        result = root / "result"
        env = environment(root / "state", BENCH_RESULT=str(result), BENCH_BYTES=str(_BYTES))

        def speed() -> float:
            written, elapsed = ast.literal_eval(result.read_text())
            return float(written / elapsed / MIB)

        def ours() -> float:
            nonlocal lost
            run = ("run", "-d", "--launcher", "direct", "--python", sys.executable, str(program))
            wall(rankdeck(*run), env)
            wall(rankdeck("wait", "last"), env)
            (log,) = (root / "state").glob("runs/*/nodes/*/attempt-0/rank-0.log")
            lost += abs(int(ast.literal_eval(result.read_text())[0]) - log.stat().st_size)
            figure = speed()
            wall(rankdeck("rm", "last"), env)
            return figure

        def plain() -> float:
            with open(root / "plain.log", "wb") as out:
                subprocess.run([sys.executable, str(program)], env=env, stdout=out, check=True)
            (root / "plain.log").unlink()
            return speed()

        samples = interleave({"under rankdeck": ours, "> file": plain}, repeats)
    goals = (
        Goal(
            "write speed / plain file",
            ratio(samples, "under rankdeck", "> file"),
            0.95,
            at_most=False,
        ),
        Goal("bytes lost", float(lost), 0, "B"),
    )
    return Report("throughput of a rank's output", samples, "MiB/s", goals)
