"""One connection, open connections and idle ones, next to ssh and its ControlMaster."""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.harness import Goal, Report
from benchmarks.ssh_bed import Peers, Sample, SshBed, ssh_bed
from benchmarks.ssh_fanout import HOSTS, ratio, take_turns

if TYPE_CHECKING:
    from pathlib import Path

_BULK = 128
_LINES_SECONDS = 4
_IDLE_SECONDS = 10.0


def one(repeats: int) -> Report:
    """A fresh connection, repeated commands and the throughput of one channel."""
    with ssh_bed(1) as bed:
        peers = Peers(bed)
        (name,) = bed.names
        master = bed.shared / "master"
        shared = ("-S", str(master))
        keeper = bed.start(*peers.ssh("-M", "-N", *shared, name))
        _await(master)
        try:
            data = f"head -c {_BULK << 20} /dev/zero"
            clients = {
                "fresh: rankdeck": lambda: _inside(bed, "single", "5", name),
                "fresh: ssh": lambda: bed.run(*peers.ssh(name, "true")),
                "repeated: rankdeck": lambda: _inside(bed, "exec", "30", name),
                "repeated: ssh ControlMaster": lambda: bed.run(*peers.ssh(*shared, name, "true")),
                "bulk: rankdeck": lambda: _inside(bed, "bulk", str(_BULK), name),
                "bulk: ssh": lambda: bed.run(*peers.ssh(name, data), quiet=False),
            }
            turns = take_turns(clients, repeats)
        finally:
            keeper.terminate()
            keeper.wait(10)
    figures = {}
    for client, samples in turns.items():
        figures[f"{client}: wall (ms)"] = [1000 * sample.wall for sample in samples]
        figures[f"{client}: CPU (ms)"] = [1000 * sample.cpu for sample in samples]
    for client in ("bulk: rankdeck", "bulk: ssh"):
        figures[f"{client}: MiB/s"] = [_BULK / sample.wall for sample in turns[client]]
    again = ("repeated: rankdeck", "repeated: ssh ControlMaster")
    goals = (
        Goal("fresh connect, wall / ssh", ratio(turns, "fresh: rankdeck", "fresh: ssh"), 0.25),
        Goal("repeated command, wall / ControlMaster", ratio(turns, *again), 0.4),
        Goal("repeated command, CPU / ControlMaster", ratio(turns, *again, "cpu"), 0.1),
        Goal(
            "one channel, throughput / ssh",
            ratio(turns, "bulk: ssh", "bulk: rankdeck"),
            2.0,
            at_most=False,
        ),
        Goal("one channel, CPU / ssh", ratio(turns, "bulk: rankdeck", "bulk: ssh", "cpu"), 0.5),
    )
    remarks = ("rankdeck in a process that runs already; ssh as a process, which is its way",)
    return Report("one connection", figures, "", goals, remarks)


def many(repeats: int) -> Report:
    """Sweeps over open connections, live lines, and connections that are idle."""
    with ssh_bed(HOSTS) as bed:
        peers = Peers(bed)
        # as pdsh gets them: one write a line; as our agents send them: ten writes a second
        singly = _lines(100, 1)
        together = _lines(10, 10)
        clients = {"open sweep: rankdeck": lambda: _inside(bed, "open", "5", *bed.names)}
        if peers.clush_path:
            clients["fresh sweep: clush"] = lambda: bed.run(*peers.clush("true"))
        clients["live lines: rankdeck"] = lambda: _inside(bed, "stream", together, *bed.names)
        clients["live lines one by one: rankdeck"] = lambda: _inside(
            bed, "stream", singly, *bed.names
        )
        if peers.pdsh_path:
            clients["live lines one by one: pdsh"] = lambda: _beyond_connecting(
                bed.run(*peers.pdsh(singly)), bed.run(*peers.pdsh("true"))
            )
        turns = take_turns(clients, repeats)
        idle = [_inside(bed, "idle", str(_IDLE_SECONDS), *bed.names) for _ in range(2)]
    shares = [100 * sample.cpu / sample.wall for sample in idle]
    figures = {f"{HOSTS} idle connections: % of a core": shares}
    for client, samples in turns.items():
        figures[f"{client}: wall (ms)"] = [1000 * sample.wall for sample in samples]
        figures[f"{client}: CPU (ms)"] = [1000 * sample.cpu for sample in samples]
    goals = [Goal(f"{HOSTS} idle connections", statistics.median(shares), 0.1, "% of a core")]
    if peers.clush_path:
        goals.append(
            Goal(
                "sweep of open connections, wall / fresh clush",
                ratio(turns, "open sweep: rankdeck", "fresh sweep: clush"),
                0.1,
            )
        )
    if peers.pdsh_path:
        theirs = "live lines one by one: pdsh"
        goals.append(
            Goal(
                "live lines, CPU / pdsh",
                ratio(turns, "live lines: rankdeck", theirs, "cpu"),
                0.25,
                note="ours sent ten lines at a time, as the agent does",
            )
        )
    return Report(f"{HOSTS} open connections", figures, "", goals, peers.missing)


def _inside(bed: SshBed, *words: str) -> Sample:
    """What our client measured of itself, imports left out."""
    verb, *rest = words
    program = (sys.executable, "-m", "benchmarks.ssh_client", verb, bed.config)
    told = json.loads(bed.run(*program, *rest, quiet=False).output)
    return Sample(statistics.median(told["wall"]), statistics.median(told["cpu"]), b"")


def _beyond_connecting(whole: Sample, connecting: Sample) -> Sample:
    return Sample(whole.wall, whole.cpu - connecting.cpu, b"")


def _lines(writes: int, lines: int) -> str:
    """A command that prints 100 lines of 120 bytes a second, in so many writes."""
    text = "x" * 119 + "\\n"
    program = (
        f"import os,time;t=time.monotonic()\n"
        f"for i in range({writes * _LINES_SECONDS}):\n"
        f" os.write(1,b'{text}'*{lines});"
        f"time.sleep(max(0,t+(i+1)/{writes}-time.monotonic()))"
    )
    return f'{sys.executable} -S -E -c "{program}"'


def _await(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} does not appear")
        time.sleep(0.02)
