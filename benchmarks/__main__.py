"""`python -m benchmarks [NAME...] [--repeat N]`: every figure, beside its peer or floor."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib import import_module

_BENCHMARKS = {
    "launch": "benchmarks.launch:measure",
    "startup": "benchmarks.startup:measure",
    "slowdown": "benchmarks.slowdown:measure",
    "throughput": "benchmarks.throughput:measure",
    "agent": "benchmarks.agent_cost:measure",
    "history": "benchmarks.history:measure",
    "codec": "benchmarks.history:encode_decode",
    "paint": "benchmarks.first_paint:measure",
    "log-open": "benchmarks.log_open:measure",
    "log-many": "benchmarks.log_many:measure",
    "log-watch": "benchmarks.log_watch:measure",
    "bytes": "benchmarks.terminal_bytes:measure",
    "rank-grid": "benchmarks.rank_grid:measure",
    "runs-keys": "benchmarks.runs_keys:measure",
    "ssh-connect": "benchmarks.ssh_fanout:connect",
    "ssh-authentication": "benchmarks.ssh_fanout:authentication",
    "ssh-bulk": "benchmarks.ssh_fanout:bulk",
    "ssh-memory": "benchmarks.ssh_fanout:memory",
    "ssh-one": "benchmarks.ssh_links:one",
    "ssh-many": "benchmarks.ssh_links:many",
    "carry-latency": "benchmarks.carry:latency",
    "carry-idle": "benchmarks.carry:idle",
    "carry-flood": "benchmarks.carry:flood",
    "curves": "benchmarks.curves:redraw",
    "curves-reading": "benchmarks.curves:extraction",
    "log-search": "benchmarks.log_search:measure",
    "log-follow": "benchmarks.log_follow:measure",
    "many-nodes": "benchmarks.many_nodes:measure",
}


def main() -> int:
    """Run the chosen benchmarks; exits with 1 if a target is missed and `--strict` is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_BENCHMARKS))
    parser.add_argument("--repeat", type=int, default=5, help="counted turns (5)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 on a missed target")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(_BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}")
    missed = 0
    for name in chosen.names or _BENCHMARKS:
        module, _, function = _BENCHMARKS[name].partition(":")
        report = getattr(import_module(module), function)(chosen.repeat)
        print(report, end="\n\n", flush=True)
        missed += sum(not goal.met for goal in report.goals)
    print(f"{missed} target(s) missed" if missed else "every target is met")
    return 1 if missed and chosen.strict else 0


if __name__ == "__main__":
    sys.exit(main())
