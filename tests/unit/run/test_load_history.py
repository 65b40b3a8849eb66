"""The history of a node's load: what a sample stands for, what is kept of a long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.run import load_history
from rankdeck.run.layout import RunDir
from rankdeck.run.load_history import (
    GpuSample,
    LoadKeeper,
    LoadSample,
    RankSample,
    read_loads,
    thinned,
    together,
)
from rankdeck.run.node_state import (
    GpuDevice,
    GpuLoad,
    NodeLoad,
    NodePhase,
    NodeState,
    ProcessRef,
    RankRecord,
    RankState,
)
from rankdeck.run.state import RunNode

if TYPE_CHECKING:
    from pathlib import Path

NODE = RunNode(name="n", node_rank=0, nproc=2, first_rank=0, state="running")


def word(time: float, *, attempt: int = 0, cpu: float = 50.0, used: int = 10) -> NodeState:
    ranks = (
        RankRecord(
            rank=0, local_rank=0, pid=1, state=RankState.STEPPING, cpu_percent=cpu, rss_bytes=used
        ),
        RankRecord(rank=1, local_rank=1, pid=2, state=RankState.FAILED, rss_bytes=99),
    )
    gpus = GpuLoad(source="nvml", devices=(GpuDevice(index=3, util=cpu, mem_used=used),))
    return NodeState(
        version=1,
        run_id="r",
        node="n",
        attempt=attempt,
        phase=NodePhase.RUNNING,
        agent=ProcessRef(pid=1, starttime=1),
        python="",
        time=time,
        seq=1,
        started=0.0,
        ranks=ranks,
        load=NodeLoad(time=time, cpus=2, cpu_percent=cpu, mem_used=used, mem_total=100, gpus=gpus),
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.node("n").path.mkdir(parents=True)
    return run


def kept(run: RunDir) -> list[LoadSample]:
    return read_loads(run.node("n").load)


def test_ten_seconds_are_one_sample_of_means_and_peaks(run: RunDir) -> None:
    keeper = LoadKeeper(run)
    for second, used in ((0, 10), (2, 90), (4, 20), (6, 20), (8, 20)):
        keeper.take({"n": word(100.0 + second, cpu=second * 10.0, used=used)}, [NODE])
    assert kept(run) == []
    keeper.take({"n": word(110.0, cpu=100.0)}, [NODE])
    (sample,) = kept(run)
    assert (sample.t, sample.mem_used, sample.mem_percent) == (110.0, 90, 90.0)
    assert sample.cpu_percent == pytest.approx(50.0, abs=0.2)
    (gpu,) = sample.gpus
    assert (gpu.index, gpu.mem_used) == (3, 90)
    # what has ended does nothing
    assert [(rank.rank, rank.rss_bytes) for rank in sample.ranks] == [(0, 90)]


def test_what_is_known_is_not_taken_twice_and_the_end_is_written(run: RunDir) -> None:
    keeper = LoadKeeper(run)
    keeper.take({"n": word(100.0, cpu=0.0)}, [NODE])
    for _ in range(3):
        keeper.take({"n": word(102.0, cpu=100.0, used=97)}, [NODE])
    keeper.flush()
    (sample,) = kept(run)
    assert (sample.t, sample.cpu_percent, sample.mem_used) == (102.0, 50.0, 97)
    keeper.flush()
    assert len(kept(run)) == 1


def test_an_attempt_has_samples_of_its_own_and_times_are_ours(run: RunDir) -> None:
    keeper = LoadKeeper(run)
    ahead = msgspec.structs.replace(NODE, clock_ahead=40.0)
    keeper.take({"n": word(100.0)}, [ahead])
    keeper.take({"n": word(102.0, attempt=1)}, [ahead])
    keeper.flush()
    assert [(sample.t, sample.attempt) for sample in kept(run)] == [(60.0, 0), (62.0, 1)]


def test_a_clock_that_was_set_back_ends_a_sample(run: RunDir) -> None:
    keeper = LoadKeeper(run)
    keeper.take({"n": word(100.0)}, [NODE])
    keeper.take({"n": word(20.0)}, [NODE])
    assert [sample.t for sample in kept(run)] == [20.0]


def test_of_what_is_old_two_samples_become_one_and_peaks_stay() -> None:
    samples = [
        LoadSample(t=float(at), attempt=at // 6, cpu_percent=at * 10.0, mem_used=at % 3)
        for at in range(8)
    ]
    few = thinned(samples)
    assert [sample.t for sample in few] == [1.0, 3.0, 5.0, 6.0, 7.0]
    assert [sample.mem_used for sample in few[:3]] == [1, 2, 2]
    assert few[0].cpu_percent == 5.0
    assert few[3:] == samples[6:]
    # never across attempts
    odd = [LoadSample(t=float(at), attempt=at) for at in range(8)]
    assert thinned(odd) == odd


def test_a_file_stays_small_however_long_a_run_lasts(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_history, "LARGEST", 4000)
    keeper = LoadKeeper(run)
    largest = 0
    for second in range(0, 4000, 2):
        keeper.take({"n": word(float(second), used=97 if second == 40 else 10)}, [NODE])
        path = run.node("n").load
        largest = max(largest, path.stat().st_size if path.exists() else 0)
    assert largest <= 4200
    samples = kept(run)
    times = [sample.t for sample in samples]
    assert times == sorted(times)
    assert times[-1] - times[-2] == 12.0, "what is new is as fine as ever"
    assert samples[0].mem_used == 97, "what is old has lost no peak"


def test_a_torn_line_is_left_out_and_written_on_behind(run: RunDir) -> None:
    path = run.node("n").load
    path.write_bytes(b'{"t":1.0}\n{"t":2.0,"att')
    keeper = LoadKeeper(run)
    keeper.take({"n": word(100.0)}, [NODE])
    keeper.flush()
    assert [sample.t for sample in kept(run)] == [1.0, 100.0]
    assert [sample.t for sample in read_loads(path, last=60)] == []
    assert read_loads(path.with_name("none")) == []


def test_a_folder_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    keeper = LoadKeeper(RunDir(tmp_path / "gone"))
    keeper.take({"n": word(100.0)}, [NODE])
    keeper.flush()
    assert list(tmp_path.iterdir()) == []


def test_what_only_one_of_two_knows_is_kept() -> None:
    before = LoadSample(t=1.0, cpu_percent=10.0, gpus=(GpuSample(0, 50.0, 5, 10),))
    after = LoadSample(t=2.0, gpus=(GpuSample(0),), ranks=(RankSample(4, 1.0),))
    both = together((before, after))
    assert both == LoadSample(
        t=2.0, cpu_percent=10.0, gpus=(GpuSample(0, 50.0, 5, 10),), ranks=(RankSample(4, 1.0),)
    )


def test_files_that_grow_large_together_are_not_thinned_at_once(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_history, "LARGEST", 10)
    other = msgspec.structs.replace(NODE, name="m")
    paths = [run.node(name).load for name in ("n", "m")]
    paths[1].parent.mkdir()
    old = b"".join(msgspec.json.encode(LoadSample(t=float(at))) + b"\n" for at in range(8))
    for path in paths:
        path.write_bytes(old)
    keeper = LoadKeeper(run)
    for second in (0.0, 10.0):
        keeper.take({name: word(100.0 + second) for name in "nm"}, [NODE, other])
    assert sorted(len(read_loads(path)) for path in paths) == [6, 9]
