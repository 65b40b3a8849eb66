"""Interleaved measurement: contestants take turns, medians are compared, noise is shown."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio (or absolute figure) and the target it is held against."""

    name: str
    value: float
    target: float
    unit: str = "×"
    at_most: bool = True
    """False: the figure must be at least the target."""
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        verdict = "met" if self.met else "NOT MET"
        text = (
            f"{self.name}: {self.value:.3g} {self.unit} (target {sign} {self.target:g}) {verdict}"
        )
        return f"{text}  [{self.note}]" if self.note else text


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one benchmark: figures of each contestant, and the goals."""

    title: str
    figures: Mapping[str, Sequence[float]]
    """Contestant to its samples."""
    unit: str
    goals: Sequence[Goal]
    remarks: Sequence[str] = field(default_factory=tuple)

    def __str__(self) -> str:
        lines = [f"== {self.title}"]
        for name, samples in self.figures.items():
            low, mid, high = min(samples), statistics.median(samples), max(samples)
            spread = f"median {mid:9.4g} {self.unit}  (min {low:.4g}, max {high:.4g}"
            lines.append(f"  {name:<44} {spread}, n={len(samples)})")
        lines += [f"  → {goal}" for goal in self.goals]
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)


def interleave(
    contestants: Mapping[str, Callable[[], float]], repeats: int, *, warmup: int = 1
) -> dict[str, list[float]]:
    """Run the contestants in turn, `repeats` times, after `warmup` uncounted turns."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warmup + repeats):
        for name, measure in contestants.items():
            value = measure()
            if turn >= warmup:
                samples[name].append(value)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return samples


def ratio(samples: Mapping[str, Sequence[float]], ours: str, theirs: str) -> float:
    """Median of ours over median of theirs."""
    return statistics.median(samples[ours]) / statistics.median(samples[theirs])


def difference(samples: Mapping[str, Sequence[float]], ours: str, theirs: str) -> float:
    """Median of ours minus median of theirs."""
    return statistics.median(samples[ours]) - statistics.median(samples[theirs])


def wall(argv: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Seconds until the command has exited; it must exit with 0.

    Raises:
        RuntimeError: It did not.
    """
    start = time.perf_counter()
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{argv} exited with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return elapsed


def first_line(
    argv: Sequence[str], marker: bytes, env: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """Seconds until `marker` appears on stdout, and until the command has exited."""
    start = time.perf_counter()
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        seen, tail = 0.0, b""
        while chunk := os.read(process.stdout.fileno(), 65536):
            tail = tail[-200:] + chunk
            if not seen and marker in tail:
                seen = time.perf_counter() - start
    if process.returncode or not seen:
        raise RuntimeError(f"{argv} exited with {process.returncode}, said {tail!r}")
    return seen, time.perf_counter() - start


def tree_usage(root: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of one process (not its children)."""
    with open(f"/proc/{root}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
