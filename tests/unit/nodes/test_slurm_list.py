from __future__ import annotations

from typing import Any

import pytest

from rankdeck.nodes.slurm_list import expand_counts, expand_nodelist
from tests.unit.nodes.conformance import case_id, cases

REFUSED = None
DIFFERENT: dict[str, tuple[list[str] | None, str]] = {
    "sl-hostnames-10": (["gpu-a1-ib0", "gpu-a3-ib0"], "newer releases print such lists"),
    "sl-hostnames-13": (REFUSED, "n] is no host"),
    "sl-hostnames-20": (["x1.cluster.local", "x2.cluster.local"], "newer releases print them"),
    "sl-hostnames-26": (["a1b1c", "a1b2c", "a2b1c", "a2b2c"], "newer releases print them"),
}


@pytest.mark.parametrize("case", cases("slurm_lists", "hostnames"), ids=case_id)
def test_node_lists_are_expanded_as_scontrol_does(case: Any) -> None:
    expected = case["expect"].get("ok", REFUSED)
    if case["id"] in DIFFERENT:
        assert DIFFERENT[case["id"]][0] != expected
        expected = DIFFERENT[case["id"]][0]
    try:
        found: list[str] | None = list(expand_nodelist(case["input"]))
    except ValueError:
        found = REFUSED
    assert found == expected


@pytest.mark.parametrize("case", cases("slurm_lists", "slurm_tasks_per_node"), ids=case_id)
def test_counts_are_one_a_node(case: Any) -> None:
    assert list(expand_counts(case["input"])) == case["expect"]["ok"]


@pytest.mark.parametrize("text", ["", "a", "2(x)", "2(3)", "-1", "2,,1"])
def test_a_wrong_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="where a number such as 2"):
        expand_counts(text)


def test_the_wrong_part_of_a_list_is_named() -> None:
    with pytest.raises(ValueError, match=r"'b\[3-1\]' has a range that goes backward"):
        expand_nodelist("a,b[3-1],c")
