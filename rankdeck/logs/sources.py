"""Which logs a run has: one per rank and attempt, and each node's launcher and agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.run.stored import read_plan, read_state

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
    clock_ahead: float = 0.0
    """Seconds by which those times are ahead of the supervisor's clock."""


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
    ahead = _clocks(run)
    found = []
    for node in read_plan(run).nodes:
        for local_rank in range(node.nproc):
            rank = node.first_rank + local_rank
            name = _where(run, node.name, attempt, rank)
            paths = run.node(name).attempt(attempt)
            found.append(
                RankLog(
                    rank,
                    name,
                    local_rank,
                    attempt,
                    paths.log(rank),
                    paths.times(rank),
                    ahead.get(name, 0.0),
                )
            )
    return tuple(sorted(found, key=lambda log: log.rank))


def _where(run: RunDir, planned: str, attempt: int, rank: int) -> str:
    """The node that ran this rank in that attempt; a requeued run has moved since."""
    if run.node(planned).attempt(attempt).log(rank).exists():
        return planned
    elsewhere = next(run.nodes.glob(f"*/attempt-{attempt}/rank-{rank}.log"), None)
    return planned if elsewhere is None else elsewhere.parent.parent.name


def _clocks(run: RunDir) -> dict[str, float]:
    try:
        return {node.name: node.clock_ahead for node in read_state(run).nodes if node.clock_ahead}
    except OSError:
        # without them the order over nodes is as good as their clocks
        return {}


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
