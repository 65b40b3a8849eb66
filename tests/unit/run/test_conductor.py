from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.agent_order import AgentCommandKind
from rankdeck.run.control import RunCommand, RunCommandKind, send_command
from rankdeck.run.events import EventKind
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase
from tests.unit.run.simulation import START, Fate, World, substance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rankdeck.run.events import Event

BOTH_EXIT = {0: (2.0, 0), 1: (2.5, 0)}


def drop(kind: str, **fields: object) -> Callable[[RunDir], None]:
    command = RunCommand(command=RunCommandKind(kind), by="someone@here", **fields)
    return lambda run: send_command(run, command)


def phases(events: list[Event]) -> list[str]:
    moves = (EventKind.RUN_STATE, EventKind.ATTEMPT)
    return [event.state or "" for event in events if event.kind in moves]


def test_every_rank_exits_with_0_and_the_run_has_succeeded(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ends=BOTH_EXIT)})
    end = world.run_to_end()
    assert (end.state, end.exit_code, end.failure) == (RunPhase.SUCCEEDED, 0, None)
    assert [rank.state for rank in end.ranks] == [RankState.EXITED] * 2
    agent = world.agent_on("a")
    assert end.started == agent.started + 0.1
    assert end.ended == agent.ended
    assert phases(world.check_log()) == ["starting", "running", "succeeded"]


def test_events_are_in_the_order_of_their_times(run_dir: RunDir) -> None:
    world = World(run_dir, {(n, 0): Fate(ends=BOTH_EXIT) for n in ("a", "b", "c")})
    world.run_to_end()
    times = [event.t for event in world.check_log() if event.kind is EventKind.RANK]
    assert len(times) == 3 * 2 * 3
    assert times == sorted(times)


def test_the_ladder_is_complete_even_if_several_rungs_are_seen_at_once(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ends={0: (0.5, 0), 1: (0.5, 0)})})
    world.advance()
    world.clock.now += 5.0
    end = world.run_to_end()
    told = [e.state for e in world.check_log() if e.kind is EventKind.RANK and e.rank == 0]
    assert told == ["spawned", "output", "exited"]
    assert end.ranks[0].times.keys() == {"spawned", "output", "exited"}


def test_no_rank_starts_before_every_node_is_ready(run_dir: RunDir) -> None:
    fates = {
        ("a", 0): Fate(ends=BOTH_EXIT),
        ("b", 0): Fate(ends=BOTH_EXIT, ready_after=4.0),
    }
    world = World(run_dir, fates)
    assert world.run_to_end().state is RunPhase.SUCCEEDED
    a, b = world.agent_on("a"), world.agent_on("b")
    assert a.started is not None
    assert a.started >= START + 4.0
    for agent in (a, b):
        (go,) = agent.commands
        assert (go.command, go.master_addr, go.master_port) == (AgentCommandKind.GO, "a", 23456)


def test_what_a_start_waits_for_is_said(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends=BOTH_EXIT), ("b", 0): Fate(ends=BOTH_EXIT, ready_after=30.0)}
    world = World(run_dir, fates)
    for _ in range(30):
        world.advance()
    assert world.journal.state.state is RunPhase.STARTING
    assert world.journal.state.reason == "waiting for the agent on b"
    world.run_to_end()


def test_an_agent_that_never_gets_ready_ends_the_run(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends=BOTH_EXIT), ("b", 0): Fate(ready_after=1e9, deaf=True)}
    world = World(run_dir, fates)
    end = world.run_to_end(seconds=400)
    assert end.state is RunPhase.FAILED
    assert end.reason == "the agent on b was not ready after 180 s"
    assert "b" in world.backend.swept


def test_a_failure_on_one_node_stops_the_others_after_the_evidence(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(), ("b", 0): Fate(ends={1: (3.0, 3)}), ("c", 0): Fate()}
    world = World(run_dir, fates)
    end = world.run_to_end()
    assert (end.state, end.exit_code) == (RunPhase.FAILED, 1)
    assert end.reason == "rank 3 on b failed with exit code 3"
    assert end.failure is not None
    assert end.failure.rank == 3
    failed_at = end.ranks[3].times["failed"]
    for node in ("a", "c"):
        stop = world.agent_on(node).stop
        assert stop is not None
        assert failed_at + 0.5 <= stop.requested <= failed_at + 2.0
    kinds = [c.command for c in world.agent_on("b").commands]
    assert kinds == [AgentCommandKind.GO], "the agent with the failed rank stops by itself"
    assert [r.state for r in end.ranks if r.rank != 3] == [RankState.KILLED] * 5


