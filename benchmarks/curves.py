"""What curves cost: one redraw of many points, and reading numbers out of large logs.

`python -m benchmarks.curves --mib 1024 --points 1000000` measures other sizes.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from array import array
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.harness import MIB, Goal, Report, interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rankdeck.metrics.series import Series

_WIDTH, _HEIGHT = 120, 40
_LOG_MIB = 64


def _noisy(points: int) -> Series:
    from rankdeck.metrics.series import Series

    noise = random.Random(7)
    steps = array("d", range(points))
    values = array("d", (2.0 + noise.gauss(0, 0.3) + 5.0 / (1 + s / 1000) for s in range(points)))
    return Series(steps, steps, values)


def _our_redraw(series: Series, *, first: bool = False) -> Callable[[], float]:
    from tui.widgets.curves_chart import Curve, Shapes, View, draw_chart

    curve, shapes = Curve("run", 0, series), Shapes()

    def draw() -> float:
        nonlocal shapes
        if first:
            shapes = Shapes()
        begin = time.perf_counter()
        draw_chart("loss", (curve,), View(), _WIDTH, _HEIGHT, shapes)
        return 1000 * (time.perf_counter() - begin)

    return draw


def _peer_redraw(series: Series) -> Callable[[], float] | None:
    """Plotext as textual-plotext drives it at every render; None where it is not installed."""
    try:
        import plotext
    except ImportError:
        return None
    steps, values = list(series.steps), list(series.values)

    def draw() -> float:
        begin = time.perf_counter()
        plotext.clear_figure()
        plotext.plotsize(_WIDTH, _HEIGHT)
        plotext.plot(steps, values, marker="braille")
        plotext.build()
        return 1000 * (time.perf_counter() - begin)

    return draw


def redraw(repeats: int, points: int = 1_000_000) -> Report:
    """One chart of 120 × 40 cells: drawn again, and for the first time, with nothing kept."""
    contestants: dict[str, Callable[[], float]] = {}
    sizes = (5_000, points // 10, points)
    remarks = []
    for size in sizes:
        series = _noisy(size)
        contestants[f"rankdeck, {size:,} points"] = _our_redraw(series)
        contestants[f"rankdeck, {size:,} points, first time"] = _our_redraw(series, first=True)
        peer = _peer_redraw(series) if size <= 100_000 else None
        if peer is not None:
            contestants[f"plotext, {size:,} points"] = peer
    if not any(name.startswith("plotext") for name in contestants):
        remarks.append("plotext is not installed here: no peer in this run")
    samples = interleave(contestants, repeats)

    def best(size: int) -> float:
        return sorted(samples[f"rankdeck, {size:,} points"])[repeats // 2]

    goals = (
        Goal(f"redraw of {sizes[2]:,} points", best(sizes[2]), 50, "ms"),
        Goal(f"redraw of {sizes[1]:,} points", best(sizes[1]), 10, "ms"),
    )
    return Report("redraw of a curve", samples, "ms", goals, remarks)


def _metric_lines() -> Iterator[str]:
    noise, step = random.Random(1), 0
    while True:
        step += 1
        loss, norm = 2 + noise.random(), noise.random()
        yield (
            f"2026-11-21 12:{step // 60 % 60:02}:{step % 60:02} INFO step {step}/9000000 loss "
            f"{loss:.4f} lr {3e-4 * norm:.3e} grad_norm {norm:.3f} tok/s {11000 + step % 500}\n"
        )


def _plain_lines() -> Iterator[str]:
    noise, step = random.Random(3), 0
    while True:
        step += 1
        yield f"step {step}/600000 loss {2 + noise.random():.2f} lr 1e-4 tok/s {100 + step % 50}\n"


def _noise_lines() -> Iterator[str]:
    noise, number = random.Random(2), 0
    while True:
        number += 1
        yield (
            f"node{number % 16:02}:{1000 + number % 9}:{2000 + number % 99} [{number % 8}] NCCL "
            f"INFO Channel {number % 24:02} via P2P/IPC buffer 0x{noise.randrange(2**40):x} ready\n"
        )


def _mixed_lines() -> Iterator[str]:
    metrics, noise = _metric_lines(), _noise_lines()
    while True:
        yield next(metrics)
        for _ in range(9):
            yield next(noise)


def _write(path: Path, lines: Iterator[str], size: int) -> None:
    with path.open("w") as log:
        while log.tell() < size:
            log.write("".join(next(lines) for _ in range(2000)))


def _reading(path: Path) -> Callable[[], float]:
    """MB/s of the whole way from bytes to series and alerts."""
    from rankdeck.logs.sources import RankLog
    from rankdeck.metrics.reader import RankReader

    def read() -> float:
        reader = RankReader(0, ())
        reader.know([RankLog(0, "node", 0, 0, path, path.with_suffix(".times"))])
        reader.refresh()
        begin = time.perf_counter()
        size = 0
        while used := reader.read_some(MIB):
            size += used
        return size / 1e6 / (time.perf_counter() - begin)

    return read


def _floor(path: Path) -> Callable[[], float]:
    def split() -> float:
        begin = time.perf_counter()
        size = 0
        with path.open("rb") as log:
            while data := log.read(MIB):
                size += len(data)
                for line in data.decode().split("\n"):
                    if line == "never":
                        raise AssertionError
        return size / 1e6 / (time.perf_counter() - begin)

    return split


def extraction(repeats: int, mib: int = _LOG_MIB) -> Report:
    """Numbers out of logs of short and long lines of metrics, of noise, and one in ten."""
    with tempfile.TemporaryDirectory() as folder:
        contestants: dict[str, Callable[[], float]] = {}
        for name, lines in (
            ("plain", _plain_lines()),
            ("metrics", _metric_lines()),
            ("noise", _noise_lines()),
            ("one in ten", _mixed_lines()),
        ):
            path = Path(folder) / f"{name}.log"
            _write(path, lines, mib * MIB)
            contestants[f"rankdeck, {name}"] = _reading(path)
            contestants[f"only splitting lines, {name}"] = _floor(path)
        samples = interleave(contestants, repeats, warmup=0)
    goals = [
        Goal(f"reading {name}", median(samples[f"rankdeck, {name}"]), least, "MB/s", at_most=False)
        for name, least in (("plain", 40), ("metrics", 40), ("one in ten", 15))
    ]
    remarks = (f"logs of {mib} MiB; read in the background, the supervisor's points show first",)
    return Report("numbers out of logs", samples, "MB/s", goals, remarks)


def main() -> int:
    """Both, with sizes of one's own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curves", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--mib", type=int, default=_LOG_MIB, help="size of each log")
    chosen = parser.parse_args()
    print(redraw(chosen.repeat, chosen.points), end="\n\n")
    print(extraction(chosen.repeat, chosen.mib))
    return 0


if __name__ == "__main__":
    sys.exit(main())
