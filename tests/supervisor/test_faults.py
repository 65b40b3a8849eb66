from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import ExitCode
from rankdeck.run.events import EventKind
from rankdeck.run.launch import ensure_supervised, left_alone
from rankdeck.run.lock import lock_holder
from rankdeck.run.node_state import NodeState, RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.stored import NODE_STATE_DECODER
from tests.supervisor.conftest import (
    UNTIL_TOLD,
    Deck,
    fill,
    processes_of,
    supervisors_of,
    wait_for,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.run.layout import RunDir

FOREVER = "echo up; exec sleep 300"


def node_state(run: RunDir, node: str) -> NodeState:
    return NODE_STATE_DECODER.decode(run.node(node).state.read_bytes())


@pytest.mark.parametrize("seed", range(4))
def test_supervisors_killed_at_random_moments_lose_no_event(deck: Deck, seed: int) -> None:
    chance = random.Random(seed)
    run = deck.start(
        "echo up; sleep 1.2; [ $RANKDECK_ATTEMPT = 0 ] && [ $RANK = 1 ] && exit 7; sleep 0.3",
        max_restarts=1,
    )
    kills = 0
    deadline = time.monotonic() + 60
    while not deck.state(run).state.final and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.0, 0.4))
        pid = lock_holder(run.supervisor_lock)
        if pid is not None and kills < 8:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: lock_holder(run.supervisor_lock) != pid, "the lock's release")
            kills += 1
        ensure_supervised(run)
    end = deck.end(run, adopt=True)
    assert (end.state, end.attempt) == (RunPhase.SUCCEEDED, 1)
    events = deck.check_log(run)
    rungs = [(e.attempt, e.rank, e.state) for e in events if e.kind is EventKind.RANK]
    assert len(rungs) == len(set(rungs)), "nothing twice"
    for attempt, rank, last in ((0, 1, "failed"), (1, 0, "exited"), (1, 1, "exited")):
        for rung in ("spawned", "output", last):
            assert (attempt, rank, rung) in rungs
    placed = [e.attempt for e in events if e.kind is EventKind.AGENT and e.state == "placed"]
    assert placed == [0, 1], "one agent per attempt, whoever placed it"
    assert [e.attempt for e in events if e.kind is EventKind.FAILURE] == [0]
    assert processes_of(run.id) == []


def test_a_supervisor_that_is_told_to_go_leaves_the_run_alone(deck: Deck) -> None:
    run = deck.start(FOREVER)
    deck.wait_rank(run, "output", 1)
    first = deck.supervisor(run)
    os.kill(first, signal.SIGTERM)
    wait_for(lambda: lock_holder(run.supervisor_lock) is None, "its end")
    assert deck.state(run).state is RunPhase.RUNNING
    assert ensure_supervised(run)
    second = deck.supervisor(run)
    assert second != first
    deck.command(run, "stop")
    assert deck.end(run).state is RunPhase.STOPPED
    told = [e.message for e in deck.check_log(run) if e.kind is EventKind.SUPERVISOR]
    assert told[0] is None
    assert f"took over from {first}" in (told[1] or "")


def test_what_happened_while_nobody_watched_is_told_later(deck: Deck) -> None:
    run = deck.start(f"echo up; {UNTIL_TOLD}; exit 4", nproc_per_node=1)
    deck.wait_rank(run, "output")
    os.kill(deck.supervisor(run), signal.SIGKILL)
    deck.tell()
    wait_for(lambda: node_state(run, deck.state(run).nodes[0].name).outcome, "the agent's end")
    time.sleep(0.5)
    late = time.time()
    end = deck.end(run, adopt=True)
    assert (end.state, end.ranks[0].exit_code) == (RunPhase.FAILED, 4)
    assert (end.ended or late) < late - 0.4, "when it ended, not when that was noticed"


def test_many_clients_that_find_a_run_alone_give_it_one_supervisor(deck: Deck) -> None:
    run = deck.start(FOREVER)
    deck.wait_rank(run, "output")
    os.kill(deck.supervisor(run), signal.SIGKILL)
    wait_for(lambda: lock_holder(run.supervisor_lock) is None, "its end")
    for _ in range(4):
        ensure_supervised(run)
    deck.command(run, "kill")
    deck.end(run)
    supervisors = [e for e in deck.check_log(run) if e.kind is EventKind.SUPERVISOR]
    assert len(supervisors) == 2


