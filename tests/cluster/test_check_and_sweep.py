"""Looking at real hosts over SSH: before a run, and after one that has left something behind."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tests.cluster.cluster import Options
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=3, slurm=False, broken_hosts=False)
HOSTS = ("node1", "node2", "node3")


def check(rankdeck: RankdeckAtLogin, project: Path, *more: str, code: int) -> dict[str, Any]:
    """The nodes' results, by name."""
    done = rankdeck(
        "check", "--json", "--backend", "ssh", "--host", ",".join(HOSTS), "--launcher", "direct",
        "--python", sys.executable, *more, project / "trainer.py", cwd=project,
    )  # fmt: skip
    assert done.returncode == code, (done.stdout, done.stderr)
    document = json.loads(done.stdout)
    assert [node["node"] for node in document["nodes"]] == list(HOSTS), "in rank order"
    return {node["node"]: node for node in document["nodes"]}


def test_hosts_that_are_fine(rankdeck: RankdeckAtLogin, programs: Path) -> None:
    found = check(rankdeck, programs, code=0)
    assert {name: node["result"] for name, node in found.items()} == dict.fromkeys(HOSTS, "ok")
    assert {node["facts"]["host"] for node in found.values()} == set(HOSTS)
    assert found["node1"]["facts"]["python"] == sys.executable
    assert found["node1"]["facts"]["torch"]


def test_each_hosts_own_trouble_is_named(
    rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path
) -> None:
    cluster.clock("node2", 5.0)
    cluster.sshd("node3", "stop")
    found = check(rankdeck, programs, code=3)
    assert found["node1"]["result"] == "ok"
    assert found["node2"]["result"] == "warning"
    assert "clock is" in found["node2"]["warnings"][0]
    assert "ahead" in found["node2"]["warnings"][0]
    assert (found["node3"]["result"], found["node3"]["category"]) == ("fails", "ssh-refused")


def test_a_project_that_is_not_there_and_a_host_without_python(
    rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path
) -> None:
    cluster.hide("node2", programs)
    cluster.no_python("node3")
    found = check(rankdeck, programs, code=3)
    assert found["node1"]["result"] == "ok"
    assert f"{programs}/trainer.py is not there" in found["node2"]["failures"]
    assert found["node3"]["result"] == "fails"


def test_what_a_run_has_left_on_a_host_is_found_and_ended(
    rankdeck: RankdeckAtLogin, cluster: Cluster, programs: Path
) -> None:
    rankdeck.ok(
        "run", "--backend", "ssh", "--launcher", "direct", "--host", "node1,node2",
        programs / "trainer.py", "--", "--steps", "2", cwd=programs,
    )  # fmt: skip
    run = rankdeck.run_id()
    # the run has ended; what carried it takes a moment longer
    cluster.assert_nothing_left(run)
    leave = (
        f"RANKDECK_RUN_ID={run} RANKDECK_NODE=node2 setsid sleep 600 </dev/null >/dev/null 2>&1 &"
    )
    cluster.ssh("node2", leave)
    (pid,) = until(lambda: cluster.processes_on("node2", run))
    listed = rankdeck("sweep", "last")
    assert listed.returncode == 0, listed.stderr
    assert "nothing was ended" in listed.stdout
    (row,) = [line.split() for line in listed.stdout.splitlines() if run in line]
    assert row[0] == "node2"
    assert cluster.processes_on("node2", run) == [pid]
    assert "ended 1 process" in rankdeck.ok(
        "sweep", "--yes", "--backend", "ssh", "--host", "node[1-3]"
    )
    cluster.assert_nothing_left(run)


def test_a_host_that_cannot_be_searched_is_told(
    rankdeck: RankdeckAtLogin, cluster: Cluster
) -> None:
    cluster.sshd("node3", "stop")
    done = rankdeck("sweep", "--backend", "ssh", "--host", "node1,node3")
    assert done.returncode == 3
    assert "node3" in done.stderr
    assert "nothing is left" not in done.stdout