def test_a_failed_attempt_is_followed_by_another_if_allowed(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends={0: (1.0, 1)}), ("a", 1): Fate(ends=BOTH_EXIT)}
    world = World(run_dir, fates, max_restarts=2)
    end = world.run_to_end()
    assert (end.state, end.attempt, end.failure) == (RunPhase.SUCCEEDED, 1, None)
    assert [rank.state for rank in end.ranks] == [RankState.EXITED] * 2
    first = world.agent_on("a", 0)
    assert world.agent_on("a", 1).placed > (first.ended or 0), "one attempt after the other"
    events = world.check_log()
    assert [e.attempt for e in events if e.kind is EventKind.FAILURE] == [0]
    assert phases(events) == ["starting", "running", "stopping", "starting", "running", "succeeded"]


def test_restarts_are_counted(run_dir: RunDir) -> None:
    fates = {("a", n): Fate(ends={0: (1.0, 1)}) for n in range(3)}
    end = World(run_dir, fates, max_restarts=2).run_to_end()
    assert (end.state, end.attempt) == (RunPhase.FAILED, 2)


def test_what_cannot_be_mended_is_not_tried_again(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(problem=("entry", "/x/train.py does not exist"))}
    end = World(run_dir, fates, max_restarts=5).run_to_end()
    assert (end.state, end.attempt) == (RunPhase.FAILED, 0)
    assert end.reason == "/x/train.py does not exist"
    assert end.failure is not None
    assert end.failure.category == "entry"


def test_a_stop_by_the_user(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate()}, commands={3.0: drop("stop", grace=2.0)})
    end = world.run_to_end()
    assert (end.state, end.exit_code) == (RunPhase.STOPPED, 130)
    assert end.reason == "stopped by the user"
    (stop,) = world.agent_on("a").commands
    assert (stop.command, stop.grace) == (AgentCommandKind.STOP, 2.0)
    (answer,) = [e for e in world.check_log() if e.kind is EventKind.COMMAND]
    assert (answer.command, answer.outcome) == ("stop", "accepted")
    assert answer.message == "by someone@here"
    assert list(run_dir.control.iterdir()) == []


def test_a_kill_after_a_stop_reaches_the_agent(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(stop_takes=1e9, deaf=True)}
    commands = {2.0: drop("stop"), 3.0: drop("kill")}
    world = World(run_dir, fates, commands=commands)
    end = world.run_to_end()
    kinds = [command.command for command in world.agent_on("a").commands]
    assert kinds == [AgentCommandKind.STOP, AgentCommandKind.KILL]
    assert end.state is RunPhase.STOPPED
    assert world.backend.swept == ["a"], "an agent that does not obey is ended itself"
    outcomes = [e.outcome for e in world.check_log() if e.kind is EventKind.COMMAND]
    assert outcomes == ["accepted", "accepted"]


def test_a_stop_wins_over_further_attempts(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends={0: (20.0, 1)})}
    world = World(run_dir, fates, max_restarts=9, commands={3.0: drop("stop")})
    end = world.run_to_end()
    assert (end.state, end.attempt) == (RunPhase.STOPPED, 0)


def test_a_run_whose_ranks_finish_while_it_is_stopped_has_succeeded(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends=BOTH_EXIT, stop_takes=60.0)}
    world = World(run_dir, fates, commands={1.0: drop("stop")})
    assert world.run_to_end().state is RunPhase.SUCCEEDED


def test_the_time_limit_ends_the_run_as_failed(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate()}, time_limit=60.0, max_restarts=3)
    end = world.run_to_end()
    assert (end.state, end.exit_code, end.attempt) == (RunPhase.FAILED, 1, 0)
    assert end.reason == "the time limit of 1m was reached"
    assert end.failure is not None
    assert (end.failure.category, end.failure.rank) == ("time-limit", None)
    assert (end.ended or 0) < START + 63.0


def test_the_time_limit_counts_from_the_first_attempt_over_supervisors(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate()}, time_limit=60.0)
    for _ in range(100):
        world.advance()
    world.conductor = world.supervise()
    assert (world.run_to_end().ended or 0) < START + 63.0


def test_an_agent_that_is_gone_is_swept_up_after_and_told(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(dies_at=2.0), ("b", 0): Fate()}
    world = World(run_dir, fates)
    end = world.run_to_end()
    assert (end.state, end.exit_code) == (RunPhase.FAILED, 1)
    message = "the agent on a was killed; everything it had started has been ended"
    assert end.reason == message
    assert world.backend.swept == ["a"]
    assert [r.state for r in end.ranks] == [RankState.LOST] * 2 + [RankState.KILLED] * 2
    assert end.failure is not None
    assert (end.failure.category, end.failure.node) == ("agent-lost", "a")
    assert end.failure.summary == message
    assert end.failure.collateral_ranks == (0, 1, 2, 3)


