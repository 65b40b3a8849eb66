"""Nodes that cannot be heard for a while, or for good, and agents that are placed late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.backend import AgentLiveness
from rankdeck.backend_direct import DirectSession
from rankdeck.backend_reports import ClockRead, LinkDown, LinkUp, Swept
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.events import EventKind
from rankdeck.run.state import RunPhase
from tests.unit.run.simulation import START, Fate, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.agent_order import AgentOrder
    from rankdeck.backend import SessionContext
    from rankdeck.backend_reports import Report
    from rankdeck.run.layout import RunDir

LONG = {0: (200.0, 0), 1: (200.0, 0)}


class FarWorld(World):
    """A world whose second node may be cut off between two moments."""

    cut: tuple[float, float] = (float("inf"), float("inf"))
    placing_takes = 0.0

    def session_of(self, context: SessionContext) -> FarSession:
        return FarSession(self, context)

    def is_cut(self) -> bool:
        return self.cut[0] <= self.clock.now - START < self.cut[1]

    def advance(self, seconds: float = 0.25) -> None:
        for agent in self.agents:
            agent.muted = agent.order.node == "b" and self.is_cut()
        super().advance(seconds)


class FarSession(DirectSession):
    """Answers late, and tells of links."""

    def __init__(self, world: FarWorld, context: SessionContext) -> None:
        super().__init__(world.backend, context)
        self._world = world
        self._late: list[tuple[float, AgentOrder, bool]] = []
        self._was_cut = False

    def place(self, orders: Sequence[AgentOrder], *, find_only: bool) -> None:
        due = self._world.clock.now + self._world.placing_takes
        self._late += [(due, order, find_only) for order in orders]

    def withdraw(self) -> None:
        self._late = [(0.0, order, True) for _, order, _ in self._late]

    def reports(self) -> Sequence[Report]:
        now = self._world.clock.now
        due = [(order, find) for when, order, find in self._late if when <= now]
        self._late = [entry for entry in self._late if entry[0] > now]
        for order, find in due:
            super().place([order], find_only=find)
        cut = self._world.is_cut()
        if cut and not self._was_cut:
            self._reports.append(LinkDown(node="b", message="b: connection timed out"))
        elif self._was_cut and not cut:
            self._reports.append(LinkUp(node="b"))
        self._was_cut = cut
        return super().reports()

    def sweep(self, node: str) -> None:
        if node == "b" and self._world.is_cut():
            self._reports.append(Swept(node=node, error="b: it cannot be looked at"))
        else:
            super().sweep(node)

    def liveness(self, node: str, ref: str) -> AgentLiveness:
        if node == "b" and self._world.is_cut():
            return AgentLiveness.UNKNOWN
        return super().liveness(node, ref)


def make(run: RunDir, ends: dict[int, tuple[float, int]]) -> FarWorld:
    return FarWorld(run, {(name, 0): Fate(ends=ends) for name in ("a", "b")})


def links(world: World) -> list[tuple[str, str]]:
    return [
        (event.state or "", event.message or "")
        for event in world.check_log()
        if event.kind is EventKind.LINK
    ]


def test_a_node_that_comes_back_has_only_been_silent(run_dir: RunDir) -> None:
    world = make(run_dir, {0: (70.0, 0), 1: (70.0, 0)})
    world.cut = (3.0, 63.0)
    while world.clock.now < START + 4:
        world.advance()
    node = world.journal.state.nodes[1]
    assert (node.silent_since is not None, node.silence) == (True, "b: connection timed out")
    assert world.journal.state.state is RunPhase.RUNNING
    end = world.run_to_end()
    assert end.state is RunPhase.SUCCEEDED
    assert end.nodes[1].silent_since is None
    assert links(world) == [("down", "b: connection timed out"), ("up", "")]


def test_a_node_that_stays_away_is_lost_and_the_others_are_stopped(run_dir: RunDir) -> None:
    world = make(run_dir, LONG)
    world.cut = (3.0, 1000.0)
    end = world.run_to_end(seconds=180)
    assert (end.state, end.reason) == (RunPhase.LOST, "b cannot be reached")
    assert end.failure is not None
    assert (end.failure.node, end.failure.category) == ("b", "unreachable")
    assert "connection timed out" in end.failure.summary
    assert world.clock.now - START > 90


def test_an_agent_that_says_nothing_is_told_of_within_seconds(run_dir: RunDir) -> None:
    world = make(run_dir, LONG)
    while world.journal.state.state is not RunPhase.RUNNING:
        world.advance()
    frozen = world.agent_on("a")
    frozen.muted = True
    before = world.clock.now
    while world.journal.state.nodes[0].silent_since is None:
        World.advance(world)
        assert world.clock.now < before + 10
    frozen.muted = False
    World.advance(world)
    World.advance(world)
    assert world.journal.state.nodes[0].silent_since is None


def test_a_stop_waits_for_agents_that_are_on_their_way(run_dir: RunDir) -> None:
    world = make(run_dir, LONG)
    world.placing_takes = 10.0
    world.commands = {2.0: lambda run: send_command(run, RunCommand(command=RunCommandKind.STOP))}
    end = world.run_to_end()
    assert end.state is RunPhase.STOPPED
    assert not world.agents


def test_a_clock_that_is_ahead_is_found_and_made_up_for(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ends=LONG), ("b", 0): Fate(ends={0: (6.0, 3)})})
    while len(world.agents) < 2:
        world.advance()
    world.agent_on("b").clock_ahead = 3.0
    end = world.run_to_end()
    assert end.state is RunPhase.FAILED
    assert end.nodes[0].clock_ahead == 0.0
    assert abs(end.nodes[1].clock_ahead - 3.0) < 0.5
    failed = next(rank for rank in end.ranks if rank.rank == 2)
    started = world.agent_on("b").started
    assert started is not None
    assert abs(failed.times["failed"] - (started + 6.0)) < 0.5
    assert end.ended is not None
    assert abs(end.ended - world.clock.now) < 1.0
    (told,) = (event for event in world.check_log() if event.kind is EventKind.CLOCK)
    assert told.message == "the clock of b is 3.0 s ahead of this machine's"


class ReadWorld(World):
    """A world whose backend reads the clocks before it places agents."""

    ahead = 0.0

    def session_of(self, context: SessionContext) -> ReadSession:
        return ReadSession(self, context)


class ReadSession(DirectSession):
    """Tells how far the second node's clock is ahead."""

    def __init__(self, world: ReadWorld, context: SessionContext) -> None:
        super().__init__(world.backend, context)
        self._world = world

    def reports(self) -> Sequence[Report]:
        return [ClockRead(node="b", ahead=self._world.ahead), *super().reports()]


