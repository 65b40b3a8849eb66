"""A full disk under the run directory: a small file system of its own."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from rankdeck.agent.report import Reporter
from rankdeck.run.layout import NodeDir
from rankdeck.run.node_state import NodeOutcome, RankState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.agent.harness import AgentRun

_SIZE = 4 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MiB of room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


CARELESS = """
import os, time
print("step 1/2", flush=True)
while True:
    try:
        os.write(1, b"z" * 65536)
    except OSError:
        time.sleep(0.1)
"""
CAREFUL = """
import os, time
os.write(1, b"head\\n")
while True:
    os.write(1, b"z" * 65536)
"""


@pytest.mark.parametrize("text", [CARELESS, CAREFUL], ids=["careless", "careful"])
def test_logs_fill_the_disk(agent: AgentRun, small_disk: Path, text: str) -> None:
    agent.node = NodeDir(small_disk / "n1")
    agent.ranks(text, grace=1.0)
    state = agent.done()
    assert state.outcome is NodeOutcome.FAILED
    assert state.problem is not None
    assert state.problem.category == "disk-full"
    assert state.problem.message == f"no space left on the file system of {agent.node.path}"
    assert state.stop is not None
    assert state.stop.verified is not None
    assert all(rank.state in (RankState.KILLED, RankState.FAILED) for rank in state.ranks)
    # nothing that was logged is lost
    head = b"step 1/2\n" if text is CARELESS else b"head\n"
    assert all(agent.log(rank.rank).startswith(head + b"zzz") for rank in state.ranks)
    assert sum(rank.log_bytes for rank in state.ranks) > _SIZE // 2
    assert not (agent.node.path / ".reserve").exists()


# the second: a supervisor on the same disk has just given up what it had set aside
@pytest.mark.parametrize("left", [40_000, 300_000])
def test_an_almost_full_disk_is_noticed_before_a_line_is_lost(
    agent: AgentRun, small_disk: Path, left: int
) -> None:
    agent.node = NodeDir(small_disk / "n1")
    agent.ranks("import time\nprint('up', flush=True)\ntime.sleep(600)")
    agent.until_ranks("output")
    room = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"f" * (room.f_bfree * room.f_frsize - left))
    state = agent.done()
    assert state.problem is not None
    assert state.problem.category == "disk-full"
    assert state.ranks[0].state is RankState.KILLED


def test_a_state_that_cannot_be_written_is_noticed(small_disk: Path) -> None:
    reporter = Reporter(str(small_disk))
    assert reporter.write({"seq": 1})
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(b"f" * 2 * _SIZE)
    assert not reporter.write({"seq": 2})
    assert reporter.disk_full
    assert json.loads((small_disk / "state.json").read_text()) == {"seq": 1}
    assert sorted(os.listdir(small_disk)) == ["filler", "state.json"]


def test_another_disk_is_full(agent: AgentRun, small_disk: Path) -> None:
    """The output directory's: only the rank itself can tell."""
    text = f"with open({str(small_disk / 'checkpoint.pt')!r}, 'wb') as f:\n"
    text += "    while True: f.write(b'c' * 65536)\n"
    agent.ranks(text, output_dir=str(small_disk))
    state = agent.done()
    assert state.ranks[0].state is RankState.FAILED
    assert state.ranks[0].error is not None
    assert state.ranks[0].error.type == "OSError"
    assert state.problem is not None
    assert state.problem.category == "disk-full"
    assert state.problem.message == f"no space left on the file system of {small_disk}"
