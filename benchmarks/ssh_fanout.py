"""Commands on 64 real hosts at once, next to clush, pdsh, xargs ssh and parallel-ssh."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING

from benchmarks.harness import Goal, Report
from benchmarks.ssh_bed import SLOW_PORT, STOCK_PORT, Peers, Sample, ssh_bed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOSTS = 64
Turns = dict[str, list[Sample]]

_LINE = "a line of a log, such as a rank of a training run prints it every now and then\n"


def take_turns(clients: Mapping[str, Callable[[], Sample]], repeats: int) -> Turns:
    """Every client in turn, after one uncounted turn each."""
    turns: Turns = {name: [] for name in clients}
    for turn in range(repeats + 1):
        for name, client in clients.items():
            sample = client()
            if turn:
                turns[name].append(sample)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return turns


def ratio(turns: Turns, ours: str, theirs: str, what: str = "wall") -> float:
    """Median of ours over median of theirs."""
    return median(turns[ours], what) / median(turns[theirs], what)


def median(samples: list[Sample], what: str) -> float:
    """The middle one of a figure."""
    return statistics.median([float(getattr(sample, what)) for sample in samples])


def figures(turns: Turns, *what: str) -> dict[str, list[float]]:
    """As a report shows them."""
    return {
        f"{name}: {one}": [getattr(sample, one) for sample in samples]
        for name, samples in turns.items()
        for one in what
    }


def connect(repeats: int) -> Report:
    """Connect and run `true`: wall time and CPU, as installed and with quick algorithms."""
    with ssh_bed(HOSTS) as bed:
        peers = Peers(bed)
        clients = {
            "rankdeck": lambda: bed.run(*peers.ours("true")),
            "xargs ssh": lambda: bed.run(*peers.xargs("true")),
            "rankdeck, stock sshd": lambda: bed.run(*peers.ours("true", STOCK_PORT)),
        }
        if peers.clush_path:
            clients["clush"] = lambda: bed.run(*peers.clush("true"))
            clients["clush as installed, stock sshd"] = lambda: bed.run(
                *peers.clush("true", STOCK_PORT, more=())
            )
        if peers.pdsh_path:
            clients["pdsh"] = lambda: bed.run(*peers.pdsh("true"))
        if peers.python_with_pssh:
            clients["parallel-ssh"] = lambda: bed.run(*peers.pssh("true"))
        turns = take_turns(clients, repeats)
    goals = [Goal("wall / xargs ssh", ratio(turns, "rankdeck", "xargs ssh"), 0.9)]
    if peers.clush_path:
        stock = ("rankdeck, stock sshd", "clush as installed, stock sshd")
        goals += [
            Goal("wall / clush", ratio(turns, "rankdeck", "clush"), 0.75),
            Goal("CPU / clush", ratio(turns, "rankdeck", "clush", "cpu"), 0.35),
            Goal("CPU / clush as installed", ratio(turns, *stock, "cpu"), 0.08),
        ]
    title = f"connect to {HOSTS} hosts and run true"
    shown = figures(turns, "wall", "cpu")
    return Report(title, shown, "s", goals, (*_REMARKS, *peers.missing))


def authentication(repeats: int) -> Report:
    """Hosts whose authentication takes 0.3 s without using CPU, 64 and 128 of them."""
    counts = (HOSTS, 2 * HOSTS)
    with ssh_bed(max(counts)) as bed:
        peers = Peers(bed)
        clients: dict[str, Callable[[], Sample]] = {}
        for count in counts:
            clients[f"rankdeck, {count}"] = lambda count=count: bed.run(  # type: ignore[misc]
                *peers.ours("true", SLOW_PORT, count)
            )
            if peers.clush_path:
                clients[f"clush, {count}"] = lambda count=count: bed.run(  # type: ignore[misc]
                    *peers.clush("true", SLOW_PORT, count)
                )
            if peers.python_with_pssh:
                clients[f"parallel-ssh, {count}"] = lambda count=count: bed.run(  # type: ignore[misc]
                    *peers.pssh("true", SLOW_PORT, count)
                )
        turns = take_turns(clients, repeats)
    goals = [
        Goal(f"wall / clush, {n} hosts", ratio(turns, f"rankdeck, {n}", f"clush, {n}"), 0.6)
        for n in counts
        if peers.clush_path
    ]
    title = "connect to hosts that take 0.3 s to let one in"
    return Report(title, figures(turns, "wall"), "s", goals, (*_REMARKS, *peers.missing))


def bulk(repeats: int) -> Report:
    """A megabyte of lines from each host, every line with its host's name before it."""
    with ssh_bed(HOSTS) as bed:
        peers = Peers(bed)
        megabyte = bed.shared / "megabyte"
        megabyte.write_text(_LINE * (1_000_000 // len(_LINE)))
        command = f"cat {megabyte}"
        clients = {
            "rankdeck": lambda: bed.run(*peers.ours(command)),
            "xargs ssh (raw)": lambda: bed.run(*peers.xargs(command)),
        }
        if peers.pdsh_path:
            clients["pdsh"] = lambda: bed.run(*peers.pdsh(command))
        if peers.clush_path:
            clients["clush"] = lambda: bed.run(*peers.clush(command))
        turns = take_turns(clients, repeats)
    goals = [
        Goal("wall / xargs ssh", ratio(turns, "rankdeck", "xargs ssh (raw)"), 1.0),
        Goal("CPU / xargs ssh", ratio(turns, "rankdeck", "xargs ssh (raw)", "cpu"), 0.7),
    ]
    if peers.pdsh_path:
        goals += [
            Goal("wall / pdsh", ratio(turns, "rankdeck", "pdsh"), 0.5),
            Goal("CPU / pdsh", ratio(turns, "rankdeck", "pdsh", "cpu"), 0.2),
        ]
    if peers.clush_path:
        goals.append(Goal("CPU / clush", ratio(turns, "rankdeck", "clush", "cpu"), 0.05))
    title = f"1 MB of lines from each of {HOSTS} hosts"
    shown = figures(turns, "wall", "cpu")
    return Report(title, shown, "s", goals, (*_REMARKS, *peers.missing))


def memory(repeats: int) -> Report:
    """Memory of the whole client while it connects to every host."""
    with ssh_bed(HOSTS) as bed:
        peers = Peers(bed)
        clients = {"rankdeck": lambda: bed.run(*peers.ours("sleep 0.5"), memory=True)}
        if peers.clush_path:
            clients["clush"] = lambda: bed.run(*peers.clush("sleep 0.5"), memory=True)
        clients["xargs ssh"] = lambda: bed.run(*peers.xargs("sleep 0.5"), memory=True)
        turns = take_turns(clients, repeats)
    goals = []
    if peers.clush_path:
        goals = [Goal("PSS / clush", ratio(turns, "rankdeck", "clush", "memory"), 1.2)]
    title = f"memory of a client of {HOSTS} hosts (PSS of its process tree)"
    return Report(title, figures(turns, "memory"), "MiB", goals, peers.missing)


_REMARKS = (
    "clients with KexAlgorithms=curve25519-sha256 and aes128-gcm, unless it says as installed;",
    "interpreter and imports included; the servers share the machine's cores",
)
