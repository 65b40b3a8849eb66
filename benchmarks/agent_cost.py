"""Memory and CPU of the agent and the supervisor while eight ranks train."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import MIB, Goal, Report, tree_usage, wall
from benchmarks.projects import SLEEPER, environment, rankdeck, write_program

_SECONDS = 12.0


def measure(repeats: int) -> Report:
    """Eight ranks that print ten lines a second each; sampled over twelve seconds."""
    memory: list[float] = []
    agent_cpu: list[float] = []
    supervisor_cpu: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        program = str(write_program(root / "project", "sleeper.py", SLEEPER))
        env = environment(root / "state", BENCH_SECONDS="60")
        for _ in range(max(1, repeats // 2)):
            head = ("run", "-d", "--launcher", "direct", "--nproc-per-node", "8")
            wall(rankdeck(*head, "--python", sys.executable, program), env)
            run = max((root / "state" / "runs").iterdir())
            time.sleep(3)
            (node,) = run.glob("nodes/*/state.json")
            agent = int(json.loads(node.read_text())["agent"]["pid"])
            guardian = _parent(agent)
            supervisor = int(json.loads((run / "state.json").read_text())["supervisor"]["pid"])
            before = {pid: tree_usage(pid)[0] for pid in (agent, guardian, supervisor)}
            time.sleep(_SECONDS)
            after = {pid: tree_usage(pid)[0] for pid in before}
            used = {pid: 100 * (after[pid] - before[pid]) / _SECONDS for pid in before}
            agent_cpu.append(used[agent] + used[guardian])
            supervisor_cpu.append(used[supervisor])
            memory.append(_private(agent) + _private(guardian))
            wall(rankdeck("kill", run.name), env)
    goals = (
        Goal("agent and guardian memory (PSS)", sorted(memory)[len(memory) // 2], 25, "MiB"),
        Goal("agent and guardian CPU", sorted(agent_cpu)[len(agent_cpu) // 2], 1.0, "% of a core"),
    )
    figures = {
        "agent + guardian PSS (MiB)": memory,
        "agent + guardian CPU (% of a core)": agent_cpu,
        "supervisor CPU (% of a core)": supervisor_cpu,
    }
    return Report("cost of the agent at 8 ranks", figures, "", goals)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _private(pid: int) -> float:
    # proportional set size: pages that the guardian shares with its fork count once
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / MIB
    raise RuntimeError(f"no Pss of {pid}")
