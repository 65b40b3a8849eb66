"""What the command line says of runs on several nodes: waiting, silent, chosen late, in trouble."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.cli.log_output import LAUNCHER, LineWriter
from rankdeck.cli.ls import _row
from rankdeck.cli.show import describe
from rankdeck.cli.why import explain
from rankdeck.run.binding import store_plan
from rankdeck.run.layout import RunDir, rankdeck_home
from rankdeck.run.state import RunPhase
from rankdeck.run.store import RunStore
from rankdeck.run.stored import read_plan
from rankdeck.run.summary import summarise
from rankdeck.run.view import RunReader
from tests.unit.run import simulation
from tests.unit.run.queue_simulation import QueueWorld, Scheduler
from tests.unit.run.simulation import START, Fate, World
from tests.unit.run.test_links import LONG, FarWorld
from tests.unit.run.test_links import make as make_far
from tests.unit.run.test_queue import HOSTS
from tests.unit.run.test_queue import make as make_queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def run_dir() -> Iterator[RunDir]:
    """Where a run of the user's own store would be."""
    RunStore(rankdeck_home()).ensure()
    yield RunDir(rankdeck_home() / "runs" / "20261121-101010-sim-abcd")
    while simulation.MADE:
        simulation.MADE.pop().journal.close()


def queued(run_dir: RunDir, seconds: float) -> QueueWorld:
    world = make_queued(run_dir, Scheduler({0: seconds}, HOSTS))
    plan = read_plan(run_dir)
    nodes = tuple(msgspec.structs.replace(node, placeholder=True) for node in plan.nodes)
    store_plan(run_dir, msgspec.structs.replace(plan, nodes=nodes))
    return world


def advance(world: World, until: float) -> None:
    while world.clock.now < START + until:
        world.advance()


def test_a_queued_run_says_why_and_for_how_long(run_dir: RunDir) -> None:
    world = queued(run_dir, 1000.0)
    advance(world, 5)
    snapshot = RunReader(run_dir).snapshot()
    text = describe(snapshot, world.clock.now + 300)
    assert "queued  for 5m: job 7: Priority" in text
    assert "the scheduler has not chosen it yet" in text
    assert "master" not in text
    row = _row(summarise(snapshot.run), world.clock.now + 300)
    assert "for 5m: job 7: Priority" in row
    assert (row[3], row[4]) == ("simulated", "2")
    assert explain(snapshot.run).endswith("is queued: job 7: Priority; no rank has failed")


def test_a_silent_node_is_shown_with_its_age(run_dir: RunDir) -> None:
    world = make_far(run_dir, LONG)
    world.cut = (3.0, 1000.0)
    advance(world, 6)
    snapshot = RunReader(run_dir).snapshot()
    (line,) = [
        line
        for line in describe(snapshot, world.clock.now + 40).splitlines()
        if line.startswith("b ")
    ]
    assert line.endswith("cannot be heard for 43s: connection timed out")
    end = world.run_to_end(seconds=180)
    assert end.state is RunPhase.LOST
    lost = RunReader(run_dir).snapshot()
    assert "cannot be heard for" not in describe(lost, world.clock.now)
    told = explain(lost.run).splitlines()
    assert told[0] == "b cannot be reached any more: b: connection timed out"
    assert told[1] == "  node b · unreachable · certain"
    assert "  ended because of it: ranks 0-3" in told


def test_every_nodes_problem_is_told_with_its_hint(run_dir: RunDir) -> None:
    problem = ("ssh-auth", "c: permission denied (publickey)")
    fates = {(name, 0): Fate(problem=problem if name == "c" else None) for name in "ac"}
    world = World(run_dir, fates)
    world.backend.fail_to_place.add("a")
    world.run_to_end()
    run = RunReader(run_dir).snapshot().run
    text = explain(run)
    assert text.splitlines() == [
        "c: permission denied (publickey)",
        "  node c · ssh-auth · certain",
        "  also: a: no route to host",
        "    try: look at the network",
    ]
    page = describe(RunReader(run_dir).snapshot(), world.clock.now)
    assert "a: no route to host\n  try: look at the network" in page


