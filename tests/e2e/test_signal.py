"""Signals for the ranks of a real run: to one, to all, refused, and what the history says of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import Cli

PROGRAM = """
import os, signal, time
rank = os.environ["RANK"]
def told(number, frame):
    print(f"rank {rank} got {signal.Signals(number).name}", flush=True)
signal.signal(signal.SIGUSR1, told)
signal.signal(signal.SIGUSR2, told)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def eventually(met: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


@pytest.fixture
def run_id(cli: Cli, tmp_path: Path) -> Iterator[str]:
    """Three ranks that tell of the signals they get."""
    (tmp_path / "train.py").write_text(PROGRAM)
    options = ("--launcher", "direct", "--nproc-per-node", "3", "--name", "sig", "--detach")
    run = cli.ok("run", *options, tmp_path / "train.py").strip()
    eventually(lambda: cli.ok("logs", run).count("ready") == 3)
    # what they have printed can be read before their supervisor knows that they live
    eventually(lambda: {rank["state"] for rank in cli.show(run)["ranks"]} == {"output"})
    yield run
    cli("kill", run)


def heard(cli: Cli, run: str) -> set[str]:
    """What ranks have got, as `<rank> <signal>`."""
    words = (line.split("rank ")[-1].split(" got ") for line in cli.ok("logs", run).splitlines())
    return {f"{found[0]} {found[1]}" for found in words if len(found) == 2}


def commands(cli: Cli, run: str) -> list[tuple[str, str]]:
    path = json.loads(cli.ok("show", run, "--json"))["path"]
    with open(f"{path}/events.jsonl", encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    return [(e["outcome"], e["message"]) for e in events if e["kind"] == "command"]


def test_one_rank_or_all_get_the_signal_and_the_run_goes_on(cli: Cli, run_id: str) -> None:
    told = cli.ok("signal", run_id, "usr1", "--rank", "1")
    assert told.startswith("SIGUSR1 to rank 1 by ")
    eventually(lambda: heard(cli, run_id) == {"1 SIGUSR1"})
    assert cli.ok("signal", run_id, "SIGUSR2").startswith("SIGUSR2 to ranks 0-2 by ")
    eventually(lambda: len(heard(cli, run_id)) == 4)
    assert heard(cli, run_id) == {"1 SIGUSR1", "0 SIGUSR2", "1 SIGUSR2", "2 SIGUSR2"}
    shown = json.loads(cli.ok("show", run_id, "--json"))
    assert shown["state"] == "running"
    assert [outcome for outcome, _ in commands(cli, run_id)] == ["accepted", "accepted"]


def test_what_cannot_be_sent_is_said(cli: Cli, run_id: str) -> None:
    for args, code, part in (
        (("SIGNOTHING",), 2, "is none of"),
        (("USR1", "--rank", "7"), 1, "has no rank 7: they are 0 to 2"),
        (("USR1", "--node", "elsewhere"), 1, "has no node elsewhere"),
    ):
        done = cli("signal", run_id, *args)
        assert done.returncode != 0, (code, done)
        assert part in done.stderr
    cli.ok("kill", run_id)
    done = cli("signal", run_id, "USR1")
    assert "has already ended" in done.stderr


def test_a_rank_that_was_sent_kill_is_nobodys_fault(cli: Cli, run_id: str) -> None:
    cli.ok("signal", run_id, "KILL", "--rank", "1")
    eventually(lambda: json.loads(cli.ok("show", run_id, "--json"))["state"] == "failed")
    failure = json.loads(cli.ok("show", run_id, "--json"))["failure"]
    assert (failure["rank"], failure["category"], failure["signal"]) == (1, "signalled", 9)
    assert "was sent SIGKILL by " in failure["summary"]
    assert "memory" not in failure["summary"]
    assert failure["certainty"] == "certain"
