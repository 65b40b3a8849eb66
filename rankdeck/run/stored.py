"""Reading and writing a run's plan and state; a state is never older than the event log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import ExitCode, UserError
from rankdeck.plan.records import LaunchPlan
from rankdeck.run.eventlog import read_events
from rankdeck.run.files import write_atomic
from rankdeck.run.fold import fold, initial_state
from rankdeck.run.node_state import NodeState
from rankdeck.run.state import RunState

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

PLAN_DECODER = msgspec.json.Decoder(LaunchPlan)
NODE_STATE_DECODER = msgspec.json.Decoder(NodeState)
STATE_DECODER = msgspec.json.Decoder(RunState)


def read_plan(run: RunDir) -> LaunchPlan:
    """The plan the run executes.

    Raises:
        UserError: There is no such run, or its plan cannot be read.
    """
    try:
        return PLAN_DECODER.decode(run.plan.read_bytes())
    except FileNotFoundError:
        raise UserError(f"there is no run {run.id}", exit_code=ExitCode.NO_RUN) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{run.plan}: cannot be read: {error}", exit_code=ExitCode.NO_RUN
        ) from error


def created_time(run: RunDir) -> float:
    """When the run was made: its plan is written once, and first."""
    return os.stat(run.plan).st_mtime


def written(run: RunDir) -> float | None:
    """When the run's state was written last; None where it cannot be told."""
    try:
        return os.stat(run.state).st_mtime
    except OSError:
        return None


def read_state(
    run: RunDir, plan: LaunchPlan | None = None, known: RunState | None = None
) -> RunState:
    """The run's state: the snapshot, brought up to date from the log where it is behind.

    A missing or unreadable snapshot is rebuilt from the plan and all events. `plan` and `known`
    (a state read earlier) save reading those again.

    Raises:
        UserError: There is no such run, or its plan cannot be read.
    """
    state = known or _read_snapshot(run)
    if state is None:
        state = initial_state(plan or read_plan(run), created_time(run))
    return fold(state, read_events(run, state.last_seq))


def _read_snapshot(run: RunDir) -> RunState | None:
    try:
        return STATE_DECODER.decode(run.state.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_state(run: RunDir, state: RunState, *, sync: bool = False) -> None:
    """Replace the snapshot.

    Raises:
        OSError: It could not be written.
    """
    write_atomic(run.state, msgspec.json.encode(state), sync=sync)
