"""Which logs a run has: one per rank and attempt, and each node's launcher and agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.run.stored import read_plan

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.run.layout import RunDir


@dataclass(frozen=True, slots=True)
class RankLog:
    """Where one rank's log of one attempt is; the files may not be there."""

    rank: int
    node: str
    local_rank: int
    attempt: int
    path: Path
    times: Path
    """When the bytes of `path` were written, roughly: see `times.LogTimes`."""


@dataclass(frozen=True, slots=True)
class NodeLog:
    """Where one node's own logs are; the files may not be there."""

    node: str
    launcher: Path
    """What the launcher process (torchrun, train.sh) printed, over all attempts."""
    agent: Path


def rank_logs(run: RunDir, attempt: int | None = None) -> tuple[RankLog, ...]:
    """The logs of every planned rank, by rank.

    Args:
        run: The run.
        attempt: Which attempt, from 0; None: the newest one that any node has begun.

    Raises:
        UserError: The run's plan cannot be read.
    """
    if attempt is None:
        attempt = max(attempts(run), default=0)
    found = []
    for node in read_plan(run).nodes:
        paths = run.node(node.name).attempt(attempt)
        for local_rank in range(node.nproc):
            rank = node.first_rank + local_rank
            found.append(
                RankLog(rank, node.name, local_rank, attempt, paths.log(rank), paths.times(rank))
            )
    return tuple(sorted(found, key=lambda log: log.rank))


def node_logs(run: RunDir) -> tuple[NodeLog, ...]:
    """The launcher's and agent's logs of every planned node, by node rank.

    Raises:
        UserError: The run's plan cannot be read.
    """
    return tuple(
        NodeLog(node.name, run.node(node.name).launcher_log, run.node(node.name).agent_log)
        for node in read_plan(run).nodes
    )


def attempts(run: RunDir) -> tuple[int, ...]:
    """The attempts that any node has begun, oldest first; from the directories alone."""
    numbers = {
        int(number)
        for directory in run.nodes.glob("*/attempt-*")
        if (number := directory.name.removeprefix("attempt-")).isdecimal()
    }
    return tuple(sorted(numbers))
