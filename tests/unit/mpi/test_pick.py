"""Which order a process that mpirun started takes."""

from __future__ import annotations

import os

import pytest

from rankdeck.agent.network import interfaces
from rankdeck.agent.pick import RANK_VARIABLES, choose, first_number

_HERE = os.uname().nodename


def entry(node: str, address: str = "") -> dict[str, str]:
    return {"order": f"/o/{node}", "node": node, "address": address or node}


@pytest.mark.parametrize("name", RANK_VARIABLES)
def test_every_starter_says_which_process_it_is(name: str) -> None:
    assert first_number({name: "3"}, RANK_VARIABLES) == 3


def test_a_process_that_nobody_has_numbered() -> None:
    with pytest.raises(SystemExit, match="OMPI_COMM_WORLD_RANK"):
        first_number({"OMPI_COMM_WORLD_RANK": "x"}, RANK_VARIABLES)


def test_the_hosts_own_name_decides_not_the_order_mpirun_chose() -> None:
    entries = [entry("198.51.100.1"), entry("198.51.100.2"), entry(_HERE)]
    assert choose(entries, 0) == 2


def test_so_does_its_address_where_the_names_are_others() -> None:
    own = interfaces()[0].address
    entries = [entry("first", "198.51.100.1"), entry("second", own), entry("c", "198.51.100.3")]
    assert choose(entries, 0) == 1


def test_where_neither_tells_the_number_does() -> None:
    entries = [entry("a", "198.51.100.1"), entry("b", "198.51.100.2")]
    assert [choose(entries, number) for number in (0, 1)] == [0, 1]
    with pytest.raises(SystemExit, match="process 2, but there are 2 orders"):
        choose(entries, 2)


def test_one_host_under_several_names() -> None:
    entries = [entry("a", _HERE), entry("b", _HERE)]
    assert [choose(entries, number) for number in (0, 1)] == [0, 1]
