"""The agent with the real torchrun."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.node_state import NodeOutcome, RankState
from tests.agent.harness import ALL_HERE, rank_of

if TYPE_CHECKING:
    from tests.agent.harness import AgentRun

pytestmark = pytest.mark.torch

MEET = """
import os, sys, time
import torch.distributed as dist
dist.init_process_group("gloo")
print("met", dist.get_world_size(), os.environ["MASTER_PORT"], flush=True)
print(os.environ["TORCHELASTIC_USE_AGENT_STORE"], os.environ["TORCHELASTIC_RUN_ID"], flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
dist.destroy_process_group()
"""
NO_TORCH = f"""
import os, sys, time
print("step 1/2", sys.executable, flush=True)
{ALL_HERE}
if os.environ["RANK"] == "1" and "fail" in sys.argv:
    while not os.path.exists("go"):
        time.sleep(0.02)
    sys.exit(3)
time.sleep(600)
"""


def torchrun(agent: AgentRun, text: str, *args: str, **fields: object) -> AgentRun:
    entry = agent.script(text)
    argv = (sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node")
    argv += ("2", "--node-rank", "0", "--master-addr", "127.0.0.1", str(entry), *args)
    return agent.start(
        spawn="launcher",
        launcher="torchrun",
        argv=argv,
        nproc=2,
        entry=str(entry),
        requires_module="torch.distributed.run",
        **fields,
    )


def test_the_late_port_is_used_and_static_rendezvous_kept(agent: AgentRun) -> None:
    torchrun(agent, MEET, env={"PET_RDZV_ID": "the-id", "OMP_NUM_THREADS": "1"})
    agent.until(lambda state: all("rendezvous" in rank.times for rank in state.ranks), 120)
    (agent.project / "go").write_text("")
    state = agent.done(120)
    assert state.outcome is NodeOutcome.SUCCEEDED, agent.node.launcher_log.read_text()
    for rank in state.ranks:
        assert (rank.state, rank.exit_source) == (RankState.EXITED, "kernel")
        assert agent.log(rank.rank).decode() == f"met 2 {state.master_port}\nTrue the-id\n"


def test_the_code_that_torchrun_hides(agent: AgentRun) -> None:
    torchrun(agent, NO_TORCH, "fail")
    # one that it has not seen by then it would only know from torchrun's report
    agent.until_ranks("stepping")
    (agent.project / "go").touch()
    state = agent.done(120)
    assert state.launcher is not None
    # its own way out, or the agent's TERM when it has already let go of its handlers
    ended = (state.launcher.exit_code, state.launcher.signal)
    assert ended in ((1, None), (None, signal.SIGTERM))
    culprit, other = rank_of(state, 1), rank_of(state, 0)
    assert (culprit.state, culprit.exit_code) == (RankState.FAILED, 3)
    assert culprit.exit_source == "kernel"
    assert (other.state, other.signal) == (RankState.KILLED, signal.SIGTERM)
    assert agent.log(0).decode() == f"step 1/2 {sys.executable}\n"


def test_torchrun_is_killed(agent: AgentRun) -> None:
    torchrun(agent, NO_TORCH)
    state = agent.until_ranks("stepping")
    assert state.launcher is not None
    os.kill(state.launcher.pid, signal.SIGKILL)
    state = agent.done(120)
    assert state.outcome is NodeOutcome.FAILED
    assert {(rank.state, rank.signal) for rank in state.ranks} == {
        (RankState.KILLED, signal.SIGTERM)
    }
    assert state.problem is not None
    assert "torchrun was ended by SIGKILL" in state.problem.message


def test_a_train_script_that_calls_torchrun(agent: AgentRun) -> None:
    entry = agent.script(NO_TORCH)
    script = agent.script(
        f"echo begins\n{sys.executable} -m torch.distributed.run --nproc_per_node=2 "
        f"--master_port=$MASTER_PORT {entry} || exit 5\n",
        "train.sh",
    )
    agent.start(
        spawn="launcher",
        launcher="script",
        argv=("bash", str(script)),
        nproc=2,
        entry=str(script),
    )
    agent.until_ranks("stepping")
    agent.send("stop")
    state = agent.done(120)
    assert state.outcome is NodeOutcome.STOPPED
    assert {rank.signal for rank in state.ranks} == {signal.SIGTERM}
    assert agent.log(1).decode() == f"step 1/2 {sys.executable}\n"
    assert agent.node.launcher_log.read_bytes().startswith(b"begins\n")


def test_ranks_without_python(agent: AgentRun) -> None:
    program = agent.script("#!/bin/sh\necho step 2/9\necho warning >&2\nsleep 3\nexit 6\n", "work")
    program.chmod(0o755)
    argv = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1")
    agent.start(
        spawn="launcher",
        launcher="torchrun",
        argv=(*argv, "--no-python", str(program)),
        nproc=1,
    )
    state = agent.done(120)
    assert (state.ranks[0].state, state.ranks[0].exit_code) == (RankState.FAILED, 6)
    assert sorted(agent.log().splitlines()) == [b"step 2/9", b"warning"]


def test_ranks_without_python_that_end_at_once(agent: AgentRun) -> None:
    # torchrun ends rank 0 as soon as it has seen the end of rank 1
    text = "#!/bin/sh\necho rank $RANK\n: >said-$RANK\nuntil test -e said-0; do sleep 0.02; done\n"
    program = agent.script(f'{text}exit "$RANK"\n', "work")
    program.chmod(0o755)
    argv = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
    agent.start(
        spawn="launcher",
        launcher="torchrun",
        argv=(*argv, "--no-python", str(program)),
        nproc=2,
    )
    state = agent.done(120)
    culprit = rank_of(state, 1)
    assert (culprit.state, culprit.exit_code) == (RankState.FAILED, 1)
    # the kernel tells it if the agent happened to look while the rank lived
    assert culprit.exit_source in ("launcher", "kernel")
    assert state.problem is None
    assert [agent.log(0), agent.log(1)] == [b"rank 0\n", b"rank 1\n"]


def test_a_bad_option_is_told_in_torchruns_words(agent: AgentRun) -> None:
    argv = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "x", "t.py")
    agent.start(spawn="launcher", launcher="torchrun", argv=argv)
    state = agent.done(120)
    assert state.problem is not None
    assert state.problem.category == "launcher"
    assert "before it had started a rank; its last words: ValueError" in state.problem.message
