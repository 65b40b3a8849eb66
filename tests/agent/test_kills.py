"""SIGKILL to the agent's own processes and to the launcher: nothing runs on unwatched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.run.node_state import NodeOutcome, NodePhase, RankState
from tests.agent.test_stop import DAEMON, FOREVER, STUBBORN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.harness import AgentRun


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_the_agent_is_killed(agent: AgentRun, how: str) -> None:
    getattr(agent, how)(STUBBORN, nproc=2)
    state = agent.until_ranks("output")
    os.kill(state.agent.pid, signal.SIGKILL)
    assert agent.process is not None
    assert agent.process.wait(60) == 1
    assert agent.left() == {}
    assert "the agent ended by signal 9; nothing of the run is left" in agent.agent_log()
    assert agent.log(0) == b"up\n"


def test_the_agent_is_killed_while_daemons_run(agent: AgentRun) -> None:
    agent.ranks(DAEMON, nproc=2)
    state = agent.until(lambda state: all(rank.log_bytes >= 17 for rank in state.ranks))
    os.kill(state.agent.pid, signal.SIGKILL)
    assert agent.process is not None
    assert agent.process.wait(60) == 1
    assert agent.left() == {}


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_the_guardian_is_killed(agent: AgentRun, how: str) -> None:
    getattr(agent, how)(STUBBORN, nproc=2)
    agent.until_ranks("output")
    assert agent.process is not None
    agent.process.kill()
    state = agent.until(lambda state: state.phase is NodePhase.DONE)
    agent.until_nothing_left()
    assert state.outcome is NodeOutcome.FAILED
    assert state.problem is not None
    assert state.problem.category == "agent"
    assert state.stop is not None
    assert state.stop.reason == "the guardian was killed"
    assert {rank.signal for rank in state.ranks} == {signal.SIGKILL}


def test_agent_and_guardian_are_killed_and_swept_away(agent: AgentRun, tmp_path: Path) -> None:
    agent.launched(DAEMON, nproc=1)
    state = agent.until(lambda state: all(rank.log_bytes >= 17 for rank in state.ranks))
    assert agent.process is not None
    agent.process.send_signal(signal.SIGSTOP)  # so that neither can notice the other's end
    os.kill(state.agent.pid, signal.SIGSTOP)
    agent.process.kill()
    os.kill(state.agent.pid, signal.SIGKILL)
    bundle = agent_bundle(tmp_path / "cache")
    for node, cleans in (("other", False), (state.node, True)):
        done = subprocess.run(
            agent_command(sys.executable, bundle, "--sweep", agent.id, node),
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert msgspec.json.decode(done.stdout) == []
        # the daemon that dropped its environment cannot be recognised by anyone now
        left = [pid for pid in agent.left() if _environ(pid)]
        assert bool(left) is not cleans


def _environ(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_the_launcher_is_killed(agent: AgentRun) -> None:
    agent.launched(STUBBORN, nproc=2, grace=1.0)
    state = agent.until_ranks("output")
    assert state.launcher is not None
    os.kill(state.launcher.pid, signal.SIGKILL)
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert state.launcher is not None
    assert state.launcher.signal == signal.SIGKILL
    assert state.problem is not None
    assert state.problem.category == "launcher"
    assert "torchrun was ended by SIGKILL while its ranks were running" in state.problem.message
    for rank in state.ranks:
        assert (rank.state, rank.exit_source) == (RankState.KILLED, "kernel")


def test_ranks_in_the_group_of_a_launcher_that_is_killed_are_told_to_end(agent: AgentRun) -> None:
    agent.launched(FOREVER, nproc=2, extra_env={"STAND_IN_DEEPSPEED": "1"})
    state = agent.until_ranks("output")
    assert state.launcher is not None
    os.kill(state.launcher.pid, signal.SIGKILL)
    state = agent.done()
    assert {(rank.state, rank.signal) for rank in state.ranks} == {(RankState.KILLED, 15)}


@pytest.mark.parametrize("like", [{}, {"STAND_IN_DEEPSPEED": "1"}])
def test_the_launcher_is_told_to_end_by_somebody_else(
    agent: AgentRun, like: dict[str, str]
) -> None:
    agent.launched(FOREVER, nproc=2, extra_env=like)
    state = agent.until_ranks("output")
    assert state.launcher is not None
    os.kill(state.launcher.pid, signal.SIGTERM)
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert {rank.state for rank in state.ranks} == {RankState.KILLED}
    assert state.problem is not None
    assert "torchrun was told by a signal to end" in state.problem.message


def test_a_rank_is_killed_by_somebody_else(agent: AgentRun) -> None:
    agent.launched(FOREVER, nproc=2)
    state = agent.until_ranks("output")
    victim = state.ranks[0]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    state = agent.done()
    assert state.ranks[0].state is RankState.FAILED
    assert state.ranks[0].signal == signal.SIGKILL
    assert state.ranks[1].state is RankState.KILLED
    assert state.problem is None


def test_a_fault_of_the_agent_itself(agent: AgentRun) -> None:
    """Whatever it is: everything is ended, and the state says so."""
    agent.launched(STUBBORN, nproc=2, wait_for_go=True)
    agent.until(lambda state: state.phase is NodePhase.READY)
    spawned = agent.node.attempt(0).path / "spawned"
    spawned.unlink()
    spawned.mkdir()
    agent.send("go")
    state = agent.until(lambda state: state.phase is NodePhase.DONE)
    assert agent.process is not None
    assert agent.process.wait(60) == 1
    assert agent.left() == {}
    assert state.outcome is NodeOutcome.FAILED
    assert state.problem is not None
    assert state.problem.category == "agent"
    assert "the agent itself failed: IsADirectoryError" in state.problem.message
    assert "Traceback" in agent.agent_log()


def test_a_broken_order_is_told(tmp_path: Path) -> None:
    bundle = agent_bundle(tmp_path / "cache")
    order = tmp_path / "order.json"
    for text, wanted in (("{", "order.json: "), ('{"run_id": 1}', "incomplete")):
        order.write_text(text)
        done = subprocess.run(
            agent_command(sys.executable, bundle, str(order)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert wanted in done.stderr
        assert "Traceback" not in done.stderr
