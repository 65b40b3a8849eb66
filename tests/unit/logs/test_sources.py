from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.errors import ExitCode, UserError
from rankdeck.logs.sources import attempts, node_logs, rank_logs
from rankdeck.plan.records import LaunchPlan, NodePlan, Spawn
from rankdeck.run.layout import RunDir

if TYPE_CHECKING:
    from pathlib import Path


def node(name: str, node_rank: int, first_rank: int, nproc: int) -> NodePlan:
    return NodePlan(
        name=name,
        address=name,
        node_rank=node_rank,
        nproc=nproc,
        first_rank=first_rank,
        argv=("true",),
        env={},
        cwd="/",
        python="python3",
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "a-run")
    run.path.mkdir()
    plan = LaunchPlan(
        run_id=run.id,
        name="a",
        backend="local",
        launcher="direct",
        spawn=Spawn.RANKS,
        world_size=3,
        nproc_per_node=2,
        master_addr="127.0.0.1",
        master_port=0,
        nodes=(node("n0", 0, 0, 2), node("n1", 1, 2, 1)),
        output_dir="/tmp",
        grace=1.0,
        time_limit=None,
        max_restarts=3,
        hooks=True,
        hyperparameters={},
    )
    run.plan.write_bytes(msgspec.json.encode(plan))
    return run


def test_every_planned_rank_has_a_log_wherever_it_is(run: RunDir) -> None:
    logs = rank_logs(run)
    assert [(log.rank, log.node, log.local_rank, log.attempt) for log in logs] == [
        (0, "n0", 0, 0),
        (1, "n0", 1, 0),
        (2, "n1", 0, 0),
    ]
    assert logs[2].path == run.nodes / "n1" / "attempt-0" / "rank-2.log"
    assert logs[2].times == run.nodes / "n1" / "attempt-0" / "rank-2.times"


def test_the_newest_attempt_unless_another_is_asked_for(run: RunDir) -> None:
    for number in (0, 9, 10):
        run.node("n1").attempt(number).path.mkdir(parents=True)
    (run.nodes / "n1" / "attempt-x").mkdir()
    assert attempts(run) == (0, 9, 10)
    assert rank_logs(run)[0].attempt == 10
    assert rank_logs(run, 9)[0].path.parent.name == "attempt-9"


def test_nodes_have_logs_of_their_own(run: RunDir) -> None:
    assert [(log.node, log.launcher.name) for log in node_logs(run)] == [
        ("n0", "launcher.log"),
        ("n1", "launcher.log"),
    ]


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        rank_logs(RunDir(tmp_path / "nothing"))
    assert caught.value.exit_code is ExitCode.NO_RUN
