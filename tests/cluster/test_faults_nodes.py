"""Nodes that are not alike: what one of them lacks is named, and a wrong clock misleads nobody."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Options
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.cluster.cluster import Cluster
    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=3, slurm=False, broken_hosts=False)
SSH = ("--backend", "ssh", "--nproc-per-node", "1")
DIRECT = (*SSH, "--launcher", "direct")
TWO = ("--host", "node1,node2")
THREE = ("--host", "node1,node2,node3")
SOON = 80.0
"""Seconds in which a run that cannot go on is over; a node's silence is borne for longer."""
# each rank ends by itself, a second after it is told: clocks are compared a little less precisely
ENDS = """\
import os, time
print("waits", flush=True)
while not os.path.exists("end-" + os.environ["RANK"]):
    time.sleep(0.02)
time.sleep(1)
os._exit(7 + int(os.environ["RANK"]))
"""
# each rank writes a line a second after it is told
STEPS = """\
import os, time
for step in "123":
    while not os.path.exists("step-" + step):
        time.sleep(0.02)
    time.sleep(1)
    print(f"step {step}/3", flush=True)
"""


@pytest.fixture
def trainer(programs: Path) -> Path:
    return programs / "trainer.py"


def failure_of(
    rankdeck: RankdeckAtLogin, done: subprocess.CompletedProcess[str], node: str
) -> dict[str, Any]:
    """The failure of a run that one node has ended; nothing of it is left anywhere."""
    assert done.returncode == 1, done.stdout + done.stderr
    rankdeck.cluster.assert_nothing_left(rankdeck.run_id())
    shown = rankdeck.show()
    assert (shown["state"], shown["exit_code"]) == ("failed", 1)
    failure: dict[str, Any] = json.loads(rankdeck.ok("why", "last", "--json"))["failure"]
    assert failure == shown["failure"]
    assert failure["node"] == node
    assert failure["summary"] in done.stderr
    assert failure["summary"] in rankdeck.ok("why", "last")
    return failure


def torch_folder() -> Path:
    """Where torch lies, on every node; without the time to import it."""
    found = importlib.util.find_spec("torch")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


