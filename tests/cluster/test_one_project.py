"""The same project, unchanged, on every backend: same run directory, same story, same `why`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.cluster import Options
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.rankdeck_at_login import RankdeckAtLogin

CLUSTER = Options(hosts=2, broken_hosts=False)
BACKENDS = ("local", "ssh", "slurm", "mpi")
FAR = {
    "local": ("--nproc-per-node", "2"),
    "ssh": ("--host", "node1,node2"),
    "slurm": ("--nnodes", "2"),
    "mpi": ("--host", "node1,node2"),
}
JOB = """\
name: same
entry: trainer.py
launcher: direct
args: --steps 4 --lines 3
"""


def outline(run: Path) -> list[str]:
    """The run directory's files, with the names of hosts taken out."""
    names = sorted({path.name for path in (run / "nodes").iterdir()})
    found = set()
    for path in run.rglob("*"):
        name = str(path.relative_to(run))
        for index, host in enumerate(names):
            name = name.replace(f"nodes/{host}/", f"nodes/<{index}>/")
        if path.is_file() and not re.search(r"/\.|^\.|hooks/|reserve", name):
            found.add(name)
    return sorted(found)


def ladder(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (rank["rank"], rank["state"], rank["exit_code"], rank["signal"], rank["step"])
        for rank in document["ranks"]
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_trains_and_leaves_the_same_run_directory(
    backend: str, rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    (programs / "job.yaml").write_text(JOB)
    done = rankdeck("run", programs, "--backend", backend, *FAR[backend], timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = rankdeck.show()
    assert (shown["state"], shown["exit_code"], shown["failure"]) == ("succeeded", 0, None)
    assert ladder(shown) == [(0, "exited", 0, None, 4), (1, "exited", 0, None, 4)]
    assert shown["world_size"] == 2
    for rank in (0, 1):
        text = rankdeck.log(rank).decode()
        assert len(re.findall(rf"^line \d+ of rank {rank} ", text, re.MULTILINE)) == 12
        assert re.search(rf"^\[{rank}( node\d)?\] step 4/4 loss=0.2500$", done.stdout, re.MULTILINE)
    run = rankdeck.run_dir()
    files = outline(run)
    for name in ("attempt-0/rank-0.log", "attempt-0/rank-0.times", "state.json"):
        assert f"nodes/<0>/{name}" in files
    for name in ("job.yaml", "plan.json", "events.jsonl", "state.json", "metrics.jsonl"):
        assert (run / name).is_file(), name
    assert not (run / "launch-env.json").exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_why_names_the_same_rank_and_the_same_cause(
    backend: str, rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    (programs / "job.yaml").write_text(JOB.replace("--steps 4", "--steps 200 --lockstep"))
    fail = ("--", "--steps", "200", "--lockstep", "--fail-rank", "1", "--fail-at", "3")
    done = rankdeck("run", programs, "--backend", backend, *FAR[backend], *fail, timeout=90)
    assert done.returncode == 1, done.stdout + done.stderr
    failure = rankdeck.show()["failure"]
    assert (failure["rank"], failure["category"]) == (1, "exception")
    assert failure["certainty"] != "unknown"
    assert failure["collateral_ranks"] == [0]
    told = json.loads(rankdeck.ok("why", "last", "--json"))
    assert told["failure"] == failure
    assert "rank 1" in rankdeck.ok("why", "last")
    assert failure["evidence"][0].startswith("Traceback")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stop_lets_ranks_write_their_checkpoint(
    backend: str, rankdeck: RankdeckAtLogin, programs: Path, shared: Path
) -> None:
    (programs / "job.yaml").write_text(JOB)
    saved = shared / "saved-{rank}"
    more = ("--", "--steps", "5000", "--checkpoint", saved)
    rankdeck.ok("run", "-d", programs, "--backend", backend, *FAR[backend], *more)
    rankdeck.until_state("running")
    for rank in (0, 1):
        rankdeck.until_line(rank, "step 2/")
    rankdeck.ok("stop", "last")
    state = rankdeck.until_state("stopped", "failed", "lost")
    assert (state["state"], state["exit_code"]) == ("stopped", 130)
    for rank in (0, 1):
        assert (shared / f"saved-{rank}").exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_stacks_tell_where_far_ranks_hang(
    backend: str, rankdeck: RankdeckAtLogin, programs: Path
) -> None:
    (programs / "job.yaml").write_text(JOB)
    fail = ("--", "--steps", "9", "--lockstep", "--fail-at", "3", "--fail-rank", "1")
    more = (*fail, "--fail-how", "hang")
    rankdeck.ok("run", "-d", programs, "--backend", backend, *FAR[backend], *more)
    for rank in (0, 1):
        rankdeck.until_line(rank, "step 2/")

    def functions() -> dict[int, list[str]]:
        told = json.loads(rankdeck.ok("stacks", "last", "--json"))
        return {
            rank: [frame["function"] for frame in group["frames"]]
            for group in told["groups"]
            for rank in group["ranks"]
        }

    def hang() -> bool:
        told = functions()
        return "fail" in told.get(1, ()) and "agree" in told.get(0, ())

    # rank 0 comes to where it waits, and what agents say of their ranks is read, a moment later
    until(hang)
    until(lambda: {rank["state"] for rank in rankdeck.show()["ranks"]} == {"stepping"})
    rankdeck.ok("kill", "last")
    rankdeck.until_state("stopped")
