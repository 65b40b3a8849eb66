from __future__ import annotations

import os
import platform
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from rankdeck.agent import kernel, processes
from rankdeck.agent.exits import exit_from_status
from rankdeck.agent.processes import belonging, carries, descendants, marks_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["sh", "-c", "read x; exit 3"],
        stdin=subprocess.PIPE,
        env={"RANKDECK_RUN_ID": "r1", "RANKDECK_NODE": "n1", "PATH": os.environ["PATH"]},
    )
    yield process
    process.kill()
    process.communicate()


def test_a_stat_is_read(child: subprocess.Popen[bytes]) -> None:
    stat = kernel.read_stat(child.pid)
    assert stat is not None
    assert stat.parent == os.getpid()
    assert stat.state in "RSD"
    assert not stat.ended
    assert stat.threads == 1
    assert kernel.read_stat(2**22 - 1) is None


def test_a_command_name_may_hold_anything() -> None:
    text = b"7 (a) b (c d) S 3 4 5" + b" 0" * 45 + b" 768 0"
    stat = kernel.Stat(text)
    assert (stat.state, stat.parent, stat.exit_status) == ("S", 3, 768)


def test_the_status_is_read_from_the_zombie(child: subprocess.Popen[bytes]) -> None:
    pidfd = kernel.open_pidfd(child.pid)
    assert pidfd is not None
    assert child.stdin is not None
    child.stdin.close()
    assert select.select([pidfd], [], [], 90)[0]
    stat = kernel.read_stat(child.pid)
    assert stat is not None
    assert stat.ended
    assert exit_from_status(stat.exit_status).code == 3
    os.close(pidfd)


def test_the_status_survives_reaping(child: subprocess.Popen[bytes]) -> None:
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    if release < (6, 15):
        pytest.skip("needs Linux 6.15")
    pidfd = kernel.open_pidfd(child.pid)
    assert pidfd is not None
    child.send_signal(signal.SIGKILL)
    child.wait()
    status = kernel.reaped_status(pidfd)
    assert status is not None
    assert exit_from_status(status).signal == signal.SIGKILL
    os.close(pidfd)


def test_what_belongs_to_a_run(child: subprocess.Popen[bytes]) -> None:
    assert child.pid in belonging(None, marks_of("r1"), ())
    assert child.pid in belonging(None, marks_of("r1", "n1"), ())
    assert child.pid not in belonging(None, marks_of("r1", "n2"), ())
    assert child.pid not in belonging(None, marks_of("r"), ())
    assert child.pid in belonging(os.getpid(), marks_of("other"), ())
    assert child.pid not in belonging(os.getpid(), marks_of("other"), (child.pid,))
    assert not carries(os.getpid(), marks_of("r1"))


def test_what_hid_at_the_first_look_is_found(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent forked after the names had been read, and had ended when it was looked at."""
    stat = kernel.read_stat(child.pid)
    assert stat is not None
    looks = iter([{}, {child.pid: stat}])
    monkeypatch.setattr(processes, "all_processes", lambda: next(looks))
    assert belonging(os.getpid(), marks_of("other"), ()) == {child.pid: stat}


def test_descendants_are_all_below() -> None:
    stat = "0 (x) S {} 0 0" + " 0" * 46
    tree = {1: 0, 2: 1, 3: 2, 4: 1, 5: 9}
    stats = {pid: kernel.Stat(stat.format(parent).encode()) for pid, parent in tree.items()}
    assert descendants(stats, 2) == {3}
    assert descendants(stats, 1) == {2, 3, 4}
    assert descendants(stats, 7) == set()


def test_a_subreaper_gets_the_orphans() -> None:
    code = """
import os, subprocess, sys
from rankdeck.agent import kernel
assert kernel.become_subreaper()
done = subprocess.run(["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], stdout=-1)
orphan = int(done.stdout)
print(kernel.read_stat(orphan).parent == os.getpid())
os.kill(orphan, 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr


WAITER = """
import signal
from rankdeck.agent import kernel
heeded = {signal.SIGUSR1, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, heeded)
print("up", flush=True)
while True:
    came = kernel.next_signal(heeded, 0.1)
    if came is not None:
        print(came, flush=True)
"""


def test_only_signals_that_came_are_taken_also_after_a_stop() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITER], stdout=subprocess.PIPE) as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == b"up\n"
        for _ in range(3):
            waiter.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, waiter.pid, os.WSTOPPED)
            time.sleep(0.15)  # the stop itself: it outlasts the wait
            waiter.send_signal(signal.SIGCONT)
            os.waitid(os.P_PID, waiter.pid, os.WCONTINUED)
        waiter.send_signal(signal.SIGUSR1)
        first = waiter.stdout.readline()
        waiter.send_signal(signal.SIGTERM)
        second = waiter.stdout.readline()
        waiter.kill()
    assert (int(first), int(second)) == (signal.SIGUSR1, signal.SIGTERM)