class TestLacking:
    """What node2 does not have, and the run ends before a rank of it has begun anywhere."""

    def refused(
        self, rankdeck: RankdeckAtLogin, *args: str | Path, node: str = "node2"
    ) -> dict[str, Any]:
        done = rankdeck("run", *args, timeout=SOON)
        failure = failure_of(rankdeck, done, node)
        assert "Traceback" not in done.stderr
        assert not done.stdout
        assert (failure["rank"], failure["certainty"]) == (None, "certain")
        return failure

    def test_any_python(self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path) -> None:
        cluster.no_python("node2")
        failure = self.refused(rankdeck, *DIRECT, *THREE, trainer)
        assert failure["category"] == "no-python"
        assert failure["summary"] == "node2 has no Python 3.8 or newer"

    def test_the_interpreter(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path, shared: Path
    ) -> None:
        own = shared / "venv" / "bin"
        own.mkdir(parents=True)
        (own / "python").symlink_to(sys.executable)
        cluster.hide("node2", own)
        python = ("--python", own / "python")
        failure = self.refused(rankdeck, *DIRECT, *THREE, *python, trainer)
        assert failure["category"] == "no-python"
        assert failure["summary"] == f"there is no {own}/python on node2"
        assert "--python" in failure["hint"]

    def test_torch(self, cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path) -> None:
        cluster.hide("node2", torch_folder())
        torchrun = (*SSH, "--launcher", "torchrun", *THREE, programs / "ddp.py")
        failure = self.refused(rankdeck, *torchrun)
        assert failure["category"] == "no-torchrun"
        assert "node2" in failure["summary"]
        assert "install torch there" in failure["hint"]

    def test_the_project_until_it_is_copied(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, programs: Path, trainer: Path
    ) -> None:
        cluster.hide("node2", programs)
        failure = self.refused(rankdeck, *DIRECT, *THREE, trainer)
        assert failure["category"] == "entry"
        assert failure["summary"] == f"{trainer} does not exist on node2"
        assert "--sync" in failure["hint"]
        done = rankdeck("run", *DIRECT, *THREE, "--sync", trainer)
        assert done.returncode == 0, done.stderr
        assert b"done rank 1, 0 lines" in rankdeck.log(1)

    def test_a_byte_of_space(
        self, cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        cluster.fill("node2")
        failure = self.refused(rankdeck, *DIRECT, *THREE, trainer)
        assert failure["category"] == "disk-full"
        assert failure["summary"].startswith("node2: no space left for /tmp/")
        assert "--node-dir" in failure["hint"]


def test_a_home_that_is_not_shared_is_not_missed(
    cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    cluster.private_home("node2")
    done = rankdeck("run", *DIRECT, *TWO, trainer, "--steps", "3", "--lines", "5")
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^line \d+ of rank 1 ", rankdeck.log(1).decode(), re.MULTILINE)
    assert len(lines) == 15
    # nor is anything put there
    assert list((cluster.bed.of_host("node2") / "home").iterdir()) == []


def test_a_disk_that_fills_up_while_a_rank_logs(
    cluster: Cluster, rankdeck: RankdeckAtLogin, trainer: Path
) -> None:
    long = ("--steps", "2000", "--lines", "20")
    process = rankdeck.start("run", *DIRECT, *TWO, trainer, *long)
    rankdeck.until_line(1, "step 5/")
    cluster.fill("node2")
    rankdeck.until_state("failed", timeout=SOON)
    _, said = process.communicate(timeout=SOON)
    assert process.returncode == 1
    cluster.assert_nothing_left(rankdeck.run_id())
    shown = rankdeck.show()
    failure = shown["failure"]
    assert (failure["node"], failure["category"]) == ("node2", "disk-full")
    # the rank, or its agent, which then ends it: either may be the first to find no room
    assert failure["rank"] in (1, None)
    assert failure["summary"].startswith("node2: no space left on the file system of /tmp/")
    assert failure["summary"] in said
    # what could be written has come home, line by line
    numbers = re.findall(r"^line (\d+) of rank 1 ", rankdeck.log(1).decode(), re.MULTILINE)
    assert list(map(int, numbers)) == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 100


class TestClocks:
    """node2's clock is half a minute off."""

    @pytest.fixture(params=[30.0, -30.0], ids=["ahead", "behind"])
    def ahead(self, request: pytest.FixtureRequest, cluster: Cluster) -> float:
        seconds: float = request.param
        cluster.clock("node2", seconds)
        return seconds

    def story(self, rankdeck: RankdeckAtLogin) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = json.loads(rankdeck.ok("show", "last", "--events", "--json"))
        found = events["events"] if isinstance(events, dict) else events
        return list(found)

    @pytest.mark.parametrize("first", [0, 1])
    def test_why_names_the_rank_that_failed_first(
        self, first: int, ahead: float, rankdeck: RankdeckAtLogin, programs: Path
    ) -> None:
        (programs / "ends.py").write_text(ENDS)
        process = rankdeck.start("run", *DIRECT, *TWO, programs / "ends.py", cwd=programs)
        for rank in range(2):
            rankdeck.until_line(rank, "waits")
        with halted(rankdeck.state()["supervisor"]["pid"]):
            # it cannot end the other one because of the first
            for rank in (first, 1 - first):
                (programs / f"end-{rank}").touch()
                until(lambda rank=rank: said_on_node(rankdeck, rank)["state"] == "failed")
        out, err = process.communicate(timeout=SOON)
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        failure = failure_of(rankdeck, done, f"node{first + 1}")
        assert (failure["rank"], failure["exit_code"]) == (first, 7 + first)
        # no moment of it is before its begin, or after its end
        shown = rankdeck.show()
        created, ended = shown["created"], shown["ended"]
        assert created < shown["started"] < failure["time"] <= ended
        story = self.story(rankdeck)
        times = [event["t"] for event in story if event["kind"] in ("agent", "rank")]
        assert created <= min(times)
        assert max(times) <= ended + 0.5
        for rank in shown["ranks"]:
            assert rank["state"] == "failed"
            assert all(created < moment <= ended for moment in rank["times"].values()), rank
        (told,) = [event for event in story if event["kind"] == "clock"]
        way = "ahead of" if ahead > 0 else "behind"
        assert re.match(rf"the clock of node2 is (2\d|30)\.\d s {way} this", told["message"])
        assert not [event for event in story if event["kind"] == "note"]

    @pytest.mark.usefixtures("ahead")
    def test_merged_logs_are_in_the_true_order(
        self, rankdeck: RankdeckAtLogin, programs: Path
    ) -> None:
        (programs / "steps.py").write_text(STEPS)
        process = rankdeck.start("run", *DIRECT, *TWO, programs / "steps.py", cwd=programs)
        for step in range(1, 4):
            (programs / f"step-{step}").touch()
            for rank in range(2):
                until(lambda rank=rank, step=step: lines_dated(rankdeck, rank) == step)
        process.communicate(timeout=SOON)
        assert process.returncode == 0
        merged = rankdeck.ok("logs", "last", "--merge")
        assert re.findall(r"step (\d)/3", merged) == [*"112233"]


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def said_on_node(rankdeck: RankdeckAtLogin, rank: int) -> dict[str, Any]:
    """What a rank's agent says of it in its own folder, be it home or not."""
    node = f"node{rank + 1}"
    path = f"/tmp/rankdeck-root/runs/{rankdeck.run_id()}/{node}/state.json"
    (record,) = json.loads(rankdeck.cluster.exec(node, "cat", path))["ranks"]
    return dict(record)


def lines_dated(rankdeck: RankdeckAtLogin, rank: int) -> int:
    """How many lines of a rank are home, with the time of the last of them."""
    for log in rankdeck.run_dir().glob(f"nodes/*/attempt-0/rank-{rank}.log"):
        times = log.with_suffix(".times")
        pairs = [*struct.iter_unpack("<dQ", times.read_bytes())] if times.exists() else []
        text = log.read_bytes()
        if pairs and pairs[-1][1] == len(text):
            return text.count(b"\n")
    return 0


class TestFarRankFails:
    """Rank 1, on the far node, ends while rank 0 needs it."""

    @pytest.mark.parametrize(
        ("how", "category", "signature", "code", "signal"),
        [
            ("exception", "exception", "ValueError", 1, None),
            ("exit:7", "exit-code", None, 7, None),
            ("signal:KILL", "signal", "SIGKILL", None, 9),
            ("signal:SEGV", "signal", "SIGSEGV", None, 11),
        ],
    )
    def test_why_names_it_and_its_node(
        self,
        how: str,
        category: str,
        signature: str | None,
        code: int | None,
        signal: int | None,
        rankdeck: RankdeckAtLogin,
        trainer: Path,
    ) -> None:
        fail = ("--lockstep", "--fail-rank", "1", "--fail-at", "3", "--fail-how", how)
        done = rankdeck("run", *DIRECT, *THREE, trainer, "--steps", "500", *fail, timeout=SOON)
        failure = failure_of(rankdeck, done, "node2")
        assert (failure["rank"], failure["category"]) == (1, category)
        assert failure["signature"] == signature
        assert (failure["exit_code"], failure["signal"]) == (code, signal)
        assert failure["collateral_ranks"] == [0, 2]
        assert "rank 1 on node2 " in failure["summary"]
        assert "step 2/500" in "\n".join(failure["evidence"]) or category == "exception"
        (rank,) = [rank for rank in rankdeck.show()["ranks"] if rank["rank"] == 1]
        assert (rank["state"], rank["exit_code"], rank["signal"]) == ("failed", code, signal)

    def test_one_that_hangs_is_seen_and_can_be_stopped(
        self, rankdeck: RankdeckAtLogin, trainer: Path
    ) -> None:
        hang = ("--lockstep", "--fail-rank", "1", "--fail-at", "3", "--fail-how", "hang")
        rankdeck.ok("run", "-d", *DIRECT, *TWO, trainer, "--steps", "500", *hang)
        rankdeck.until_line(1, "rank 1 fails: hang")
        assert "no rank has failed" in rankdeck.ok("why", "last")
        last = ["step 2/500 loss=0.5000", "rank 1 fails: hang"]
        until(lambda: [rank["last_line"] for rank in rankdeck.show()["ranks"]] == last)
        rankdeck.ok("stop", "last")
        shown = rankdeck.show()
        assert (shown["state"], shown["exit_code"], shown["failure"]) == ("stopped", 130, None)
        assert {rank["state"] for rank in shown["ranks"]} == {"killed"}


@pytest.fixture
def odd_names(cluster: Cluster) -> Iterator[None]:
    """node1 takes its own name for 127.0.1.1, and node2 does not know its own at all."""
    changes = {"node1": "s/^[0-9.]+ node1$/127.0.1.1 node1/", "node2": "/ node2$/d"}
    for host, script in changes.items():
        command = f"sed -E '{script}' /etc/hosts >/run/odd && mount --bind /run/odd /etc/hosts"
        cluster.exec(host, "sh", "-c", command)
    yield
    for host in changes:
        cluster.exec(host, "umount", "/etc/hosts")


@pytest.fixture
def older_torch(cluster: Cluster) -> Iterator[str]:
    """node2's torch says that it is an older one; the version here."""
    version = torch_folder() / "version.py"
    told = re.search(r"^__version__ = '(.+)'$", version.read_text(), re.MULTILINE)
    assert told is not None
    older = cluster.shared / "version.py"
    older.write_text(version.read_text().replace(told.group(1), "2.1.0"))
    cluster.exec("node2", "mount", "--bind", str(older), str(version))
    yield told.group(1)
    cluster.exec("node2", "umount", str(version))


@pytest.mark.torch
@pytest.mark.usefixtures("odd_names")
def test_torch_trains_between_hosts_that_do_not_know_themselves(
    rankdeck: RankdeckAtLogin, programs: Path, older_torch: str
) -> None:
    torchrun = (*SSH, "--launcher", "torchrun", *TWO, programs / "ddp.py")
    done = rankdeck("run", *torchrun, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "rank 1 of 2 on node2: sum 1, 10.77.0.1:" in rankdeck.log(1).decode()
    assert "step 2/2" in rankdeck.log(0).decode()
    # two versions may well not get on with each other: that they differ is told
    unlike = f"the nodes are not alike: torch {older_torch} on node1; torch 2.1.0 on node2"
    assert unlike in rankdeck.ok("show", "last", "--events")
