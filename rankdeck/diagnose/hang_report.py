"""The hang of a run as it is seen now: what `rankdeck why` and the deck's card show.

A run that lives is judged as of now; one that was ended from outside (by the user, by a time limit)
as of the moment at which its end began, so that nothing printed on the way out counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.diagnose.hang import judge_hang
from rankdeck.diagnose.hang_words import told_hang
from rankdeck.diagnose.scene import end_of, scene_of
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from rankdeck.diagnose.hang import Hang
    from rankdeck.run.layout import RunDir
    from rankdeck.run.view import RunSnapshot

_FROM_OUTSIDE = frozenset({"time-limit", "cancelled", "preempted", "deadline"})
"""Failures that end a run whatever its ranks were doing."""
_LIVE = frozenset({RunPhase.STARTING, RunPhase.RUNNING})


def find_hang(
    snapshot: RunSnapshot, run_dir: RunDir, now: float, *, steps: bool = True
) -> Hang | None:
    """What holds the run up, or held it up when it was ended; None while nothing does.

    Args:
        snapshot: The run.
        run_dir: Its directory.
        now: The time, by the clock of the run's supervisor.
        steps: Whether to look at when steps were made as well.

    Raises:
        OSError: A file is there but cannot be read.
    """
    run = snapshot.run
    over = run.state not in _LIVE
    moment = now
    if over:
        by = run.failure.category if run.failure is not None else ""
        if run.state is RunPhase.SUCCEEDED or (by and by not in _FROM_OUTSIDE):
            return None
        ahead = {node.name: node.clock_ahead for node in run.nodes}
        stops = [
            node.stop.requested - ahead[node.name]
            for node in snapshot.nodes
            if node.stop is not None
        ]
        ended = end_of(run, snapshot.ranks, stops)
        if ended is None:
            return None
        moment = ended
    scene = scene_of(run, snapshot.ranks, run_dir, moment, over=over, steps=steps)
    finding = judge_hang(scene)
    return None if finding is None else told_hang(scene, finding)
