"""Runs that hang, for real: who holds them up is told while they live and after they have died."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.diagnose.hang import Basis, Hang, HangState
from rankdeck.diagnose.hang_report import find_hang
from rankdeck.run.layout import RunDir
from rankdeck.run.view import RunReader
from tests.e2e.conftest import ALL_HERE, assert_nothing_left, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

TRAINING = """
import datetime, os, sys, time
rank, culprit = int(os.environ["RANK"]), 1
{before}
import torch
import torch.distributed as dist
{all_here}
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=10))
for step in range(1, 1000):
    if rank == culprit and step == 20:
        {deed}
    print(f"step {{step}} loss 1.0", flush=True)
    dist.all_reduce(torch.ones(1))
    time.sleep(0.11)
"""

PRINTING = """
import os, sys, time
rank = int(os.environ["RANK"])
for step in range(1, 21):
    if rank == 1 and step == 20:
        {deed}
    print(f"step {{step}} loss 1.0", flush=True)
    time.sleep(0.11)
time.sleep(600)
"""


@pytest.mark.torch
@pytest.mark.parametrize("deed", ["time.sleep(600)", "\n        while True: pass"])
def test_a_rank_that_does_not_come_to_a_collective_is_named(
    cli: Cli, program: Callable[..., Path], deed: str
) -> None:
    script = program(TRAINING.format(before="", all_here=ALL_HERE, deed=deed))
    assert cli("run", "--nproc-per-node", "3", "--grace", "2", script).returncode == 1
    failure = cli.show()["failure"]
    assert (failure["rank"], failure["category"], failure["certainty"]) == (1, "hang", "likely")
    assert "rank 1 was at step 19, the others at 20" in failure["facts"]
    assert failure["collateral_ranks"] == [0, 2]
    told = cli.ok("why", "last")
    assert "kept the others waiting" in told
    assert "most likely they waited for it" in told
    assert_nothing_left(cli.show()["id"])


@pytest.mark.torch
def test_a_rank_that_never_joins_is_named_for_certain(
    cli: Cli, program: Callable[..., Path]
) -> None:
    # only the others are to come to it at the same time
    absent = "if rank == culprit: open(__file__[:-7] + 'here-1', 'w'); time.sleep(600)"
    script = program(TRAINING.format(before=absent, all_here=ALL_HERE, deed="pass"))
    assert cli("run", "--nproc-per-node", "3", "--grace", "2", script).returncode == 1
    failure = cli.show()["failure"]
    assert (failure["rank"], failure["category"], failure["certainty"]) == (1, "hang", "certain")
    assert failure["signature"] == "not-joined"
    assert "never joined the others" in cli.ok("why", "last")


def as_if_later(run: RunDir, seconds: float) -> Hang | None:
    """What would be told of a run as it is now, if nothing came for so long."""
    snapshot = RunReader(run).snapshot()
    nodes = tuple(
        msgspec.structs.replace(node, heartbeat=(node.heartbeat or 0.0) + seconds)
        for node in snapshot.nodes
    )
    later = msgspec.structs.replace(snapshot, nodes=nodes)
    return find_hang(later, run, max(node.heartbeat or 0.0 for node in nodes))


@pytest.mark.parametrize("deed", ["time.sleep(600)", "\n        while True: pass"])
def test_a_run_that_lives_and_hangs(cli: Cli, program: Callable[..., Path], deed: str) -> None:
    script = program(PRINTING.format(deed=deed))
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "3", script)
    run = RunDir(cli.run_dir())

    def at_the_end() -> bool:
        ranks = RunReader(run).snapshot().ranks
        return [rank.step for rank in ranks] == [20, 19, 20]

    until(at_the_end)
    assert as_if_later(run, 30.0) is None
    hang = as_if_later(run, 90.0)
    assert hang is not None
    assert (hang.state, hang.basis, hang.certainty) == (HangState.STALLED, Basis.STEP, "likely")
    assert [suspect.rank for suspect in hang.suspects] == [1]
    assert "rank 1 is at step 19, the others at 20" in hang.facts
    document = why(cli)
    assert (document["state"], document["failure"], document["hang"]) == ("running", None, None)
    cli.ok("stop", "last", "--grace", "1")
    # it was stopped before it was silent for long
    assert why(cli)["hang"] is None


def why(cli: Cli) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cli.ok("why", "last", "--json"))
    assert set(document) == {"id", "state", "failure", "hang"}
    return document


def test_what_was_stopped_after_a_long_silence_is_told_as_stalled(
    cli: Cli, program: Callable[..., Path]
) -> None:
    script = program(PRINTING.format(deed="time.sleep(600)"))
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "3", script)
    run = RunDir(cli.run_dir())
    until(lambda: [rank.step for rank in RunReader(run).snapshot().ranks] == [20, 19, 20])
    cli("stop", "last", "--grace", "1")
    cli.until_unsupervised()
    shift_stop(run, 90.0)
    told = cli.ok("why", "last")
    assert "stopped by the user; no rank has failed" in told
    assert "was stalled when it was ended: nothing had been printed for " in told
    assert "rank 1 on" in told
    assert why(cli)["hang"]["basis"] == "step"


def shift_stop(run: RunDir, seconds: float) -> None:
    """Write the end of a run down as if it had been asked for later."""
    (path,) = run.nodes.glob("*/state.json")
    state = json.loads(path.read_text())
    state["stop"]["requested"] += seconds
    path.write_text(json.dumps(state))
    text = json.loads(run.state.read_text())
    for rank in text["ranks"]:
        rank["times"][rank["state"]] += seconds
    run.state.write_text(json.dumps(text))
