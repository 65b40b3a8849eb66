"""A shell on a node, from the deck in a real terminal: over ssh, and as a further step of a job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Options
from tests.cluster.full_screen import Screen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=2, broken_hosts=False)
NODES = {"ssh": ("--host", "node1,node2"), "slurm": ("--nnodes", "2")}


@pytest.mark.parametrize("backend", NODES)
def test_the_shell_is_on_the_node_and_its_end_brings_the_deck_back(
    backend: str, cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    rankdeck.ok(
        "run", "--detach", "--backend", backend, "--launcher", "direct", "--grace", "3",
        "--python", sys.executable, *NODES[backend], programs / "trainer.py", "--",
        "--steps", "600", "--step-seconds", "0.5",
        cwd=programs,
    )  # fmt: skip
    for rank in range(2):
        rankdeck.until_rank(rank, "output", "stepping", timeout=90)
    argv = [*cluster.entry(cwd=programs), *rankdeck.argv, "attach", "last"]
    deck = Screen(argv, cluster.environment(rankdeck.env))
    try:
        deck.until("node1 ■", "node2 ■")
        deck.press("4")
        deck.until("! shell")
        deck.press("j")
        deck.press("!")
        # the line may be wrapped before that
        deck.until("brings the deck back")
        # the answer is no part of what is typed
        deck.press("echo on $(hostname) $((6*7))\r")
        deck.until("on node2 42")
        deck.press("exit\r")
        deck.until("node1 ■", "node2 ■", "! shell")
        assert rankdeck.show()["state"] == "running"
    finally:
        deck.close()
    rankdeck.ok("stop", "last")
