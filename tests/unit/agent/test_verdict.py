from __future__ import annotations

import signal

import pytest

from rankdeck.agent import verdict
from rankdeck.agent.exits import Exit, exit_from_status
from rankdeck.agent.node import LauncherProcess, Node
from rankdeck.agent.order import Order
from rankdeck.agent.problem import ProblemError


def code(number: int) -> Exit:
    return Exit(number, None, False, "kernel")


def killed(number: int) -> Exit:
    return Exit(None, number, False, "kernel")


@pytest.mark.parametrize(
    ("how", "stopping", "torn_down", "state"),
    [
        (code(0), False, False, "exited"),
        (code(0), True, True, "exited"),
        (code(3), False, False, "failed"),
        (code(3), False, True, "failed"),
        (code(3), True, False, "killed"),
        (killed(signal.SIGTERM), False, False, "failed"),
        (killed(signal.SIGTERM), False, True, "killed"),
        (killed(signal.SIGKILL), False, True, "killed"),
        (killed(signal.SIGSEGV), False, True, "failed"),
        (killed(signal.SIGSEGV), True, True, "killed"),
    ],
)
def test_the_final_state_of_a_rank(how: Exit, stopping: bool, torn_down: bool, state: str) -> None:
    assert verdict.final_state(how, stopping, torn_down) == state


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, (0, None, False)),
        (3 << 8, (3, None, False)),
        (9, (None, 9, False)),
        (0x80 | 11, (None, 11, True)),
    ],
)
def test_wait_statuses(status: int, expected: tuple[int | None, int | None, bool]) -> None:
    how = exit_from_status(status)
    assert (how.code, how.signal, how.core_dumped) == expected
    assert how.source == "kernel"


REPORT = b"""
============================================================
t.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-21_10:00:00
  host      : vm
  rank      : 1 (local_rank: 1)
  exitcode  : -15 (pid: 101)
  error_file: <N/A>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-21_10:00:00
  host      : vm
  rank      : 0 (local_rank: 0)
  exitcode  : 3 (pid: 100)
  error_file: <N/A>
"""


def test_torchruns_report_is_read() -> None:
    exits = verdict.reported_exits(REPORT)
    pid, how = exits[0]
    assert (pid, how.code, how.signal, how.source) == (100, 3, None, "launcher")
    pid, how = exits[1]
    assert (pid, how.code, how.signal) == (101, None, 15)
    assert verdict.reported_exits(b"nothing") == {}
    forged = b"rank : 0 (local_rank: 0) exitcode : 1 (pid: " + b"9" * 5000 + b")"
    assert verdict.reported_exits(forged) == {}


@pytest.mark.parametrize(
    ("how", "tail", "seen", "category", "message"),
    [
        (
            code(2),
            b"usage\nno such option\n",
            False,
            "launcher",
            "torchrun ended with exit code 2 before it had started a rank; "
            "its last words: no such option",
        ),
        (
            killed(9),
            b"",
            True,
            "launcher",
            "torchrun was ended by SIGKILL while its ranks were running",
        ),
        (
            code(1),
            b"Received 15 death signal, shutting down workers",
            True,
            "launcher",
            "torchrun was told by a signal to end while its ranks were running; "
            "its last words: Received 15 death signal, shutting down workers",
        ),
        (
            code(1),
            b"errno: 98 - Address already in use",
            False,
            "port-in-use",
            "the master port was taken when the launcher wanted to use it",
        ),
    ],
)
def test_why_a_launcher_failed(
    how: Exit, tail: bytes, seen: bool, category: str, message: str
) -> None:
    problem = verdict.launcher_problem("torchrun", how, tail, seen)
    assert (problem.category, problem.message) == (category, message)


def node(*states: str, launcher: Exit | None = None) -> Node:
    fields = {
        "run_id": "r",
        "node": "n",
        "node_dir": "/nowhere",
        "attempt": 0,
        "node_rank": 0,
        "nnodes": 1,
        "nproc": len(states),
        "first_rank": 0,
        "world_size": len(states),
        "spawn": "launcher",
        "launcher": "torchrun",
        "argv": [],
        "env": {},
        "cwd": "/",
        "python": "python",
    }
    made = Node(Order(fields))
    for rank, state in zip(made.ranks, states, strict=True):
        rank.state = state
    if launcher is not None:
        made.launcher = LauncherProcess(1, 0.0)
        made.launcher.exit = launcher
    return made


@pytest.mark.parametrize(
    ("states", "launcher", "asked", "outcome"),
    [
        (("exited", "exited"), code(0), False, "succeeded"),
        (("exited", "exited"), None, False, "succeeded"),
        (("pending",), code(0), False, "succeeded"),
        (("pending",), code(1), False, "failed"),
        (("exited", "failed"), code(0), False, "failed"),
        (("failed", "killed"), code(1), True, "failed"),
        (("killed", "killed"), code(1), True, "stopped"),
        (("lost",), code(1), False, "failed"),
        (("killed",), None, False, "failed"),
    ],
)
def test_the_outcome_of_a_node(
    states: tuple[str, ...], launcher: Exit | None, asked: bool, outcome: str
) -> None:
    assert verdict.outcome(node(*states, launcher=launcher), asked) == outcome


def test_a_problem_is_a_failure() -> None:
    made = node("exited")
    made.problem = ProblemError("disk-full", "no space")
    assert verdict.outcome(made, True) == "failed"
