"""Setup lines: a shell runs them before anything else, and everything gets what they export."""

from __future__ import annotations

import os
import signal
import stat
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.agent import setup
from rankdeck.agent.order import read_order
from rankdeck.agent.problem import ProblemError
from rankdeck.run.node_state import NodeOutcome, NodePhase
from tests.agent.harness import until
from tests.unit.agent.test_records import full_order

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.harness import AgentRun

_PRINT = "import os\nfor name in ('A', 'B', 'C'): print(os.environ.get(name))\n"


def test_ranks_get_what_setup_exports(agent: AgentRun) -> None:
    lines = "echo set up\nexport A='one\ntwo' B=$B$B\nunset C"
    agent.ranks(_PRINT, setup=lines, env={"B": "b", "C": "c"})
    assert agent.done().outcome is NodeOutcome.SUCCEEDED
    assert agent.log() == b"one\ntwo\nbb\nNone\n"
    assert agent.node.launcher_log.read_bytes() == b"set up\n"


def test_a_launcher_is_found_on_the_path_that_setup_makes(agent: AgentRun) -> None:
    folder = agent.project / "bin"
    folder.mkdir()
    program = folder / "my-launcher"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'print(1)'\n")
    program.chmod(0o755)
    agent.start(
        spawn="launcher",
        launcher="script",
        argv=("my-launcher",),
        setup=f'export PATH={folder}:"$PATH"',
    )
    assert agent.done().outcome is NodeOutcome.SUCCEEDED


def test_the_path_prefix_comes_first(agent: AgentRun) -> None:
    agent.ranks("import os; print(os.environ['PATH'])", path_prefix="/opt/first")
    agent.done()
    assert agent.log().startswith(b"/opt/first:")


def test_setup_stops_at_the_first_command_that_fails(agent: AgentRun) -> None:
    agent.ranks("print(1)", setup="echo before\n. /no/such/venv/bin/activate\necho behind")
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert state.problem is not None
    assert state.problem.category == "setup"
    assert "on n1: before | " in state.problem.message
    assert "/no/such/venv/bin/activate" in state.problem.message
    assert b"behind" not in agent.node.launcher_log.read_bytes()


def test_setup_that_leaves_its_shell_is_a_problem(agent: AgentRun) -> None:
    agent.ranks("print(1)", setup="exit 0")
    problem = agent.done().problem
    assert problem is not None
    assert problem.message == "the setup lines ended the shell they ran in on n1"


def test_a_stop_ends_setup(agent: AgentRun) -> None:
    agent.ranks("print(1)", setup="echo began\nexec sleep 600")
    until(lambda: agent.node.launcher_log.exists() and agent.node.launcher_log.read_bytes())
    agent.node.control.mkdir(exist_ok=True)
    agent.send("stop")
    state = agent.done()
    assert (state.outcome, state.problem) == (NodeOutcome.STOPPED, None)
    assert agent.log() == b""


def test_a_signal_ends_setup(agent: AgentRun) -> None:
    agent.ranks("print(1)", setup="echo began\nexec sleep 600")
    until(lambda: agent.node.launcher_log.exists() and agent.node.launcher_log.read_bytes())
    assert agent.process is not None
    agent.process.terminate()
    assert agent.done().outcome is NodeOutcome.STOPPED


@pytest.mark.parametrize("inner", [True, False], ids=["agent", "guardian"])
def test_a_killed_agent_leaves_no_setup_running(agent: AgentRun, inner: bool) -> None:
    agent.ranks("print(1)", setup="echo began\nsleep 600 & sleep 600")
    until(lambda: agent.node.launcher_log.exists() and agent.node.launcher_log.read_bytes())
    assert agent.process is not None
    pid = agent.process.pid
    if inner:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pid = int(children.read())
    os.kill(pid, signal.SIGKILL)
    agent.until_nothing_left()


def test_no_other_user_can_read_the_setup(agent: AgentRun) -> None:
    agent.ranks("print(1)", setup="export TOKEN=secret")
    state = agent.done()
    assert state.phase is NodePhase.DONE
    for path in (agent.node.attempt(0).path / "setup.sh", agent.node.launcher_log):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_setup_that_takes_too_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(
        msgspec.json.encode(full_order(setup="sleep 600", node_dir=str(tmp_path), cwd="/"))
    )
    monkeypatch.setattr(setup, "SETUP_SECONDS", 0.2)
    order = read_order(str(path))
    with pytest.raises(ProblemError, match="took longer than"):
        setup.run_setup(order, dict(os.environ), str(tmp_path / "log"), lambda: False)


def test_a_signal_that_came_before_the_setup_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(
        msgspec.json.encode(full_order(setup="sleep 600", node_dir=str(tmp_path), cwd="/"))
    )
    with pytest.raises(setup.InterruptedSetupError):
        setup.run_setup(
            read_order(str(path)), dict(os.environ), str(tmp_path / "log"), lambda: True
        )
