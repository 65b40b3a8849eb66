"""The stand-in trainer fails, ignores and saves as it is told; other tests rely on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the trainer as one rank; its output goes to a file named after the rank."""
    started = []
    program = os.path.join(os.path.dirname(__file__), "programs", "trainer.py")

    def begin(*words: str, rank: int = 0, **env: str) -> subprocess.Popen[str]:
        with (tmp_path / f"{rank}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, program, *words],
                env={**os.environ, "RANK": str(rank), **env},
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                text=True,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def until_in(path: Path, text: str) -> None:
    until(lambda: text in path.read_text(), 20)


@pytest.mark.parametrize(
    ("how", "status"),
    [("exception", 1), ("exit:7", 7), ("signal:SEGV", -signal.SIGSEGV), ("signal:KILL", -9)],
)
def test_it_fails_as_told_at_the_step_told(
    start: Start, tmp_path: Path, how: str, status: int
) -> None:
    words = ["--step-seconds", "0", "--fail-at", "2", "--fail-rank", "0", "--fail-how", how]
    assert start(*words).wait(20) == status
    output = (tmp_path / "0.log").read_text()
    assert "step 1/3 loss=1.0000" in output
    assert "step 2/3" not in output
    assert ("ValueError: rank 0 was told to fail" in output) == (how == "exception")


def test_another_rank_does_not_fail(start: Start) -> None:
    words = ["--alone", "--step-seconds", "0", "--fail-at", "2", "--fail-rank", "0"]
    assert start(*words, rank=1).wait(20) == 0


def test_every_line_is_numbered_and_as_long_as_told(start: Start, tmp_path: Path) -> None:
    words = ["--steps", "50", "--step-seconds", "0", "--lines", "20", "--line-bytes", "200"]
    assert start(*words).wait(20) == 0
    lines = (tmp_path / "0.log").read_text().splitlines()
    numbered = [line for line in lines if line.startswith("line ")]
    assert [int(line.split()[1]) for line in numbered] == list(range(1, 1001))
    assert {len(line) for line in numbered} == {199}
    assert lines[-1] == "done rank 0, 1000 lines"


def test_a_hanging_rank_that_ignores_term_lives_on(start: Start, tmp_path: Path) -> None:
    words = ["--ignore-term", "--fail-at", "1", "--fail-rank", "0", "--fail-how", "hang"]
    process = start(*words)
    until_in(tmp_path / "0.log", "fails: hang")
    process.terminate()
    until_in(tmp_path / "0.log", "rank 0 ignores TERM")
    assert process.poll() is None


def test_it_saves_on_usr1_and_saves_and_leaves_on_term(start: Start, tmp_path: Path) -> None:
    process = start("--steps", "100000", "--step-seconds", "0.01", "--checkpoint", "rank-{rank}")
    until_in(tmp_path / "0.log", "step 1/")
    process.send_signal(signal.SIGUSR1)
    until(lambda: (tmp_path / "rank-0").exists(), 20)
    assert process.poll() is None
    (tmp_path / "rank-0").unlink()
    process.terminate()
    assert process.wait(20) == 0
    assert (tmp_path / "rank-0").read_text().startswith("step ")


def test_in_lockstep_the_end_of_a_rank_is_an_error_of_its_peers(
    start: Start, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    words = ["--lockstep", "--fail-at", "2", "--fail-rank", "2", "--fail-how", "exit:5"]
    ranks = [start(*words, rank=rank, **world) for rank in range(3)]
    assert [process.wait(20) for process in ranks] == [1, 1, 5]
    assert f"rank 0 met ranks 1,2 on port {port}" in (tmp_path / "0.log").read_text()
    assert "ConnectionError: Connection closed by peer" in (tmp_path / "0.log").read_text()


def test_a_master_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    assert start("--patience", "0", rank=1, **world).wait(20) == 1
    assert "rank 1 cannot reach 127.0.0.1:1: " in (tmp_path / "1.log").read_text()
