"""Where ranks are is told by themselves; nobody is disturbed or ended by the question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

PROGRAM = """
import os, re, signal, sys, time

# what is looked at later is already so when they have said that they are there

def wait_for_others():
    print("there", flush=True); time.sleep(600)

def backtrack():
    # native code that does not let go of the interpreter's lock
    print("there", flush=True); re.match("(a+)+b", "a" * 60)

rank = int(os.environ["RANK"])
if rank == 2:
    backtrack()
if rank == 3:
    print("there", flush=True)
    os.execvp("sleep", ["sleep", "600"])
wait_for_others()
"""

WORKING = """
import os, time
go = os.path.join(os.path.dirname(__file__), "go")
for step in range(1, 41):
    print(f"step {step}/40", flush=True)
    while step == 20 and not os.path.exists(go):
        time.sleep(0.02)
    time.sleep(0.02)
"""


def test_every_rank_tells_where_it_is_and_goes_on(cli: Cli, program: Callable[..., Path]) -> None:
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "4", program(PROGRAM))
    for rank in range(4):
        cli.until_rank(rank, "output")
    # until it is another program, it would still have told
    until(lambda: b"sleep" in comm(cli, 3))
    found = json.loads(cli.ok("stacks", "last", "--json"))
    assert [group["ranks"] for group in found["groups"]] == [[2], [0, 1]]
    assert [group["frames"][-2]["function"] for group in found["groups"]] == [
        "backtrack",
        "wait_for_others",
    ]
    assert found["missing"] == [3]
    assert {rank["state"] for rank in cli.show()["ranks"]} == {"output"}
    told = cli.ok("stacks", "last", "--rank", "1", "--rank", "0")
    assert told.startswith("2 ranks: 0-1\n")
    assert "wait_for_others" in told
    # what is asked of a rank is no sign of life
    assert b"wait_for_others" not in cli.log(1)
    told = cli.ok("why", "last", "--stacks")
    assert "no rank has failed\n\nrank 2\n" in told
    assert "no answer from rank 3" in told
    assert json.loads(cli.ok("why", "last", "--stacks", "--json"))["stacks"]["missing"] == [3]
    cli("kill", "last")
    for command in (
        ("stacks", "last"),
        ("why", "last", "--stacks"),
        ("stacks", "last", "--rank=9"),
    ):
        done = cli(*command)
        assert done.returncode == 2
        assert "has already ended" in done.stderr


def comm(cli: Cli, rank: int) -> bytes:
    record = cli.until_rank(rank, "output")
    with open(f"/proc/{record['pid']}/comm", "rb") as file:
        return file.read()


def test_a_run_that_is_asked_again_and_again_succeeds(
    cli: Cli, program: Callable[..., Path]
) -> None:
    script = program(WORKING)
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "2", script)
    cli.until_rank(0, "stepping")
    cli.until_rank(1, "stepping")
    for _ in range(2):
        assert "no answer" not in cli.ok("stacks", "last")
    script.with_name("go").touch()
    assert cli.until_state("succeeded", "failed")["state"] == "succeeded"
    assert len(cli.log(0).splitlines()) == 40


def test_without_the_recorder_nobody_answers_and_nobody_is_ended(
    cli: Cli, program: Callable[..., Path]
) -> None:
    script = program("import time\nprint('there', flush=True)\ntime.sleep(600)\n")
    cli.ok("run", "-d", "--no-hooks", "--launcher", "direct", "--nproc-per-node", "2", script)
    cli.until_rank(0, "output")
    cli.until_rank(1, "output")
    done = cli("stacks", "last")
    assert done.returncode == 3
    assert "no answer from rank 0-1" in done.stdout
    assert {rank["state"] for rank in cli.show()["ranks"]} == {"output"}
    cli("kill", "last")
