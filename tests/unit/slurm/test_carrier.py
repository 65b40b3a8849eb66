"""The carrier taking a run over, with programs that stand in for Slurm's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from backends.slurm.calls import call_agent
from backends.slurm.carrier import Carrier
from backends.slurm.layout import job_dir
from backends.slurm.queue import SharedQueue
from backends.slurm.script import Placement
from backends.slurm.settings import read_settings
from backends.slurm.submit import Intent, Kind
from backends.slurm.tools import Slurm
from rankdeck.backend_reports import Ended, NotPlaced, Queued
from rankdeck.run.layout import RunDir
from rankdeck.run.orders import build_order
from tests.unit.run.simulation import START, make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend_reports import Report

_ENDED = "7|FAILED|1|2026-11-21T15:30:48|node1|NonZeroExitCode|"
_PUT_BACK = "7|PENDING|1|2026-11-21T15:32:48||BeginTime|"
_RUNS = "7|RUNNING|1|2026-11-21T15:30:48|node1|None|"
_CANCELLED = "7|CANCELLED|1|2026-11-21T15:32:48||None|"


class Deserted:
    """A run whose job has ended, and whose supervisor was killed before it could submit another."""

    def __init__(self, folder: Path) -> None:
        self.run = RunDir(folder / "runs" / "20261121-104512-sim-abcd")
        self.plan = make_plan(self.run, ["node1"], 1, max_restarts=1)
        self.submitted = folder / "submitted"
        self.told: list[Report] = []
        for name, body in (
            ("squeue", f"cat {folder}/queue"),
            ("sinfo", "echo 'node[1-3]|drained|bad disk'; echo 'node2|down*|Not responding'"),
            ("scontrol", "exit 1"),
            ("sbatch", f'echo "$2" >>{self.submitted}; echo 8'),
        ):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{body}\n")
            program.chmod(0o755)
        slurm = Slurm({"PATH": f"{folder}/bin:/usr/bin:/bin"})
        self._folder = folder
        self.queue(_ENDED)
        self._write_job()
        self.carrier = Carrier(
            self.run,
            slurm,
            SharedQueue(slurm, folder / "cache"),
            read_settings({}),
            self.told.append,
            plan=self._placement,
            bound=True,
        )

    def order(self, attempt: int) -> AgentOrder:
        return build_order(self.run, self.plan, self.plan.nodes[0], attempt)

    def queue(self, line: str) -> None:
        """What Slurm says from here on."""
        (self._folder / "queue").write_text(f"{line}\n")
        for known in (self._folder / "cache").glob("slurm-queue*.json"):
            known.unlink()

    def take_over(self, attempt: int) -> None:
        """What a supervisor does that finds this attempt begun and none of its agents placed."""
        self.carrier.place((self.order(attempt),))
        deadline = time.monotonic() + 240.0
        self.carrier.turn()
        while self.carrier.submission is not None:
            assert time.monotonic() < deadline, "sbatch does not end"
            self.carrier.turn()
        self.carrier.turn()

    def call(self, attempt: int) -> None:
        """Give an order to the job's waiter, as the supervisor did that was killed."""
        self.run.nodes.mkdir()
        self.carrier.adopt((0, 0))
        assert self.carrier.job is not None
        call_agent(self.carrier.job, self.run, self.order(attempt))
        self.carrier.job = None

    def start_again(self) -> None:
        """What the job's script does when Slurm starts it another time."""
        start = job_dir(self.run, 0).start(1)
        start.calls.mkdir(parents=True)
        start.allocation.write_text("job=7\nstep=0\nnodes=node1\n")

    def _write_job(self) -> None:
        job = job_dir(self.run, 0)
        job.start(0).path.mkdir(parents=True)
        intent = Intent(kind=Kind.BATCH, time=START, run_id=self.run.id, attempt=0)
        job.intent.write_bytes(msgspec.json.encode(intent))
        job.answer.write_text("7\n")
        job.start(0).allocation.write_text("job=7\nstep=0\nnodes=node1\n")
        job.start(0).finished.write_text("137\n")
        job.start(0).calls.mkdir()

    def _placement(self, attempt: int) -> Placement:
        return Placement(
            run_id=self.run.id,
            attempt=attempt,
            name="sim",
            nodes=1,
            nproc=1,
            python="python3",
            bundle="agent.pyz",
            settings=read_settings({}),
        )


