"""Stopping: whatever ranks ignore, fork or detach, nothing of the run is left."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.agent.kernel import read_stat
from rankdeck.run.node_state import NodeOutcome, NodePhase, RankState
from tests.agent.harness import rank_of, until

if TYPE_CHECKING:
    from tests.agent.harness import AgentRun

FOREVER = "import time\nprint('up', flush=True)\ntime.sleep(600)"
STUBBORN = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
while True:
    time.sleep(1)
"""
LAST_WORDS = """
import signal, sys, time
def end(number, frame):
    # a launcher that is slow to end its ranks, or they to end, gets company after a second
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("saved", flush=True)
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""
# a daemon as textbooks make them, then one that also drops its environment
DAEMON = """
import os, signal, sys, time
def daemon(environ):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            code = ("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                    "print('daemon', flush=True); time.sleep(600)")
            os.execve(sys.executable, [sys.executable, "-c", code, sys.argv[0]], environ)
        os._exit(0)
    os.wait()
daemon(dict(os.environ))
daemon({})
print("up", flush=True)
time.sleep(0 if len(sys.argv) > 1 else 600)
"""


def has_ended(pid: int | None) -> bool:
    stat = read_stat(pid or 0)
    return stat is None or stat.ended


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_a_stop_ends_the_ranks_gently(agent: AgentRun, how: str) -> None:
    getattr(agent, how)(LAST_WORDS, nproc=2)
    agent.until_ranks("output")
    agent.send("stop", reason="stopped by the user")
    state = agent.done()
    assert state.outcome is NodeOutcome.STOPPED
    assert state.stop is not None
    assert state.stop.reason == "stopped by the user"
    assert state.stop.term is not None
    assert state.stop.kill is None
    assert state.stop.verified is not None
    for rank in state.ranks:
        assert rank.state is RankState.KILLED
        assert rank.exit_code == 1
        assert agent.log(rank.rank) == b"up\nsaved\n"


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_ranks_that_ignore_term_are_killed_after_the_grace(agent: AgentRun, how: str) -> None:
    getattr(agent, how)(STUBBORN, nproc=2, grace=1.0)
    agent.until_ranks("output")
    agent.send("stop")
    state = agent.done()
    assert state.outcome is NodeOutcome.STOPPED
    assert state.stop is not None
    assert state.stop.term is not None
    assert state.stop.kill is not None
    assert state.stop.kill >= state.stop.term + 1.0
    for rank in state.ranks:
        assert (rank.state, rank.signal) == (RankState.KILLED, signal.SIGKILL)
        assert rank.exit_source == "kernel"


def test_a_kill_has_no_grace(agent: AgentRun) -> None:
    agent.ranks(LAST_WORDS, nproc=2, grace=600.0)
    agent.until_ranks("output")
    agent.send("kill")
    state = agent.done()
    assert state.stop is not None
    assert state.stop.term is None
    assert {rank.signal for rank in state.ranks} == {signal.SIGKILL}


def test_a_kill_shortens_a_stop(agent: AgentRun) -> None:
    agent.ranks(STUBBORN, grace=600.0)
    agent.until_ranks("output")
    agent.send("stop", reason="first")
    agent.until(lambda state: state.phase is NodePhase.STOPPING)
    agent.send("kill", reason="second")
    state = agent.done()
    assert state.stop is not None
    assert state.stop.reason == "first"
    assert rank_of(state, 0).signal == signal.SIGKILL


def test_a_term_to_either_process_of_the_agent_is_a_stop(agent: AgentRun) -> None:
    agent.ranks(FOREVER)
    agent.until_ranks("output")
    assert agent.process is not None
    agent.process.send_signal(signal.SIGHUP)
    agent.process.send_signal(signal.SIGTERM)
    state = agent.done()
    assert state.outcome is NodeOutcome.STOPPED
    assert state.stop is not None
    assert state.stop.reason == "SIGTERM"


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_daemons_are_ended_with_the_run(agent: AgentRun, how: str) -> None:
    getattr(agent, how)(DAEMON, nproc=2, grace=1.0)
    agent.until(
        lambda state: all(rank.log_bytes >= len("daemon\n" * 2 + "up\n") for rank in state.ranks)
    )
    agent.send("stop")
    state = agent.done()
    assert state.stop is not None
    assert state.stop.kill is not None
    assert state.stop.left == ()


def test_daemons_are_ended_after_a_success(agent: AgentRun) -> None:
    path = agent.script(DAEMON)
    agent.start(argv=(sys.executable, str(path), "end"), nproc=1)
    state = agent.done()
    assert rank_of(state, 0).state is RankState.EXITED
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert state.stop is not None
    assert state.stop.reason == "2 processes outlived the run"
    assert state.stop.verified is not None


def test_a_stop_before_the_ranks_are_there(agent: AgentRun) -> None:
    script = agent.script("trap '' TERM\nsleep 600\nsleep 600\n", "train.sh")
    agent.start(spawn="launcher", launcher="script", argv=("bash", str(script)), nproc=2, grace=0.5)
    agent.until(lambda state: state.phase is NodePhase.RUNNING)
    agent.send("stop")
    state = agent.done()
    assert state.outcome is NodeOutcome.STOPPED
    assert {rank.state for rank in state.ranks} == {RankState.PENDING}


def test_a_rank_that_failed_before_a_stop_came_has_failed(agent: AgentRun, tmp_path: Path) -> None:
    """The agent is held up over a file that cannot be opened, and learns of both at once."""
    attempt = agent.node.attempt(0).path
    attempt.mkdir(parents=True)
    os.mkfifo(attempt / "rank-0.times")
    fail = tmp_path / "fail"
    agent.ranks(
        "import os, sys, time\nprint('up', flush=True)\n"
        f"while not os.path.exists({str(fail)!r}):\n    time.sleep(0.02)\nsys.exit(7)\n"
    )
    state = agent.until(lambda state: state.ranks[0].pid is not None)
    # where the kernel has it wait for somebody who reads the file
    place = Path(f"/proc/{state.agent.pid}/wchan")
    until(lambda: re.search("fifo|pipe|partner", place.read_text()))
    fail.touch()
    until(lambda: has_ended(state.ranks[0].pid))
    agent.send("stop")
    held = os.open(attempt / "rank-0.times", os.O_RDONLY)
    (rank,) = agent.done().ranks
    os.close(held)
    assert (rank.state, rank.exit_code) == (RankState.FAILED, 7)


def test_what_is_no_command_is_told_and_removed(agent: AgentRun) -> None:
    agent.ranks(FOREVER)
    agent.until_ranks("output")
    (agent.node.control / "1-stop.json").write_text("{")
    (agent.node.control / "2-stop.json").write_text('{"reason": "nothing"}')
    agent.send("stop")
    agent.done()
    assert "1-stop.json is no command" in agent.agent_log()
    assert "2-stop.json is no command" in agent.agent_log()
    assert os.listdir(agent.node.control) == []
