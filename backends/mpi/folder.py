"""What lies where for one run: `RUN/mpi`, and the marks beside each node's order."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.run.layout import RunDir

_TAIL = 64 * 1024
_LEAVING_SECONDS = 1.0
_GIVEN_UP = b"given up\n"
"""In the claim of a supervisor; that of an agent is empty."""


class JobRecord(msgspec.Struct, frozen=True):
    """Which process an attempt's mpirun is."""

    pid: int
    starttime: int
    host: str


class LeashWord(msgspec.Struct, frozen=True):
    """What the process that holds a node's agent has said."""

    started: bool = False
    ended: bool = False


class MpiFolder:
    """The paths, and what is read and written there."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self.path = run.path / "mpi"

    def orders(self, attempt: int) -> Path:
        """The list that agents pick their orders from; also in mpirun's command line."""
        return self.path / f"orders-{attempt}.json"

    def log(self, attempt: int) -> Path:
        """What mpirun has printed."""
        return self.path / f"mpirun-{attempt}.log"

    def record(self, attempt: int) -> Path:
        """Its JobRecord."""
        return self.path / f"mpirun-{attempt}.json"

    def ssh_program(self) -> Path:
        """What mpirun calls instead of ssh."""
        return self.path / "ssh"

    def ssh_folder(self, attempt: int) -> Path:
        """Where what ssh says is kept, by address."""
        return self.path / f"ssh-{attempt}"

    def ssh_said(self, attempt: int, address: str) -> str:
        """What ssh to that address has printed if it failed; empty if it did not."""
        return _tail(self.ssh_folder(attempt) / address)

    def said(self, attempt: int) -> str:
        """What mpirun has printed."""
        return _tail(self.log(attempt))

    def read_record(self, attempt: int) -> JobRecord | None:
        """The attempt's mpirun, if one was started."""
        try:
            return msgspec.json.decode(self.record(attempt).read_bytes(), type=JobRecord)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def prepare(
        self, attempt: int, orders: Sequence[AgentOrder], addresses: Sequence[str], ssh: str
    ) -> None:
        """Write everything that mpirun and the agents read.

        Raises:
            OSError: It cannot be written.
        """
        for folder in (self.path, self.ssh_folder(attempt), self._run.nodes):
            folder.mkdir(mode=0o700, exist_ok=True)
        write_atomic(self.ssh_program(), ssh.encode())
        self.ssh_program().chmod(0o700)
        for order in orders:
            self._prepare_node(order)
        entries = [
            {
                "order": str(self._order(order)),
                "node": order.node,
                "address": address,
                "first_rank": order.first_rank,
                "nproc": order.nproc,
            }
            for order, address in zip(orders, addresses, strict=True)
        ]
        write_atomic(self.orders(attempt), msgspec.json.encode({"orders": entries}))

    def leash(self, order: AgentOrder) -> LeashWord:
        """What has become of the order's agent."""
        path = self._order(order).with_name("leash")
        # opened each time: that makes a network file system ask the server
        try:
            with open(path, "rb") as file:
                lines = file.read().split(b"\n")
        except OSError:
            return LeashWord()
        words = [line.split(b" ", 1)[0] for line in lines[:-1]]
        return LeashWord(started=b"started" in words, ended=b"ended" in words)

    def claim(self, order: AgentOrder) -> bool:
        """Make sure that no agent will start for the order; False: one has, or is about to."""
        path = self._order(order).with_name("claim")
        try:
            with open(path, "xb", opener=_private) as file:
                file.write(_GIVEN_UP)
        except FileExistsError:
            # by an earlier supervisor, who may have been killed before it could say so
            return _tail(path) == _GIVEN_UP.decode()
        except OSError:
            return not path.exists()
        return True

    def is_claimed(self, order: AgentOrder) -> bool:
        """Whether somebody has taken the order, or given it up."""
        return self._order(order).with_name("claim").exists()

    def is_done(self, order: AgentOrder) -> bool:
        """Whether the agent has said its last word, and had time to leave after that."""
        try:
            said = os.stat(self._run.node(order.node).attempt(order.attempt).final_state).st_mtime
        except OSError:
            return False
        return time.time() - said >= _LEAVING_SECONDS

    def send(self, node: str, command: AgentCommand) -> None:
        """Put a command into the agent's inbox.

        Raises:
            OSError: It cannot be written.
        """
        name = f"{time.time_ns():020d}-{command.command.value}.json"
        write_atomic(self._run.node(node).control / name, msgspec.json.encode(command))

    def refresh(self, node: str) -> None:
        """Make a network file system ask anew which files the node's directory has."""
        with suppress(OSError):
            os.utime(self._run.node(node).path)

    def _order(self, order: AgentOrder) -> Path:
        return self._run.node(order.node).attempt(order.attempt).order

    def _prepare_node(self, order: AgentOrder) -> None:
        paths = self._run.node(order.node)
        attempt = paths.attempt(order.attempt)
        for folder in (paths.path, attempt.path, paths.control):
            folder.mkdir(mode=0o700, exist_ok=True)
        # commands that the agent of an earlier attempt did not live to read are not for this one
        for entry in os.scandir(paths.control):
            os.unlink(entry)
        write_atomic(attempt.order, msgspec.json.encode(order))
        # a file that is there already is seen to grow at once, a new one perhaps later
        leash = os.open(attempt.path / "leash", os.O_WRONLY | os.O_CREAT, 0o600)
        os.close(leash)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _tail(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
