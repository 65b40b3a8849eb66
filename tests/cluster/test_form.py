"""From the form, in a real terminal: the same project on every backend, by keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Options
from tests.cluster.full_screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=2, broken_hosts=False)
F4, F6 = "\x1b[14~", "\x1b[17~"
CTRL_DOWN, CTRL_L, TAB = "\x1b[1;5B", "\x0c", "\t"
NUMBER, FILE, HOSTS = "Number of nodes (", "File that lists the nodes", "The nodes, in rank order"
NONE = "✖ no nodes are known"
PLACES = {
    "ssh": ((NONE, FILE, HOSTS), "node[1-2]"),
    "slurm": ((NUMBER,), "2"),
    "mpi": ((NONE, FILE, HOSTS), "node1,node2"),
}
"""By backend: the fields that tabs lead to, by what is said of them, and what the last is given."""


@pytest.fixture
def deck(cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path) -> Iterator[Screen]:
    (programs / "job.yaml").write_text(
        "name: form\nentry: trainer.py\nlauncher: direct\n"
        "args: --steps 6000 --step-seconds 0.2 --lines 1\n"
    )
    argv = [*cluster.entry(cwd=programs), *rankdeck.argv]
    terminal = Screen(argv, cluster.environment(rankdeck.env))
    yield terminal
    terminal.close()


@pytest.mark.parametrize("backend", PLACES)
def test_a_job_is_described_started_and_watched(
    backend: str, deck: Screen, rankdeck: RankdeckAtLogin
) -> None:
    fields, nodes = PLACES[backend]
    deck.until("n new")
    deck.press("n")
    deck.until("f4 Nodes")
    deck.press(F4)
    deck.until("\n  How agents get onto the nodes")
    names = list(PLACES)
    for name in names[: names.index(backend) + 1]:
        deck.press_until(CTRL_DOWN, f"Options of {name}")
    for field in fields:
        deck.press_until(TAB, f"\n  {field}")
    deck.press(nodes)
    deck.until("ready: ctrl+l starts")
    deck.press(F6)
    deck.until("2 on 2 nodes" if backend != "slurm" else "ranks:")
    deck.press(CTRL_L)
    shown = deck.until("running", "node1 ■", "node2 ■", "step")
    assert f"{backend} 2×1 direct" in shown
    # whichever line is there when the screen is looked at
    deck.until(" of rank 0 xx")
    rankdeck.ok("stop", "last")
    deck.until("stopped")
    assert rankdeck.show()["state"] == "stopped"
