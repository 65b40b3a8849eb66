"""What a reader sees of nodes that are chosen late, are silent, or have a clock of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.binding import store_plan
from rankdeck.run.document import show_document
from rankdeck.run.state import RunPhase
from rankdeck.run.stored import read_plan
from rankdeck.run.view import RunReader
from tests.unit.run.queue_simulation import PLACEHOLDERS, Scheduler
from tests.unit.run.simulation import START, World
from tests.unit.run.test_links import LONG
from tests.unit.run.test_links import make as make_far
from tests.unit.run.test_queue import HOSTS
from tests.unit.run.test_queue import make as make_queued

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


def test_placeholders_become_the_nodes_that_the_scheduler_chose(run_dir: RunDir) -> None:
    world = make_queued(run_dir, Scheduler({0: 5.0}, HOSTS))
    plan = read_plan(run_dir)
    nodes = tuple(msgspec.structs.replace(node, placeholder=True) for node in plan.nodes)
    store_plan(run_dir, msgspec.structs.replace(plan, nodes=nodes))
    world.advance()
    reader = RunReader(run_dir)
    queued = reader.snapshot()
    assert queued.run.state is RunPhase.QUEUED
    assert [(n.name, n.address, n.placeholder) for n in queued.nodes] == [
        (name, "", True) for name in PLACEHOLDERS
    ]
    assert (queued.master_addr, queued.master_port) == ("", 0)
    while world.journal.state.state is not RunPhase.RUNNING:
        world.advance()
    world.advance()
    snapshot = reader.snapshot()
    assert [(n.name, n.address, n.placeholder) for n in snapshot.nodes] == [
        (name, f"{name}.cluster", False) for name in HOSTS
    ]
    assert [rank.node for rank in snapshot.ranks] == ["n7", "n7", "n9", "n9"]
    assert snapshot.ranks[2].log == run_dir.node("n9").attempt(0).log(2)
    assert snapshot.nodes[1].heartbeat is not None, "the chosen node's own file is read"
    assert snapshot.master_addr == "n7.cluster"


def test_a_reader_may_see_the_new_plan_before_the_event(run_dir: RunDir) -> None:
    world = make_queued(run_dir, Scheduler({0: 1000.0}, HOSTS))
    world.advance()
    reader = RunReader(run_dir)
    reader.snapshot()
    plan = read_plan(run_dir)
    renamed = [
        msgspec.structs.replace(node, name=name)
        for node, name in zip(plan.nodes, HOSTS, strict=True)
    ]
    store_plan(run_dir, msgspec.structs.replace(plan, nodes=tuple(renamed)))
    assert [node.name for node in RunReader(run_dir).snapshot().nodes] == list(PLACEHOLDERS)
    assert [node.name for node in reader.snapshot().nodes] == list(PLACEHOLDERS)


def test_a_node_that_cannot_be_heard_says_since_when_and_why(run_dir: RunDir) -> None:
    world = make_far(run_dir, LONG)
    world.cut = (3.0, 8.0)
    reader = RunReader(run_dir)
    while world.clock.now < START + 4:
        world.advance()
    silent = reader.snapshot()
    assert [node.silent_since is None for node in silent.nodes] == [True, False]
    document = msgspec.to_builtins(show_document(silent, run_dir))
    assert document["nodes"][1]["silence"] == "b: connection timed out"
    assert document["nodes"][1]["silent_since"] == silent.nodes[1].silent_since
    while world.clock.now < START + 10:
        world.advance()
    assert reader.snapshot().nodes[1].silent_since is None


def test_times_are_by_the_supervisors_clock(run_dir: RunDir) -> None:
    world = make_far(run_dir, LONG)
    while not world.agents:
        World.advance(world)
    world.agent_on("b").clock_ahead = 300.0
    while world.journal.state.nodes[1].clock_ahead == 0.0:
        World.advance(world)
        assert world.clock.now < START + 60
    here, there = RunReader(run_dir).snapshot().nodes
    assert here.heartbeat is not None
    assert there.heartbeat is not None
    assert abs(there.heartbeat - here.heartbeat) < 5.0
    for rank in RunReader(run_dir).snapshot().ranks:
        assert all(abs(when - world.clock.now) < 60.0 for when in rank.times.values())
