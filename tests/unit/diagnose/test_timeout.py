"""Runs that died of a timeout: the rank that was missing is named, and how it is known."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run.load_history import GpuSample, LoadSample, RankSample
from tests.unit.diagnose.test_first_failure import World, real

if TYPE_CHECKING:
    from pathlib import Path

GLOO = (
    "Traceback (most recent call last):\n"
    '  File "prog.py", line 3, in <module>\n'
    "    dist.all_reduce(x)\n"
    "RuntimeError: [gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 6000ms for recv "
    "operation to complete\n"
)
CLOSED = (
    "Traceback (most recent call last):\n"
    '  File "prog.py", line 3, in <module>\n'
    "    dist.all_reduce(x)\n"
    "RuntimeError: [gloo/transport/tcp/pair.cc:547] Connection closed by peer [10.0.0.1]:5\n"
)
JOINED = {"spawned": 1.0, "rendezvous": 2.0, "output": 3.0, "stepping": 3.0}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "run")


def steps(world: World, rank: int, last: float, count: int, text: str, at: float = 106.0) -> None:
    """A log with a line a second until a moment, and last words later."""
    lines = [f"step {number}\n" for number in range(1, count + 1)]
    size, pairs = 0, []
    for number, line in enumerate(lines):
        size += len(line)
        pairs.append((last - (count - 1 - number), size))
    pairs.append((at, size + len(text)))
    world.log(rank, "".join(lines) + text)
    world.attempt.times(rank).write_bytes(b"".join(struct.pack("<dQ", *pair) for pair in pairs))


def test_a_recorded_hang_tells_steps_and_last_lines(world: World) -> None:
    facts = real(world, "torchrun-hang-early").failure().facts
    assert facts[0].startswith("rank 2 on n0 printed its last line at ")
    assert facts[0].endswith("0.2 s before all others")
    assert "rank 2 was at step 29, the others at 30" in facts
    assert any("the other 3 ranks fell silent" in fact for fact in facts)
    assert facts[-1].endswith("was the first to give up waiting")


def test_a_recorded_start_tells_who_had_joined(world: World) -> None:
    failure = real(world, "torchrun-hang-import").failure()
    assert failure.signature == "not-joined"
    assert failure.facts[0].startswith("rank 2 on n0 has printed nothing since its start at ")
    assert "joined: ranks 0-1, 3" in failure.facts
    assert "still running" in failure.hint


def test_where_all_complain_the_one_that_was_behind_is_likely(world: World) -> None:
    for rank in range(4):
        late = rank == 3
        world.rank("failed", 130.0, rungs=JOINED, exit_code=1, step=49 if late else 50)
        steps(world, rank, 100.0, 49 if late else 50, GLOO)
    failure = world.failure()
    assert (failure.rank, failure.category, failure.certainty) == (3, "hang", "likely")
    assert failure.summary == (
        "rank 3 on n0 was behind the others when they gave up waiting, at step 49"
    )


def test_where_all_complain_the_first_that_fell_silent_is_likely(world: World) -> None:
    for rank in range(4):
        world.rank("failed", 130.0, rungs=JOINED, exit_code=1)
        steps(world, rank, 94.0 if rank == 1 else 100.0, 50, GLOO)
    failure = world.failure()
    assert (failure.rank, failure.certainty) == (1, "likely")
    assert "fell silent before the others" in failure.summary


def test_where_all_complain_and_are_alike_nobody_is_named(world: World) -> None:
    for rank in range(4):
        world.rank("failed", 130.0, rungs=JOINED, exit_code=1, step=50)
        steps(world, rank, 100.0, 50, GLOO)
    failure = world.failure()
    assert (failure.rank, failure.category, failure.certainty) == (None, "unknown", "unknown")


def test_where_all_complain_the_one_whose_gpu_was_idle_is_likely(world: World) -> None:
    for rank in range(4):
        world.rank("failed", 165.0, rungs=JOINED, exit_code=1, step=50)
        steps(world, rank, 100.0, 50, GLOO, at=140.0)
    gpus = tuple(GpuSample(rank, 0.0 if rank == 2 else 100.0) for rank in range(4))
    ranks = tuple(RankSample(rank, 100.0, 5, rank) for rank in range(4))
    samples = [LoadSample(t=at, gpus=gpus, ranks=ranks) for at in (110.0, 120.0)]
    path = world.dir.node("n0").load
    path.write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))
    failure = world.failure()
    assert (failure.rank, failure.category, failure.certainty) == (2, "hang", "likely")
    assert failure.summary == (
        "rank 2 on n0 alone was idle on the GPU while the others waited, until they gave up"
    )


def test_a_lost_connection_comes_before_a_timeout(world: World) -> None:
    for rank, text in ((0, CLOSED), (1, GLOO)):
        world.rank("failed", 130.0 + 9 * rank, rungs=JOINED, exit_code=1)
        steps(world, rank, 100.0, 50, text, 106.0 + 9 * rank)
    world.rank("killed", 145.0, rungs=JOINED, signal=15)
    assert world.failure().category == "unknown"


def test_several_that_never_joined_are_all_named(world: World) -> None:
    early = {"spawned": 1.0, "rendezvous": 2.0}
    for rank in range(5):
        if rank < 3:
            world.rank("failed", 130.0, rungs=early, exit_code=1)
            steps(world, rank, 100.0, 1, GLOO)
        else:
            world.rank("killed", 131.0, rungs={"spawned": 1.0}, signal=15)
    failure = world.failure()
    # the agent may not have noticed a connection yet
    assert (failure.rank, failure.node, failure.certainty) == (None, None, "likely")
    assert failure.summary == (
        "ranks 3-4 on n0 never joined the others, which waited for them in vain"
    )
    assert failure.collateral_ranks == (0, 1, 2)
    assert "--rank 3,4" in failure.hint
