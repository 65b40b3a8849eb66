"""RunSummary: one line of the runs list, made from a run's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.nodes.names import fold_names
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.run.state import RunState


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of runs shows of one run."""

    id: str
    name: str
    state: RunPhase
    reason: str = ""
    since: float | None = None
    """When it came into this state."""
    backend: str
    launcher: str
    project: str = ""
    nnodes: int
    world_size: int
    nproc_per_node: int
    created: float
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    max_restarts: int = 0
    exit_code: int | None = None
    step: int | None = None
    total_steps: int | None = None
    loss: float | None = None
    loss_curve: tuple[float, ...] = ()
    failure_rank: int | None = None
    failure_node: str | None = None
    failure_category: str = ""
    failure_summary: str = ""
    """Hostile text: sanitise before showing."""
    nodes: str = ""
    """Names of its nodes, folded (`node[01-16]`); empty in the index of an earlier version."""
    silent: int = 0
    """How many of its nodes cannot be heard."""
    silent_since: float | None = None
    """Since when the first of them cannot."""
    supervised: bool = False
    """Whether a supervisor looks after the run now; false for a run that has ended."""
    last_word: float | None = None
    """For a run that nobody looks after: when its state was written last."""


def find_loss(metrics: Mapping[str, float]) -> float | None:
    """The training loss among the numbers of a progress line, None if there is none."""
    if "loss" in metrics:
        return metrics["loss"]
    return next((value for name, value in metrics.items() if name.lower().endswith("loss")), None)


def summarise(
    state: RunState, *, supervised: bool = False, last_word: float | None = None
) -> RunSummary:
    """The summary of a run in this state."""
    progress, failure = state.progress, state.failure
    silent = [node.silent_since for node in state.nodes if node.silent_since is not None]
    if state.state.final:
        silent = []
    return RunSummary(
        id=state.id,
        name=state.name,
        state=state.state,
        reason=state.reason,
        since=state.since,
        backend=state.backend,
        launcher=state.launcher,
        project=state.project,
        nnodes=state.nnodes,
        world_size=state.world_size,
        nproc_per_node=state.nproc_per_node,
        created=state.created,
        started=state.started,
        ended=state.ended,
        attempt=state.attempt,
        max_restarts=state.max_restarts,
        exit_code=state.exit_code,
        step=progress.step if progress else None,
        total_steps=progress.total_steps if progress else None,
        loss=find_loss(progress.metrics) if progress else None,
        loss_curve=progress.loss_curve if progress else (),
        failure_rank=failure.rank if failure else None,
        failure_node=failure.node if failure else None,
        failure_category=failure.category if failure else "",
        failure_summary=failure.summary if failure else "",
        nodes=fold_names(node.name for node in state.nodes),
        silent=len(silent),
        silent_since=min(silent, default=None),
        supervised=supervised,
        last_word=last_word,
    )
