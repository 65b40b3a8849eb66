from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from backends.mpi.session import MpiSession
from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.backend import SessionContext
from rankdeck.plan.records import LaunchPlan, NodePlan, Spawn
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import NodePhase, NodeState
from rankdeck.run.orders import build_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend_reports import Report

_STAND_IN = Path(__file__).with_name("stand_in.py")
_SSH = """
for word; do
    case $word in bad*) echo "ssh: $word: Connection refused" >&2; exit 255 ;; esac
done
"""


@dataclass
class Bench:
    """A run whose session a test drives itself."""

    run: RunDir
    environ: dict[str, str]
    names: tuple[str, ...] = ("n1", "n2")
    options: dict[str, str | int | float | bool] = field(default_factory=dict)
    argv: tuple[str, ...] = ("sh", "-c", "echo rank $RANK; exec sleep 600")
    nproc: int = 1
    grace: float = 3.0
    told: list[Report] = field(default_factory=list)

    def plan(self) -> LaunchPlan:
        """The run's plan; its nodes' addresses belong to nobody."""
        return LaunchPlan(
            run_id=self.run.id,
            name="test",
            backend="mpi",
            launcher="direct",
            spawn=Spawn.RANKS,
            world_size=len(self.names) * self.nproc,
            nproc_per_node=self.nproc,
            master_addr="127.0.0.1",
            master_port=0,
            nodes=tuple(
                NodePlan(
                    name=name,
                    address=f"{name}.invalid",
                    node_rank=index,
                    nproc=self.nproc,
                    first_rank=index * self.nproc,
                    argv=self.argv,
                    env={},
                    cwd="/",
                    python=sys.executable,
                )
                for index, name in enumerate(self.names)
            ),
            output_dir=str(self.run.path / "out"),
            grace=self.grace,
            time_limit=None,
            max_restarts=0,
            hooks=False,
            hyperparameters={},
            backend_options=self.options,
        )

    def session(self, *, taken_over: bool = False) -> MpiSession:
        """What a supervisor works through."""
        return MpiSession(
            SessionContext(
                run=self.run,
                plan=self.plan(),
                environ=self.environ,
                secrets={},
                taken_over=taken_over,
                wake=lambda: None,
            )
        )

    def orders(self, attempt: int = 0) -> list[AgentOrder]:
        """One for each node."""
        plan = self.plan()
        return [build_order(self.run, plan, node, attempt) for node in plan.nodes]

    def until(self, session: MpiSession, done: Callable[[], object], timeout: float = 90.0) -> None:
        """Listen until something is true."""
        deadline = time.monotonic() + timeout
        while True:
            self.told += session.reports()
            if done():
                return
            assert time.monotonic() < deadline, f"told so far: {self.told}"
            time.sleep(0.02)

    def placed(self, session: MpiSession) -> str:
        """Place every agent, let them go, and wait until their ranks run; the agents' ref."""
        session.place(self.orders(), find_only=False)
        self.until(session, lambda: len(self.told) >= len(self.names))
        (ref,) = {getattr(report, "ref", None) for report in self.told}
        assert isinstance(ref, str)
        if len(self.names) > 1:
            self.until(session, lambda: self.phases() == {NodePhase.READY})
            for name in self.names:
                go = AgentCommand(command=AgentCommandKind.GO, master_port=23456)
                session.send(name, ref, go)
        self.until(
            session, lambda: all(rank.pid for state in self.states() for rank in state.ranks)
        )
        return ref

    def states(self) -> list[NodeState]:
        """What the agents say."""
        paths = [self.run.node(name).state for name in self.names]
        return [
            msgspec.json.decode(path.read_bytes(), type=NodeState)
            for path in paths
            if path.exists()
        ]

    def phases(self) -> set[NodePhase | None]:
        """Where they are in their lives; None: one has not begun."""
        found: set[NodePhase | None] = {state.phase for state in self.states()}
        return found if len(self.states()) == len(self.names) else {*found, None}

    def left(self) -> list[int]:
        """Living processes with the run's id in command line or environment."""
        mark, found = self.run.id.encode(), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and int(entry.name) != os.getpid():
                    words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                    state = (entry / "stat").read_bytes().rsplit(b")", 1)[1].split()[0]
                    if mark in words and state != b"Z":
                        found.append(int(entry.name))
            except OSError:
                continue
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    run = RunDir(tmp_path / "home" / "runs" / f"test-{uuid.uuid4().hex[:12]}")
    run.path.mkdir(parents=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("mpirun", f'exec {sys.executable} {_STAND_IN} "$@"'), ("ssh", _SSH)):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    bench = Bench(run, {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    yield bench
    for pid in bench.left():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
