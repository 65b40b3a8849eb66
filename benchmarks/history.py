"""Listing ten thousand finished runs, beside a plain scan of their directories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.harness import Goal, Report, interleave, ratio
from rankdeck.run.node_state import RankState
from rankdeck.run.state import RunNode, RunPhase, RunRank, RunState

_RUNS = 10_000


def make_history(home: Path, count: int) -> None:
    """Fill a state directory with finished runs of eight ranks."""
    runs = home / "runs"
    runs.mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    start = 1_760_000_000.0
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    for number in range(count):
        begun = start + 60 * number
        tail = "".join(letters[number // 32**place % 32] for place in range(4))
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(begun))}-train-{tail}"
        (runs / name).mkdir()
        (runs / name / "state.json").write_bytes(msgspec.json.encode(_state(name, begun)))


def _state(run_id: str, begun: float) -> RunState:
    ranks = tuple(
        RunRank(rank=rank, node="node1", local_rank=rank, state=RankState.EXITED, exit_code=0)
        for rank in range(8)
    )
    return RunState(
        id=run_id,
        name="train",
        state=RunPhase.SUCCEEDED,
        backend="local",
        launcher="torchrun",
        project="/home/user/project",
        created=begun,
        started=begun + 1,
        ended=begun + 50,
        nnodes=1,
        nproc_per_node=8,
        world_size=8,
        exit_code=0,
        nodes=(RunNode(name="node1", node_rank=0, nproc=8, first_rank=0, state="done"),),
        ranks=ranks,
        last_seq=40,
    )


_OURS = """
import sys, time
from pathlib import Path
from rankdeck.run.store import RunStore
limit = int(sys.argv[2]) or None
store = RunStore(Path(sys.argv[1]))
start = time.perf_counter()
rows = store.list(limit)
print(time.perf_counter() - start, len(rows))
"""

_SCAN = """
import json, os, sys, time
root = os.path.join(sys.argv[1], "runs")
start = time.perf_counter()
rows = []
for name in os.listdir(root):
    with open(os.path.join(root, name, "state.json")) as file:
        rows.append(json.load(file))
rows.sort(key=lambda row: row["id"], reverse=True)
print(time.perf_counter() - start, len(rows))
"""


def measure(repeats: int) -> Report:
    """Cold means the file system is unmounted in between; that needs root, and is said if not."""
    remarks: list[str] = []
    with tempfile.TemporaryDirectory() as folder, _Disk(Path(folder)) as disk:
        home = disk.path / "state"
        make_history(home, _RUNS)
        _timed(_OURS, home, 0)  # writes the index, as any first listing does

        def cold(code: str, limit: int) -> float:
            disk.forget()
            return _timed(code, home, limit)

        def warm(code: str, limit: int) -> float:
            # the cold contestants before have left an empty cache
            _timed(code, home, limit)
            return _timed(code, home, limit)

        samples = interleave(
            {
                "scan, cold": lambda: cold(_SCAN, 0),
                "newest 100, cold": lambda: cold(_OURS, 100),
                "scan, warm": lambda: warm(_SCAN, 0),
                "all 10,000, warm": lambda: warm(_OURS, 0),
            },
            repeats,
        )
        remarks.append(disk.remark)
    goals = (
        Goal("newest 100 cold / scan cold", ratio(samples, "newest 100, cold", "scan, cold"), 0.05),
        Goal("all 10,000 warm / scan warm", ratio(samples, "all 10,000, warm", "scan, warm"), 0.5),
    )
    return Report("history of 10,000 runs", samples, "s", goals, remarks)


def _timed(code: str, home: Path, limit: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code, str(home), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    elapsed, count = done.stdout.split()
    if int(count) != (limit or _RUNS):
        raise RuntimeError(f"listed {count} runs")
    return float(elapsed)


class _Disk:
    """An ext4 image that can be unmounted to forget its cache; a plain directory without root."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mnt"
        self._image = folder / "image"
        self._mounted = False
        self.remark = ""

    def __enter__(self) -> _Disk:
        self.path.mkdir()
        if os.geteuid() == 0:
            with open(self._image, "wb") as image:
                image.truncate(512 * 1024 * 1024)
            subprocess.run(["mkfs.ext4", "-q", "-N", "60000", str(self._image)], check=True)
            self._mount()
            self.remark = "cold: the image is unmounted, its pages dropped, and mounted again"
        else:
            self.remark = "not root: the cold figures are warm ones and say nothing"
        return self

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self._image), str(self.path)], check=True)
        self._mounted = True

    def forget(self) -> None:
        """Drop everything that is cached of the image."""
        if not self._mounted:
            return
        subprocess.run(["umount", str(self.path)], check=True)
        self._mounted = False
        with open(self._image, "rb") as image:
            os.posix_fadvise(image.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self._mount()

    def __exit__(self, *exc: object) -> None:
        if self._mounted:
            subprocess.run(["umount", str(self.path)], check=True)


def encode_decode(repeats: int) -> Report:
    """A snapshot of 4,096 ranks through our codec and through the standard library's json."""
    from rankdeck.run.node_state import RankRecord

    ranks = tuple(
        RankRecord(
            rank=rank,
            local_rank=rank % 8,
            state=RankState.STEPPING,
            pid=1000 + rank,
            starttime=123456,
            times={"spawned": 1.76e9, "output": 1.76e9 + 1, "stepping": 1.76e9 + 2},
            log_bytes=123_456,
            last_output=1.76e9 + 3,
            last_line="step 120/600 loss 2.314 lr 3.0e-04 tok/s 21400",
            step=120,
            metrics={"loss": 2.314, "lr": 3e-4},
        )
        for rank in range(4096)
    )
    plain = json.loads(msgspec.json.encode(ranks))
    decoder = msgspec.json.Decoder(tuple[RankRecord, ...])

    def ours() -> float:
        start = time.perf_counter()
        decoder.decode(msgspec.json.encode(ranks))
        return time.perf_counter() - start

    def standard() -> float:
        start = time.perf_counter()
        json.loads(json.dumps(plain))
        return time.perf_counter() - start

    samples = interleave({"msgspec": ours, "json": standard}, repeats * 5)
    goals = (Goal("encode + decode / json", ratio(samples, "msgspec", "json"), 0.3),)
    return Report("snapshot of 4,096 ranks", samples, "s", goals)