def test_an_agent_that_dies_at_once_tells_by_its_last_line(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(dies_before_word=True)})
    world.advance()
    run_dir.node("a").agent_log.write_text("Traceback:\nImportError: no json\n\n")
    end = world.run_to_end()
    assert end.reason == "the agent on a ended before it could start anything"
    assert end.nodes[0].problem_hint == "its last words: ImportError: no json"


def test_ranks_that_had_all_finished_make_a_success_of_a_lost_agent(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends={0: (1.0, 0), 1: (1.0, 0)})}
    world = World(run_dir, fates)
    while not world.agents or world.agents[0].ended is None:
        world.advance()
        if world.agents and world.agents[0].started:
            world.agents[0]._finish = lambda when: (
                setattr(  # type: ignore[method-assign]
                    world.agents[0], "alive", False
                )
                or world.agents[0]._write(when)
            )
            if not world.agents[0].alive:
                break
    end = world.run_to_end()
    assert end.state is RunPhase.SUCCEEDED


def test_a_node_that_cannot_be_reached_stops_those_that_were_placed(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(), ("b", 0): Fate()})
    world.backend.fail_to_place.add("b")
    end = world.run_to_end()
    assert end.state is RunPhase.FAILED
    assert end.reason == "b: no route to host"
    assert end.failure is not None
    assert end.failure.hint == "look at the network"


def test_a_run_that_was_never_begun_is_not_begun_much_later(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ends=BOTH_EXIT)})
    world.clock.now += 3600.0
    end = world.run_to_end(seconds=4000)
    assert end.state is RunPhase.FAILED
    assert "never begun" in end.reason
    assert world.agents == []


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b'{"command": "explode"}', b'{"command": "stop", "grace": -1}', b"[]"],
)
def test_what_is_no_command_is_refused_and_removed(run_dir: RunDir, content: bytes) -> None:
    def put(run: RunDir) -> None:
        (run.control / "000-bad.json").write_bytes(content)

    world = World(run_dir, {("a", 0): Fate(ends=BOTH_EXIT)}, commands={1.0: put})
    assert world.run_to_end().state is RunPhase.SUCCEEDED
    (answer,) = [e for e in world.check_log() if e.kind is EventKind.COMMAND]
    assert (answer.outcome, answer.file) == ("refused", "000-bad.json")
    assert answer.message
    assert list(run_dir.control.iterdir()) == []


def test_what_is_no_file_is_refused_once(run_dir: RunDir, tmp_path: Path) -> None:
    def put(run: RunDir) -> None:
        (run.control / "folder").mkdir()
        (run.control / "link.json").symlink_to("/etc/passwd")

    world = World(run_dir, {("a", 0): Fate(ends=BOTH_EXIT)}, commands={1.0: put})
    world.run_to_end()
    answers = [e for e in world.check_log() if e.kind is EventKind.COMMAND]
    assert [(a.file, a.outcome) for a in answers] == [
        ("folder", "refused"),
        ("link.json", "refused"),
    ]


def test_a_command_after_the_end_is_refused(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ends=BOTH_EXIT)})
    world.run_to_end()
    drop("stop")(run_dir)
    world.conductor.refuse_all()
    answer = world.check_log()[-1]
    assert (answer.command, answer.outcome) == ("stop", "refused")
    assert answer.message == "the run has already ended: succeeded"
    assert list(run_dir.control.iterdir()) == []


SCENARIOS: dict[str, Callable[[RunDir], World]] = {
    "success on two nodes": lambda run: World(
        run, {("a", 0): Fate(ends=BOTH_EXIT), ("b", 0): Fate(ends=BOTH_EXIT)}
    ),
    "failure, then another attempt": lambda run: World(
        run,
        {
            ("a", 0): Fate(ends={0: (1.0, 1)}),
            ("b", 0): Fate(),
            ("a", 1): Fate(ends=BOTH_EXIT),
            ("b", 1): Fate(ends=BOTH_EXIT),
        },
        max_restarts=1,
    ),
    "stopped by the user": lambda run: World(
        run, {("a", 0): Fate(), ("b", 0): Fate()}, commands={2.0: drop("stop")}
    ),
    "agent killed": lambda run: World(run, {("a", 0): Fate(dies_at=1.0), ("b", 0): Fate()}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_point_and_taken_over_the_story_is_the_same(
    name: str, memory_dir: Path
) -> None:
    def make(number: int) -> World:
        return SCENARIOS[name](RunDir(memory_dir / str(number) / "20261121-104512-sim-abcd"))

    untroubled = make(0)
    state = untroubled.run_to_end()
    story = substance(untroubled.check_log())
    assert untroubled.points > 20
    for point in range(1, untroubled.points + 1):
        world = make(point)
        world.crash_at = point
        end = world.run_to_end()
        assert world.crashes == 1
        assert substance(world.check_log()) == story, f"killed at point {point}"
        assert (end.state, end.reason, end.exit_code) == (
            state.state,
            state.reason,
            state.exit_code,
        )
