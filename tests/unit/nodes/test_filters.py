from __future__ import annotations

from typing import Any

import pytest

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.nodes.filters import filter_nodes
from rankdeck.nodes.node import Node
from tests.unit.nodes.conformance import case_id, cases

Kept = list[tuple[str, list[int] | None]]

REFUSED = None
ALL = [0, 1, 2, 3]
DIFFERENT: dict[str, tuple[Kept | None, str]] = {
    "ca-filter-06": (REFUSED, "no node is left: the peer would run on this machine instead"),
    "ca-filter-10": ([(f"worker-{n}", None) for n in range(3)], "empty is not given"),
    "ca-filter-12": ([("worker-0", None), ("worker-1", None)], "blanks do not matter"),
    "ca-filter-13": (REFUSED, "a duplicate"),
    "ca-filter-15": ([("worker-0", None), ("worker-1", None)], "DeepSpeed's separator"),
    "ca-filter-16": ([("worker-0", [0])], "a slot list"),
    "ca-filter-18": ([(f"worker-{n}", None) for n in range(3)], "empty is not given"),
    "ca-filter-19": ([(f"worker-{n}", None) for n in range(3)], "empty is not given"),
    "ds-filter-22": (REFUSED, "a duplicate: the peer takes slot 1 and forgets the rest"),
    "ds-filter-26": ([("worker-0", [0, 1, 2])], "slots have ranges too"),
    "ds-filter-27": ([("worker-0", ALL), ("worker-1", ALL)], "the separator of `colossalai run`"),
    "ds-filter-28": ([("worker-0", [0]), ("worker-1", [1])], "slots behind either separator"),
    "ds-filter-29": ([("worker-0", ALL), ("worker-1", ALL)], "blanks do not matter"),
    "ds-filter-36": ([("worker-0", ALL)], "blanks do not matter"),
    "ds-filter-37": (REFUSED, "no node is left"),
    "ds-filter-38": (REFUSED, "a duplicate slot"),
    "ds-filter-39": (REFUSED, "a duplicate: the peer takes slot 1 only"),
    "ds-filter-40": (REFUSED, "a duplicate: the peer takes slot 1 only"),
}


def nodes_of(hosts: list[str] | dict[str, list[int]]) -> list[Node]:
    if isinstance(hosts, list):
        return [Node(name=name) for name in hosts]
    return [Node(name=name, slots=len(slots)) for name, slots in hosts.items()]


def kept(nodes: tuple[Node, ...]) -> Kept:
    return [
        (node.name, list(node.devices) or (list(range(node.slots)) if node.slots else None))
        for node in nodes
    ]


def theirs(case: Any) -> Kept | None:
    if "refused" in case["expect"]:
        return REFUSED
    found = case["expect"]["ok"]
    return [(name, None) for name in found] if isinstance(found, list) else list(found.items())


@pytest.mark.parametrize("case", cases("filters"), ids=case_id)
def test_filters_of_other_launchers_mean_what_they_mean_there(case: Any) -> None:
    expected = theirs(case)
    if case["id"] in DIFFERENT:
        expected = DIFFERENT[case["id"]][0]
        assert expected != theirs(case)
    given = case["input"]
    try:
        found = kept(filter_nodes(nodes_of(given["hosts"]), given["include"], given["exclude"]))
    except InvalidJobError:
        found = REFUSED
    assert found == expected


LISTED = tuple(
    Node(name=f"n{number:02}", slots=4, origin=f"/p/hostfile:{number}") for number in range(1, 6)
)


def groups(name: str) -> tuple[str, ...]:
    if name == "no":
        raise ValueError("cannot be looked up: there is no such group")
    return {"gpu": ("n04", "n02"), "far": ("x1", "x2"), "half": ("n05", "x1")}[name]


def names(include: str | None, exclude: str | None = None) -> list[str]:
    return [node.name for node in filter_nodes(LISTED, include, exclude, groups)]


def told(include: str | None, exclude: str | None = None) -> tuple[Problem, ...]:
    with pytest.raises(InvalidJobError) as caught:
        filter_nodes(LISTED, include, exclude, groups)
    return caught.value.problems


@pytest.mark.parametrize(
    ("include", "left"),
    [
        ("n03,n01", ["n03", "n01"]),
        ("n03@n01", ["n01", "n03"]),
        ("n[04-05,01]", ["n04", "n05", "n01"]),
        ("n[04-05,01],n02", ["n04", "n05", "n01", "n02"]),
        ("n[04-05,01]@n02", ["n01", "n02", "n04", "n05"]),
        ("@gpu", ["n04", "n02"]),
        ("n05,@gpu", ["n05", "n04", "n02"]),
        ("@gpu@n05", ["n02", "n04", "n05"]),
        ("@half", ["n05"]),
    ],
)
def test_a_comma_keeps_the_order_given_and_an_at_sign_the_inventorys(
    include: str, left: list[str]
) -> None:
    assert names(include) == left


