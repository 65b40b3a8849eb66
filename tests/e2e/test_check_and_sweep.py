"""Looking at nodes before a run, and after runs that have left something behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import until
from tests.e2e.test_terminal import in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import Cli

LONG = "import time\ntime.sleep(600)\n"


@pytest.fixture
def leave() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Leave a process behind that carries a run's id."""
    started = []

    def start(run_id: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", LONG],
            env={**os.environ, "RANKDECK_RUN_ID": run_id},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_check_looks_at_this_machine(cli: Cli, program: Callable[..., Path]) -> None:
    text = cli.ok("check", "--launcher", "direct", "--python", sys.executable, program("pass"))
    head, row = text.splitlines()
    assert head.split()[:3] == ["NODE", "RESULT", "HOST"]
    assert row.split()[1] == "ok"
    document = json.loads(
        cli.ok("check", "--json", "--launcher", "direct", "--python", sys.executable, program("0"))
    )
    (node,) = document["nodes"]
    assert node["facts"]["python"] == sys.executable
    assert node["facts"]["missing"] == []
    assert document["problem"] is None
    assert not (cli.home / "runs").exists() or not list((cli.home / "runs").iterdir())


def test_check_refuses_an_invalid_job_as_run_does(cli: Cli, tmp_path: Path) -> None:
    done = cli("check", "--max-restarts", "some", tmp_path)
    assert done.returncode == 2
    assert "max-restarts" in done.stderr


def test_sweep_finds_and_ends_what_an_ended_run_has_left(
    cli: Cli,
    program: Callable[..., Path],
    leave: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    cli.ok("run", "--launcher", "direct", program("print('done')"))
    ended = cli.run_dir().name
    orphan = leave(ended)
    listed = cli("sweep")
    assert listed.returncode == 0
    assert str(orphan.pid) in listed.stdout
    assert ended in listed.stdout
    assert "nothing was ended" in listed.stdout
    assert orphan.poll() is None
    document = json.loads(cli.ok("sweep", "--json"))
    (row,) = (row for row in document["leftovers"] if row["pid"] == orphan.pid)
    assert (row["run"], row["state"], row["ended"]) == (ended, "succeeded", False)
    done = cli("sweep", "--yes", "last")
    assert "ended 1 process" in done.stdout
    assert orphan.wait(60) == -9
    assert "nothing is left" in cli.ok("sweep", "last")


def test_sweep_leaves_a_living_run_alone(cli: Cli, program: Callable[..., Path]) -> None:
    cli.ok("run", "-d", "--launcher", "direct", program(LONG))
    cli.until_state("running")
    cli.until_rank(0, "spawned", "output")
    # without --unknown: other sessions on this machine have runs of their own
    document = json.loads(cli.ok("sweep", "--json"))
    assert not any(row["run"] == cli.run_dir().name for row in document["leftovers"])
    refused = cli("sweep", "last")
    assert refused.returncode == 2
    assert "has not ended" in refused.stderr
    assert cli.state()["state"] == "running"
    cli.ok("kill", "last")


def test_sweep_asks_on_a_terminal(
    cli: Cli, program: Callable[..., Path], leave: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    cli.ok("run", "--launcher", "direct", program("print('done')"))
    orphan = leave(cli.run_dir().name)
    for answer, ends in ((b"no\n", False), (b"yes\n", True)):
        pid, master = in_terminal(cli, "sweep", "last")
        seen = b""
        while b"[yes/no] " not in seen:
            seen += os.read(master, 65536)
        os.write(master, answer)
        until(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0] == pid)
        os.close(master)
        assert (orphan.poll() is not None) == ends or (ends and orphan.wait(60) == -9)


def test_sweep_shows_unknown_runs_and_lets_them_be(
    cli: Cli, leave: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    stranger = leave("20260101-000000-stranger-aaaa")
    done = cli("sweep", "--yes")
    assert done.returncode == 0
    assert str(stranger.pid) in done.stdout
    assert "of runs that are not known here; --unknown ends those too" in done.stdout
    assert stranger.poll() is None
