"""Whether an mpirun has ended, and how."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from backends.mpi.folder import JobRecord
from backends.mpi.job import Job, start_job

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_child_has_ended_when_its_status_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start_job(["/bin/sleep", "600"], {}, str(tmp_path / "log"))
    # as /proc has it once the first of several threads has ended
    monkeypatch.setattr("backends.mpi.job.start_time", lambda pid: None)
    try:
        assert not job.has_ended()
    finally:
        os.kill(job.record.pid, signal.SIGKILL)
        os.waitid(os.P_PID, job.record.pid, os.WEXITED | os.WNOWAIT)
        assert job.has_ended()
    assert job.status == -signal.SIGKILL


def test_of_anybody_else_s_process_only_the_end_is_seen() -> None:
    me = start_job(["/bin/true"], {}, os.devnull).record
    os.waitpid(me.pid, 0)
    job = Job(JobRecord(me.pid, me.starttime, me.host))
    assert job.has_ended()
    assert job.status is None