def test_lines_say_their_node_when_there_are_several(capfd: pytest.CaptureFixture[str]) -> None:
    writer = LineWriter(16, launcher="torchrun")
    writer.write_lines(3, [b"before"])
    writer.name_nodes({3: "a", 15: "node\x1b[2J02", LAUNCHER: "a", LAUNCHER - 1: "node02"})
    writer.write_lines(3, [b"one"])
    writer.write_lines(15, [b"two"])
    writer.write_lines(LAUNCHER - 1, [b"three"])
    assert capfd.readouterr().out.splitlines() == [
        "[ 3] before",
        "[ 3 a     ] one",
        "[15 node02] two",
        "[torchrun node02] three",
    ]


class Attached:
    """`rankdeck attach` without a terminal, on a simulated run."""

    def __init__(self, run: RunDir) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rankdeck.cli.entry", "attach", run.id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ),
        )
        self.told = b""
        self.lines = b""
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True)
            for name in ("told", "lines")
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = self.process.stderr if name == "told" else self.process.stdout
        assert stream is not None
        while data := os.read(stream.fileno(), 65536):
            setattr(self, name, getattr(self, name) + data)

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not met():
            assert time.monotonic() < deadline, (self.told, self.lines)
            time.sleep(0.02)

    def end(self) -> int:
        code = self.process.wait(90)
        for reader in self._readers:
            reader.join(90)
        return code


@pytest.fixture
def attach() -> Iterator[Callable[[RunDir], Attached]]:
    """Follow a run; whatever happens, nobody follows it afterwards."""
    started: list[Attached] = []

    def start(run: RunDir) -> Attached:
        started.append(Attached(run))
        return started[-1]

    yield start
    for attached in started:
        attached.process.kill()
        attached.process.wait()


def write_log(run: RunDir, node: str, attempt: int, rank: int, text: str) -> None:
    log = run.node(node).attempt(attempt).log(rank)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)


def test_following_tells_what_a_run_waits_for_and_where_its_ranks_are(
    run_dir: RunDir, attach: Callable[[RunDir], Attached]
) -> None:
    world = queued(run_dir, 5.0)
    advance(world, 1)
    attached = attach(run_dir)
    attached.until(lambda: b"queued: job 7: Priority\n" in attached.told)
    advance(world, 5)
    attached.until(lambda: b"starting: job 7 started\n" in attached.told)
    advance(world, 6)
    for node, rank in (("n7", 0), ("n7", 1), ("n9", 2), ("n9", 3)):
        write_log(run_dir, node, 0, rank, f"hello from {rank}\n")
    attached.until(lambda: attached.lines.count(b"hello") == 4)
    world.run_to_end()
    assert attached.end() == 0
    told = attached.told.decode().splitlines()
    assert told == [
        "rankdeck: queued: job 7: Priority",
        "rankdeck: starting: job 7 started",
        "rankdeck: 20261121-101010-sim-abcd succeeded",
    ]
    assert sorted(attached.lines.decode().splitlines()) == [
        "[0 n7] hello from 0",
        "[1 n7] hello from 1",
        "[2 n9] hello from 2",
        "[3 n9] hello from 3",
    ]


def test_following_tells_of_nodes_that_cannot_be_heard(
    run_dir: RunDir, attach: Callable[[RunDir], Attached]
) -> None:
    world: FarWorld = make_far(run_dir, {0: (30.0, 0), 1: (30.0, 0)})
    world.cut = (3.0, 8.0)
    attached = attach(run_dir)
    advance(world, 4)
    attached.until(lambda: b"b cannot be heard: connection timed out" in attached.told)
    advance(world, 10)
    attached.until(lambda: b"b is heard again" in attached.told)
    world.run_to_end()
    assert attached.end() == 0
    assert attached.told.count(b"cannot be heard") == 1
