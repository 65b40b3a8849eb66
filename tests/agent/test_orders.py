"""What is found before anything starts, and waiting for the other nodes."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.node_state import NodeOutcome, NodePhase, RankState
from tests.agent.harness import rank_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rankdeck.run.node_state import NodeProblem
    from tests.agent.harness import AgentRun


def problem_of(agent: AgentRun) -> NodeProblem:
    """The problem that kept the node from starting."""
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert {rank.state for rank in state.ranks} == {RankState.PENDING}
    assert state.problem is not None
    assert state.problem.time > 0
    assert agent.agent_log() == ""
    return state.problem


def test_a_missing_entry(agent: AgentRun) -> None:
    entry = agent.project / "train.py"
    agent.start(argv=(sys.executable, str(entry)), entry=str(entry))
    problem = problem_of(agent)
    assert problem.category == "entry"
    assert problem.message == f"{entry} does not exist on n1"
    assert "--sync" in problem.hint


def test_an_entry_that_cannot_be_read(agent: AgentRun) -> None:
    agent.start(argv=(sys.executable, str(agent.project)), entry=str(agent.project))
    problem = problem_of(agent)
    assert problem.category == "entry"
    assert "cannot be read" in problem.message


def test_a_program_that_is_not_executable(agent: AgentRun) -> None:
    entry = agent.script("#!/bin/sh\necho hi\n", "work")
    agent.start(argv=(str(entry),), entry=str(entry))
    problem = problem_of(agent)
    assert (problem.category, problem.hint) == ("entry", f"allow it: chmod +x {entry}")


def test_a_shell_script_with_windows_line_endings(agent: AgentRun) -> None:
    entry = agent.script("echo one\r\necho two\r\n", "train.sh")
    entry.write_bytes(b"echo one\r\necho two\r\n")
    agent.start(spawn="launcher", launcher="script", argv=("bash", str(entry)), entry=str(entry))
    problem = problem_of(agent)
    assert problem.category == "entry"
    assert "Windows line endings" in problem.message


def test_a_python_file_with_windows_line_endings_runs(agent: AgentRun) -> None:
    entry = agent.script("", "train.py")
    entry.write_bytes(b"#!/usr/bin/env python\r\nprint('hi')\r\n")
    agent.start(argv=(sys.executable, str(entry)), entry=str(entry))
    assert agent.done().outcome is NodeOutcome.SUCCEEDED


def test_a_missing_project_folder(agent: AgentRun) -> None:
    agent.start(argv=("true",), cwd=str(agent.project / "gone"))
    problem = problem_of(agent)
    assert problem.category == "entry"
    assert f"{agent.project}/gone does not exist on n1" in problem.message


def test_a_program_that_is_not_there(agent: AgentRun) -> None:
    agent.start(argv=("no-such-program-anywhere",), nproc=2)
    problem = problem_of(agent)
    assert problem.category == "spawn"
    assert problem.message == (
        "cannot start no-such-program-anywhere on n1: No such file or directory"
    )


def test_an_interpreter_without_torch(agent: AgentRun, bare_python: str) -> None:
    agent.start(
        argv=(bare_python, "-c", "pass"),
        python=bare_python,
        requires_module="torch.distributed.run",
    )
    problem = problem_of(agent)
    assert problem.category == "no-torchrun"
    assert problem.message == f"{bare_python} on n1 has no torchrun (package torch)"


def test_an_interpreter_without_the_launchers_package(agent: AgentRun, bare_python: str) -> None:
    agent.start(argv=(bare_python, "-c", "pass"), python=bare_python, requires_module="deepspeed")
    problem = problem_of(agent)
    assert (problem.category, problem.message) == (
        "no-module", f"{bare_python} on n1 has no deepspeed",
    )  # fmt: skip
    assert problem.hint.startswith("install deepspeed there, or ")


def test_a_module_in_an_unusual_place_is_found(agent: AgentRun, bare_python: str) -> None:
    folder = agent.project / "elsewhere" / "odd" / "deep"
    folder.mkdir(parents=True)
    (folder / "run.py").write_text("print('odd')\n")
    # as an editable installation does it
    (packages,) = Path(bare_python).parent.parent.glob("lib/python3.*/site-packages")
    (packages / "odd.pth").write_text(str(agent.project / "elsewhere"))
    agent.start(
        argv=(bare_python, "-m", "odd.deep.run"),
        python=bare_python,
        requires_module="odd.deep.run",
    )
    assert agent.done().outcome is NodeOutcome.SUCCEEDED


def test_what_the_launcher_needs_is_told_with_its_version(
    agent: AgentRun, bare_python: str
) -> None:
    (packages,) = Path(bare_python).parent.parent.glob("lib/python3.*/site-packages")
    (packages / "odd").mkdir()
    (packages / "odd" / "run.py").touch()
    (packages / "odd" / "version.py").write_text("import os\n__version__ = '1.2.3+x'\n")
    agent.start(
        argv=(bare_python, "-m", "odd.run"),
        python=bare_python,
        requires_module="odd.run",
        wait_for_go=True,
        nnodes=2,
    )
    state = agent.until(lambda state: state.phase is NodePhase.READY)
    assert state.module == "odd 1.2.3+x"
    agent.send("stop", reason="enough")
    agent.done()


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """An interpreter with empty site-packages."""
    import venv

    venv.create(tmp_path / "bare", with_pip=False)
    return str(tmp_path / "bare" / "bin" / "python")


def test_the_output_directory_is_made(agent: AgentRun) -> None:
    output = agent.project / "a" / "b"
    agent.ranks("pass", output_dir=str(output))
    assert agent.done().outcome is NodeOutcome.SUCCEEDED
    assert sorted(os.listdir(output)) == ["checkpoint", "tensorboard"]
    # the user's own data has the user's own umask, not the run directory's
    umask = os.umask(0)
    os.umask(umask)
    assert output.stat().st_mode & 0o777 == 0o777 & ~umask


def test_an_output_directory_that_cannot_be_written(agent: AgentRun) -> None:
    (agent.project / "file").write_text("")
    agent.ranks("pass", output_dir=str(agent.project / "file" / "out"))
    problem = problem_of(agent)
    assert problem.category == "output-dir"
    assert "is not writable on n1: Not a directory" in problem.message


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_with_its_owner(agent: AgentRun, taken_port: int) -> None:
    agent.ranks("pass", master_port=taken_port)
    problem = problem_of(agent)
    assert problem.category == "port-in-use"
    assert problem.message.startswith(
        f"master port {taken_port} is already in use by pid {os.getpid()} ("
    )


def test_ranks_get_the_variables_of_torch_distributed(agent: AgentRun) -> None:
    names = "RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_RANK NODE_RANK MASTER_ADDR"
    text = (
        f"import os\nprint(*(os.environ[name] for name in '{names}'.split()))\n"
        "print(os.environ['MASTER_PORT'], os.getcwd())"
    )
    agent.ranks(text, nproc=2, first_rank=4, world_size=6, node_rank=0, nnodes=3)
    state = agent.done()
    assert 20000 <= state.master_port < 30000
    for local, rank in enumerate((4, 5)):
        assert agent.log(rank).decode().splitlines() == [
            f"{rank} {local} 6 2 0 0 127.0.0.1",
            f"{state.master_port} {agent.project}",
        ]


def test_values_arrive_byte_for_byte(agent: AgentRun) -> None:
    values = ["a b", "$(touch x)", 'it\'s "q"', "line\nbreak", "学习率", "`id`", "\\"]
    env = {f"V{number}": value for number, value in enumerate(values)}
    text = (
        "import os, sys\n"
        "values = [os.environb[b'V%d' % number] for number in range(7)]\n"
        "sys.stdout.buffer.write(b'\\0'.join(values))"
    )
    agent.launched(text, nproc=1, extra_env=env)
    agent.done()
    assert agent.log(0) == "\0".join(values).encode()


def test_the_user_environment_does_not_disturb_the_agent(agent: AgentRun) -> None:
    (agent.project / "json.py").write_text("raise SystemExit('shadowed')\n")
    os.environ["PYTHONPATH"] = str(agent.project)
    try:
        agent.ranks("import sys\nprint(len(sys.argv))")
    finally:
        del os.environ["PYTHONPATH"]
    assert agent.done().outcome is NodeOutcome.SUCCEEDED


def test_a_node_waits_for_go(agent: AgentRun) -> None:
    text = "import os\nprint(os.environ['MASTER_ADDR'], os.environ['MASTER_PORT'])"
    agent.ranks(text, wait_for_go=True, node_rank=1, first_rank=1, nnodes=2, world_size=2)
    state = agent.until(lambda state: state.phase is NodePhase.READY)
    assert state.ranks[0].state is RankState.PENDING
    assert state.master_port == 0
    agent.send("go", master_addr="10.0.0.7", master_port=23456)
    state = agent.done()
    assert state.outcome is NodeOutcome.SUCCEEDED
    assert state.master_port == 23456
    assert agent.log(1) == b"10.0.0.7 23456\n"


def test_the_master_node_tells_its_port_before_go(agent: AgentRun) -> None:
    agent.ranks("pass", wait_for_go=True, nnodes=2)
    state = agent.until(lambda state: state.phase is NodePhase.READY)
    assert 20000 <= state.master_port < 30000
    agent.send("stop", reason="the other node is not there")
    state = agent.done()
    assert state.outcome is NodeOutcome.STOPPED
    assert state.stop is not None
    assert state.stop.term is None


def test_a_program_that_is_not_there_after_go(agent: AgentRun) -> None:
    agent.start(argv=("no-such-program-anywhere",), wait_for_go=True)
    agent.until(lambda state: state.phase is NodePhase.READY)
    agent.send("go")
    state = agent.done()
    assert state.problem is not None
    assert state.problem.category == "spawn"


def test_a_second_attempt_keeps_the_first_ones_logs(agent: AgentRun) -> None:
    agent.ranks("print('first')")
    agent.done()
    agent.ranks("print('second')", attempt=1)
    state = agent.until(lambda state: state.attempt == 1 and state.phase is NodePhase.DONE)
    assert rank_of(state, 0).state is RankState.EXITED
    assert agent.node.attempt(0).log(0).read_bytes() == b"first\n"
    assert agent.node.attempt(1).log(0).read_bytes() == b"second\n"
    assert agent.node.attempt(0).final_state.exists()
