"""What the failure card says of the load before: memory that was short, and memory that was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.diagnose.last_load import with_load
from rankdeck.run.layout import RunDir
from rankdeck.run.load_history import GpuSample, LoadSample, RankSample
from rankdeck.run.state import Failure

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
END = 10_000.0


def sample(before: float, used: float, **facts: Any) -> LoadSample:
    return LoadSample(
        t=END - before, mem_used=int(used * GIB), mem_total=100 * GIB, cpu_percent=5.0, **facts
    )


def killed(**facts: Any) -> Failure:
    common: dict[str, Any] = {
        "rank": 3,
        "node": "n",
        "category": "signal",
        "signal": 9,
        "summary": "rank 3 on n was killed by SIGKILL",
        "time": END,
    }
    return Failure(**{**common, **facts})


def facts_of(folder: Path, failure: Failure, *samples: LoadSample) -> tuple[str, ...]:
    run = RunDir(folder)
    run.node("n").path.mkdir(parents=True)
    run.node("n").load.write_bytes(b"".join(msgspec.json.encode(s) + b"\n" for s in samples))
    return with_load(failure, run, 0).facts


def test_memory_that_rose_before_a_kill_is_told(tmp_path: Path) -> None:
    ranks = [
        tuple(RankSample(rank, 1.0, int(held * GIB)) for rank, held in ((2, 4), (3, mine)))
        for mine in (10, 30, 62)
    ]
    facts = facts_of(
        tmp_path,
        killed(facts=("seen",)),
        sample(612.0, 40, ranks=ranks[0]),
        sample(20.0, 70, ranks=ranks[1]),
        # what was open when it ended: the most counts, though most of it came after
        sample(-6.0, 97, ranks=ranks[2]),
    )
    assert facts == (
        "seen",
        "memory of n rose from 40 % to 97 % in 10m before (97.0 GiB of 100.0 GiB)",
        "rank 3 itself held up to 62.0 GiB, at first 10.0 GiB; the others there up to 4.0 GiB",
    )


def test_memory_that_was_there_is_told_as_well(tmp_path: Path) -> None:
    (fact,) = facts_of(tmp_path, killed(), sample(300.0, 95), sample(30.0, 41), sample(5.0, 40))
    assert fact.startswith("memory of n was at 41 % at most (41.0 GiB of 100.0 GiB)")
    assert "may have allowed less" in fact


def test_memory_that_was_always_scarce_did_not_rise(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, killed(), sample(300.0, 92), sample(5.0, 96))
    assert facts == ("memory of n was at 96 % before (96.0 GiB of 100.0 GiB)",)


@pytest.mark.parametrize(
    "facts",
    [
        {"signal": None, "exit_code": 1, "category": "exception", "signature": "ValueError"},
        {"signal": 11},
        {"node": None},
        {"time": None},
    ],
)
def test_what_memory_has_no_part_in_says_nothing_of_it(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    assert facts_of(tmp_path, killed(**facts), sample(5.0, 97)) == ()


def test_another_attempt_and_other_minutes_do_not_count(tmp_path: Path) -> None:
    other = msgspec.structs.replace(sample(5.0, 97), attempt=1)
    assert facts_of(tmp_path, killed(), sample(200.0, 97), other, sample(-60.0, 97)) == ()
    assert with_load(killed(), RunDir(tmp_path / "none"), 0).facts == ()


def test_a_lost_node_is_judged_by_its_last_words(tmp_path: Path) -> None:
    lost = killed(rank=None, signal=None, category="unreachable")
    (fact,) = facts_of(tmp_path, lost, sample(500.0, 20), sample(100.0, 98))
    assert fact == "memory of n rose from 20 % to 98 % in 6m before (98.0 GiB of 100.0 GiB)"


def test_a_gpu_without_room_is_told_beside_the_others(tmp_path: Path) -> None:
    failure = killed(signal=None, exit_code=1, category="exception", signature="OutOfMemoryError")
    gpus = (GpuSample(0, 9.0, 40 * GIB, 80 * GIB), GpuSample(5, 9.0, 79 * GIB, 80 * GIB))
    facts = facts_of(
        tmp_path,
        failure,
        sample(20.0, 40, gpus=gpus, ranks=(RankSample(3, 1.0, GIB, 5),)),
        sample(-4.0, 40, gpus=(GpuSample(0, 0.0, 0, 80 * GIB), GpuSample(5, 0.0, 0, 80 * GIB))),
    )
    assert facts == (
        "memory of GPU 5 of n was at most at 99 % (79.0 GiB of 80.0 GiB) in the minute before; "
        "that of its other GPUs at 50 %",
    )