def test_supervisors_that_end_by_a_fault_of_their_own_do_not_follow_each_other_for_ever(
    deck: Deck,
) -> None:
    run = deck.start(FOREVER)
    deck.wait_rank(run, "output")
    os.kill(deck.supervisor(run), signal.SIGKILL)
    wait_for(lambda: lock_holder(run.supervisor_lock) is None, "its end")
    sound = run.launch_env.read_bytes()
    # stands for a fault that nobody has thought of
    run.launch_env.write_bytes(sound.replace(b'"environ":{', '"environ":{"A":"€",'.encode()))
    while ensure_supervised(run):
        # one after the other: those that come late would disturb what follows
        wait_for(lambda: not supervisors_of(run), "its end")
    alone = left_alone(run)
    assert alone is not None
    assert alone.exit_code is ExitCode.UNUSABLE
    assert "ends as soon as it starts: UnicodeEncodeError" in alone.message
    assert str(run.supervisor_log) in alone.hint
    assert deck.state(run).state is RunPhase.RUNNING, "what runs goes on"
    run.launch_env.write_bytes(sound)
    old = time.time() - 3600
    os.utime(run.supervisor_log, (old, old))
    assert ensure_supervised(run), "it is tried again later"
    deck.command(run, "kill")
    deck.end(run)


@pytest.mark.parametrize("victim", ["agent", "guardian", "both"])
def test_a_killed_agent_leaves_nothing_and_the_run_says_so(deck: Deck, victim: str) -> None:
    run = deck.start("trap '' TERM HUP; echo up; while :; do sleep 0.2; done")
    state = deck.wait_rank(run, "output", 1)
    node = state.nodes[0]
    guardian = int((node.agent or "").split(":")[0])
    inner = node_state(run, node.name).agent.pid
    assert guardian != inner
    for name, pid in (("guardian", guardian), ("agent", inner)):
        if victim in (name, "both"):
            os.kill(pid, signal.SIGKILL)
    end = deck.end(run)
    assert (end.state, end.exit_code) == (RunPhase.FAILED, 1)
    assert processes_of(run.id) == []
    assert "agent" in end.reason
    assert end.failure is not None
    assert end.failure.rank is None
    assert all(rank.state in (RankState.LOST, RankState.KILLED) for rank in end.ranks)
    deck.check_log(run)


def test_an_agent_that_hangs_does_not_keep_a_run_from_being_killed(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = deck.start(FOREVER, grace=0.0)
    state = deck.wait_rank(run, "output")
    os.kill(node_state(run, state.nodes[0].name).agent.pid, signal.SIGSTOP)
    deck.command(run, "kill")
    end = deck.end(run)
    assert end.state is RunPhase.STOPPED
    assert processes_of(run.id) == []


def test_a_full_disk_does_not_lose_the_end_of_a_run(small_disk: Path, deck: Deck) -> None:
    deck.store.home = small_disk
    run = deck.start(f"echo up; {UNTIL_TOLD}; exit 9", nproc_per_node=1)
    deck.wait_rank(run, "output")
    wait_for((run.path / ".reserve").exists, "the reserve")
    wait_for(run.code.exists, "the code snapshot")
    fill(small_disk)
    deck.tell()
    end = deck.end(run)
    assert (end.state, end.exit_code) == (RunPhase.FAILED, 1)
    assert end.failure is not None
    assert end.failure.category == "disk-full"
    assert end.reason.startswith("no space left")
    events = deck.check_log(run)
    assert events[-1].state == "failed"
    assert not run.launch_env.exists()


def test_a_run_can_be_stopped_on_a_full_disk(small_disk: Path, deck: Deck) -> None:
    deck.store.home = small_disk
    run = deck.start(FOREVER)
    deck.wait_rank(run, "output", 1)
    wait_for((run.path / ".reserve").exists, "the reserve")
    wait_for(run.code.exists, "the code snapshot")
    # or it may notice the full disk first, and end the run as failed
    agent = node_state(run, deck.state(run).nodes[0].name).agent.pid
    os.kill(agent, signal.SIGSTOP)
    fill(small_disk)
    deck.command(run, "stop")
    wait_for(lambda: deck.state(run).state is RunPhase.STOPPING, "the stop's acceptance")
    os.kill(agent, signal.SIGCONT)
    assert deck.end(run).state is RunPhase.STOPPED
    assert processes_of(run.id) == []
