from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.nodes.hostfile import parse_hostfile, read_hostfile
from rankdeck.nodes.node import Node
from tests.unit.nodes.conformance import case_id, cases

ROOT = Path(__file__).parents[3]

REFUSED = None
DIFFERENT: dict[str, tuple[dict[str, int | None] | None, str]] = {
    "ds-hostfile-09": ({"worker-0": 4}, "the order of words does not matter"),
    "ds-hostfile-10": ({"worker-0": 4}, "Open MPI's spelling"),
    "ds-hostfile-13": (REFUSED, "no rank fits"),
    "ds-hostfile-16": ({"worker-0": 2}, "a user is not part of a host's name"),
    "ds-hostfile-17": ({"worker-0": 2}, "a port is not part of a host's name"),
    "ds-hostfile-18": (REFUSED, "4abc is no number"),
    "ds-hostfile-20": ({f"worker{n}": 4 for n in range(4)}, "a range is several hosts"),
    "ds-hostfile-23": (REFUSED, "the second host would be lost"),
    "ds-hostfile-25": (REFUSED, "a byte order mark within the text is no letter"),
    "ca-hostfile-03": (REFUSED, "an empty list is a mistake"),
    "ca-hostfile-04": (REFUSED, "an empty list is a mistake"),
    "ca-hostfile-06": ({"host1": None}, "a comment is not a host"),
    "ca-hostfile-07": ({"host1": 4}, "slots are not part of a host's name"),
    "ca-hostfile-08": ({"host1": None, "host2": None}, "a port is not part of a host's name"),
    "ca-hostfile-09": ({"host1": None}, "a user is not part of a host's name"),
    "ca-hostfile-10": (REFUSED, "one host a line"),
    "ca-hostfile-11": ({"host1": None, "host2": None, "host3": None}, "a range"),
    "ca-hostfile-14": ({"host1": None}, "a comment is not part of a host's name"),
    "om-hostfile-05": (REFUSED, "a duplicate is more often a slip than a count"),
    "om-hostfile-26": (REFUSED, "exclusion is an option's matter"),
    "om-hostfile-28": ({f"node{n}": 1 for n in (1, 2, 3)}, "a range is several hosts"),
}


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidJobError) as caught:
        parse_hostfile(text, "/etc/hosts.mine")
    return caught.value.problems


def ours(text: str) -> dict[str, int | None] | None:
    try:
        return {node.name: node.slots for node in parse_hostfile(text, "F")}
    except InvalidJobError:
        return REFUSED


def theirs(case: Any) -> dict[str, int | None] | None:
    if "refused" in case["expect"]:
        return REFUSED
    hosts = case["expect"]["ok"]
    return dict.fromkeys(hosts) if isinstance(hosts, list) else hosts


@pytest.mark.parametrize("case", cases("hostfiles"), ids=case_id)
def test_files_of_other_launchers_are_read_as_they_mean_them(case: Any) -> None:
    expected = theirs(case)
    if case["id"] in DIFFERENT:
        expected = DIFFERENT[case["id"]][0]
        assert expected != theirs(case)
    found = ours(case["input"])
    if expected and case["system"].startswith("openmpi"):
        # a host without slots has one there, and as many as are asked for here
        found = {name: slots or 1 for name, slots in (found or {}).items()}
    assert found == expected
    if found is not None:
        assert expected is not None
        assert list(found) == list(expected)


def test_every_form_in_one_file() -> None:
    text = (
        "# first comes first\n"
        "b slots=8   # the second word\r\n"
        "\n"
        "  alice@a:2222\tslots = 4 max-slots=5\n"
        "n[01-02,1]-ib0 user=bob\n"
        "10.0.0.7 port=53\n"
        "fe80::1%eth0\n"
        "carol@[2001:db8::7]:2200 count=2\n"
    )
    assert parse_hostfile(text, "h") == (
        Node(name="b", slots=8, origin="h:2"),
        Node(name="a", user="alice", port=2222, slots=4, origin="h:4"),
        Node(name="n01-ib0", user="bob", origin="h:5"),
        Node(name="n02-ib0", user="bob", origin="h:5"),
        Node(name="n1-ib0", user="bob", origin="h:5"),
        Node(name="10.0.0.7", port=53, origin="h:6"),
        Node(name="fe80::1%eth0", origin="h:7"),
        Node(name="2001:db8::7", user="carol", port=2200, slots=2, origin="h:8"),
    )


