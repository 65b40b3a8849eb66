"""Carrying node directories home over real sshd: delay, idle bytes, and what a flood costs.

Hosts, couriers, sshd and the supervisor share this machine's cores: wall-clock figures are
pessimistic, CPU figures are the supervisor process alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Goal, Report, tree_usage
from tests.cluster.cluster import Cluster
from tests.cluster.testbed.bed import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WAIT = 120.0
_IDLE_SECONDS = 30.0
_FLOOD_NODES = 16
_FLOOD_RATE = 10.0
"""MB/s of each node."""
_FLOOD_SECONDS = 8.0

_EXIT = """
import os, time
print("up", flush=True)
if os.environ["RANK"] == "1":
    time.sleep(3)
    with open(os.environ["BENCH_RESULT"], "w") as out:
        out.write(repr(time.time()))
        out.flush()
    os._exit(3)
time.sleep(60)
"""
_SLEEP = """
import time
print("up", flush=True)
time.sleep(600)
"""
_FLOOD = """
import os, time
line = b"x" * 119 + b"\\n"
block = line * 512
rate, seconds = float(os.environ["BENCH_RATE"]), float(os.environ["BENCH_SECONDS"])
begun, written = time.monotonic(), 0
while (elapsed := time.monotonic() - begun) < seconds:
    if written < elapsed * rate:
        written += os.write(1, block)
    else:
        time.sleep(0.02)
"""


class _Bench:
    """Runs on a bed of real hosts."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.home = cluster.shared / "state"
        self.project = cluster.shared / "project"
        self.project.mkdir(exist_ok=True)

    def start(self, text: str, **env: str) -> Path:
        """Start a run of this program on every host; its run directory."""
        program = self.project / "program.py"
        program.write_text(text)
        words = [sys.executable, "-m", "rankdeck.cli.entry", "run", "--detach", "--backend", "ssh"]
        words += ["--host", ",".join(self.cluster.hosts), "--launcher", "direct"]
        for name, value in env.items():
            words += ["--env", f"{name}={value}"]
        done = self.cluster.login(
            *words, program, cwd=self.project, env={"RANKDECK_HOME": str(self.home)}
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return max((self.home / "runs").glob("2*"))

    def until(self, run: Path, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the run's own state fits."""
        deadline = time.monotonic() + _WAIT
        while True:
            state: dict[str, Any] = {}
            if (run / "state.json").exists():
                state = json.loads((run / "state.json").read_text())
                if wanted(state):
                    return state
            if time.monotonic() > deadline:
                raise RuntimeError(f"never came: {state}")
            time.sleep(0.002)

    def end(self, run: Path) -> None:
        """Kill it, and wait until its supervisor has gone."""
        self.cluster.login(
            sys.executable, "-m", "rankdeck.cli.entry", "kill", run.name,
            env={"RANKDECK_HOME": str(self.home)},
        )  # fmt: skip
        self.cluster.assert_nothing_left(run.name, 30)


@contextmanager
def _bench(hosts: int) -> Iterator[_Bench]:
    cluster = Cluster.up(Options(hosts=hosts, slurm=False, broken_hosts=False, tmp_size="0"))
    try:
        yield _Bench(cluster)
    finally:
        cluster.down()


def latency(repeats: int) -> Report:
    """From the exit of a rank on a far host to the run's state on the login node."""
    late: list[float] = []
    with _bench(2) as bench:
        result = bench.cluster.shared / "exit"
        for _ in range(repeats):
            result.unlink(missing_ok=True)
            run = bench.start(_EXIT, BENCH_RESULT=str(result))
            bench.until(run, lambda state: state["ranks"][1]["state"] == "failed")
            late.append(time.time() - float(result.read_text()))
            bench.until(run, lambda state: state["state"] == "failed")
            bench.cluster.assert_nothing_left(run.name, 30)
    worst = Goal("from a far rank's exit to the run's state, worst", max(late), 0.5, "s")
    return Report("a far rank's end over SSH", {"rank's exit → state": late}, "s", (worst,))


def idle(repeats: int) -> Report:
    """Bytes on a node's wire, both ways and with every header, while its rank says nothing."""
    rates: list[float] = []
    with _bench(2) as bench:
        run = bench.start(_SLEEP)
        bench.until(run, lambda state: state["ranks"][1]["state"] == "output")
        time.sleep(5.0)
        for _ in range(max(1, repeats // 3)):
            before = _wire_bytes(bench.cluster, "node2")
            time.sleep(_IDLE_SECONDS)
            rates.append((_wire_bytes(bench.cluster, "node2") - before) / _IDLE_SECONDS)
        bench.end(run)
    goal = Goal("bytes a second of an idle node", max(rates), 200, "B/s")
    return Report("an idle node's connection", {"node2, both ways": rates}, "B/s", (goal,))


def flood(repeats: int) -> Report:
    """Sixteen nodes that print as fast as they are allowed to."""
    cores: list[float] = []
    share: list[float] = []
    late: list[float] = []
    lost = 0
    with _bench(_FLOOD_NODES) as bench:
        for _ in range(max(1, repeats // 3)):
            run = bench.start(
                _FLOOD, BENCH_RATE=str(_FLOOD_RATE * 1e6), BENCH_SECONDS=str(_FLOOD_SECONDS)
            )
            state = bench.until(run, lambda state: state["supervisor"] is not None)
            supervisor = state["supervisor"]["pid"]
            began, before = time.monotonic(), tree_usage(supervisor)[0]
            seen = [before]

            def over(
                state: dict[str, Any], pid: int = supervisor, seen: list[float] = seen
            ) -> bool:
                if os.path.exists(f"/proc/{pid}/stat"):
                    seen[0] = max(seen[0], tree_usage(pid)[0])
                return bool(state["state"] in ("succeeded", "failed"))

            ended = bench.until(run, over)
            if ended["state"] != "succeeded":
                raise RuntimeError(f"{run}: {ended['failure']}")
            seconds, used = time.monotonic() - began, seen[0] - before
            carried = [path.stat().st_size for path in run.glob("nodes/*/attempt-0/rank-*.log")]
            lost += sum(map(_incomplete, run.glob("nodes/*")))
            megabytes = sum(carried) / 1e6
            cores.append(used / megabytes * _FLOOD_NODES * _FLOOD_RATE)
            share.append(megabytes / seconds)
            late.append(seconds - _FLOOD_SECONDS)
            bench.cluster.assert_nothing_left(run.name, 30)
    goals = (
        Goal("supervisor at 160 MB/s (CPU per MB × 160)", max(cores), 1.0, "cores"),
        Goal("logs that are not complete at home", lost, 0, "logs"),
    )
    figures = {
        "supervisor, cores at 160 MB/s": cores,
        "carried (MB/s, hosts on the same cores)": share,
        "longer than the ranks' own time (s)": late,
    }
    return Report(f"{_FLOOD_NODES} nodes × {_FLOOD_RATE:g} MB/s of logs", figures, "", goals)


def _incomplete(node: Path) -> int:
    """How many of a node's logs differ from what its agent says that it has seen."""
    state = json.loads((node / "state.json").read_text())
    sizes = {
        rank["rank"]: (node / "attempt-0" / f"rank-{rank['rank']}.log").stat().st_size
        for rank in state["ranks"]
    }
    return sum(sizes[rank["rank"]] != rank["log_bytes"] for rank in state["ranks"])


def _wire_bytes(cluster: Cluster, host: str) -> int:
    for line in cluster.exec(host, "cat", "/proc/net/dev").splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "eth0":
            fields = rest.split()
            return int(fields[0]) + int(fields[8])
    raise RuntimeError(f"{host} has no eth0")
