"""In whatever order agents' files and their backend's reports come, and whatever cannot be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.backend_direct import DirectSession
from rankdeck.errors import UserError
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.events import EventKind
from rankdeck.run.node_state import RankRecord, RankState
from rankdeck.run.observe import with_end
from rankdeck.run.state import RunPhase
from rankdeck.run.view import RunReader
from tests.unit.run.simulation import START, TICK, Fate, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.agent_order import AgentCommand
    from rankdeck.backend import SessionContext
    from rankdeck.backend_reports import Report
    from rankdeck.run.layout import RunDir


def stop(run: RunDir) -> None:
    send_command(run, RunCommand(command=RunCommandKind.STOP))


class SlowToTell(DirectSession):
    """Tells only late that the agent on `b` is placed; the agent itself is quicker."""

    def __init__(self, world: World, context: SessionContext, after: float) -> None:
        super().__init__(world.backend, context)
        self._world, self._after = world, after

    def reports(self) -> list[Report]:
        told = list(super().reports())
        if self._world.clock.now < START + self._after:
            self._reports += [report for report in told if report.node == "b"]
            told = [report for report in told if report.node != "b"]
        return told


class WorldToldLate(World):
    after = 6.0

    def session_of(self, context: SessionContext) -> SlowToTell:
        return SlowToTell(self, context, self.after)


class WorldToldTooLate(WorldToldLate):
    after = 200.0


def test_an_agent_that_is_told_of_late_starts_though_the_others_have_ended(run_dir: RunDir) -> None:
    fates = {(name, 0): Fate(ends={0: (0.5, 0)}) for name in ("a", "b")}
    world = WorldToldLate(run_dir, fates, ranks_per_node=1)
    end = world.run_to_end()
    assert end.state is RunPhase.SUCCEEDED
    a, b = world.agent_on("a"), world.agent_on("b")
    assert a.ended is not None
    assert b.started is not None
    assert b.started > a.ended


def test_an_agent_that_is_told_of_late_is_met_by_the_launchers_that_wait(run_dir: RunDir) -> None:
    fates = {(name, 0): Fate(ends={0: (0.5, 0)}, meets=True) for name in ("a", "b")}
    world = WorldToldLate(run_dir, fates, ranks_per_node=1)
    assert world.run_to_end().state is RunPhase.SUCCEEDED
    a, b = world.agent_on("a"), world.agent_on("b")
    assert a.started is not None
    assert b.started is not None
    assert a.started + 4.0 < b.started, "b is told to go as soon as it can be told"


def test_launchers_do_not_wait_for_ever_for_a_node_that_cannot_be_told_to_go(
    run_dir: RunDir,
) -> None:
    fates = {(name, 0): Fate(ends={0: (0.5, 0)}, meets=True) for name in ("a", "b")}
    world = WorldToldTooLate(run_dir, fates, ranks_per_node=1)
    end = world.run_to_end(seconds=400)
    assert end.state is RunPhase.FAILED
    assert end.reason == "the agent on b could not be told to start after 180 s"


class OutOfReach(DirectSession):
    """For some seconds nothing can be sent to `b`."""

    def __init__(self, world: World, context: SessionContext, until: float) -> None:
        super().__init__(world.backend, context)
        self._world, self._until = world, until

    def send(self, node: str, ref: str, command: AgentCommand) -> None:
        if node == "b" and self._world.clock.now < START + self._until:
            raise UserError("b cannot be told to go: it cannot be reached now")
        super().send(node, ref, command)


class WorldOutOfReach(World):
    def session_of(self, context: SessionContext) -> OutOfReach:
        return OutOfReach(self, context, 5.0)


def test_a_node_that_cannot_be_told_to_go_is_told_as_soon_as_it_can(run_dir: RunDir) -> None:
    fates = {(name, 0): Fate(ends={0: (0.5, 0)}, meets=True) for name in ("a", "b")}
    world = WorldOutOfReach(run_dir, fates, ranks_per_node=1)
    assert world.run_to_end().state is RunPhase.SUCCEEDED
    assert START + 5.0 <= (world.agent_on("b").started or 0.0) < START + 6.0
    notes = [event for event in world.check_log() if event.kind is EventKind.NOTE]
    assert [(note.node, note.message) for note in notes] == [
        ("b", "b cannot be told to go: it cannot be reached now")
    ]


class WorldOfStrangers(World):
    """Somebody sends SIGTERM to the agents on some nodes, each at its time."""

    at: Mapping[str, float] = {"a": 3.0}

    def advance(self, seconds: float = TICK) -> None:
        super().advance(seconds)
        for agent in self.agents:
            when = START + self.at.get(agent.order.node, float("inf"))
            if agent.stop is None and self.clock.now >= when and agent.order.attempt == 0:
                agent.ended_by_signal(self.clock.now)


def test_the_others_do_not_go_on_without_a_node_that_somebody_ended(run_dir: RunDir) -> None:
    world = WorldOfStrangers(run_dir, {(name, 0): Fate() for name in ("a", "b")})
    end = world.run_to_end()
    assert (end.state, end.reason) == (RunPhase.FAILED, "the agent on a was ended by SIGTERM")
    assert [command.command.value for command in world.agent_on("b").commands] == ["go", "stop"]


def test_ranks_that_miss_a_node_somebody_ended_do_not_take_the_blame(run_dir: RunDir) -> None:
    # b's ranks fail of the lost connection before the signal, or a stop, comes to b
    fates = {("a", 0): Fate(), ("b", 0): Fate(ends={0: (2.9, 1), 1: (2.9, 1)})}
    end = WorldOfStrangers(run_dir, fates).run_to_end()
    assert (end.state, end.reason) == (RunPhase.FAILED, "the agent on a was ended by SIGTERM")
    assert end.failure is not None
    assert (end.failure.category, end.failure.node, end.failure.rank) == ("signalled", "a", None)
    assert end.failure.collateral_ranks == (0, 1, 2, 3)


def test_a_signal_that_comes_after_a_failure_is_not_to_blame(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(), ("b", 0): Fate(ends={0: (1.9, 1)})}
    world = WorldOfStrangers(run_dir, fates)
    end = world.run_to_end()
    assert world.agent_on("a").stop is not None
    assert world.agent_on("a").stop.reason == "SIGTERM"
    assert end.reason == "rank 2 on b failed with exit code 1"
    assert end.failure is not None
    assert (end.failure.node, end.failure.rank) == ("b", 2)


def test_another_attempt_follows_a_node_that_somebody_ended(run_dir: RunDir) -> None:
    fates = {(name, 0): Fate() for name in ("a", "b")}
    fates |= {(name, 1): Fate(ends={0: (0.5, 0), 1: (0.5, 0)}) for name in ("a", "b")}
    end = WorldOfStrangers(run_dir, fates, max_restarts=1).run_to_end()
    assert (end.state, end.attempt) == (RunPhase.SUCCEEDED, 1)


def test_a_signal_that_comes_to_all_nodes_is_no_node_s_own(run_dir: RunDir) -> None:
    world = WorldOfStrangers(run_dir, {(name, 0): Fate(stop_takes=1.0) for name in ("a", "b")})
    world.at = {"a": 3.0, "b": 5.0}
    end = world.run_to_end()
    assert (end.state, end.reason) == (RunPhase.FAILED, "the agent on a was ended by SIGTERM")
    assert "stopping" not in [event.state for event in world.check_log() if event.node is None]


def test_the_only_node_that_somebody_ended_is_named(run_dir: RunDir) -> None:
    end = WorldOfStrangers(run_dir, {("a", 0): Fate()}).run_to_end()
    assert (end.state, end.reason) == (RunPhase.FAILED, "the agent on a was ended by SIGTERM")


def test_ranks_that_fail_of_peers_which_a_stop_reached_first_were_stopped(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(), ("b", 0): Fate(ends={0: (2.85, 1), 1: (2.85, 1)}, stop_takes=2.0)}
    world = World(run_dir, fates, commands={3.0: stop})
    end = world.run_to_end()
    assert world.agent_on("b").ranks[0].state is RankState.FAILED
    assert (end.state, end.failure) == (RunPhase.STOPPED, None)
    assert {rank.state for rank in end.ranks} == {RankState.KILLED}
    assert "failed" not in {event.state for event in world.check_log()}


def test_a_reader_calls_no_rank_failed_that_the_stop_has_ended(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(), ("b", 0): Fate(ends={0: (2.85, 1), 1: (2.85, 1)}, stop_takes=2.0)}
    world = World(run_dir, fates, commands={3.0: stop})
    while world.journal.state.stop_asked is None:
        world.advance()
    # the agent's file is newer than the supervisor's last look at it
    world.agent_on("b").tick(START + 4.0)
    rank = RunReader(run_dir).snapshot().ranks[2]
    assert (rank.state, rank.exit_code) == (RankState.KILLED, 1)
    assert rank.times["killed"] == START + 3.6


def test_what_failed_before_the_stop_was_asked_for_has_failed() -> None:
    record = RankRecord(
        rank=0, local_rank=0, state=RankState.FAILED, times={"spawned": 5.0, "failed": 20.0}
    )
    assert with_end(record, 0.0, None) is record
    assert with_end(record, 0.0, 20.5) is record
    assert with_end(record, 0.0, 19.5).times == {"spawned": 5.0, "killed": 20.0}
    assert with_end(record, 3.0, 19.5) is record, "its node's clock is ahead"
