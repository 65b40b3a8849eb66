from __future__ import annotations

import random

import pytest

from rankdeck.nodes.names import fold_names
from rankdeck.nodes.slurm_list import expand_nodelist


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["a"], "a"),
        (["node01"], "node01"),
        (["node01", "node02", "node03", "node07"], "node[01-03,07]"),
        (["n9", "n10", "n11"], "n[9-11]"),
        (["n09", "n10"], "n[09-10]"),
        (["n099", "n0100"], "n[099,0100]"),
        (["n3", "n2", "n1"], "n[3,2,1]"),
        (["r1-ib0", "r2-ib0", "login", "r3-ib0"], "r[1-2]-ib0,login,r3-ib0"),
        (["fe80::2", "h1"], "fe80::2,h1"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.[1-2]"),
    ],
)
def test_runs_of_numbers_are_shortened(names: list[str], folded: str) -> None:
    assert fold_names(names) == folded


def test_what_is_folded_is_read_back_in_its_order() -> None:
    dice = random.Random(7)
    for _ in range(300):
        names = []
        for _ in range(dice.randint(1, 30)):
            number = dice.choice(("{}", "{:02}", "{:03}")).format(dice.randint(0, 120))
            before, behind = dice.choice(("node", "gpu-", "rack1n")), dice.choice(("", "-ib0"))
            names.append(f"{before}{number}{behind}")
        assert list(expand_nodelist(fold_names(names))) == names
