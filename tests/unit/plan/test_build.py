from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rankdeck.errors import InvalidJobError
from rankdeck.job.spec import JobSpec, PassAs
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan, ranks_on
from rankdeck.plan.records import LaunchPlan, RunIdentity, Spawn

HOSTILE = (
    "$(touch /tmp/x)", "`id`", "it's \"quoted\"", "two\nlines\r\n", " spaces ", "中文 \U0001f600",
    "", "-x", "--", "*", "~", "\\", "\t\x1b[31m",
)  # fmt: skip
HERE = (Node(name="here", cpus=8),)


def spec(**changes: Any) -> JobSpec:
    job = JobSpec(name="a", entry="/p/src/train.py", project="/p", python="/env/bin/python")
    return msgspec.structs.replace(job, **changes)


def plan(*nodes: Node, **changes: Any) -> LaunchPlan:
    return build_plan(spec(**changes), nodes or HERE, RunIdentity(id="r-1", dir="/runs/r-1"))


def test_one_node() -> None:
    made = plan(nproc_per_node=2)
    (node,) = made.nodes
    assert node.env == {
        "DATASET_DIR": "/p/dataset", "MASTER_ADDR": "127.0.0.1", "MODEL_DIR": "/p/model",
        "NNODES": "1", "NODE_RANK": "0", "NPROC_PER_NODE": "2", "OUTPUT_DIR": "/p/output/r-1",
        "PROJECT_DIR": "/p", "SCRIPT_DIR": "/p/src",
    }  # fmt: skip
    assert (node.cwd, node.python, node.first_rank, node.nproc) == ("/p", "/env/bin/python", 0, 2)
    assert (made.world_size, made.nproc_per_node, made.master_port) == (2, 2, 0)
    assert (made.run_id, made.output_dir, made.project) == ("r-1", "/p/output/r-1", "/p")
    assert (made.entry, made.requires_module) == ("/p/src/train.py", "torch.distributed.run")


def test_nodes_are_numbered_in_the_order_given_and_may_be_unequal() -> None:
    nodes = (Node(name="b", address="10.0.0.2", gpus=2), Node(name="a", gpus=1))
    made = plan(*nodes, nproc_per_node="gpu", master_port=29501)
    facts = [(n.name, n.address, n.node_rank, n.first_rank, n.nproc) for n in made.nodes]
    assert facts == [("b", "10.0.0.2", 0, 0, 2), ("a", "a", 1, 2, 1)]
    assert (made.world_size, made.nproc_per_node, made.master_addr) == (3, 2, "10.0.0.2")
    for node in made.nodes:
        assert node.env["MASTER_ADDR"] == "10.0.0.2"
        assert node.env["MASTER_PORT"] == "29501"
        assert node.env["NNODES"] == "2"
    assert plan(*nodes, master_addr="ib0").master_addr == "ib0"


def test_the_same_job_gives_the_same_bytes_whatever_the_order_of_its_mappings() -> None:
    names = [f"h{index}" for index in range(20)]
    forward = {name: name for name in names}
    backward = {name: name for name in reversed(names)}
    encoded = {
        msgspec.json.encode(plan(hyperparameters=values, env={"Z": "1", "A": "2"} | more))
        for values in (forward, backward)
        for more in ({}, {"A": "2"})
        for _ in range(3)
    }
    assert len(encoded) == 1
    assert msgspec.json.decode(encoded.pop(), type=LaunchPlan) == plan(
        hyperparameters=forward, env={"Z": "1", "A": "2"}
    )


def test_the_same_job_gives_the_same_bytes_in_another_process() -> None:
    import os
    import subprocess
    import sys

    code = (
        "import msgspec, sys\n"
        "from rankdeck.job.spec import JobSpec\n"
        "from rankdeck.nodes.node import Node\n"
        "from rankdeck.plan.build import build_plan\n"
        "values = {name: name for name in sys.argv[1:]}\n"
        "job = JobSpec(name='a', entry='/p/t.py', project='/p', hyperparameters=values,\n"
        "              env={'MY_TOKEN': '1', 'A_KEY': '2', 'B_KEY': '3'})\n"
        "sys.stdout.buffer.write(msgspec.json.encode(build_plan(job, (Node(name='n'),))))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, *names], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True,
        ).stdout
        for seed, names in (("1", ("a", "b", "c")), ("2", ("c", "a", "b")))
    }  # fmt: skip
    assert len(outputs) == 1


@pytest.mark.parametrize("value", HOSTILE)
def test_values_reach_the_plan_unchanged(value: str) -> None:
    made = plan(hyperparameters={"h": value}, env={"e": value}, args=(value,), pass_as=PassAs.BOTH)
    stored = msgspec.json.decode(msgspec.json.encode(made), type=LaunchPlan)
    (node,) = stored.nodes
    assert (node.env["h"], node.env["e"]) == (value, value)
    assert node.argv[-3:] == (value, "--h", value)


