"""Following 64 logs that grow at 100,000 lines a second together, in one merged view.

`python -m benchmarks.log_watch --seconds 5 --rate 20000` tries it small.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.harness import Goal, Report
from benchmarks.log_app import answer
from benchmarks.projects import environment
from benchmarks.terminal import Terminal
from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.logs.sources import rank_logs
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity
from rankdeck.run.layout import RunDir
from tui.environment import prepare_environment

_FILES = 64
_WRITER = """
import os, struct, sys, time
seconds, rate, paths = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
logs = [open(path, "ab", buffering=0) for path in paths]
times = [open(path[:-4] + ".times", "ab", buffering=0) for path in paths]
begun = time.monotonic()
written, sizes, noted = 0, [0] * len(paths), 0.0
while (now := time.monotonic() - begun) < seconds:
    due = int(now * rate / len(paths)) - written
    for index, log in enumerate(logs):
        lines = (
            f"step {n} loss=2.3456 tokens/s=18432.0 lr=1.0e-04 rank {index}"
            for n in range(written, written + due)
        )
        sizes[index] += log.write("".join(line + "\\n" for line in lines).encode())
    written += due
    if now - noted >= 0.1 or now + 0.03 > seconds:
        noted = now
        for index, pairs in enumerate(times):
            pairs.write(struct.pack("<dQ", time.time(), sizes[index]))
    time.sleep(0.02)
for index, log in enumerate(logs):
    sizes[index] += log.write(b"the-end-of-rank-%d\\n" % index)
    times[index].write(struct.pack("<dQ", time.time(), sizes[index]))
print((written + 1) * len(paths))
"""


def make_run(root: Path, ranks: int) -> RunDir:
    """A run of this many ranks on one node, with logs that are still empty."""
    (root / "project").mkdir()
    (root / "project" / "train.py").write_text("")
    draft = JobDraft(
        project=str(root / "project"), entry="train.py", launcher="direct", nproc_per_node=ranks
    )
    spec = resolve_job(None, draft, root / "project", os.environ)
    run = RunDir(root / "run")
    run.path.mkdir()
    identity = RunIdentity(id="run", dir=str(run.path))
    plan = build_plan(spec, (Node(name="node1"),), identity)
    run.plan.write_bytes(msgspec.json.encode(plan))
    run.node("node1").attempt(0).path.mkdir(parents=True)
    for log in rank_logs(run, 0):
        log.path.touch()
        log.times.touch()
    return run


def measure(repeats: int, seconds: float = 20.0, rate: float = 100_000) -> Report:
    """Keys are answered through the thread that reads, while it follows."""
    waits: list[float] = []
    used: list[float] = []
    lost = 0
    sent: list[float] = []
    for _ in range(max(1, repeats // 2)):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            root = Path(folder).absolute()
            run = make_run(root, _FILES)
            lost += _watch(root, run, seconds, rate, waits, used, sent)
    waits.sort()
    p99 = waits[min(len(waits) - 1, len(waits) * 99 // 100)]
    figures = {"key answered (s)": waits, "CPU of a core": used, "KiB/s to the terminal": sent}
    goals = (
        Goal("key answered, p99", p99 * 1000, 50, "ms"),
        Goal("CPU of one core", max(used) * 100, 60, "%"),
        Goal("lines lost", lost, 0, ""),
    )
    title = f"following {_FILES} logs at {rate:,.0f} lines/s together"
    return Report(title, figures, "", goals)


def _watch(
    root: Path,
    run: RunDir,
    seconds: float,
    rate: float,
    waits: list[float],
    used: list[float],
    sent: list[float],
) -> int:
    """One turn; returns how many lines were not seen."""
    logs = [str(log.path) for log in rank_logs(run, 0)]
    facts = root / "facts.json"
    env = environment(root / "state", TERM="xterm-256color", COLORTERM="truecolor")
    prepare_environment(env)
    argv = [sys.executable, "-m", "benchmarks.log_app", str(facts), logs[0], str(run.path)]
    with Terminal(argv, env) as terminal:
        terminal.wait_for(b"ready-to-open")
        terminal.press(b"\x0f")
        terminal.drain(0.5)
        terminal.press(b"m")
        terminal.drain(0.5)
        writer = [sys.executable, "-c", _WRITER, str(seconds), str(rate), *logs]
        with subprocess.Popen(writer, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            begun, cpu, count, probes = time.perf_counter(), terminal.cpu, 0, 0
            while process.poll() is None:
                count += terminal.drain(0.05)
                probes += 1
                pressed = terminal.press(b"p")
                waits.append(terminal.wait_for(answer(probes).encode(), 10) - pressed)
            elapsed = time.perf_counter() - begun
            written = int(process.stdout.read())
            used.append((terminal.cpu - cpu) / elapsed)
            sent.append(count / elapsed / 1024)
        deadline = time.monotonic() + 10
        while _lines(facts) < written and time.monotonic() < deadline:
            terminal.drain(0.2)
        return abs(written - _lines(facts))


def _lines(facts: Path) -> int:
    try:
        return int(json.loads(facts.read_text())["lines"])
    except OSError:
        return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=100_000)
    parser.add_argument("--repeat", type=int, default=2)
    chosen = parser.parse_args()
    print(measure(chosen.repeat, chosen.seconds, chosen.rate))
