from __future__ import annotations

import msgspec
import pytest

from rankdeck.errors import UserError
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.node import Node
from rankdeck.plan.bind import bind_plan
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import LaunchPlan, RunIdentity


def waiting(count: int, **changes: object) -> LaunchPlan:
    spec = JobSpec(name="a", entry="/p/t.py", project="/p", python="/bin/python3", nproc_per_node=2)
    nodes = [Node(name=f"slurm-{n}", address=f"slurm-{n}", placeholder=True) for n in range(count)]
    return build_plan(msgspec.structs.replace(spec, **changes), nodes, RunIdentity(id="r"))


def real(*names: str) -> LaunchPlan:
    spec = JobSpec(name="a", entry="/p/t.py", project="/p", python="/bin/python3", nproc_per_node=2)
    nodes = [Node(name=name, address=f"{name}.ib") for name in names]
    return build_plan(spec, nodes, RunIdentity(id="r"))


def test_a_bound_plan_is_the_one_that_the_real_nodes_would_have_had() -> None:
    hosts = [("node7", "node7.ib"), ("node3", "node3.ib")]
    assert bind_plan(waiting(2), hosts) == real("node7", "node3")


def test_nodes_may_be_named_like_placeholders_of_others() -> None:
    hosts = [("slurm-1", "slurm-1.ib"), ("slurm-0", "slurm-0.ib")]
    assert bind_plan(waiting(2), hosts) == real("slurm-1", "slurm-0")


def test_a_single_node_stays_its_own_master() -> None:
    bound = bind_plan(waiting(1), [("n4", "10.0.0.4")])
    assert (bound.master_addr, bound.nodes[0].env["MASTER_ADDR"]) == ("127.0.0.1", "127.0.0.1")
    assert (bound.nodes[0].name, bound.nodes[0].address) == ("n4", "10.0.0.4")


def test_an_address_that_is_not_known_is_the_name() -> None:
    assert bind_plan(waiting(2), [("a", ""), ("b", "")]).master_addr == "a"


def test_a_master_address_of_the_users_own_stays() -> None:
    bound = bind_plan(waiting(2, master_addr="ib0.head"), [("a", "a"), ("b", "b")])
    assert bound.master_addr == "ib0.head"
    assert bound.nodes[1].env["MASTER_ADDR"] == "ib0.head"


def test_only_whole_words_and_values_are_replaced() -> None:
    plan = waiting(2, args=("slurm-0", "see slurm-0"), env={"A": "slurm-1", "B": "slurm-1:22"})
    node = bind_plan(plan, [("a", "1.1.1.1"), ("b", "2.2.2.2")]).nodes[1]
    assert node.argv[-2:] == ("1.1.1.1", "see slurm-0")
    assert (node.env["A"], node.env["B"]) == ("2.2.2.2", "slurm-1:22")


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ([("a", "")], "r is planned for 2 nodes, but was given 1 node: a"),
        ([("a", ""), ("b", ""), ("c", "")], "but was given 3 nodes: a, b, c"),
        ([("a", ""), ("a", "")], "the same node twice: a, a"),
    ],
)
def test_hosts_that_do_not_fit_are_told(hosts: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        bind_plan(waiting(2), hosts)
