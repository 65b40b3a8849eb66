"""Runs behind a scheduler: queued, started on nodes chosen late, ended from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.backend_reports import Ended
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.events import EventKind
from rankdeck.run.state import RunPhase
from rankdeck.run.stored import created_time, read_plan
from tests.unit.run.queue_simulation import PLACEHOLDERS, QueueWorld, Scheduler
from tests.unit.run.simulation import START, Fate

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir

BOTH_EXIT = {0: (2.0, 0), 1: (2.5, 0)}
HOSTS = ("n7", "n9")


def make(run: RunDir, scheduler: Scheduler, **more: object) -> QueueWorld:
    """A run over two nodes whose names are not known yet."""
    fates = {(name, attempt): Fate(ends=BOTH_EXIT) for name in HOSTS for attempt in (0, 1, 2)}

    class Here(QueueWorld):
        pass

    Here.scheduler = scheduler
    Here.chosen = set()
    world = Here.__new__(Here)
    world.__init__(run, {(name, 0): Fate() for name in PLACEHOLDERS}, **more)  # type: ignore[misc,arg-type]
    world.fates = fates
    return world


def reasons(world: QueueWorld) -> list[tuple[str, str]]:
    return [
        (event.state or "", event.message or "")
        for event in world.check_log()
        if event.kind is EventKind.RUN_STATE
    ]


def test_a_run_waits_in_the_queue_and_then_runs_where_the_scheduler_says(run_dir: RunDir) -> None:
    world = make(run_dir, Scheduler({0: 5.0}, HOSTS))
    world.advance()
    assert (world.journal.state.state, world.journal.state.reason) == (
        RunPhase.QUEUED,
        "job 7: Priority",
    )
    end = world.run_to_end()
    assert end.state is RunPhase.SUCCEEDED
    assert [node.name for node in end.nodes] == list(HOSTS)
    assert [rank.node for rank in end.ranks] == ["n7", "n7", "n9", "n9"]
    told = [state for state, _ in reasons(world)]
    assert told == ["queued", "starting", "running", "succeeded"], "no repeated queue events"
    plan = read_plan(run_dir)
    assert [(node.name, node.address) for node in plan.nodes] == [
        ("n7", "n7.cluster"),
        ("n9", "n9.cluster"),
    ]
    assert plan.master_addr == "n7.cluster"
    assert created_time(run_dir) == START
    assert all("slot" not in path.read_text() for path in run_dir.commands.iterdir())


@pytest.mark.parametrize("point", range(1, 60, 2))
def test_a_supervisor_killed_anywhere_leaves_a_run_that_the_next_one_ends(
    run_dir: RunDir, point: int
) -> None:
    world = make(run_dir, Scheduler({0: 2.0}, HOSTS))
    world.crash_at = point
    end = world.run_to_end()
    assert end.state is RunPhase.SUCCEEDED
    assert len(world.agents) == 2


def test_stopping_a_queued_run_withdraws_it(run_dir: RunDir) -> None:
    def stop(run: RunDir) -> None:
        send_command(run, RunCommand(command=RunCommandKind.STOP))

    world = make(run_dir, Scheduler({0: 500.0}, HOSTS), commands={3.0: stop})
    end = world.run_to_end()
    assert end.state is RunPhase.STOPPED
    assert world.scheduler.withdrawn
    assert not world.agents


def test_time_in_the_queue_is_not_time_of_the_run(run_dir: RunDir) -> None:
    world = make(run_dir, Scheduler({0: 30.0}, HOSTS), time_limit=10.0)
    assert world.run_to_end().state is RunPhase.SUCCEEDED


@pytest.mark.parametrize("stopped", [True, False])
def test_a_job_ended_from_outside_says_who_ended_it(run_dir: RunDir, stopped: bool) -> None:
    scheduler = Scheduler({0: 1.0}, HOSTS)
    scheduler.end_at = 2.0
    scheduler.end = Ended(
        category="cancelled", message="job 7 was cancelled by eve", stopped=stopped
    )
    world = make(run_dir, scheduler)
    world.fates = {key: Fate() for key in world.fates}
    end = world.run_to_end()
    assert end.state is (RunPhase.STOPPED if stopped else RunPhase.FAILED)
    assert end.reason == "job 7 was cancelled by eve"
    assert world.clock.now - START < 15
    if not stopped:
        assert end.failure is not None
        assert (end.failure.category, end.failure.rank) == ("cancelled", None)


def test_a_requeued_job_is_another_attempt_on_other_nodes(run_dir: RunDir) -> None:
    scheduler = Scheduler({0: 1.0, 1: 14.0}, HOSTS)
    scheduler.end_at = 2.0
    scheduler.end = Ended(category="preempted", message="job 7 was preempted", again=True)
    world = make(run_dir, scheduler)
    world.fates = {key: Fate() if key[1] == 0 else fate for key, fate in world.fates.items()}
    while world.journal.state.attempt == 0:
        world.advance()
        assert world.clock.now < START + 60
    scheduler.hosts = ("n9", "n8")
    world.fates |= {("n8", 1): Fate(ends=BOTH_EXIT)}
    end = world.run_to_end()
    assert (end.state, end.attempt, end.requeues) == (RunPhase.SUCCEEDED, 1, 1)
    assert [node.name for node in end.nodes] == ["n9", "n8"]
    world.check_log()


@pytest.mark.parametrize("again", [False, True])
def test_ranks_that_fail_of_a_job_that_is_ended_do_not_take_the_blame(
    run_dir: RunDir, again: bool
) -> None:
    """The signal comes to one node first; the ranks of the other fail of the lost connection."""
    scheduler = Scheduler({0: 1.0, 1: 20.0}, HOSTS)
    world = make(run_dir, scheduler)
    last = Fate(ends={0: (3.0, 1)})
    second = {key: fate for key, fate in world.fates.items() if key[1] == 1}
    world.fates = {key: Fate() for key in world.fates} | {("n9", 0): last} | second
    while world.clock.now < START + 3.0:
        world.advance()
    world.agent_on("n7").ended_by_signal(world.clock.now)
    scheduler.end = Ended(
        category="cancelled", message="job 7 is over", stopped=not again, again=again
    )
    while not world.journal.state.state.final and world.journal.state.attempt == 0:
        world.advance()
        assert world.clock.now < START + 60
    failed = [e.rank for e in world.check_log() if e.attempt == 0 and e.state == "failed"]
    assert failed == [2], "before anybody told it to end"
    scheduler.end = None
    end = world.run_to_end()
    assert (end.state, end.requeues) == (
        (RunPhase.SUCCEEDED, 1) if again else (RunPhase.STOPPED, 0)
    )


def test_agents_that_are_lost_one_after_another_with_their_job_have_one_reason(
    run_dir: RunDir,
) -> None:
    scheduler = Scheduler({0: 1.0}, HOSTS)
    scheduler.end_at = 4.0
    scheduler.end = Ended(category="cancelled", message="job 7 was cancelled", stopped=True)
    world = make(run_dir, scheduler)
    world.fates = {key: Fate() for key in world.fates}
    scheduler.lingers = "n9"
    end = world.run_to_end()
    assert (end.state, end.reason) == (RunPhase.STOPPED, "job 7 was cancelled")


def test_agents_ended_by_a_signal_wait_for_the_scheduler_to_say_why(run_dir: RunDir) -> None:
    scheduler = Scheduler({0: 1.0}, HOSTS)
    world = make(run_dir, scheduler)
    world.fates = {key: Fate() for key in world.fates}
    while world.journal.state.state is not RunPhase.RUNNING:
        world.advance()
    for agent in world.agents:
        agent.ended_by_signal(world.clock.now)
    scheduler.end = Ended(category="time-limit", message="job 7 reached its time limit")
    end = world.run_to_end()
    assert (end.state, end.reason) == (RunPhase.FAILED, "job 7 reached its time limit")
    assert msgspec.to_builtins(end.failure)["category"] == "time-limit"


@pytest.mark.parametrize(
    ("category", "attempts"), [("node-failure", 2), ("launcher-died", 2), ("time-limit", 1)]
)
def test_a_failed_job_is_followed_by_another_where_restarts_are_left(
    run_dir: RunDir, category: str, attempts: int
) -> None:
    scheduler = Scheduler({0: 1.0, 1: 14.0}, HOSTS)
    scheduler.end_at = 2.0
    scheduler.end = Ended(category=category, message="job 7 has ended")
    world = make(run_dir, scheduler, max_restarts=1)
    world.fates = {key: Fate() if key[1] == 0 else fate for key, fate in world.fates.items()}
    while not world.journal.state.state.final and world.journal.state.attempt == 0:
        world.advance()
        assert world.clock.now < START + 60
    scheduler.end = None
    end = world.run_to_end()
    assert end.attempt == attempts - 1
    assert end.state is (RunPhase.SUCCEEDED if attempts == 2 else RunPhase.FAILED)
