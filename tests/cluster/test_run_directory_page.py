"""Every file that a run on real hosts leaves is explained in docs/run-directory.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.lock import lock_holder
from tests.cluster.cluster import Options
from tests.e2e.conftest import until
from tests.e2e.test_run_directory_page import unexplained

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=2)
NODES = ("--host", "node1,node2")


def unexplained_in_the_end(rankdeck: RankdeckAtLogin) -> list[str]:
    """What is left once the supervisor is gone; it writes for a while after the run's end."""
    run = RunDir(rankdeck.run_dir())
    until(lambda: lock_holder(run.supervisor_lock) is None)
    return unexplained(run.path)


@pytest.mark.parametrize(
    "options",
    [
        ("--backend", "ssh", *NODES),
        ("--backend", "slurm", "--nnodes", "2", "--setup", "true"),
        ("--backend", "slurm", "--nnodes", "2", "--per-rank"),
        ("--backend", "mpi", *NODES),
        ("--backend", "mpi", *NODES, "--per-rank"),
    ],
    ids=" ".join,
)
def test_run_that_fails(
    options: tuple[str, ...], rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    fail = ("--", "--steps", "50", "--fail-rank", "1", "--fail-at", "2")
    done = rankdeck("run", *options, "--launcher", "direct", programs / "trainer.py", *fail)
    assert done.returncode == 1, done.stdout + done.stderr
    assert rankdeck.show()["failure"]["category"] == "exception", done.stderr
    assert unexplained_in_the_end(rankdeck) == []


def test_run_that_never_began(rankdeck: RankdeckAtLogin, programs: Path) -> None:
    nowhere = ("--backend", "mpi", "--host", "node1,sshdown")
    assert rankdeck("run", *nowhere, programs / "trainer.py").returncode == 1
    assert unexplained_in_the_end(rankdeck) == []