def test_what_is_left_out_keeps_the_inventorys_order() -> None:
    assert names(None, "n03,n01") == ["n02", "n04", "n05"]
    assert names(None, "@half,n01") == ["n02", "n03", "n04"]
    assert names(None) == [node.name for node in LISTED]


def test_slots_become_devices_and_are_counted() -> None:
    (first, second) = filter_nodes(LISTED, "n02:3,0,n01:0-1,3", None)
    assert (first.name, first.devices, first.slots) == ("n02", (0, 3), 2)
    assert (second.name, second.devices, second.slots) == ("n01", (0, 1, 3), 3)
    assert first.origin == "/p/hostfile:2"
    left = filter_nodes(LISTED, None, "n01:0@n02:0,1,2,3@n03")
    assert [(node.name, node.devices, node.slots) for node in left] == [
        ("n01", (1, 2, 3), 3), ("n04", (), 4), ("n05", (), 4),
    ]  # fmt: skip


def test_slots_of_ranges_and_groups_go_to_every_host() -> None:
    assert kept(filter_nodes(LISTED, "n[01-02]:1", None)) == [("n01", [1]), ("n02", [1])]
    assert kept(filter_nodes(LISTED, "@gpu:0,2", None, groups)) == [
        ("n04", [0, 2]), ("n02", [0, 2]),
    ]  # fmt: skip


def test_slots_count_as_given_where_the_inventory_does_not_say_how_many_there_are() -> None:
    unknown = (Node(name="a", origin="--host"), Node(name="b", gpus=2))
    assert filter_nodes(unknown, "a:5,7", None)[0].devices == (5, 7)
    assert filter_nodes(unknown, None, "b:0")[1].devices == (1,)
    with pytest.raises(InvalidJobError, match=r"host b has no slot 2: it has slots 0 to 1"):
        filter_nodes(unknown, "b:2", None)
    with pytest.raises(InvalidJobError, match=r"slots of host a \(--host\): how many it has is"):
        filter_nodes(unknown, None, "a:0")


def test_an_address_of_ipv6_keeps_its_colons() -> None:
    nodes = (Node(name="fe80::1", slots=4), Node(name="n1", slots=2))
    assert kept(filter_nodes(nodes, "n1,fe80::1", None)) == [("n1", [0, 1]), ("fe80::1", ALL)]
    assert kept(filter_nodes(nodes, "[fe80::1]:0,2@n1:1", None)) == [
        ("fe80::1", [0, 2]), ("n1", [1]),
    ]  # fmt: skip


def test_a_host_may_be_called_like_a_number() -> None:
    nodes = (Node(name="1"), Node(name="2"))
    assert kept(filter_nodes(nodes, "2,1", None)) == [("2", None), ("1", None)]


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("n09", "host 'n09' is not in /p/hostfile"),
        ("N01", "host 'N01' is not in /p/hostfile"),
        ("n01,n01", "names host n01 (/p/hostfile:1) twice"),
        ("n[01-02],n02", "names host n02 (/p/hostfile:2) twice"),
        ("n01:4", "host n01 (/p/hostfile:1) has no slot 4: it has slots 0 to 3"),
        ("n01:0,0", "names a slot of n01 twice"),
        ("n01:0-2,1", "names a slot of n01 twice"),
        ("n01:2-1", "a bad range of slots: 2-1"),
        ("n01:0-999999", "a bad range of slots"),
        ("n01:", "where a slot's number belongs"),
        ("n01:gpu", "'gpu' where a slot's number belongs"),
        ("n01:0,", "has an empty entry"),
        ("n01,", "has an empty entry"),
        (",n01", "has an empty entry"),
        ("n01@", "has an empty entry"),
        ("@", "has an empty entry"),
        ("n*", "'n*' is not a host name"),
        ("-x", "'-x' is not a host name"),
        ("n[01-", "a bracket without its partner"),
        ("n01,n02@n03", "joins hosts both with , and with @"),
        ("@no", "'@no' cannot be looked up"),
        ("@far", "no host of group @far is in /p/hostfile"),
    ],
)
def test_a_wrong_filter_names_the_option_and_the_host(include: str, said: str) -> None:
    for option, problems in (("include", told(include)), ("exclude", told(None, include))):
        assert said in problems[0].message
        assert (problems[0].key, problems[0].field) == (f"--{option}", option)


def test_every_wrong_host_is_told_at_once() -> None:
    problems = told("x1,n01:9,n02,n02")
    assert len(problems) == 3
    assert problems[0].hint == "it has n01, n02, n03, n04, n05"


def test_a_long_inventory_is_not_listed() -> None:
    many = tuple(Node(name=f"node{number}") for number in range(100))
    with pytest.raises(InvalidJobError, match=r"in the list of nodes \(did you mean node9"):
        filter_nodes(many, "node9x", None)


def test_a_filter_that_leaves_nothing_is_an_error() -> None:
    (problem,) = told(None, "n[01-05]")
    assert str(problem) == "--exclude: leaves none of the 5 nodes in /p/hostfile"


def test_both_options_at_once_are_refused() -> None:
    (problem,) = told("n01", "n02")
    assert str(problem) == "--exclude: cannot be used together with --include: give one of them"
