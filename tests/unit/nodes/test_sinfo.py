from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import ExitCode, UserError
from rankdeck.nodes.node import Node
from rankdeck.nodes.sinfo import FORMAT, SlurmNode, parse_loads, parse_sinfo, read_sinfo

if TYPE_CHECKING:
    from pathlib import Path

# as Slurm 22.05.8 prints it
OF_22_05 = """\
node1|short|idle|8|4000|gpu:2|(null)|none
node1|debug*|idle|8|4000|gpu:2|(null)|none
node2|short|drain|8|4000|gpu:2|(null)|bad | disk
node2|debug*|drain|8|4000|gpu:2|(null)|bad | disk
node3|debug*|mix|8|4000|gpu:2|(null)|none
"""


def only(line: str) -> SlurmNode:
    (node,) = parse_sinfo(line)
    return node


def with_state(state: str) -> SlurmNode:
    return only(f"n|p|{state}|1|1|(null)|(null)|none")


def test_a_node_of_several_partitions_is_one_record() -> None:
    first, second, third = parse_sinfo(OF_22_05)
    assert first == SlurmNode(
        name="node1", partitions=("short", "debug"), state="idle", cpus=8, memory_mb=4000,
        gpus=2, gres="gpu:2",
    )  # fmt: skip
    assert (second.name, second.state, second.usable) == ("node2", "drain", False)
    assert second.reason == "bad | disk"
    assert (third.name, third.state, third.usable) == ("node3", "mix", True)


def test_a_record_is_a_member_of_an_inventory() -> None:
    node = only("g1|gpu*|idle|64+|512000+|gpu:a100:4(S:0-1)|ib,a100|none").node
    assert node == Node(name="g1", cpus=64, gpus=4, labels=("gpu", "ib", "a100"), origin="sinfo")


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", 0), ("", 0), ("N/A", 0), ("gpu:2", 2), ("gpu:tesla:4", 4),
        ("gpu:a100:8(S:0-1)", 8), ("gpu:a100:2(S:0,1),gpu:v100:1(S:1)", 3),
        ("mps:200,gpu:1", 1), ("shard:8", 0), ("gpu:a100_3g.20gb:4(S:0)", 4), ("craynetwork:4", 0),
    ],
)  # fmt: skip
def test_gpus_are_counted_whatever_their_kind(gres: str, gpus: int) -> None:
    assert only(f"n|p|idle|1|1|{gres}|(null)|none").gpus == gpus


@pytest.mark.parametrize(
    ("state", "word", "marks", "usable"),
    [
        ("idle", "idle", "", True),
        ("idle*", "idle", "*", False),
        ("idle~", "idle", "~", True),
        ("idle#", "idle", "#", True),
        ("idle%", "idle", "%", False),
        ("idle@", "idle", "@", False),
        ("idle^", "idle", "^", False),
        ("idle$", "idle", "$", False),
        ("mix-", "mix", "-", True),
        ("idle-", "idle", "-", True),
        ("mixed", "mix", "", True),
        ("MIXED", "mix", "", True),
        ("alloc", "alloc", "", True),
        ("allocated+", "alloc", "", True),
        ("comp", "comp", "", True),
        ("completing*", "comp", "*", False),
        ("plnd", "plnd", "", True),
        ("planned", "plnd", "", True),
        ("drain", "drain", "", False),
        ("drained*", "drain", "*", False),
        ("draining@", "drng", "@", False),
        ("drng", "drng", "", False),
        ("down~", "down", "~", False),
        ("down*", "down", "*", False),
        ("maint", "maint", "", False),
        ("resv", "resv", "", False),
        ("reserved", "resv", "", False),
        ("fail*", "fail", "*", False),
        ("inval", "inval", "", False),
        ("unk*", "unk", "*", False),
        ("pow_up", "pow_up", "", False),
        ("powering_down!", "pow_dn", "!", False),
        ("boot^", "boot", "^", False),
        ("idle+cloud~", "idle", "~", True),
        ("quantum", "quantum", "", False),
        ("idle&", "idle", "&", False),
    ],
)
def test_states_of_all_releases(state: str, word: str, marks: str, usable: bool) -> None:
    node = with_state(state)
    assert (node.state, node.marks, node.usable) == (word, marks, usable)


def test_a_state_in_words() -> None:
    assert with_state("idle*").state_text == "idle, not responding"
    assert with_state("mix-").state_text == "mix, planned"
    assert with_state("alloc").state_text == "alloc"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("n|p|idle", "line 2 of sinfo's output has 3 fields instead of 8"),
        ("-x|p|idle|1|1|(null)|(null)|none", "begins with '-x', which is not a host name"),
        ("n|p|?|1|1|(null)|(null)|none", "'?' where a node's state belongs"),
    ],
)
def test_a_line_that_is_not_sinfos_is_told(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2 of sinfo's output") as caught:
        parse_sinfo(f"ok|p|idle|1|1|(null)|(null)|none\n{line}\n")
    assert said in str(caught.value)


def fake_sinfo(folder: Path, script: str) -> dict[str, str]:
    program = folder / "sinfo"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_sinfo_is_asked_for_the_format_that_is_read(tmp_path: Path) -> None:
    script = f"echo \"$*|$LC_ALL\" >'{tmp_path}/asked'\nprintf '%s' '{OF_22_05}'"
    assert len(read_sinfo(fake_sinfo(tmp_path, script))) == 3
    asked = (tmp_path / "asked").read_text()
    assert asked == f"--noheader --Node --format {FORMAT}|C\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'sinfo: error: no such cluster' >&2; exit 1", "sinfo failed: sinfo: error: no such"),
        ("exit 3", "sinfo failed: exit code 3"),
        ("echo rubbish", "line 1 of sinfo's output has 1 fields"),
        ("exec sleep 60", "sinfo gave no answer in 0.2 s"),
    ],
)
def test_a_sinfo_that_fails_is_told(script: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_sinfo(fake_sinfo(tmp_path, script), timeout=0.2 if "sleep" in script else 20.0)
    assert said in caught.value.message
    assert caught.value.exit_code is ExitCode.UNUSABLE


def test_without_sinfo_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no sinfo on PATH"):
        read_sinfo({"PATH": str(tmp_path)})


def test_loads_are_read_and_what_is_not_known_is_none() -> None:
    told = parse_loads("n1|0.53|20480\nn2|N/A|N/A\n\nodd line\nn1|0.60|20000\n")
    assert {name: (load.load, load.memory_free) for name, load in told.items()} == {
        "n1": (0.6, 20000 << 20),
        "n2": (None, None),
    }