@pytest.mark.parametrize("ahead", [3.0, -3.0])
def test_with_a_clock_that_was_read_no_time_is_ever_wrong(run_dir: RunDir, ahead: float) -> None:
    world = ReadWorld(run_dir, {("a", 0): Fate(ends=LONG), ("b", 0): Fate(ends={0: (0.5, 3)})})
    world.ahead = ahead
    while len(world.agents) < 2:
        world.advance()
    world.agent_on("b").clock_ahead = ahead
    end = world.run_to_end()
    log = world.check_log()
    assert [e.ahead for e in log if e.kind is EventKind.CLOCK] == [ahead]
    begun = next(event.t for event in log if event.kind is EventKind.ATTEMPT)
    assert all(begun - 0.1 <= event.t <= world.clock.now for event in log if event.node)
    assert end.started is not None
    assert end.ended is not None
    assert end.created <= end.started < end.ended <= world.clock.now


def test_nothing_is_said_to_be_ended_on_a_node_that_nobody_reaches(run_dir: RunDir) -> None:
    world = make(run_dir, LONG)
    world.cut = (3.0, 1000.0)
    world.commands = {5.0: lambda run: send_command(run, RunCommand(command=RunCommandKind.STOP))}
    end = world.run_to_end(seconds=80)
    assert end.state is RunPhase.STOPPED
    assert (end.nodes[1].state, end.nodes[1].problem_category) == ("lost", "unreachable")
    notes = [e.message for e in world.check_log() if e.kind is EventKind.NOTE]
    assert "b: it cannot be looked at" in notes


def test_agents_that_are_ready_and_cannot_be_told_to_start_end_the_run(run_dir: RunDir) -> None:
    world = make(run_dir, LONG)
    world.backend.send = lambda *_: None  # type: ignore[method-assign]
    end = world.run_to_end(seconds=300)
    assert end.state is RunPhase.FAILED
    assert end.reason == "the agent on a could not be told to start after 180 s"
