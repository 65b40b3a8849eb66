"""Ending what a run has left on this host, after its agent was killed."""

from __future__ import annotations

import json
import sys

from rankdeck.agent.processes import belonging, end_all, marks_of


def main(arguments: list[str]) -> int:
    """`--sweep RUN_ID [NODE]`."""
    if len(arguments) not in (1, 2):
        sys.exit("usage: agent.pyz --sweep RUN_ID [NODE]")
    return sweep(arguments[0], arguments[1] if len(arguments) == 2 else None)


def sweep(run_id: str, node: str | None) -> int:
    """KILL every process of the run (of one node's part of it); print the pids that stay."""
    marks = marks_of(run_id, node)
    left = end_all(lambda: belonging(None, marks, ()))
    print(json.dumps(left), file=sys.stdout, flush=True)
    return 1 if left else 0
