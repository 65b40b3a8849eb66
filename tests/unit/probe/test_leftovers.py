"""What counts as left behind, and the probe itself on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from rankdeck.probe.leftover_policy import FoundProcess, leftovers, read_found
from rankdeck.probe.script import probe_command, probe_input

if TYPE_CHECKING:
    from collections.abc import Iterator


def process(pid: int, run: str, *, agent: bool = False) -> FoundProcess:
    return FoundProcess(pid, 1, run, "n", agent, "python train.py")


FOUND = (
    process(1, "ended"),
    process(2, "living"),
    process(3, "elsewhere"),
    process(4, "guarded"),
    process(5, "guarded", agent=True),
    process(6, "ended", agent=True),
)


def test_only_what_nothing_looks_after_is_left_over() -> None:
    found = leftovers("n", FOUND, {"ended": "failed"}, {"living"})
    assert [(one.process.pid, one.why) for one in found] == [
        (1, "failed"), (3, "unknown"), (6, "failed"),
    ]  # fmt: skip


def test_only_the_runs_that_were_named() -> None:
    found = leftovers("n", FOUND, {"ended": "failed"}, {"living"}, only={"ended"})
    assert [one.process.pid for one in found] == [1, 6]


def test_what_cannot_be_understood_is_not_taken_for_nothing() -> None:
    assert read_found(b"") is None
    assert read_found(b"bash: python3: command not found\n") is None
    report = read_found(b'motd\n{"found": [], "left": [3]}\n')
    assert report is not None
    assert report.left == (3,)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of a run, in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"],
        env={**os.environ, "RANKDECK_RUN_ID": "20260101-000000-x-aaaa", "RANKDECK_NODE": "n1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def probe(arguments: object, **more: str) -> bytes:
    done = subprocess.run(
        ["/bin/sh", "-c", probe_command(None)],
        input=probe_input("leftovers", arguments),
        capture_output=True,
        timeout=60,
        check=True,
        env={**os.environ, **more},
    )
    return done.stdout


def test_the_probe_finds_processes_by_their_environment(sleeper: subprocess.Popen[bytes]) -> None:
    report = read_found(probe({}))
    assert report is not None
    (found,) = (one for one in report.found if one.pid == sleeper.pid)
    assert (found.run, found.node, found.agent) == ("20260101-000000-x-aaaa", "n1", False)
    assert "time.sleep" in found.command


def test_the_probe_ends_what_it_is_told_to_and_nothing_else(
    sleeper: subprocess.Popen[bytes],
) -> None:
    report = read_found(probe({}))
    assert report is not None
    (found,) = (one for one in report.found if one.pid == sleeper.pid)
    # the pid of another process now, judged by its start
    again = read_found(probe({"end": [[found.pid, found.start + 1]]}))
    assert again is not None
    assert again.left == ()
    assert sleeper.poll() is None
    last = read_found(probe({"end": [[found.pid, found.start]]}))
    assert last is not None
    assert last.left == ()
    assert sleeper.wait(30) == -signal.SIGKILL


def test_whoever_looks_from_inside_a_run_is_not_found() -> None:
    own = f"20260101-000000-me-{uuid.uuid4().hex[:12]}"
    report = read_found(probe({}, RANKDECK_RUN_ID=own))
    assert report is not None
    assert own not in {one.run for one in report.found}


def test_the_interpreter_is_the_jobs_if_it_is_there() -> None:
    for python in ("/no/such/python", sys.executable):
        done = subprocess.run(
            ["/bin/sh", "-c", probe_command(python)],
            input=b"import sys; print(sys.executable)",
            capture_output=True,
            text=False,
            timeout=60,
            check=True,
        )
        assert (done.stdout.decode().strip() == sys.executable) == (python == sys.executable)


def test_a_host_without_python_says_so(tmp_path: object) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", probe_command("/no/such/python")],
        input=b"",
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": str(tmp_path)},
    )
    assert done.returncode == 127
    assert b"no Python" in done.stderr
