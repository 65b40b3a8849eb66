"""The job that a run's node belongs to now, and a shell on that node as a further step of it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.slurm.layout import job_dir, slurm_dir
from rankdeck.run.stored import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.run.layout import RunDir


def shell_on(run: RunDir, node: str, shell: str) -> tuple[str, ...] | None:
    """`srun` with a terminal; None when no job of the run lives on that node."""
    state = read_state(run)
    if state.state.final or all(known.name != node for known in state.nodes):
        return None
    job = _job(run)
    if not job:
        return None
    return (
        "srun", f"--jobid={job}", "--overlap", f"--nodelist={node}", "--nodes=1", "--ntasks=1",
        "--mpi=none", "--cpu-bind=none", "--pty", shell,
    )  # fmt: skip


def _job(run: RunDir) -> str:
    """The id of the newest job that has started; empty: none has."""
    for attempt in _numbers(slurm_dir(run), "attempt-"):
        folder = job_dir(run, attempt)
        for start in _numbers(folder.path, "start-"):
            with suppress(OSError):
                lines = folder.start(start).allocation.read_text().splitlines()
                fields = dict(line.split("=", 1) for line in lines if "=" in line)
                if fields.get("job", "").isdecimal():
                    return fields["job"]
    return ""


def _numbers(folder: Path, prefix: str) -> list[int]:
    """The numbers behind the prefix, the newest first."""
    with suppress(OSError):
        names = [name.removeprefix(prefix) for name in os.listdir(folder) if prefix in name]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)
    return []
