"""From a JobSpec to a supervised run directory, and back to a supervisor when one has died.

The order of writing is the contract: the directory appears complete with its plan, then the
supervisor begins, and what only people read (job.yaml, commands/) is written while it starts.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.ask import Nobody
from rankdeck.backend import load_backend
from rankdeck.errors import ExitCode, UserError
from rankdeck.plan.records import RunIdentity
from rankdeck.run.identity import new_run_id
from rankdeck.run.launch_env import LaunchEnv, write_launch_env
from rankdeck.run.layout import RunDir
from rankdeck.run.lock import acquire_lock, lock_holder
from rankdeck.run.spawn import (
    WaitingSupervisor,
    reap,
    spawn_supervisor,
    start_waiting_supervisor,
)
from rankdeck.run.stored import read_plan, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rankdeck.ask import Ask
    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.store import RunStore

__all__ = [
    "create_run",
    "ensure_supervised",
    "left_alone",
    "read_plan",
    "start_supervisor",
    "submit",
]


def submit(
    spec: JobSpec,
    store: RunStore,
    *,
    cwd: Path,
    environ: Mapping[str, str],
    waiting: WaitingSupervisor | None = None,
    ask: Ask | None = None,
    begins: Callable[[], None] | None = None,
) -> RunDir:
    """Start a run and return its directory; it lives on without this process.

    `cwd` and `environ` are the submitting shell's. `waiting` is a supervisor started earlier
    (`start_waiting_supervisor`), to save the time of its start. `ask` answers what the backend
    must know from the user first; None: nobody can be asked. `begins` is called when all that is
    known, before there is anything of the run.

    Raises:
        InvalidJobError: The job cannot be planned.
        UserError: There are no nodes, or the state directory cannot be used.
    """
    from rankdeck.plan.build import build_plan

    supervisor = waiting or start_waiting_supervisor()
    try:
        store.ensure()
        backend = load_backend(spec.backend)
        nodes = backend.nodes(spec)
        run_id = new_run_id(spec.name, time.time())
        run = RunDir(store.runs_dir / run_id)
        plan = build_plan(spec, nodes, RunIdentity(id=run_id, dir=str(run.path)))
        secrets = backend.prepare(spec, nodes, ask or Nobody())
        if begins is not None:
            begins()
        create_run(run, plan, LaunchEnv.of(cwd, environ))
        if not supervisor.begin(str(run.path), msgspec.json.encode(secrets) if secrets else b""):
            start_supervisor(run)
    finally:
        supervisor.cancel()
    _write_for_people(run, spec, plan)
    return run


def create_run(run: RunDir, plan: LaunchPlan, launch_env: LaunchEnv) -> None:
    """Make the run directory; it appears at once, with everything a supervisor needs.

    Raises:
        UserError: It cannot be written.
    """
    unborn = RunDir(run.path.with_name(f".new-{run.id}"))
    try:
        unborn.path.mkdir(mode=0o700)
        unborn.control.mkdir(mode=0o700)
        _write_private(unborn.plan, msgspec.json.format(msgspec.json.encode(plan), indent=1))
        write_launch_env(unborn, launch_env)
        _try_lock(unborn)
        unborn.path.rename(run.path)
    except UserError:
        _discard(unborn)
        raise
    except OSError as error:
        _discard(unborn)
        raise UserError(
            f"{run.path}: the run directory cannot be written: {error.strerror}",
            "free some space, or set RANKDECK_HOME to another file system",
            exit_code=ExitCode.UNUSABLE,
        ) from error


def _discard(unborn: RunDir) -> None:
    from shutil import rmtree

    rmtree(unborn.path, ignore_errors=True)


def start_supervisor(run: RunDir) -> int:
    """Start a detached supervisor for `run` and return its pid.

    If the run has one already, the new one sees that and ends.
    """
    return spawn_supervisor(str(run.path), str(run.supervisor_log))


def ensure_supervised(run: RunDir) -> bool:
    """Whether a supervisor looks after `run`; one is started where it has died.

    A run that has ended needs none, unless commands wait for an answer. A run whose agents only
    another machine can reach is left to that machine, and one that every supervisor ends at is
    left alone for a while.
    """
    reap()
    if lock_holder(run.supervisor_lock) is not None:
        return True
    try:
        state = read_state(run)
        if state.state.final and not _commands_wait(run):
            return False
        refs = [node.agent for node in state.nodes if node.agent is not None]
        if not load_backend(state.backend).reachable_from_here(run, refs):
            return False
    except UserError:
        # deleted meanwhile, or of a backend that is not installed here: not ours to look after
        return False
    from rankdeck.run.crashes import crash_loop

    if crash_loop(run) is not None:
        return False
    start_supervisor(run)
    return True


def left_alone(run: RunDir) -> UserError | None:
    """What is told of a run that has lost its supervisor and gets no other one from here.

    None: it has one, or has ended, or `ensure_supervised` sees to it.
    """
    try:
        if lock_holder(run.supervisor_lock) is not None:
            return None
        state = read_state(run)
        refs = [node.agent for node in state.nodes if node.agent is not None]
        if state.state.final:
            return None
        if load_backend(state.backend).reachable_from_here(run, refs):
            from rankdeck.run.crashes import crash_loop

            return crash_loop(run)
    except UserError as error:
        return error
    host = state.supervisor.host if state.supervisor else "the machine it was started on"
    return UserError(
        f"{run.id} has lost its supervisor, and only {host} can take it over",
        f"`rankdeck show {run.id}` does that there, and carries out what was asked for meanwhile",
        exit_code=ExitCode.UNUSABLE,
    )


def _try_lock(run: RunDir) -> None:
    """Find out now whether supervisors can be kept apart here, not when one is started.

    Raises:
        UserError: The file system has no locks.
    """
    try:
        descriptor = acquire_lock(run.supervisor_lock)
    except OSError as error:
        raise UserError(
            f"{run.path.parent}: file locks do not work here: {error.strerror}",
            "set RANKDECK_HOME to a directory on another file system",
            exit_code=ExitCode.UNUSABLE,
        ) from error
    if descriptor is not None:
        os.close(descriptor)


def _commands_wait(run: RunDir) -> bool:
    with suppress(OSError):
        return any(not name.startswith(".") for name in os.listdir(run.control))
    return False


def _write_for_people(run: RunDir, spec: JobSpec, plan: LaunchPlan) -> None:
    from rankdeck.job.dump import job_to_yaml
    from rankdeck.run.binding import write_commands

    try:
        _write_private(run.job, job_to_yaml(spec).encode())
        write_commands(run, plan)
    except OSError as error:
        # the run goes on without them; the disk's state is the run's own matter from here
        with suppress(OSError), open(run.supervisor_log, "a") as log:
            log.write(f"job.yaml and commands/ could not be written: {error}\n")


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)