@pytest.mark.parametrize(
    ("way", "in_env", "in_argv"),
    [(PassAs.ENV, True, False), (PassAs.ARGS, False, True), (PassAs.BOTH, True, True)],
)
def test_hyperparameters_go_where_they_are_wanted(way: PassAs, in_env: bool, in_argv: bool) -> None:
    made = plan(hyperparameters={"lr": "1", "b": "2"}, pass_as=way, args=("own",))
    (node,) = made.nodes
    assert ("lr" in node.env) is in_env
    assert (node.argv[-5:] == ("own", "--b", "2", "--lr", "1")) is in_argv
    assert made.hyperparameters == {"lr": "1", "b": "2"}


def test_env_wins_over_nothing_of_the_contract_by_accident() -> None:
    (node,) = plan(env={"NCCL_DEBUG": "INFO"}).nodes
    assert node.env["NCCL_DEBUG"] == "INFO"


@pytest.mark.parametrize(("entry", "stored"), [("/p/tool", "/p/tool"), ("hostname", None)])
def test_a_direct_job_is_started_rank_by_rank(entry: str, stored: str | None) -> None:
    made = plan(launcher="direct", entry=entry, nproc_per_node=3)
    assert made.spawn is Spawn.RANKS
    assert made.nodes[0].argv == (entry,)
    assert made.entry == stored
    assert made.requires_module is None


def test_no_directory_of_the_contract_is_ever_empty() -> None:
    (node,) = plan(launcher="direct", entry="hostname").nodes
    assert all(value for name, value in node.env.items() if name.endswith("_DIR"))


def test_secrets_are_listed_by_name() -> None:
    made = plan(env={"HF_TOKEN": "x", "A": "1"}, hyperparameters={"api_key": "y", "lr": "1"})
    assert made.redacted == ("HF_TOKEN", "api_key")


@pytest.mark.parametrize(
    ("node", "wanted", "count"),
    [
        (Node(name="n"), 4, 4),
        (Node(name="n", gpus=2, cpus=8), "gpu", 2),
        (Node(name="n", gpus=2, cpus=8), "auto", 2),
        (Node(name="n", gpus=2, cpus=8), "cpu", 8),
        (Node(name="n", cpus=8), "auto", 8),
        (Node(name="n", cpus=8, slots=4), "auto", 4),
        (Node(name="n", slots=4), 4, 4),
        (Node(name="n", slots=4), "auto", 4),
        (Node(name="n", slots=4), "gpu", 4),
        (Node(name="n", gpus=8, slots=2, devices=(1, 5)), "gpu", 2),
        (Node(name="n", gpus=2, cpus=8, slots=4), "gpu", 2),
    ],
)
def test_ranks_of_a_node(node: Node, wanted: int | str, count: int) -> None:
    assert ranks_on(node, wanted) == count


@pytest.mark.parametrize(
    ("node", "wanted", "said"),
    [
        (Node(name="n", cpus=8), "gpu", "no GPU was found"),
        (Node(name="n"), "cpu", "the number of CPUs is not known"),
        (Node(name="n", slots=4), 5, "only 4 slots"),
    ],
)
def test_what_a_node_cannot_hold_is_told(node: Node, wanted: int | str, said: str) -> None:
    with pytest.raises(InvalidJobError, match=said) as caught:
        plan(node, nproc_per_node=wanted)
    assert "(node n)" in str(caught.value)


def test_a_node_sees_only_its_devices_unless_the_job_says_otherwise() -> None:
    nodes = (Node(name="a", slots=2, devices=(0, 3)), Node(name="b", slots=4))
    made = plan(*nodes, nproc_per_node="auto")
    assert [node.nproc for node in made.nodes] == [2, 4]
    assert made.nodes[0].env["CUDA_VISIBLE_DEVICES"] == "0,3"
    assert "CUDA_VISIBLE_DEVICES" not in made.nodes[1].env
    (first, _) = plan(*nodes, env={"CUDA_VISIBLE_DEVICES": "7"}).nodes
    assert first.env["CUDA_VISIBLE_DEVICES"] == "7"


def test_a_node_keeps_how_it_is_reached() -> None:
    nodes = (Node(name="a", user="bob", port=2222), Node(name="b", address="10.0.0.2"))
    facts = [(node.user, node.port, node.address) for node in plan(*nodes).nodes]
    assert facts == [("bob", 2222, "a"), ("", 0, "10.0.0.2")]
    made = plan(*nodes)
    assert {(node.entry, node.output_dir) for node in made.nodes} == {
        ("/p/src/train.py", "/p/output/r-1")
    }


def test_where_an_inventory_named_a_node_does_not_change_the_plan() -> None:
    assert plan(Node(name="a", origin="/h:1")) == plan(Node(name="a", origin="--host"))


def test_every_node_that_does_not_fit_is_told() -> None:
    with pytest.raises(InvalidJobError) as caught:
        plan(Node(name="a"), Node(name="b"), nproc_per_node="gpu", nnodes=3)
    assert len(caught.value.problems) == 3
    with pytest.raises(InvalidJobError, match="no node to run on"):
        build_plan(spec(), ())
