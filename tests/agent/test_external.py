"""What the agent makes of ranks that somebody else starts, each through a shim."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.agent import kernel
from rankdeck.agent.external import External
from rankdeck.agent.ranks import Rank
from tests.agent.harness import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# it starts a rank that ends at once, and notes nothing
SHIM = """
import os, time
with open("/proc/self/comm", "w") as name:
    name.write("rankdeck-shim")
pid = os.fork()
if pid == 0:
    os._exit(3)
print(pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def shim() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", SHIM], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def seen_to_end(shim: subprocess.Popen[str], external: External) -> Rank:
    """The shim's rank, which the agent has seen to run and to end."""
    assert shim.stdout is not None
    rank = Rank(0, 0)
    rank.spawned(int(shim.stdout.readline()), None, 0.0)
    assert rank.pid is not None
    pid = rank.pid
    until(lambda: (stat := kernel.read_stat(pid)) and stat.ended)
    assert external.settled([rank], 0.0) == []
    rank.gone = True
    assert external.settled([rank], 0.0) == []
    return rank


def test_a_shim_that_is_held_up_still_tells_how_its_rank_ended(
    shim: subprocess.Popen[str], tmp_path: Path
) -> None:
    order: Any = SimpleNamespace(attempt_dir=str(tmp_path))
    external = External(order, 0.0)
    rank = seen_to_end(shim, external)
    assert external.settled([rank], 10.0) == []
    (tmp_path / "exits").write_text(f"0 {rank.pid} {3 << 8}\n")
    ((told, how),) = external.settled([rank], 11.0)
    assert told is rank
    assert how is not None
    assert how.code == 3


def test_a_shim_that_was_killed_tells_nothing(shim: subprocess.Popen[str], tmp_path: Path) -> None:
    order: Any = SimpleNamespace(attempt_dir=str(tmp_path))
    external = External(order, 0.0)
    rank = seen_to_end(shim, external)
    os.kill(shim.pid, signal.SIGKILL)
    until(lambda: (stat := kernel.read_stat(shim.pid)) and stat.ended)
    assert external.settled([rank], 1.0) == []
    assert external.settled([rank], 3.0) == [(rank, None)]
