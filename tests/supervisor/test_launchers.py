"""accelerate and deepspeed as they are installed, on two "nodes" of two ranks each."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.job.draft import JobDraft
from rankdeck.job.resolve import resolve_job
from rankdeck.job.spec import JobSpec
from rankdeck.project.scaffold import scaffold
from rankdeck.run.launch import submit
from rankdeck.run.state import RankState, RunPhase
from tests.supervisor.conftest import Deck, processes_of, wait_for

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

pytestmark = pytest.mark.torch

NAMES = (
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT", "CUDA_VISIBLE_DEVICES", "config", "rank",
    "ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_CPU", "RANKDECK_DEVICES",
)  # fmt: skip
PROGRAM = f"""\
import json, os, signal, sys, time
print(json.dumps({{**{{name: os.environ.get(name) for name in {NAMES}}}, "args": sys.argv[1:]}}),
      flush=True)
if "stay" in sys.argv or os.environ["RANKDECK_ATTEMPT"] == "0":
    if os.environ["RANK"] == "3" and "stay" not in sys.argv:
        while not os.path.exists("go"):
            time.sleep(0.05)
        raise ValueError("boom")
    signal.pause()
"""
PROJECT = "it's a project"
OPTIONS = {
    "accelerate": ("--mixed_precision", "bf16"),
    "deepspeed": ("--log_level", "error"),
}


def _start(deck: Deck, launcher: str, *args: str, **fields: Any) -> RunDir:
    project = deck.tmp_path / PROJECT
    project.mkdir()
    entry = project / "train.py"
    entry.write_text(PROGRAM)
    spec = JobSpec(
        name="a", entry=str(entry), project=str(project), launcher=launcher, backend="many",
        nnodes=2, nproc_per_node=2, python=sys.executable, args=("a b", *args),
        launcher_args=OPTIONS[launcher], env={"CUDA_VISIBLE_DEVICES": "4, 6"},
        hyperparameters={"config": "of the job", "rank": "8"}, **fields,
    )  # fmt: skip
    run = submit(spec, deck.store, cwd=deck.tmp_path, environ=dict(os.environ))
    deck.runs.append(run)
    return run


def _facts(deck: Deck, run: RunDir, rank: int, attempt: int) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(deck.log(run, rank, attempt).splitlines()[0])
    return facts


@pytest.mark.parametrize("launcher", OPTIONS)
def test_a_rank_fails_the_others_end_and_the_restart_succeeds(deck: Deck, launcher: str) -> None:
    run = _start(deck, launcher, max_restarts=1)
    for rank in range(4):
        deck.wait_rank(run, "output", rank)
    (deck.tmp_path / PROJECT / "go").touch()
    end = deck.end(run)
    assert end.state is RunPhase.SUCCEEDED, deck.state(run)
    assert [rank.exit_code for rank in end.ranks] == [0, 0, 0, 0]
    events = deck.check_log(run)
    failures = [event for event in events if getattr(event, "failure", None) is not None]
    assert [event.failure.rank for event in failures] == [3]
    assert "ValueError: boom" in failures[0].failure.summary
    for node, ends in (("node0", [(None, 15), (None, 15)]), ("node1", [(None, 15), (1, None)])):
        state = json.loads((run.node(node).attempt(0).path / "state.json").read_text())
        assert [(rank["exit_code"], rank["signal"]) for rank in state["ranks"]] == ends
        assert {rank["exit_source"] for rank in state["ranks"]} == {"kernel"}
    ports = set()
    for rank in range(4):
        facts = _facts(deck, run, rank, 1)
        ports.add(facts.pop("MASTER_PORT"))
        own = (
            {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_CPU": "true", "args": ["a b"]}
            if launcher == "accelerate"
            else {"args": [f"--local_rank={rank % 2}", "a b"]}
        )
        devices = "4, 6" if launcher == "accelerate" else "4,6"
        assert facts == {
            **dict.fromkeys(NAMES[7:]), "RANK": str(rank), "LOCAL_RANK": str(rank % 2),
            "WORLD_SIZE": "4", "CUDA_VISIBLE_DEVICES": devices, "config": "of the job",
            "rank": "8", **own,
        }  # fmt: skip
    assert len(ports) == 1
    assert processes_of(run.id) == []


@pytest.mark.parametrize("launcher", OPTIONS)
def test_a_stop_ends_every_rank_and_leaves_nothing(deck: Deck, launcher: str) -> None:
    run = _start(deck, launcher, "stay")
    for rank in range(4):
        deck.wait_rank(run, "output", rank)
    deck.command(run, "stop")
    end = deck.end(run)
    assert end.state is RunPhase.STOPPED
    assert {rank.state for rank in end.ranks} == {RankState.KILLED}
    assert {rank.signal for rank in end.ranks} == {15}
    wait_for(lambda: processes_of(run.id) == [], "nothing left")


def test_the_sample_for_accelerate_trains(deck: Deck) -> None:
    project = deck.tmp_path / "sample"
    scaffold(project, "accelerate")
    draft = JobDraft(python=sys.executable, hyperparameters={"steps": "40"})
    spec = resolve_job(str(project), draft, deck.tmp_path, os.environ)
    run = submit(spec, deck.store, cwd=deck.tmp_path, environ=dict(os.environ))
    deck.runs.append(run)
    assert deck.end(run).state is RunPhase.SUCCEEDED
    losses = [_losses(deck.log(run, rank)) for rank in (0, 1)]
    assert losses[0] != losses[1], "each rank has its own part of the data"
    assert losses[0][-1] < losses[0][0]
    (saved,) = project.glob("output/*/checkpoint/model.pt")
    assert f"saved {saved}" in deck.log(run, 0)
    assert "saved" not in deck.log(run, 1)


def _losses(log: str) -> list[float]:
    steps = (line.split() for line in log.splitlines() if line.startswith("step "))
    return [float(words[3]) for words in steps]
