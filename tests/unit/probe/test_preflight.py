from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.probe.preflight import (
    Finding,
    Level,
    node_findings,
    quick_findings,
    ranks_text,
)
from rankdeck.probe.verdict import NodeCheck, NodeFacts

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan


def _planned(
    project: Path, nodes: tuple[Node, ...] = (Node(name="a"),), **given: object
) -> tuple[JobSpec, LaunchPlan]:
    (project / "train.py").write_text("")
    draft = JobDraft(project=str(project), launcher="direct", **given)  # type: ignore[arg-type]
    spec = resolve_job(None, msgspec.structs.replace(draft, entry="train.py"), project, os.environ)
    return spec, build_plan(spec, nodes)


def _facts(**given: object) -> NodeFacts:
    usual: dict[str, object] = {
        "host": "h",
        "python": "/p",
        "version": "3.11.7",
        "torch": "2.4.0",
        "cpus": 8,
        "gpus": 8,
        "free": 1 << 40,
        "missing": (),
        "clock": 0.0,
        "output_free": 5 << 30,
        "busy_gpus": 0,
    }
    return NodeFacts(**{**usual, **given})  # type: ignore[arg-type]


def test_ranks_are_told_as_a_product_where_they_are_one(tmp_path: Path) -> None:
    nodes = (Node(name="a"), Node(name="b"))
    assert ranks_text(_planned(tmp_path, nodes, nproc_per_node=8)[1]) == "2 nodes × 8 = 16 ranks"
    assert ranks_text(_planned(tmp_path)[1]) == "1 node × 1 = 1 rank"
    uneven = (Node(name="a", slots=2), Node(name="b", slots=3))
    _, plan = _planned(tmp_path, uneven)
    plan = msgspec.structs.replace(
        plan, nodes=(plan.nodes[0], msgspec.structs.replace(plan.nodes[1], nproc=2)), world_size=3
    )
    assert ranks_text(plan) == "2 nodes, 3 ranks"


def test_a_port_that_is_taken_here_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("", 0))
        server.listen()
        port = server.getsockname()[1]
        spec, plan = _planned(tmp_path, master_port=port)
        found = quick_findings(spec, plan)
    (error,) = (each for each in found if each.level is Level.ERROR)
    assert error.field == "master_port"
    assert f"port {port} is taken" in error.text


def test_more_ranks_than_cpus_are_a_warning(tmp_path: Path) -> None:
    cpus = len(os.sched_getaffinity(0))
    few = quick_findings(*_planned(tmp_path, nproc_per_node=1))
    assert "nproc_per_node" not in {each.field for each in few}
    many = quick_findings(*_planned(tmp_path, nproc_per_node=cpus + 1))
    assert "nproc_per_node" in {each.field for each in many if each.level is Level.WARNING}


def test_a_node_to_be_avoided_is_told_beside_the_field_that_names_it(tmp_path: Path) -> None:
    spec, plan = _planned(tmp_path, (Node(name="a"), Node(name="b")))
    spec = msgspec.structs.replace(spec, backend="ssh", host=("a", "b"))
    assert quick_findings(spec, plan, {"b": "bad [/NVLink]", "z": "?"}) == (
        Finding(level=Level.WARNING, field="host", text="avoid b: bad [/NVLink]"),
    )


def test_answers_become_findings_beside_fields_each_thing_once(tmp_path: Path) -> None:
    spec, _ = _planned(tmp_path)
    spec = msgspec.structs.replace(spec, backend="ssh", hostfile="/hosts")
    gone = NodeCheck(
        node="c", result="fails", category="ssh-timeout", failures=("c: no answer",), hint="ping c"
    )
    missing = {"/p/t.py is not there": "entry"}
    checks = [
        *(
            NodeCheck(
                node=name,
                result="fails",
                facts=_facts(),
                failures=tuple(missing),
                concerns=missing,
            )
            for name in "ab"
        ),
        gone,
    ]
    found = node_findings(spec, checks)
    told = [(each.level, each.field, each.text) for each in found]
    assert told[:2] == [
        (Level.ERROR, "entry", "a, b: /p/t.py is not there"),
        (Level.ERROR, "hostfile", "c: no answer"),
    ]
    assert found[1].hint == "ping c"
    assert (Level.OK, "python", "Python 3.11.7, torch 2.4.0") in told
    assert (Level.OK, "nproc_per_node", "8 GPUs on each node, all idle") in told
    assert (Level.OK, "output_dir", "5.0 GiB free") in told
    # nothing good is said of a field that something is wrong with
    assert not any(each.level is Level.OK and each.field in ("entry", "hostfile") for each in found)


@pytest.mark.parametrize("busy", [None, 2])
def test_gpus_are_called_idle_only_where_that_is_known(tmp_path: Path, busy: int | None) -> None:
    spec, _ = _planned(tmp_path)
    found = node_findings(spec, [NodeCheck(node="a", result="ok", facts=_facts(busy_gpus=busy))])
    (gpus,) = (each for each in found if each.field == "nproc_per_node" and "GPUs" in each.text)
    assert "idle" not in gpus.text
