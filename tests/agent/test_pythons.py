"""The agent by the oldest Python it promises, and from the one file it is shipped as."""

from __future__ import annotations

import glob
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.run.node_state import NodeOutcome, RankState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.harness import AgentRun

_OLD = glob.glob("/root/.pyenv/versions/3.8.*/bin/python") or glob.glob("/usr/bin/python3.8")


@pytest.fixture
def old_python() -> str:
    if not _OLD:
        pytest.skip("no Python 3.8 is installed")
    return _OLD[0]


@pytest.mark.parametrize("how", ["ranks", "launched"])
def test_python_3_8_runs_the_agent(agent: AgentRun, old_python: str, how: str) -> None:
    text = (
        "import os, time\nprint('step 1/2', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n"
        "1 / int(os.environ['RANK'])"
    )
    getattr(agent, how)(text, nproc=2, python=old_python)
    agent.until_ranks("stepping")
    agent.until(lambda state: state.load is not None)
    (agent.project / "go").touch()
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert state.python.startswith(f"{old_python} (3.8.")
    assert state.ranks[0].state is RankState.FAILED
    assert (state.ranks[0].exit_code, state.ranks[0].exit_source) == (1, "kernel")
    assert state.ranks[0].step == 1
    assert state.ranks[0].error is not None
    assert state.ranks[0].error.type == "ZeroDivisionError"
    assert state.load is not None
    assert agent.agent_log() == ""


def test_python_3_8_stops_what_ignores_term(agent: AgentRun, old_python: str) -> None:
    text = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(600)"
    agent.launched(text, python=old_python, grace=0.5)
    agent.until_ranks("output")
    agent.send("stop")
    assert agent.done().outcome is NodeOutcome.STOPPED


def test_the_bundle_is_one_small_file_made_once(tmp_path: Path) -> None:
    bundle = agent_bundle(tmp_path / "cache")
    made = bundle.stat().st_mtime_ns
    assert agent_bundle(tmp_path / "cache") == bundle
    assert bundle.stat().st_mtime_ns == made
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [bundle.name]
    assert bundle.stat().st_size < 800_000


def test_the_bundle_needs_nothing_beside_it(tmp_path: Path) -> None:
    bundle = agent_bundle(tmp_path / "cache")
    done = subprocess.run(
        agent_command(sys.executable, bundle), capture_output=True, text=True, cwd="/", check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        "usage: agent.pyz ORDER.json | agent.pyz --(sweep|serve|pick|shim|courier|gpus) ...\n",
    )


def test_little_is_imported_before_the_launch(tmp_path: Path) -> None:
    """Every module costs every run its share of a millisecond."""
    bundle = agent_bundle(tmp_path / "cache")
    code = (
        f"import sys; sys.path.insert(0, {str(bundle)!r}); sys.argv = ['agent', '--help']\n"
        "import rankdeck.agent.__main__; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "asyncio",
        "dataclasses",
        "inspect",
        "logging",
        "pathlib",
        "psutil",
        "rankdeck.agent.loop",
        "socket",
        "subprocess",
        "threading",
        "typing",
    }
