"""How ranks end: every exit as the kernel reported it, with and without a launcher between."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.node_state import NodeOutcome, RankState
from tests.agent.harness import ALL_HERE, rank_of

if TYPE_CHECKING:
    from tests.agent.harness import AgentRun

BOOM = f"""
import os, time
print("step 1/9 loss 0.5", flush=True)
{ALL_HERE}
if os.environ["RANK"] == "1":
    raise ValueError("boom")
time.sleep(60)
"""
FAILS_ONCE = f"""
import os, sys
print("try", flush=True)
{ALL_HERE}
sys.exit(os.environ["TORCHELASTIC_RESTART_COUNT"] == "0")
"""
SELF_KILL = f"""
import os, signal, time
print("up", flush=True)
{ALL_HERE}
if os.environ["RANK"] == "0":
    os.kill(os.getpid(), signal.NAME)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_ranks_that_succeed(agent: AgentRun, how: str) -> None:
    getattr(agent, how)("print('step 3/7 loss 0.25 lr 1e-3')", nproc=2)
    state = agent.done()
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert state.problem is None
    assert state.stop is None
    for rank in state.ranks:
        assert rank.state is RankState.EXITED
        assert (rank.exit_code, rank.signal, rank.exit_source) == (0, None, "kernel")
        assert (rank.step, rank.total_steps) == (3, 7)
        assert rank.metrics == {"loss": 0.25, "lr": 0.001}
        assert rank.last_line == "step 3/7 loss 0.25 lr 1e-3"
        assert rank.times["spawned"] <= rank.times["output"] <= rank.times["exited"]
        assert agent.log(rank.rank) == b"step 3/7 loss 0.25 lr 1e-3\n"
    assert agent.agent_log() == ""


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_an_exception_ends_the_others_and_is_recorded(agent: AgentRun, how: str) -> None:
    getattr(agent, how)(BOOM, nproc=2)
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    culprit, other = rank_of(state, 1), rank_of(state, 0)
    assert culprit.state is RankState.FAILED
    assert (culprit.exit_code, culprit.signal, culprit.exit_source) == (1, None, "kernel")
    assert culprit.error is not None
    assert (culprit.error.type, culprit.error.message) == ("ValueError", "boom")
    assert culprit.error.time <= culprit.times["failed"]
    assert other.state is RankState.KILLED
    assert other.signal == signal.SIGTERM
    assert state.stop is not None
    assert state.stop.reason == "rank 1 failed"
    assert state.stop.verified is not None
    assert b"ValueError: boom" in agent.log(1)
    assert b"boom" in agent.node.attempt(0).error(1).read_bytes()


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_sys_exit_keeps_its_code(agent: AgentRun, how: str) -> None:
    text = f"{ALL_HERE}\nimport sys\nif os.environ['RANK'] == '1': sys.exit(3)\ntime.sleep(60)"
    getattr(agent, how)(text, nproc=2)
    state = agent.done()
    assert rank_of(state, 1).state is RankState.FAILED
    assert rank_of(state, 1).exit_code == 3
    assert rank_of(state, 1).exit_source == "kernel"
    assert rank_of(state, 1).error is None
    assert rank_of(state, 0).state is RankState.KILLED


@pytest.mark.parametrize("how", ["ranks", "launched"])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_a_signal_is_told_as_such(agent: AgentRun, how: str, name: str) -> None:
    getattr(agent, how)(SELF_KILL.replace("NAME", name), nproc=2)
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    culprit = rank_of(state, 0)
    assert culprit.state is RankState.FAILED
    assert (culprit.exit_code, culprit.signal) == (None, signal.Signals[name])
    assert culprit.exit_source == "kernel"
    assert rank_of(state, 1).state is RankState.KILLED


def test_without_fail_fast_the_others_go_on(agent: AgentRun) -> None:
    text = "import os, sys, time\nif os.environ['RANK'] == '1': sys.exit(3)\ntime.sleep(1)"
    agent.ranks(text, nproc=2, fail_fast=False)
    state = agent.done()
    assert rank_of(state, 0).state is RankState.EXITED
    assert rank_of(state, 1).state is RankState.FAILED
    assert state.outcome is NodeOutcome.FAILED
    assert state.stop is None


def test_a_launcher_may_restart_its_ranks(agent: AgentRun) -> None:
    agent.launched(FAILS_ONCE, nproc=2, restarts=1)
    state = agent.done()
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert state.stop is None
    assert {rank.state for rank in state.ranks} == {RankState.EXITED}
    assert agent.log(0) == b"try\ntry\n"


def test_a_launcher_that_runs_out_of_restarts(agent: AgentRun) -> None:
    agent.launched("import sys; sys.exit(4)", nproc=1, restarts=1)
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert rank_of(state, 0).state is RankState.FAILED
    assert rank_of(state, 0).exit_code == 4


def test_a_failing_script_that_starts_no_ranks(agent: AgentRun) -> None:
    script = agent.script("echo preparing\necho no data here >&2\nexit 7\n", "train.sh")
    agent.start(spawn="launcher", launcher="script", argv=("bash", str(script)), entry=str(script))
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert state.launcher is not None
    assert state.launcher.exit_code == 7
    assert state.problem is not None
    assert state.problem.category == "launcher"
    assert state.problem.message == (
        "train.sh ended with exit code 7 before it had started a rank; its last words: no data here"
    )
    assert agent.node.launcher_log.read_bytes() == b"preparing\nno data here\n"


def test_a_script_that_starts_no_ranks_and_succeeds(agent: AgentRun) -> None:
    script = agent.script("echo done\n", "train.sh")
    agent.start(spawn="launcher", launcher="script", argv=("bash", str(script)), entry=str(script))
    state = agent.done()
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert rank_of(state, 0).state is RankState.PENDING


def test_ranks_that_are_no_python_programs(agent: AgentRun) -> None:
    """A launcher that redirects its ranks itself and never asks for an interpreter."""
    launcher = agent.script(
        """
import os, subprocess, sys
folder = os.environ["PET_LOG_DIR"] + "/none_x/attempt_0/0"
os.makedirs(folder)
with open(folder + "/stdout.log", "w") as out, open(folder + "/stderr.log", "w") as err:
    env = dict(os.environ, RANK="0", LOCAL_RANK="0")
    sys.exit(subprocess.call(["bash", sys.argv[1]], env=env, stdout=out, stderr=err))
""",
        "launcher.py",
    )
    import sys

    rank = agent.script(
        "for i in 1 2 3 4 5; do echo step $i/5; done\nuntil test -e seen; do sleep 0.1; done\n"
        "echo oops >&2\nexit 9\n",
        "rank.sh",
    )
    agent.start(
        spawn="launcher",
        launcher="script",
        argv=(sys.executable, str(launcher), str(rank)),
    )
    agent.until(lambda state: rank_of(state, 0).pid is not None)
    (agent.project / "seen").touch()
    state = agent.done()
    record = rank_of(state, 0)
    assert record.state is RankState.FAILED
    assert (record.exit_code, record.exit_source) == (9, "kernel")
    assert (record.step, record.total_steps) == (5, 5)
    assert sorted(agent.log(0).splitlines()) == [b"oops", *(b"step %d/5" % i for i in range(1, 6))]
