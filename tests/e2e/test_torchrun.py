"""Real torchrun, real gloo: what the launchers promise, seen through the command line."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ALL_HERE, assert_nothing_left, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

pytestmark = pytest.mark.torch

DDP = """
import os, sys, time
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
total = torch.ones(1)
dist.all_reduce(total)
print(f"step 1/9 loss 1.0 total {total.item():g}", flush=True)
print("on stderr", rank, file=sys.stderr, flush=True)
"""
# without this, gloo may abort a rank at its exit because a peer has already gone
END = "\ndist.barrier()\ndist.destroy_process_group()\n"
WAIT = "\ndist.barrier()\nprint('step 2/9', flush=True)\ntime.sleep(600)\n"


def test_ranks_meet_and_keep_their_own_logs(cli: Cli, program: Callable[..., Path]) -> None:
    # the agent looks for the rendezvous once a second
    done = cli("run", "--nproc-per-node", "2", program(DDP + "\ntime.sleep(3)\n" + END))
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        assert cli.log(rank).splitlines()[-2:] == [
            b"step 1/9 loss 1.0 total 2",
            b"on stderr %d" % rank,
        ]
    show = cli.show()
    assert [rank["exit_code"] for rank in show["ranks"]] == [0, 0]
    assert all("rendezvous" in rank["times"] for rank in show["ranks"])
    assert_nothing_left(show["id"])


def test_exception_of_one_rank_is_told_apart_from_its_victim(
    cli: Cli, program: Callable[..., Path]
) -> None:
    deed = "\nif rank == 1:\n    raise ValueError('bad batch 17')\ndist.all_reduce(total)\n"
    done = cli("run", "--nproc-per-node", "2", program(DDP + deed))
    assert done.returncode == 1
    show = cli.show()
    failure = show["failure"]
    assert failure["rank"] == 1
    assert "bad batch 17" in failure["summary"]
    assert any("work.py" in line for line in failure["evidence"])
    assert failure["collateral_ranks"] == [0]
    # gloo may abort a process that leaves with an exception while its peer still sends to it
    ended = (show["ranks"][1]["exit_code"], show["ranks"][1]["signal"])
    assert ended in ((1, None), (None, signal.SIGABRT))
    assert_nothing_left(show["id"])


def test_exit_code_is_the_ranks_own_not_torchruns(cli: Cli, program: Callable[..., Path]) -> None:
    deed = f"{ALL_HERE}\nif rank == 0:\n    os._exit(7)\ntime.sleep(600)\n"
    done = cli("run", "--nproc-per-node", "2", "--grace", "60", program(DDP + deed))
    assert done.returncode == 1
    show = cli.show()
    assert (show["ranks"][0]["exit_code"], show["ranks"][0]["signal"]) == (7, None)
    # its own, or none when the agent's TERM comes as it has already let go of its handlers
    assert show["nodes"][0]["launcher"].get("exit_code") in (1, None)
    assert show["failure"]["rank"] == 0


def test_killed_torchrun_leaves_no_rank_behind(cli: Cli, program: Callable[..., Path]) -> None:
    cli.ok("run", "-d", "--nproc-per-node", "2", program(DDP + WAIT))
    # one that is still on its way to the barrier would fail of the loss of torchrun's store
    for rank in (0, 1):
        cli.until_rank(rank, "stepping")
        until(lambda rank=rank: b"step 2/9" in cli.log(rank))
    node = until(cli.node_state)
    os.kill(node["launcher"]["pid"], signal.SIGKILL)
    state = cli.until_state("failed")
    assert_nothing_left(state["id"])
    why = cli.ok("why", "last")
    assert "SIGKILL" in why
    assert "torchrun" in why


def test_script_that_calls_torchrun_itself(cli: Cli, program: Callable[..., Path]) -> None:
    path = program(DDP + END, "train.py")
    path.with_name("HyperParameters.json").write_text(
        '{"HyperParameters": [ // rates\n'
        '  {"name": "lr", "types": "float", "defaultValue": "0.1"}]}'
    )
    path.with_name("train.sh").write_text(
        'echo "out=$OUTPUT_DIR lr=$lr"\n'
        "torchrun --nnodes ${NNODES} --nproc_per_node ${NPROC_PER_NODE} --node_rank ${NODE_RANK}"
        " --master_addr ${MASTER_ADDR} --master_port ${MASTER_PORT} ${PROJECT_DIR}/train.py\n"
    )
    done = cli("run", path.parent, "--nproc-per-node", "2", "--set", "lr=0.5")
    assert done.returncode == 0, done.stderr
    run = cli.show()
    assert f"out={path.parent}/output/{run['id']} lr=0.5" in cli.ok("logs", "last", "--launcher")
    assert (path.parent / "output" / run["id"] / "tensorboard").is_dir()
    assert (path.parent / "output" / run["id"] / "checkpoint").is_dir()
    for rank in (0, 1):
        assert b"total 2" in cli.log(rank)


def test_scaffold_trains_at_once_and_resumes(cli: Cli, tmp_path: Path) -> None:
    cli.ok("init", tmp_path / "gpt")
    out = tmp_path / "out"
    small = ("--set", "n_layer=1", "--set", "n_embd=32", "--output-dir", str(out))
    first = cli("run", tmp_path / "gpt", "--nproc-per-node", "2", "--set", "steps=6", *small)
    assert first.returncode == 0, first.stderr
    assert list((out / "checkpoint").iterdir())
    second = cli("rerun", "last", "--set", "steps=8")
    assert second.returncode == 0, second.stderr
    assert "step 8/8" in second.stdout
    assert "step 1/8" not in second.stdout


def test_script_without_torchrun_succeeds_by_its_own_code(
    cli: Cli, program: Callable[..., Path]
) -> None:
    path = program("echo only this\n", "train.sh")
    done = cli("run", path)
    assert done.returncode == 0, done.stderr
    assert "only this" in done.stdout
    path.write_text("exit 4\n")
    done = cli("run", path)
    assert done.returncode == 1
    assert "4" in cli.show()["failure"]["summary"]
