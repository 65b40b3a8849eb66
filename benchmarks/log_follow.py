"""Following many growing logs: our polling beside `tail -F` with a reader; and idle ones.

Processor time of the follower alone, over `RANKDECK_BENCH_SECONDS` (10) of writing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Goal, Report, interleave, ratio
from rankdeck.logs.tail import Follower

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = float(os.environ.get("RANKDECK_BENCH_SECONDS", "10"))
_FILES = 64
_IDLE = 4096
_LINE = b"x" * 119 + b"\n"
_PREFIX = b"[ 0] "
_WRITER = """
import os, sys, time
folder, files, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
line = b"x" * 119 + b"\\n"
out = [os.open(f"{folder}/{n}.log", os.O_WRONLY | os.O_APPEND) for n in range(files)]
start, written = time.monotonic(), 0
while (now := time.monotonic() - start) < seconds:
    lines = int((rate * now - written) / files / len(line))
    for each in out:
        written += os.write(each, line * lines) if lines else 0
    time.sleep(0.02)
print(written)
"""


def measure(repeats: int) -> Report:
    """G1, G2: 64 files at 10 and 100 MB/s; G3: 4,096 idle files, looked at 4 times a second."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        place = Path(folder).absolute()
        contestants = {
            "rankdeck, 10 MB/s, lines": lambda: _ours(place, 10e6, reading=False),
            "rankdeck, 10 MB/s, reading": lambda: _ours(place, 10e6, reading=True),
            "tail -F + reader, 10 MB/s": lambda: sum(_tail(place, 10e6)),
            "rankdeck, 100 MB/s, lines": lambda: _ours(place, 100e6, reading=False),
            "rankdeck, 100 MB/s, reading": lambda: _ours(place, 100e6, reading=True),
            "tail -F alone, 100 MB/s": lambda: _tail(place, 100e6)[0],
            "rankdeck, 4096 idle": lambda: _idle(place),
        }
        samples = interleave(contestants, repeats, warmup=0)
    goals = [
        Goal(
            "G1: 64 files at 10 MB/s / tail -F + reader",
            ratio(samples, "rankdeck, 10 MB/s, reading", "tail -F + reader, 10 MB/s"),
            0.2,
            note="gate 0.5; with lines made: "
            f"{ratio(samples, 'rankdeck, 10 MB/s, lines', 'tail -F + reader, 10 MB/s'):.2f}",
        ),
        Goal(
            "G2: reading 64 files at 100 MB/s / tail -F alone",
            ratio(samples, "rankdeck, 100 MB/s, reading", "tail -F alone, 100 MB/s"),
            0.5,
            note="gate 1.0; with lines made: "
            f"{ratio(samples, 'rankdeck, 100 MB/s, lines', 'tail -F alone, 100 MB/s'):.2f}",
        ),
        Goal("G3: 4,096 idle files", statistics.median(samples["rankdeck, 4096 idle"]), 2.0, "%"),
    ]
    return Report("following logs", samples, "% of a core", goals)


@contextmanager
def _files(place: Path, count: int, rate: float) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Fresh files, and a program that writes to them at this rate."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for number in range(count):
            (Path(folder) / f"{number}.log").touch()
        command = (sys.executable, "-c", _WRITER, folder, str(count), str(rate), str(_SECONDS))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            yield Path(folder), writer


def _ours(place: Path, rate: float, *, reading: bool) -> float:
    """Per cent of a core, each line with its rank before it, as `rankdeck logs -f` has them.

    `reading`: without looking for lines at all, to compare with what tail does.
    """
    with _files(place, _FILES, rate) as (folder, writer):
        follower = Follower()
        for number in range(_FILES):
            follower.add(number, folder / f"{number}.log")
        plain = [os.open(folder / f"{n}.log", os.O_RDONLY) for n in range(_FILES)]
        got = 0
        start = time.process_time()
        ending = False
        while True:
            if reading:
                got += sum(_read_all(each) for each in plain)
            else:
                got += sum(len(lines.text(_PREFIX)) for _, lines in follower.each())
                if follower.behind:
                    continue
            if ending:
                break
            ending = writer.poll() is not None
            if not ending:
                time.sleep(0.1)
        used = time.process_time() - start
        follower.close()
        for each in plain:
            os.close(each)
        assert writer.stdout is not None
        got -= 0 if reading else got // len(_PREFIX + _LINE) * len(_PREFIX)
        if got != int(writer.stdout.read()):
            raise RuntimeError(f"lost something: {got}")
    return 100 * used / _SECONDS


def _read_all(descriptor: int) -> int:
    got = 0
    while data := os.read(descriptor, 65536):
        got += len(data)
        if len(data) < 65536:
            break
    return got


def _tail(place: Path, rate: float) -> tuple[float, float]:
    """Per cent of a core for tail, and for the reader of its pipe."""
    with _files(place, _FILES, rate) as (folder, writer):
        names = [str(folder / f"{number}.log") for number in range(_FILES)]
        own = time.process_time()
        with subprocess.Popen(
            ("tail", "-q", "-n", "+1", "-F", *names),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as tail:
            assert tail.stdout is not None
            os.set_blocking(tail.stdout.fileno(), False)
            quiet = 0
            while quiet < 5:
                data = b""
                try:
                    data = os.read(tail.stdout.fileno(), 1 << 20)
                    data.count(b"\n")
                except BlockingIOError:
                    time.sleep(0.02)
                quiet = quiet + 1 if not data and writer.poll() is not None else 0
            ticks = os.sysconf("SC_CLK_TCK")
            fields = Path(f"/proc/{tail.pid}/stat").read_text().rsplit(")", 1)[1].split()
            used = (int(fields[11]) + int(fields[12])) / ticks
            reader = time.process_time() - own
            tail.terminate()
    return 100 * used / _SECONDS, 100 * reader / _SECONDS


def _idle(place: Path) -> float:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        follower = Follower()
        for number in range(_IDLE):
            path = Path(folder) / f"{number}.log"
            path.write_bytes(_LINE)
            follower.add(number, path)
        seen = 0
        while seen < _IDLE:
            seen += len(follower.poll())
        start, used = time.monotonic(), time.process_time()
        while time.monotonic() - start < _SECONDS:
            follower.poll()
            time.sleep(0.25)
        used = time.process_time() - used
        elapsed = time.monotonic() - start
        follower.close()
    return 100 * used / elapsed