@pytest.fixture
def deserted(tmp_path: Path) -> Deserted:
    return Deserted(tmp_path)


def test_the_end_of_the_last_job_is_not_the_end_of_an_attempt_it_never_had(
    deserted: Deserted,
) -> None:
    # killed while it wrote the next job's scripts
    second = job_dir(deserted.run, 1)
    second.path.mkdir()
    deserted.take_over(attempt=1)
    assert not [told for told in deserted.told if isinstance(told, (Ended, NotPlaced))]
    assert deserted.submitted.read_text() == f"{second.script}\n"


def test_an_attempt_whose_orders_the_ended_job_had_has_ended_with_it(deserted: Deserted) -> None:
    deserted.call(attempt=1)
    deserted.take_over(attempt=1)
    assert [type(told) for told in deserted.told] == [Ended, NotPlaced]
    assert not deserted.submitted.exists()


def test_what_srun_says_of_its_own_work_is_no_reason(deserted: Deserted) -> None:
    noise = "srun: cluster configuration lacks support for cpu binding\nsrun: got SIGCONT\n"
    job_dir(deserted.run, 0).start(0).log.write_text(f"srun: error: node1: no memory\n{noise}")
    deserted.carrier.adopt((0, 0))
    assert deserted.carrier.job is not None
    assert deserted.carrier.job.last_words() == "srun: error: node1: no memory"


def test_a_job_that_is_cancelled_while_it_waits_to_start_again_ends_its_run(
    deserted: Deserted,
) -> None:
    deserted.queue(_PUT_BACK)
    deserted.take_over(attempt=1)
    assert [type(told) for told in deserted.told] == [Queued]
    deserted.queue(_CANCELLED)
    deserted.carrier.turn()
    _, ended, refused = deserted.told
    assert isinstance(ended, Ended)
    assert ended.stopped
    assert isinstance(refused, NotPlaced)
    assert not deserted.submitted.exists(), "it was cancelled: nobody wants it again"


def test_a_job_that_starts_again_has_not_ended_again(deserted: Deserted) -> None:
    job_dir(deserted.run, 0).start(0).finished.unlink()
    deserted.queue(_RUNS)
    deserted.carrier.adopt((0, 0))
    deserted.carrier.turn()
    deserted.queue(_PUT_BACK)
    deserted.carrier.turn()
    _, first, waits = deserted.told
    assert isinstance(first, Ended)
    assert first.again
    assert isinstance(waits, Queued)
    deserted.carrier.place((deserted.order(attempt=1),))
    deserted.queue(_RUNS)
    deserted.start_again()
    deserted.carrier.turn()
    assert not deserted.told[3:], "what ended before was told; the next end will be another one"
    assert job_dir(deserted.run, 0).start(1).call("node1", 0).exists()


@pytest.mark.parametrize(
    ("said", "node"),
    [("", "node2"), ("srun: error: Node failure on node3\n", "node3")],
)
def test_a_node_that_failed_is_named_even_if_srun_had_no_time_to(
    deserted: Deserted, said: str, node: str
) -> None:
    job = job_dir(deserted.run, 0)
    job.start(0).allocation.write_text("job=7\nstep=0\nnodes=node[1-3]\n")
    job.start(0).log.write_text(said)
    deserted.carrier.adopt((0, 0))
    assert deserted.carrier.job is not None
    assert deserted.carrier.endings.explain(deserted.carrier.job, "NODE_FAIL").node == node
