"""Real agents driven through real order files, and questions about what they say and leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pytest

from rankdeck.agent_bundle import agent_bundle, agent_command
from rankdeck.agent_order import AgentCommand, AgentCommandKind, AgentOrder
from rankdeck.plan.records import Spawn
from rankdeck.run.layout import NodeDir
from rankdeck.run.node_state import NodePhase, NodeState, RankRecord

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

ALL_HERE = """
import os, time
open("here-" + os.environ["RANK"], "w").close()
while not all(os.path.exists(f"here-{n}") for n in range(int(os.environ["WORLD_SIZE"]))):
    time.sleep(0.02)
"""
"""For a program: go on when every rank has come here (their folder is the same)."""

# what torchrun does, without its second of `import torch`: ranks in sessions of their own,
# interpreter from PYTHON_EXEC, one look every 0.1 s, TERM to the others when one fails. Ranks of
# DeepSpeed's launcher are in its own session. It does not look at ranks that the agent has not
# seen: their ends would be nobody's to tell, and how fast either is must not matter.
STAND_IN = """
import json, os, signal, subprocess, sys, time
python = os.environ.get("PYTHON_EXEC", sys.executable)
nproc = int(os.environ["STAND_IN_NPROC"])
restarts = int(os.environ.get("STAND_IN_RESTARTS", "0"))
like_deepspeed = "STAND_IN_DEEPSPEED" in os.environ

class Told(Exception):
    pass

def tell(number, frame):
    raise Told(number)

def end():
    for rank in ranks:
        rank.send_signal(signal.SIGTERM)
    for rank in ranks:
        rank.wait()

def seen():
    try:
        with open(os.environ["STAND_IN_STATE"]) as file:
            known = [rank["pid"] for rank in json.load(file)["ranks"]]
    except FileNotFoundError:
        return False
    return known == [rank.pid for rank in ranks]

def attempt(count):
    ranks.clear()
    for local in range(nproc):
        env = dict(os.environ, RANK=str(local), LOCAL_RANK=str(local), WORLD_SIZE=str(nproc))
        env.update(TORCHELASTIC_RESTART_COUNT=str(count), TORCHELASTIC_MAX_RESTARTS=str(restarts))
        ranks.append(subprocess.Popen([python, "-u", *sys.argv[1:]], env=env,
                                      start_new_session=not like_deepspeed))
    while not seen():
        time.sleep(0.02)
    while True:
        time.sleep(0.1)
        codes = [rank.poll() for rank in ranks]
        if any(codes):
            end()
            return False
        if None not in codes:
            return True

ranks = []
signal.signal(signal.SIGTERM, tell)
try:
    sys.exit(not any(attempt(count) for count in range(restarts + 1)))
except Told as told:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if like_deepspeed:
        print(f"[launch.py:335:sigkill_handler] Killing subprocess {ranks[0].pid}", flush=True)
    else:
        print(f"Received {told} death signal, shutting down workers", flush=True)
    end()
    sys.exit(1)
"""


def until(look: Callable[[], _T | None], what: str = "", timeout: float = 90.0) -> _T:
    """Call `look` until it returns something true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {what or look}")
        time.sleep(0.02)