def test_the_order_of_the_file_is_kept() -> None:
    assert [node.name for node in parse_hostfile("n[3,1-2]\nb\na\n", "h")] == [
        "n3", "n1", "n2", "b", "a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a slots=0", "slots must be a whole number of at least 1 (got '0')"),
        ("a slots=-2", "slots must be a whole number"),
        ("a slots=4abc", "(got '4abc')"),
        ("a slots=", "slots has no value"),
        ("a slots", "slots has no value"),
        ("a slots=1 slots=2", "slots is given twice"),
        ("a slots=4 max_slots=2", "max_slots=2 is less than slots=4"),
        ("a max_slots=x", "max_slots must be a whole number"),
        ("a Slots=4", "did you mean slots?"),
        ("a b", "'b' is not understood (one host a line)"),
        ("a,b", "a hostfile has one host a line"),
        ("a colour=red", "'colour=red' is not understood"),
        ("slots=4", "begins with 'slots=4' where a host belongs"),
        ("; a", "comments begin with #"),
        ("^a", "'^a' is not a host name"),
        ("-oProxyCommand=id", "where a host belongs"),
        ("-oProxyCommand", "is not a host name"),
        ("..", "is not a host name"),
        ("a/b", "is not a host name"),
        ("a$(id)", "is not a host name"),
        ("café", "is not a host name"),
        ("-x@a", "'-x' where a user name belongs"),
        ("@a", "'' where a user name belongs"),
        ("a user=-l", "'-l' where a user name belongs"),
        ("alice@", "names no host"),
        ("a:", "where a port between 1 and 65535 belongs"),
        ("a:0", "where a port"),
        ("a:65536", "where a port"),
        ("a:ssh", "where a port"),
        ("a port=99999", "where a port"),
        ("a:8", "a number of ranks is written slots=8"),
        ("[fe80::1", "where an IPv6 address belongs"),
        ("[fe80::x]:22", "where an IPv6 address belongs"),
        ("n[3-1]", "a range that goes backward: 3-1"),
        ("n[1-3", "a bracket without its partner"),
        ("n[]", "'' where a number or a range"),
        ("n[a-c]", "'a-c' where a number or a range"),
        ("n[1-99999999]", "stands for 99999999 hosts"),
        ("n[1-999][1-999]", "stands for 998001 hosts"),
        ("n[1,1]", "host n1 is named twice on this line"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(line: str, said: str) -> None:
    (problem,) = refused(f"good\n\n{line}\n")
    assert (problem.file, problem.line, problem.field) == ("/etc/hosts.mine", 3, "hostfile")
    assert said in problem.message
    assert str(problem).startswith("/etc/hosts.mine:3: ")


def test_every_wrong_line_is_told_at_once() -> None:
    problems = refused("a\nb slots=x\na\n-c\nn[1-2]\nn2 slots=1\n")
    assert [problem.line for problem in problems] == [2, 3, 4, 6]
    assert problems[1].message == "host a is named a second time, first on line 1"
    assert problems[1].hint == "for several ranks on one host write slots=N"
    assert problems[3].message == "host n2 is named a second time, first on line 5"


def test_ssh_on_its_own_port_is_no_slot_count() -> None:
    assert parse_hostfile("a:22\n", "h")[0].port == 22


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "  \t\n"])
def test_a_file_without_a_host_is_refused(text: str) -> None:
    (problem,) = refused(text)
    assert str(problem) == "/etc/hosts.mine: the hostfile names no host"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin"
    latin.write_bytes(b"a\nb # caf\xe9\n")
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    large.write_bytes(b"#" * (5 << 20))
    for path, said in (
        (tmp_path / "gone", f"{tmp_path}/gone: the hostfile cannot be read: No such file"),
        (tmp_path, f"{tmp_path}: the hostfile is a directory"),
        (tmp_path / "pipe", "the hostfile is not a regular file"),
        (latin, f"{latin}:2: the hostfile is not valid UTF-8"),
        (large, "is too large for a hostfile"),
    ):
        with pytest.raises(InvalidJobError) as caught:
            read_hostfile(path)
        assert said in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_host(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"\xef\xbb\xbfnode1 slots=2\r\n")
    assert read_hostfile(path) == (Node(name="node1", slots=2, origin=f"{path}:1"),)


def test_the_example_shows_every_form_and_says_what_it_means() -> None:
    nodes = {node.name: node for node in read_hostfile(ROOT / "hostfile.example")}
    assert list(nodes)[:3] == ["node1", "node2", "node3"]
    assert (nodes["node2"].slots, nodes["node3"].slots) == (8, 4)
    assert nodes["node4"].user == "alice"
    assert nodes["node5"].port == 2222
    assert (nodes["node6"].user, nodes["node6"].port, nodes["node6"].slots) == ("bob", 2222, 4)
    assert (nodes["node7"].user, nodes["node7"].port) == ("carol", 53)
    assert [name for name in nodes if name.startswith("rack")] == [
        "rack1n2-ib0", "rack1n1-ib0", "rack2n2-ib0", "rack2n1-ib0",
    ]  # fmt: skip
    assert [name for name in nodes if name.startswith("gpu")] == [
        "gpu01.example.org", "gpu05.example.org", "gpu09.example.org",
    ]  # fmt: skip
    assert nodes["2001:db8::22"].port == 2222
