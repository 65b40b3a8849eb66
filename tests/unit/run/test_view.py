from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.errors import ExitCode, UserError
from rankdeck.run.document import RunDocument, show_document
from rankdeck.run.events import Event, EventKind
from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunPhase
from rankdeck.run.view import RunReader
from tests.unit.run.simulation import Fate, World

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


@pytest.fixture
def world(run_dir: RunDir) -> World:
    """Two nodes; rank 1 fails after two seconds."""
    world = World(run_dir, {("a", 0): Fate(ends={1: (2.0, 3)}), ("b", 0): Fate()})
    for _ in range(6):
        world.advance()
    return world


def test_nothing_changed_is_the_same_object(world: World) -> None:
    reader = RunReader(world.run)
    first = reader.snapshot()
    assert reader.snapshot() is first
    world.conductor.step()
    world.journal.publish()
    assert reader.snapshot() is first
    world.advance()
    assert reader.snapshot() is not first


def test_what_did_not_change_keeps_its_views(world: World) -> None:
    reader = RunReader(world.run)
    before = reader.snapshot()
    world.agent_on("b")._write(world.clock.now + 1)
    after = reader.snapshot()
    assert after is not before
    assert after.nodes[0] is before.nodes[0]
    assert after.nodes[1].heartbeat == world.clock.now + 1
    assert after.ranks[0] is before.ranks[0]


def test_a_snapshot_merges_the_run_with_what_agents_say(world: World) -> None:
    snapshot = RunReader(world.run).snapshot()
    assert snapshot.run.state is RunPhase.RUNNING
    assert [node.name for node in snapshot.nodes] == ["a", "b"]
    assert [node.state for node in snapshot.nodes] == ["running", "running"]
    assert [rank.rank for rank in snapshot.ranks] == [0, 1, 2, 3]
    assert snapshot.ranks[3].node == "b"
    assert snapshot.ranks[3].state is RankState.OUTPUT
    assert snapshot.ranks[3].log == world.run.node("b").attempt(0).log(3)
    assert snapshot.nodes[0].master_port == 23456


def test_the_agents_word_is_newer_than_the_event_log(world: World) -> None:
    world.clock.now += 2.0
    world.agent_on("a").tick(world.clock.now)
    rank = RunReader(world.run).snapshot().ranks[1]
    assert (rank.state, rank.exit_code) == (RankState.FAILED, 3)


def test_a_recorded_end_is_newer_than_a_lost_agents_last_word(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(dies_at=1.0)})
    world.run_to_end()
    ranks = RunReader(run_dir).snapshot().ranks
    assert [rank.state for rank in ranks] == [RankState.LOST] * 2


def test_the_log_is_newer_than_the_snapshot_file(world: World) -> None:
    old = world.run.state.read_bytes()
    world.run_to_end()
    world.run.state.write_bytes(old)
    assert RunReader(world.run).snapshot().run == world.journal.state


def test_the_state_file_can_be_missing_or_broken(world: World) -> None:
    state = world.journal.state
    for spoil in (b"", b"{", b'{"id": 3}', b"\xff"):
        world.run.state.write_bytes(spoil)
        assert RunReader(world.run).snapshot().run == state
    world.run.state.unlink()
    assert RunReader(world.run).snapshot().run == state


def test_broken_and_missing_node_files_change_nothing(world: World) -> None:
    reader = RunReader(world.run)
    before = reader.snapshot()
    path = world.run.node("a").state
    path.write_bytes(path.read_bytes()[:100])
    assert reader.snapshot() is before
    path.unlink()
    assert reader.snapshot() is before
    fresh = RunReader(world.run).snapshot()
    assert fresh.nodes[0].heartbeat is None
    assert fresh.ranks[0].state is RankState.OUTPUT, "as the event log says"


def test_a_run_without_agents_yet(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ready_after=5)})
    snapshot = RunReader(run_dir).snapshot()
    assert snapshot.run.state is RunPhase.PLANNED
    assert [rank.state for rank in snapshot.ranks] == [RankState.PENDING] * 2
    world.advance()
    assert RunReader(run_dir).snapshot().nodes[0].state == "placed"


def test_a_new_attempt_hides_what_the_last_one_said(run_dir: RunDir) -> None:
    fates = {("a", 0): Fate(ends={0: (1.0, 1)}), ("a", 1): Fate(ready_after=1e6)}
    world = World(run_dir, fates, max_restarts=1)
    reader = RunReader(run_dir)
    while world.journal.state.attempt == 0:
        world.advance()
        reader.snapshot()
    snapshot = reader.snapshot()
    assert [rank.state for rank in snapshot.ranks] == [RankState.PENDING] * 2
    assert snapshot.ranks[0].log == run_dir.node("a").attempt(1).log(0)


def test_a_problem_without_an_agent_is_shown(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate()})
    world.backend.fail_to_place.add("a")
    world.run_to_end()
    (node,) = RunReader(run_dir).snapshot().nodes
    assert node.problem is not None
    assert (node.problem.message, node.problem.category) == ("a: no route to host", "spawn")


def test_there_is_no_such_run(run_dir: RunDir) -> None:
    with pytest.raises(UserError) as caught:
        RunReader(run_dir).snapshot()
    assert caught.value.exit_code is ExitCode.NO_RUN


def test_a_run_that_is_deleted_while_it_is_watched(world: World) -> None:
    reader = RunReader(world.run)
    reader.snapshot()
    shutil.rmtree(world.run.path)
    with pytest.raises(UserError, match="deleted") as caught:
        reader.snapshot()
    assert caught.value.exit_code is ExitCode.NO_RUN


def test_a_half_written_event_is_not_shown(world: World) -> None:
    reader = RunReader(world.run)
    before = reader.snapshot()
    event = Event(seq=before.run.last_seq + 1, t=1.0, kind=EventKind.RUN_STATE, state="lost")
    line = msgspec.json.encode(event) + b"\n"
    with open(world.run.events, "ab") as stream:
        stream.write(line[:-5])
    assert reader.snapshot() is before
    with open(world.run.events, "ab") as stream:
        stream.write(line[-5:])
    assert reader.snapshot().run.state is RunPhase.LOST


def test_the_document_has_every_field_always(run_dir: RunDir) -> None:
    world = World(run_dir, {("a", 0): Fate(ends={0: (1.0, 5)})})
    wanted = set(RunDocument.__struct_fields__)
    promised = (
        "id name state backend launcher created started ended nnodes nproc_per_node world_size"
        " exit_code attempt supervisor_pid supervisor_host path nodes ranks failure reason progress"
    )
    assert set(promised.split()) <= wanted
    while True:
        snapshot = RunReader(run_dir).snapshot()
        document = msgspec.json.decode(msgspec.json.encode(show_document(snapshot, run_dir)))
        assert set(document) == wanted
        for rank in document["ranks"]:
            assert {"rank", "node", "local_rank", "state", "exit_code", "signal"} <= set(rank)
            assert {"pid", "last_output", "step"} <= set(rank)
            assert os.path.isabs(rank["log"])
        if snapshot.run.state.final:
            break
        world.advance()
    assert (document["state"], document["exit_code"]) == ("failed", 1)
    assert document["failure"]["rank"] == 0
    assert {"category", "signature", "certainty", "summary", "evidence"} <= set(document["failure"])
    assert document["supervisor_pid"] is None
    assert document["supervisor_host"] is None
    assert document["path"] == str(run_dir.path)
