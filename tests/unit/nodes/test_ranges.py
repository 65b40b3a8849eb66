from __future__ import annotations

from typing import Any

import pytest
from ClusterShell.NodeSet import NodeSet

from rankdeck.nodes.ranges import expand_hosts, split_outside_brackets
from tests.unit.nodes.conformance import case_id, cases

PATTERNS = (
    "node[01-16,20]", "node[1-2]-ib0", "a[1-2]b[3-4]", "n[08-11]", "10.0.0.[1-3]", "n[1-10/2]",
    "r[1-2]n[01,5-6]-x[0]", "x[1-2].example.org", "n[0001-0003]", "n7",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_hosts_are_those_of_a_nodeset(pattern: str) -> None:
    assert sorted(expand_hosts(pattern)) == sorted(NodeSet(pattern))


def test_the_order_is_the_one_written() -> None:
    assert expand_hosts("n[9-10,1]") == ("n9", "n10", "n1")
    assert expand_hosts("b[2,1]a[2-3]") == ("b2a2", "b2a3", "b1a2", "b1a3")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("n[001-3]", "padding"),
        ("n[3-1]", "goes backward"),
        ("n[1-3", "without its partner"),
        ("n1-3]", "without its partner"),
        ("n[[1]]", "without its partner"),
        ("n[ 1]", "where a number or a range"),
        ("n[1-2]^", "is not a host name"),
        ("-n[1-2]", "is not a host name"),
        (".n[1-2]", "is not a host name"),
        ("[1-2]/", "is not a host name"),
        ("n" * 300, "is not a host name"),
        ("n[0-65536]", "stands for 65537 hosts"),
        ("n[0-999999999999999]", "stands for 1000000000000000 hosts"),
    ],
)
def test_a_wrong_pattern_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        expand_hosts(pattern)


def test_a_list_is_split_between_ranges_only() -> None:
    assert split_outside_brackets("n[1,3], m ,x[2]", ",") == ["n[1,3]", "m", "x[2]"]


@pytest.mark.parametrize("case", cases("host_ranges"), ids=case_id)
def test_lists_of_pdsh_are_read_alike(case: Any) -> None:
    refused = case["id"] in {"pdsh-08", "pdsh-10", "pdsh-11"} or "refused" in case["expect"]
    # kept as names there: a bracket left open, a user, a letter no host has
    try:
        parts = split_outside_brackets(case["input"], ",")
        found: list[str] | None = [host for part in parts for host in expand_hosts(part)]
    except ValueError:
        found = None
    assert found == (None if refused else case["expect"]["ok"].split(","))