class AgentRun:
    """One agent and its node directory."""

    def __init__(self, tmp_path: Path, **fields: object) -> None:
        self.id = f"test-{uuid.uuid4().hex[:12]}"
        self.project = tmp_path / self.id
        self.node = NodeDir(tmp_path / "nodes" / "n1")
        self.project.mkdir()
        self._cache = tmp_path / "cache"
        self._fields = fields
        self.process: subprocess.Popen[bytes] | None = None

    def script(self, text: str, name: str = "work.py") -> Path:
        """A program of the project; its path carries the run's id."""
        path = self.project / name
        path.write_text(text)
        return path

    def start(self, **fields: object) -> AgentRun:
        """Write the order and start the agent."""
        values: dict[str, object] = {
            "run_id": self.id,
            "node": "n1",
            "node_dir": str(self.node.path),
            "attempt": 0,
            "node_rank": 0,
            "nnodes": 1,
            "nproc": 1,
            "first_rank": 0,
            "spawn": Spawn.RANKS.value,
            "launcher": "direct",
            "env": {},
            "cwd": str(self.project),
            "python": sys.executable,
            "grace": 5.0,
            **self._fields,
            **fields,
        }
        values.setdefault("world_size", values["nproc"])
        order = msgspec.convert(values, AgentOrder)
        path = self.node.attempt(order.attempt).order
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(order))
        self.process = subprocess.Popen(
            agent_command(order.python, agent_bundle(self._cache), str(path)),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def ranks(self, text: str, nproc: int = 1, **fields: object) -> AgentRun:
        """Start `nproc` ranks that run this Python text, without a launcher."""
        path = self.script(text)
        return self.start(argv=(sys.executable, str(path)), nproc=nproc, **fields)

    def launched(
        self,
        text: str,
        nproc: int = 2,
        restarts: int = 0,
        extra_env: dict[str, str] | None = None,
        **fields: object,
    ) -> AgentRun:
        """Start ranks that run this Python text through a stand-in for torchrun."""
        launcher = self.script(STAND_IN, "launcher.py")
        return self.start(
            spawn=Spawn.LAUNCHER.value,
            launcher="torchrun",
            argv=(sys.executable, str(launcher), str(self.script(text))),
            nproc=nproc,
            env={
                "STAND_IN_NPROC": str(nproc),
                "STAND_IN_STATE": str(self.node.state),
                "STAND_IN_RESTARTS": str(restarts),
                **(extra_env or {}),
            },
            **fields,
        )

    def state(self) -> NodeState | None:
        """What the agent says now, decoded as its readers do."""
        try:
            return msgspec.json.decode(self.node.state.read_bytes(), type=NodeState)
        except FileNotFoundError:
            return None

    def until(self, wanted: Callable[[NodeState], bool], timeout: float = 90.0) -> NodeState:
        """Wait for a state that fits."""

        def look() -> NodeState | None:
            state = self.state()
            return state if state is not None and wanted(state) else None

        return until(look, f"last state: {self.state()}", timeout)

    def until_ranks(self, *states: str) -> NodeState:
        """Wait until every rank is in one of these states."""
        return self.until(lambda state: all(rank.state in states for rank in state.ranks))

    def done(self, timeout: float = 90.0) -> NodeState:
        """Wait for the end; nothing of the run may be left then."""
        assert self.process is not None
        state = self.until(lambda state: state.phase is NodePhase.DONE, timeout)
        assert self.process.wait(60) == 0
        assert self.left() == {}
        copy = self.node.attempt(state.attempt).final_state.read_bytes()
        assert msgspec.json.decode(copy, type=NodeState) == state
        return state

    def send(self, command: str, **fields: object) -> None:
        """Drop a command into the inbox, atomically."""
        inbox = self.node.control
        order = msgspec.convert({"command": command, **fields}, AgentCommand)
        assert order.command in AgentCommandKind
        hidden = inbox / f".{command}"
        hidden.write_bytes(msgspec.json.encode(order))
        hidden.rename(inbox / f"{time.time_ns()}-{command}.json")

    def log(self, rank: int = 0) -> bytes:
        """A rank's log, byte for byte."""
        return self.node.attempt(0).log(rank).read_bytes()

    def agent_log(self) -> str:
        """What the agent printed."""
        return self.node.agent_log.read_text()

    def left(self) -> dict[int, str]:
        """Living processes with the run's id in their environment or command line."""
        mark = self.id.encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes()
                if mark in words or mark in (entry / "environ").read_bytes():
                    if (entry / "stat").read_bytes().rsplit(b")", 1)[1].split()[0] == b"Z":
                        continue
                    found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
        return found

    def until_nothing_left(self) -> None:
        """Wait until no process of the run is left, without any help."""
        until(lambda: not self.left(), f"left: {self.left()}")

    def clean_up(self) -> None:
        """End whatever a failed test has left."""
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.process is not None:
            self.process.wait(60)


def rank_of(state: NodeState, rank: int) -> RankRecord:
    """One rank's record."""
    return next(record for record in state.ranks if record.rank == rank)
