"""Giving an order to the waiter of its node: first the order's file, then a call that names it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from rankdeck.agent_order import EXTERNAL
from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from backends.slurm.live_job import LiveJob
    from rankdeck.agent_order import AgentOrder
    from rankdeck.run.layout import RunDir


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `calls/<node>.<n>`."""

    order: str
    start: tuple[str, ...] = ()
    """On one node: the program that starts the ranks of all, where the agents do not."""


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """How any process finds an agent again."""

    job: str
    attempt: int
    """Which job of the run: the attempt it was submitted for."""
    start: int
    number: int
    """Which call to its node's waiter."""

    def __str__(self) -> str:
        return f"{self.job}:{self.attempt}.{self.start}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> Ref:
        """The inverse of `str`.

        Raises:
            ValueError: It is no such text.
        """
        job, _, rest = text.rpartition(":")
        attempt, start, number = map(int, rest.split("."))
        return cls(job=job, attempt=attempt, start=start, number=number)


def call_agent(job: LiveJob, run: RunDir, order: AgentOrder, start: tuple[str, ...] = ()) -> str:
    """Have the node's waiter start an agent for the order, once; how to find it again.

    Args:
        job: The job whose waiter is called.
        run: The run.
        order: What the agent is to do.
        start: What starts the ranks, if the agents do not.

    Raises:
        OSError: Files could not be written; nothing is started.
    """
    paths = run.node(order.node)
    path = paths.attempt(order.attempt).order
    number = _number(job, order.node, path)
    if not job.start.call(order.node, number).exists():
        for folder in (run.nodes, paths.path, path.parent, paths.control):
            folder.mkdir(mode=0o700, exist_ok=True)
        for entry in os.scandir(paths.control):
            # commands that the agent of an earlier attempt did not live to read
            os.unlink(entry)
        shared = msgspec.structs.replace(order, shared_dir=True)
        write_atomic(path, msgspec.json.encode(shared), sync=True)
        if order.spawn == EXTERNAL:
            path.with_name("leash").touch(mode=0o600)
        call = Call(order=str(path), start=start)
        write_atomic(job.start.call(order.node, number), msgspec.json.encode(call), sync=True)
    return str(Ref(job=job.id, attempt=job.attempt, start=job.key[1], number=number))


def find_call(job: LiveJob, run: RunDir, order: AgentOrder) -> str | None:
    """How to find the agent that was called for the order; None when none was in this start."""
    path = run.node(order.node).attempt(order.attempt).order
    number = _number(job, order.node, path)
    if not job.started or not job.start.call(order.node, number).exists():
        return None
    return str(Ref(job=job.id, attempt=job.attempt, start=job.key[1], number=number))


def recall_agent(job: LiveJob, node: str, ref: str) -> None:
    """Take a call back that no waiter has come for."""
    job.start.call(node, Ref.parse(ref).number).unlink(missing_ok=True)


def _number(job: LiveJob, node: str, path: Path) -> int:
    """The number of the call for that order, or of the next call."""
    number = 0
    while True:
        try:
            call = msgspec.json.decode(job.start.call(node, number).read_bytes(), type=Call)
        except (FileNotFoundError, msgspec.DecodeError):
            return number
        if call.order == str(path):
            return number
        number += 1
