"""Fixtures of the real test cluster: up at a module's first use, healed after each test.

A module says what it needs by `CLUSTER = Options(...)`; without it, it gets four hosts with Slurm.
Where there can be no cluster, its tests are left out and one line says so; with `CI` or
`RANKDECK_REQUIRE_CLUSTER` set they fail instead.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster, Options
from tests.cluster.rankdeck_at_login import RankdeckAtLogin
from tests.cluster.testbed import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
# taken now: the variables of the developer's own environment are gone once tests run
_REQUIRED = bool(os.environ.get("CI") or os.environ.get("RANKDECK_REQUIRE_CLUSTER"))


def _obstacle() -> str:
    """Why the tests of this folder cannot be run here; empty if they can."""
    if reason := machine.lacking(others={"mpirun": "openmpi-bin"}):
        return reason
    return "" if machine.compiler() else "apt-get install --no-install-recommends tcc"


_OBSTACLE = _obstacle()
_left_out = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave this folder's tests out where they cannot run, unless they must."""
    if not _OBSTACLE or _REQUIRED:
        return
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    config.stash[_left_out] = len(ours)
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if not item.path.is_relative_to(_HERE)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not run."""
    if count := terminalreporter.config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"NOT RUN: {count} tests of tests/cluster (SSH, Slurm and MPI on real hosts): "
            f"{_OBSTACLE}"
        )


@pytest.fixture(scope="module")
def bed_of_module(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The module's cluster; tests use `cluster`."""
    if _OBSTACLE:
        pytest.fail(f"the test cluster is required and cannot be had: {_OBSTACLE}", pytrace=False)
    cluster = Cluster.up(getattr(request.module, "CLUSTER", Options()))
    yield cluster
    cluster.down()


@pytest.fixture
def cluster(bed_of_module: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Real hosts, all well; what a test breaks is mended when it ends."""
    cluster = bed_of_module
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    cluster.shared = cluster.bed.shared / name
    shutil.rmtree(cluster.shared, ignore_errors=True)
    cluster.shared.mkdir(mode=0o755)
    yield cluster
    try:
        cluster.finish_test()
    except BaseException:
        # this test is to blame, not the next one
        cluster.renew()
        raise


@pytest.fixture
def shared(cluster: Cluster) -> Path:
    """An empty folder that every host sees, this test's own."""
    return cluster.shared


@pytest.fixture
def rankdeck(cluster: Cluster) -> Iterator[RankdeckAtLogin]:
    """The command on the login node; no process of its runs may be left on any host."""
    home = cluster.shared / "state"
    env = {"RANKDECK_HOME": str(home), "RANKDECK_DEBUG": ""}
    command = RankdeckAtLogin(home, env, cluster=cluster)
    yield command
    cluster.restore()
    try:
        command.end_everything()
    finally:
        command.kill_leftovers()


@pytest.fixture
def programs(shared: Path) -> Path:
    """A project folder with stand-in training programs: `trainer.py` and `ddp.py`."""
    return Path(shutil.copytree(_HERE / "programs", shared / "project"))
