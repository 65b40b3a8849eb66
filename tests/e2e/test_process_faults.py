"""SIGKILL to each process of ours, and hangups: the run stays true and nothing is orphaned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import assert_nothing_left, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli

STEPS = """
import os, time
for step in range(1, {steps} + 1):
    print(f"step {{step}}/{steps} loss {{1 / step:.3f}}", flush=True)
    time.sleep(0.05)
"""


def parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[1])


def start(cli: Cli, path: Path, *options: str) -> dict[str, Any]:
    cli.ok("run", "-d", "--launcher", "direct", "--nproc-per-node", "2", *options, path)
    cli.until_rank(0, "stepping")
    cli.until_rank(1, "stepping")
    return cli.state()


def events(cli: Cli) -> list[dict[str, Any]]:
    text = (cli.run_dir() / "events.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_supervisor_killed_and_replaced(cli: Cli, program: Callable[..., Path]) -> None:
    state = start(cli, program(STEPS.format(steps=100)))
    os.kill(state["supervisor"]["pid"], signal.SIGKILL)
    cli.until_unsupervised()
    cli.ok("ls")
    until(lambda: cli.state()["supervisor"]["pid"] != state["supervisor"]["pid"])
    assert cli("wait", "last").returncode == 0
    assert cli.log(0).count(b"step") == 100
    history = events(cli)
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    for rank in (0, 1):
        rungs = [e["state"] for e in history if e["kind"] == "rank" and e.get("rank") == rank]
        assert len(rungs) == len(set(rungs))
        assert rungs[-1] == "exited"


def test_run_ends_while_nobody_supervises_it(cli: Cli, program: Callable[..., Path]) -> None:
    state = start(cli, program(STEPS.format(steps=40)))
    os.kill(state["supervisor"]["pid"], signal.SIGKILL)
    cli.until_unsupervised()
    until(lambda: (cli.node_state() or {}).get("phase") == "done")
    show = cli.show()
    assert cli("wait", "last").returncode == 0
    assert show["id"] == cli.show()["id"]
    assert [rank["exit_code"] for rank in cli.show()["ranks"]] == [0, 0]


@pytest.mark.parametrize("which", ["agent", "guardian"])
def test_agent_killed_leaves_nothing(cli: Cli, program: Callable[..., Path], which: str) -> None:
    state = start(cli, program(STEPS.format(steps=2000)))
    node = cli.node_state()
    assert node is not None
    pid = node["agent"]["pid"]
    os.kill(parent(pid) if which == "guardian" else pid, signal.SIGKILL)
    end = cli.until_state("failed", "lost")
    assert_nothing_left(state["id"])
    assert end["reason"] or end["failure"]
    assert "agent" in cli.ok("why", "last")
    assert cli.log(0).startswith(b"step 1/")


def test_hangup_detaches_from_the_run(cli: Cli, program: Callable[..., Path]) -> None:
    path = program(STEPS.format(steps=60))
    follower = cli.start("run", "--launcher", "direct", path)
    cli.until_rank(0, "stepping")
    follower.send_signal(signal.SIGHUP)
    assert follower.wait(60) == 0
    assert cli("wait", "last").returncode == 0
    assert cli.log(0).count(b"step") == 60


def test_follower_killed_run_goes_on(cli: Cli, program: Callable[..., Path]) -> None:
    path = program(STEPS.format(steps=60))
    follower = cli.start("run", "--launcher", "direct", path, start_new_session=True)
    cli.until_rank(0, "stepping")
    os.killpg(follower.pid, signal.SIGKILL)
    follower.wait(60)
    assert cli("wait", "last").returncode == 0


def test_interrupt_stops_and_a_second_one_kills(cli: Cli, program: Callable[..., Path]) -> None:
    path = program(
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "signal.signal(2, signal.SIG_IGN)\n" + STEPS.format(steps=2000)
    )
    follower = cli.start("run", "--launcher", "direct", "--grace", "300", path)
    cli.until_rank(0, "stepping")
    follower.send_signal(signal.SIGINT)
    cli.until_state("stopping")
    follower.send_signal(signal.SIGINT)
    assert follower.wait(60) == 130
    show = cli.show()
    assert show["state"] == "stopped"
    assert show["ranks"][0]["signal"] == signal.SIGKILL
    assert_nothing_left(show["id"])


INTERRUPTED = """
import os, signal
import rankdeck.run.launch as launch
write = launch._write_for_people
def interrupted(*arguments):
    # the run is on its way, and nobody follows it yet
    os.kill(os.getpid(), signal.{name})
    write(*arguments)
launch._write_for_people = interrupted
from rankdeck.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("name", "code", "state"), [("SIGINT", 130, "stopped"), ("SIGHUP", 0, "running")]
)
def test_a_signal_in_the_very_moment_of_the_start_is_heard(
    cli: Cli, program: Callable[..., Path], name: str, code: int, state: str
) -> None:
    path = program("import time\ntime.sleep(600)\n")
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(name=name), "run", "--launcher", "direct", path],
        env=cli.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    cli.until_state(state)


def test_reader_that_goes_away_does_not_stop_the_run(
    cli: Cli, program: Callable[..., Path]
) -> None:
    path = program(STEPS.format(steps=60))
    follower = cli.start("run", "--launcher", "direct", path)
    assert follower.stdout is not None
    follower.stdout.read(20)
    follower.stdout.close()
    assert cli("wait", "last").returncode == 0
