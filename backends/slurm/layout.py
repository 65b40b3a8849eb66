"""Where the files of a run's Slurm jobs lie: `RUN/slurm/attempt-<k>/`. Pure paths.

One directory per submitted job, named after the attempt it was submitted for; in it one directory
per start of that job, as Slurm may start a requeued one again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


class StartDir(msgspec.Struct, frozen=True):
    """One start of a job: what its script, its waiters and the supervisor tell each other."""

    path: Path

    @property
    def allocation(self) -> Path:
        """Written by the script as it starts: job, restarts, nodes."""
        return self.path / "allocation"

    @property
    def finished(self) -> Path:
        """Written by the script as it ends: the exit code of its srun."""
        return self.path / "finished"

    @property
    def warned(self) -> Path:
        """Written by the script when Slurm warns of the time limit: the signal for the ranks."""
        return self.path / "warned"

    @property
    def leave(self) -> Path:
        """Written by the supervisor: the waiters may go."""
        return self.path / "leave"

    @property
    def calls(self) -> Path:
        """`<node>.<n>`: the n-th order of a node."""
        return self.path / "calls"

    @property
    def said(self) -> Path:
        """`<node>.here`, `<node>.<n>.ended`: the waiters' words."""
        return self.path / "said"

    @property
    def log(self) -> Path:
        """What srun itself printed."""
        return self.path / "srun.log"

    def call(self, node: str, number: int) -> Path:
        """The n-th order of a node."""
        return self.calls / f"{node}.{number}"


class JobDir(msgspec.Struct, frozen=True):
    """One job."""

    path: Path

    @property
    def script(self) -> Path:
        """The script as submitted."""
        return self.path / "job.sh"

    @property
    def intent(self) -> Path:
        """There before anything is submitted; locked while the submitting program runs."""
        return self.path / "submitting"

    @property
    def answer(self) -> Path:
        """What sbatch printed: the job's id, even if nobody lived to read it."""
        return self.path / "sbatch.out"

    @property
    def errors(self) -> Path:
        """What sbatch had to say besides."""
        return self.path / "sbatch.err"

    @property
    def claim(self) -> Path:
        """The id of the one job that may run for this attempt; `none` when none may any more."""
        return self.path / "claim"

    @property
    def log(self) -> Path:
        """Output of the batch step."""
        return self.path / "job.log"

    def start(self, number: int) -> StartDir:
        """The start after `number` requeues."""
        return StartDir(self.path / f"start-{number}")


def slurm_dir(run: RunDir) -> Path:
    """Parent of the job directories."""
    return run.path / "slurm"


def job_dir(run: RunDir, attempt: int) -> JobDir:
    """The job submitted for that attempt."""
    return JobDir(slurm_dir(run) / f"attempt-{attempt}")
