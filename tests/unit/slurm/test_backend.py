"""The nodes a job is planned for, and what can be known to be lacking before it is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner

from backends.slurm.backend import SlurmBackend
from backends.slurm.checks import what_is_lacking
from backends.slurm.placement import first_placement, plan_placement
from backends.slurm.script import Placement
from backends.slurm.settings import read_settings
from rankdeck.cli.main import cli
from rankdeck.errors import InvalidJobError
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.sinfo import SlurmNode
from rankdeck.plan.bind import bind_plan
from rankdeck.plan.build import build_plan
from rankdeck.run.layout import RunDir

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.nodes.node import Node

ALLOCATION = {
    "SLURM_JOB_ID": "77",
    "SLURM_JOB_NODELIST": "node[1-3]",
    "SLURM_JOB_CPUS_PER_NODE": "8(x3)",
    "SLURM_GPUS_PER_NODE": "2",
}


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOCATION:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def inside(outside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALLOCATION.items():
        monkeypatch.setenv(name, value)


def spec(**fields: object) -> JobSpec:
    known: dict[str, object] = {
        "name": "job", "entry": "/p/train.py", "project": "/p", "backend": "slurm",
    }  # fmt: skip
    return msgspec.convert({**known, **fields}, JobSpec)


def nodes(**fields: object) -> tuple[Node, ...]:
    return SlurmBackend().nodes(spec(**fields))


def names(**fields: object) -> list[str]:
    return [node.name for node in nodes(**fields)]


def refused(**fields: object) -> str:
    with pytest.raises(InvalidJobError) as caught:
        nodes(**fields)
    return str(caught.value)


def test_placeholders_stand_for_what_slurm_will_choose() -> None:
    found = nodes(nnodes=2, backend_options={"gres": "gpu:4"})
    assert [(node.name, node.placeholder, node.gpus) for node in found] == [
        ("slurm-0", True, 4),
        ("slurm-1", True, 4),
    ]
    assert names() == ["slurm-0"]


def test_named_nodes_are_those(monkeypatch: pytest.MonkeyPatch) -> None:
    found = nodes(include="node[3-4],node1")
    assert [node.name for node in found] == ["node3", "node4", "node1"]
    assert not any(node.placeholder for node in found)
    assert names(host=("a", "b"), nnodes=1) == ["a"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"include": "node1", "nnodes": 2}, "2 nodes are wanted, but only 1 are named"),
        ({"include": "node1:0,1"}, "--gpus-per-node"),
        ({"include": "node1,node1"}, "twice"),
        ({"exclude": "node[1-"}, "--exclude"),
        ({"hostfile": "/p/hosts"}, "use --include"),
        ({"backend_options": {"time": "soon"}}, "--time: is not a time"),
    ],
)
def test_what_cannot_be_meant(fields: dict[str, object], said: str) -> None:
    assert said in refused(**fields)


@pytest.mark.usefixtures("inside")
def test_an_allocation_s_nodes_are_real_ones() -> None:
    found = nodes(nnodes=2)
    assert [(n.name, n.gpus, n.cpus, n.placeholder) for n in found] == [
        ("node1", 2, 8, False),
        ("node2", 2, 8, False),
    ]
    assert names(exclude="node2") == ["node1", "node3"]
    assert names(host=("node3",)) == ["node3"]
    assert "node9" in refused(include="node9")


def test_the_request_is_kept_when_the_plan_is_bound(tmp_path: Path) -> None:
    job = spec(nnodes=2, exclude="node3", backend_options={"partition": "gpu"})
    plan = build_plan(job, SlurmBackend().nodes(job))
    run = RunDir(tmp_path / "runs" / "r")
    run.path.mkdir(parents=True)
    first = plan_placement(plan, run, {}, 0)
    assert (first.nodelist, first.exclude, first.settings.partition) == ((), "node3", "gpu")
    bound = bind_plan(plan, (("node1", "node1"), ("node2", "node2")))
    assert plan_placement(bound, run, {}, 1) == msgspec.structs.replace(first, attempt=1)
    assert first_placement(bound, run, {}, 1).nodelist == ("node1", "node2")


@pytest.mark.usefixtures("inside")
def test_a_plan_for_an_allocation_stays_in_it(tmp_path: Path) -> None:
    job = spec(nnodes=2)
    plan = build_plan(job, SlurmBackend().nodes(job))
    run = RunDir(tmp_path / "runs" / "r")
    placement = first_placement(plan, run, ALLOCATION, 0)
    assert (placement.inside, placement.nodelist) == ("77", ("node1", "node2"))
    assert not placement.batch


def lacking(nnodes: int = 2, nproc: int = 1, **options: str | int | bool) -> str:
    there = tuple(
        SlurmNode(name=f"n{i}", partitions=("debug",) if i < 3 else ("debug", "gpu"),
                  state="drain", cpus=8, gpus=0 if i < 3 else 4)
        for i in range(4)
    )  # fmt: skip
    placement = Placement(
        run_id="r", attempt=0, name="n", nodes=nnodes, nproc=nproc, python="", bundle="",
        settings=read_settings(options),
    )  # fmt: skip
    return what_is_lacking(there, placement)


def test_what_is_lacking_is_said_in_numbers() -> None:
    assert lacking(nnodes=5) == "5 nodes are wanted, the cluster has 4"
    assert lacking(partition="gpu") == "2 nodes are wanted, partition gpu has 1"
    assert "2 nodes with 4 GPUs are wanted, the cluster has 1" in lacking(gpus_per_node=4)
    assert "at most 8" in lacking(nproc=9)


def test_nodes_that_are_down_now_lack_nothing() -> None:
    assert lacking(nnodes=4) == ""
    assert lacking(nnodes=1, gpus_per_node=4, partition="gpu") == ""
    assert lacking(nproc=9, exclusive=True) == ""


def test_the_batch_script_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKDECK_HOME", str(tmp_path / "home"))
    (tmp_path / "train.py").write_text("print('hello')\n")
    options = ["--sbatch", "--backend", "slurm", "--nnodes", "3", "--partition", "gpu"]
    done = CliRunner().invoke(cli, ["export", str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("#!/bin/sh\n#SBATCH --job-name=")
    assert "#SBATCH --nodes=3\n" in done.output
    assert "#SBATCH --partition=gpu\n" in done.output
    refusal = CliRunner().invoke(cli, ["export", str(tmp_path), "--sbatch"])
    assert refusal.exit_code != 0
