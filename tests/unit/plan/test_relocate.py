from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rankdeck.job.spec import JobSpec
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import LaunchPlan, NodePlan, RunIdentity
from rankdeck.plan.relocate import relocate_path

HERE, THERE = "/home/me/p", "/tmp/copy"


def plans(*nodes: Node, **changes: Any) -> LaunchPlan:
    spec = JobSpec(
        name="a", entry=f"{HERE}/src/train.py", project=HERE, python="/env/bin/python",
        args=(f"--config={HERE}/c.yaml", "--out", HERE, f"{HERE}-old/x", "a=/home/me/p/x"),
        env={"PYTHONPATH": f"{HERE}/src:/lib:{HERE}", "NOTE": f"see {HERE}/x", "OLD": f"{HERE}2"},
    )  # fmt: skip
    return build_plan(msgspec.structs.replace(spec, **changes), nodes, RunIdentity(id="r", dir="d"))


def elsewhere(**changes: Any) -> NodePlan:
    (node,) = plans(Node(name="n", project=THERE), **changes).nodes
    return node


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (HERE, THERE), (f"{HERE}/", f"{THERE}/"), (f"{HERE}/a/b", f"{THERE}/a/b"),
        (f"{HERE}2", f"{HERE}2"), ("/home/me", "/home/me"), ("", ""), ("p", "p"),
    ],
)  # fmt: skip
def test_a_path_of_the_project_moves_with_it(path: str, expected: str) -> None:
    assert relocate_path(path, HERE, THERE) == expected
    assert relocate_path(path, f"{HERE}/", f"{THERE}/") == expected


def test_a_project_may_lie_at_the_root() -> None:
    assert relocate_path("/p/a", "/p", "/") == "/a"
    assert relocate_path("/p", "/p", "/") == "/"


def test_everything_of_the_project_is_where_it_lies_on_the_node() -> None:
    node = elsewhere()
    assert (node.cwd, node.entry) == (THERE, f"{THERE}/src/train.py")
    assert node.output_dir == f"{THERE}/output/r"
    assert {name: node.env[name] for name in node.env if name.endswith("_DIR")} == {
        "PROJECT_DIR": THERE, "SCRIPT_DIR": f"{THERE}/src", "DATASET_DIR": f"{THERE}/dataset",
        "MODEL_DIR": f"{THERE}/model", "OUTPUT_DIR": f"{THERE}/output/r",
    }  # fmt: skip
    assert node.argv[-6:] == (
        f"{THERE}/src/train.py", f"--config={THERE}/c.yaml", "--out", THERE, f"{HERE}-old/x",
        "a=/home/me/p/x",
    )  # fmt: skip
    assert node.env["PYTHONPATH"] == f"{THERE}/src:/lib:{THERE}"
    assert (node.env["NOTE"], node.env["OLD"]) == (f"see {HERE}/x", f"{HERE}2")


def test_what_lies_outside_the_project_stays() -> None:
    node = elsewhere(dataset_dir="/data", output_dir="/scratch/out")
    assert (node.env["DATASET_DIR"], node.output_dir) == ("/data", "/scratch/out")
    assert (node.env["OUTPUT_DIR"], node.python) == ("/scratch/out", "/env/bin/python")


def test_an_interpreter_in_the_project_moves_with_it() -> None:
    node = elsewhere(python=f"{HERE}/.venv/bin/python")
    assert node.python == node.argv[0] == f"{THERE}/.venv/bin/python"


def test_only_the_node_that_says_so_differs() -> None:
    plan = plans(Node(name="a"), Node(name="b", project=THERE))
    assert [node.cwd for node in plan.nodes] == [HERE, THERE]
    assert (plan.project, plan.output_dir) == (HERE, f"{HERE}/output/r")
    assert plans(Node(name="a", project=HERE)) == plans(Node(name="a"))


def test_a_program_of_the_path_has_no_entry() -> None:
    assert elsewhere(launcher="direct", entry="hostname").entry is None
