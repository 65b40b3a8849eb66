"""The waiter of a node: agents for the orders it is called for, one after the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.agent_order import AgentOrder
from rankdeck.run.node_state import NodeOutcome, NodePhase, NodeState
from tests.agent.harness import AgentRun, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREVER = "import time\nprint('up', flush=True)\ntime.sleep(600)"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER
WARNED = """
import os, signal, time
def warned(number, frame):
    print("warned", number, flush=True)
signal.signal(signal.SIGUSR1, warned)
print("up", flush=True)
while True:
    time.sleep(0.1)
"""

ONCE_WARNED = """
import signal, threading
def wait():
    print("warned", signal.sigwait([signal.SIGUSR1]).value, flush=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
threading.Thread(target=wait).start()
print("up", flush=True)
"""
SLOW_TO_LISTEN = (
    """
import os, time
print("up", flush=True)
while not os.path.exists("listen"):
    time.sleep(0.02)
"""
    + WARNED
)


class Service:
    """One waiter, and the supervisor's side of it."""

    def __init__(self, agent: AgentRun, folder: Path) -> None:
        self.agent = agent
        self.folder = folder
        self.number = 0
        for name in ("calls", "said"):
            (folder / name).mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> Service:
        bundle = agent_bundle(self.folder / "cache")
        self.process = subprocess.Popen(
            agent_command(sys.executable, bundle, "--serve", str(self.folder), *options),
            env={**os.environ, "SLURMD_NODENAME": "n1", "RANKDECK_RUN_ID": self.agent.id},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def call(self, text: str, attempt: int = 0, **fields: Any) -> None:
        agent = self.agent
        path = agent.node.attempt(attempt).order
        values: dict[str, Any] = {
            "run_id": agent.id, "node": "n1", "node_dir": str(agent.node.path),
            "attempt": attempt, "node_rank": 0, "nnodes": 1, "nproc": 1, "first_rank": 0,
            "world_size": 1, "spawn": "ranks", "launcher": "direct",
            "argv": [sys.executable, str(agent.script(text))], "env": {},
            "cwd": str(agent.project), "python": sys.executable, "grace": 5.0,
            "shared_dir": True, **fields,
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(msgspec.convert(values, AgentOrder)))
        call = self.folder / "calls" / f".n1.{self.number}"
        call.write_text(json.dumps({"order": str(path)}))
        call.rename(self.folder / "calls" / f"n1.{self.number}")
        self.number += 1

    def said(self, what: str) -> dict[str, Any]:
        path = self.folder / "said" / f"n1.{what}"
        until(path.exists, what)
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    def up(self) -> NodeState:
        return self.agent.until_ranks("output")

    def left(self) -> int:
        assert self.process is not None
        code = self.process.wait(60)
        self.agent.until_nothing_left()
        return code


@pytest.fixture
def service(agent: AgentRun, tmp_path: Path) -> Iterator[Service]:
    found = Service(agent, tmp_path / "start-0")
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.wait()


def test_it_serves_one_order_after_the_other_until_it_may_leave(service: Service) -> None:
    service.start()
    assert service.said("here")["pid"] == service.process.pid  # type: ignore[union-attr]
    service.call("print('one')")
    assert service.said("0.ended")["status"] == 0
    service.call("print('two')", attempt=1)
    assert service.said("1.ended")["status"] == 0
    for attempt, text in ((0, b"one\n"), (1, b"two\n")):
        state = msgspec.json.decode(
            service.agent.node.attempt(attempt).final_state.read_bytes(), type=NodeState
        )
        assert state.outcome is NodeOutcome.SUCCEEDED
        assert service.agent.node.attempt(attempt).log(0).read_bytes() == text
    (service.folder / "leave").touch()
    assert service.left() == 0


def test_a_call_that_was_there_before_it_is_served(service: Service) -> None:
    service.call("print('early')")
    service.start()
    assert service.said("0.ended")["status"] == 0


def test_leaving_ends_what_runs(service: Service) -> None:
    service.start()
    service.call(FOREVER)
    service.up()
    (service.folder / "leave").touch()
    assert service.left() == 0
    state = service.agent.state()
    assert state is not None
    assert (state.phase, state.outcome) == (NodePhase.DONE, NodeOutcome.STOPPED)


def test_a_scheduler_s_signal_leaves_time_to_write_down_the_end(service: Service) -> None:
    service.start("--kill-after", "3")
    service.call(STUBBORN, grace=60.0)
    service.up()
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    assert service.left() == 0
    state = service.agent.state()
    assert state is not None
    assert state.stop is not None
    assert state.stop.reason == "SIGTERM from the scheduler"
    assert state.stop.kill is not None
    assert state.stop.kill - state.stop.requested < 30.0, "long before the job's own grace"
    assert service.said("told")["signal"] == signal.SIGTERM


def test_a_warning_reaches_the_ranks_once_and_nobody_else(service: Service) -> None:
    service.start()
    service.call(WARNED)
    service.up()
    (service.folder / "warned").write_text("USR1\n")
    log = service.agent.node.attempt(0).log(0)
    until(lambda: b"warned 10\n" in log.read_bytes(), "the warning")
    assert service.process is not None
    # schedulers also send it to everything they find
    os.kill(service.process.pid, signal.SIGUSR1)
    for pid in (service.agent.state().agent.pid, _parent(service.agent.state().agent.pid)):  # type: ignore[union-attr]
        os.kill(pid, signal.SIGUSR1)
    (service.folder / "leave").touch()
    assert service.left() == 0
    assert log.read_bytes().count(b"warned") == 1
    state = service.agent.state()
    assert state is not None
    assert state.outcome is NodeOutcome.STOPPED


def test_a_warning_waits_for_ranks_that_it_would_end(service: Service) -> None:
    service.start()
    service.call(SLOW_TO_LISTEN)
    service.up()
    agent = service.agent
    agent.send("warn", signal="USR1")
    # two words of the agent after it has taken that: it would have sent the signal by then
    until(lambda: not list(agent.node.control.glob("[!.]*")), "the warning to be taken")
    for _ in range(2):
        before = agent.state()
        agent.until(lambda state, before=before: state.time > before.time)  # type: ignore[misc]
    (agent.project / "listen").touch()
    log = agent.node.attempt(0).log(0)
    until(lambda: b"warned 10\n" in log.read_bytes(), "the warning")
    (service.folder / "leave").touch()
    assert service.left() == 0
    assert log.read_bytes().count(b"warned") == 1


def test_a_warning_reaches_the_ranks_of_the_next_attempt_too(service: Service) -> None:
    (service.folder / "warned").write_text("USR1\n")
    service.start()
    for attempt in range(2):
        service.call(ONCE_WARNED, attempt=attempt)
        assert service.said(f"{attempt}.ended")["status"] == 0
        assert b"warned 10\n" in service.agent.node.attempt(attempt).log(0).read_bytes()
    (service.folder / "leave").touch()
    assert service.left() == 0


def test_it_leaves_when_nobody_calls(service: Service) -> None:
    service.start("--patience", "0.5")
    assert service.left() == 1
    assert "time" in service.said("left")


def test_an_order_that_cannot_be_read_is_answered(service: Service) -> None:
    call = service.folder / "calls" / "n1.0"
    call.write_text(json.dumps({"order": "/nowhere/order.json"}))
    service.start()
    assert service.said("0.ended")["status"] is None
    (service.folder / "leave").touch()
    assert service.left() == 0


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])
