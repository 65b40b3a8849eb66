"""`rankdeck rerun --exclude-bad-nodes`: the same job without the nodes that are to blame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner

from rankdeck.cli.main import cli
from rankdeck.job.dump import job_to_yaml
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity
from rankdeck.run.fold import initial_state
from rankdeck.run.layout import RunDir, rankdeck_home
from rankdeck.run.state import Failure, RunPhase
from rankdeck.run.store import RunStore

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20261121-101010-bad-abcd"
HOSTS = ("n0", "n1", "n2", "n3")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print(1)\n")
    return tmp_path


def write(project: Path, failure: Failure | None, **fields: object) -> None:
    """A run on four hosts that has failed."""
    RunStore(rankdeck_home()).ensure()
    run = RunDir(rankdeck_home() / "runs" / RUN)
    run.path.mkdir(parents=True)
    spec = msgspec.convert(
        {
            "name": "bad",
            "entry": str(project / "train.py"),
            "project": str(project),
            "launcher": "direct",
            "backend": "ssh",
            "host": list(HOSTS),
            "nproc_per_node": 1,
            **fields,
        },
        JobSpec,
    )
    nodes = tuple(Node(name=name) for name in HOSTS)
    plan = build_plan(spec, nodes, RunIdentity(id=RUN, dir=str(run.path)))
    run.plan.write_bytes(msgspec.json.encode(plan))
    run.job.write_text(job_to_yaml(spec))
    state = initial_state(plan, 0.0)
    run.state.write_bytes(
        msgspec.json.encode(
            msgspec.structs.replace(state, state=RunPhase.FAILED, failure=failure, ended=1.0)
        )
    )


def rerun(*args: str) -> tuple[list[str], str]:
    """The nodes of the new plan, and what was said."""
    done = CliRunner().invoke(cli, ["rerun", RUN, "--dry-run", "--json", *args])
    assert done.exit_code == 0, done.output + repr(done.exception)
    plan = json.loads(done.stdout)
    return [node["name"] for node in plan["nodes"]], done.stderr


LOST = Failure(rank=None, node="n2", category="unreachable", summary="n2 cannot be reached")


def test_the_node_to_blame_is_left_out_and_named(project: Path) -> None:
    write(project, LOST)
    assert rerun()[0] == list(HOSTS)
    names, said = rerun("--exclude-bad-nodes")
    assert names == ["n0", "n1", "n3"]
    assert "without n2: n2 cannot be reached" in said


def test_what_the_job_says_about_nodes_is_kept(project: Path) -> None:
    write(project, LOST, include="n3,n2,n0")
    assert rerun("--exclude-bad-nodes")[0] == ["n3", "n0"]


def test_what_the_command_line_says_counts_instead(project: Path) -> None:
    write(project, LOST, exclude="n0")
    assert rerun("--exclude-bad-nodes")[0] == ["n1", "n3"]
    assert rerun("--exclude-bad-nodes", "--exclude", "n1")[0] == ["n0", "n3"]


def test_a_program_that_fails_everywhere_blames_no_node(project: Path) -> None:
    write(project, Failure(rank=1, node="n1", category="exception", summary="ValueError: x"))
    names, said = rerun("--exclude-bad-nodes")
    assert names == list(HOSTS)
    assert "no node is to blame" in said
