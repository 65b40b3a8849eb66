"""The traceback recorder inside ranks: there when needed, never in the way."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.node_state import NodeOutcome, RankState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.harness import AgentRun


def test_the_record_is_torchelastics(agent: AgentRun, tmp_path: Path) -> None:
    elastic = tmp_path / "error.json"
    text = "def deep():\n    raise RuntimeError('no luck: 42')\ndeep()\n"
    agent.launched(text, nproc=1, extra_env={"TORCHELASTIC_ERROR_FILE": str(elastic)})
    state = agent.done()
    own = json.loads(agent.node.attempt(0).error(0).read_text())
    assert own == json.loads(elastic.read_text())
    assert own["message"]["message"] == "RuntimeError: no luck: 42"
    stack = own["message"]["extraInfo"]["py_callstack"]
    assert stack.startswith("Traceback (most recent call last):\n")
    assert "in deep\n" in stack
    extra = own["message"]["extraInfo"]
    assert 0 < int(extra["timestamp"]) <= float(extra["time"]) <= state.time
    assert state.ranks[0].error is not None
    assert state.ranks[0].error.message == "no luck: 42"


def test_an_error_file_that_is_there_is_kept(agent: AgentRun, tmp_path: Path) -> None:
    elastic = tmp_path / "error.json"
    elastic.write_text("the program's own")
    agent.launched("1 / 0", nproc=1, extra_env={"TORCHELASTIC_ERROR_FILE": str(elastic)})
    agent.done()
    assert elastic.read_text() == "the program's own"


@pytest.mark.parametrize("how", ["ranks", "launched"])
@pytest.mark.parametrize("path", ["", "/somewhere:/else"])
def test_the_environment_is_as_without(agent: AgentRun, how: str, path: str) -> None:
    text = (
        "import os, subprocess, sys\n"
        "names = ('PYTHONPATH', 'PYTHON_EXEC', 'PET_LOG_DIR', 'PET_REDIRECTS', 'PET_MASTER_PORT',\n"
        "         'RANKDECK_RANK_PID', 'RANKDECK_ERROR_FILE')\n"
        "print({name: os.environ[name] for name in names if name in os.environ}, flush=True)\n"
        "print([p for p in sys.path if 'hooks' in p], 'sitecustomize' in sys.modules, flush=True)\n"
        "code = 'import sys; print(\"sitecustomize\" in sys.modules)'\n"
        "subprocess.run([sys.executable, '-S', '-c', code])\n"
    )
    if path:
        os.environ["PYTHONPATH"] = path
    try:
        getattr(agent, how)(text, nproc=1)
    finally:
        os.environ.pop("PYTHONPATH", None)
    agent.done()
    expected = {"PYTHONPATH": path} if path else {}
    assert agent.log().decode().splitlines() == [str(expected), "[] True", "False"]


def test_variables_of_the_job_reach_ranks_under_any_name(agent: AgentRun) -> None:
    own = {name: f"my {name}" for name in ("rank", "local", "count", "most", "python", "word")}
    text = f"import os\nprint({{name: os.environ[name] for name in {tuple(own)}}}, flush=True)\n"
    agent.launched(text, nproc=1, extra_env=own)
    agent.done()
    assert agent.log().decode().strip() == str(own)


def test_the_projects_own_sitecustomize_is_loaded(agent: AgentRun) -> None:
    agent.script("import sys\nsys.own_customisation = 'mine'\n", "sitecustomize.py")
    agent.launched(
        "import sys, sitecustomize\nprint(sys.own_customisation, sitecustomize.__file__)",
        nproc=1,
        extra_env={"PYTHONPATH": str(agent.project)},
    )
    agent.done()
    assert agent.log().decode() == f"mine {agent.project}/sitecustomize.py\n"


def test_a_broken_sitecustomize_is_shown_as_always(agent: AgentRun) -> None:
    agent.script("raise LookupError('mine is broken')\n", "sitecustomize.py")
    agent.launched("print('goes on')", nproc=1, extra_env={"PYTHONPATH": str(agent.project)})
    state = agent.done()
    assert b"mine is broken" in agent.log()
    assert agent.log().endswith(b"goes on\n")
    assert state.outcome is NodeOutcome.SUCCEEDED


def test_the_programs_own_excepthook_works(agent: AgentRun) -> None:
    text = (
        "import sys\n"
        "before = sys.excepthook\n"
        "def hook(kind, value, trace):\n"
        "    print('mine:', value, flush=True)\n"
        "    before(kind, value, trace)\n"
        "sys.excepthook = hook\n"
        "raise KeyError('k')\n"
    )
    agent.launched(text, nproc=1)
    state = agent.done()
    assert b"mine: 'k'\n" in agent.log()
    assert agent.log().endswith(b"KeyError: 'k'\n")
    assert state.ranks[0].error is not None
    assert state.ranks[0].error.type == "KeyError"


def test_children_do_not_record(agent: AgentRun) -> None:
    text = (
        "import os, subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', '1 / 0'])\n"
        "if os.fork() == 0:\n"
        "    raise ValueError('in a fork')\n"
        "os.wait()\n"
    )
    agent.ranks(text)
    state = agent.done()
    assert state.ranks[0].state is RankState.EXITED
    assert state.ranks[0].error is None
    assert not agent.node.attempt(0).error(0).exists()


def test_a_record_that_cannot_be_written_does_not_hide_the_error(agent: AgentRun) -> None:
    text = (
        "import os, shutil\n"
        "print('up', flush=True)\n"
        "os.chdir('/')\n"
        "class Odd(Exception):\n"
        "    def __str__(self): raise RuntimeError('no text')\n"
        "raise Odd()\n"
    )
    agent.ranks(text)
    state = agent.done()
    assert state.ranks[0].exit_code == 1
    assert b"Odd" in agent.log()


def test_without_hooks_nothing_is_loaded(agent: AgentRun) -> None:
    agent.launched("import os, sys\nprint('sitecustomize' in sys.modules)\n1 / 0", hooks=False)
    state = agent.done()
    assert not (agent.node.path / "hooks").exists()
    assert state.ranks[0].error is None
    assert b"ZeroDivisionError" in agent.log()


def test_without_hooks_a_programs_own_error_file_is_used(agent: AgentRun) -> None:
    record = '{"message": {"message": "Oops: x", "extraInfo": {"timestamp": "12"}}}'
    text = (
        "import os, sys\n"
        f"folder = {str(agent.node.attempt(0).path)!r} + '/torchrun/none_y/attempt_0/0'\n"
        "os.makedirs(folder)\n"
        f"open(folder + '/error.json', 'w').write({record!r})\n"
        "sys.exit(1)\n"
    )
    agent.launched(text, nproc=1, hooks=False)
    state = agent.done()
    error = state.ranks[0].error
    assert error is not None
    assert (error.type, error.message, error.time) == ("Oops", "x", 12.0)
    assert agent.node.attempt(0).error(0).read_text() == record


def test_every_python_is_served(agent: AgentRun) -> None:
    """The launcher's interpreter decides, not the agent's."""
    found = [
        python
        for version in ("3.6", "3.7", "3.8", "3.9", "3.10", "3.12", "3.13")
        for python in _interpreters(version)
    ]
    if not found:
        pytest.skip("no other interpreter is installed")
    text = "import sys\nprint(sys.version_info[:2])\nraise ValueError('boom')"
    script = agent.script(text)
    agent.start(
        argv=("sh", "-c", 'eval "exec \\$PYTHON_$RANK $0"', str(script)),
        nproc=len(found),
        fail_fast=False,
        env={f"PYTHON_{rank}": python for rank, python in enumerate(found)},
    )
    state = agent.done()
    for rank in state.ranks:
        assert rank.error is not None, (found[rank.rank], agent.log(rank.rank))
        assert rank.error.type == "ValueError"


def _interpreters(version: str) -> list[str]:
    import glob

    return sorted(glob.glob(f"/root/.pyenv/versions/{version}.*/bin/python"))[:1]
