"""Searching a log of 1 GiB (RANKDECK_BENCH_MIB: another size) to its end, beside `grep`."""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.harness import Goal, Report, interleave, ratio
from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.search import expression, literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.logs.search import Expression

_MIB = int(os.environ.get("RANKDECK_BENCH_MIB", "1024"))
_LAST = b"RuntimeError: CUDA out of memory at the Very End\n"


class _Case(NamedTuple):
    """One thing to look for, and how grep is asked for it."""

    name: str
    query: Expression
    grep: tuple[str, ...]


_CASES = (
    _Case("literal", literal("Very End"), ("-F", "Very End")),
    _Case("regex", expression(r"loss [3-9]\.\d+e"), ("-E", r"loss [3-9]\.[0-9]+e")),
    _Case(
        "regex -i, words", expression("cuda|oom|nccl", ignore_case=True), ("-iE", "cuda|oom|nccl")
    ),
    _Case(
        "regex -i",
        expression(r"(runtime|value)error:?\s+cuda", ignore_case=True),
        ("-iE", r"(runtime|value)error:?\s+cuda"),
    ),
    _Case("regex -i, class", expression("[a-z]+error:", ignore_case=True), ("-iE", "[a-z]+error:")),
    _Case(
        "regex -i, text of every line",
        expression(r"loss\s+nan|grad_norm\s+inf", ignore_case=True),
        ("-iE", r"loss\s+nan|grad_norm\s+inf"),
    ),
)


_FILTERS = (
    ("filter that leaves lines out", Filters((), (expression("INFO|grad"),)), ("-vE", "INFO|grad")),
    (
        "filter without a fixed part",
        Filters((expression(r"[a-z]+ [0-9]{9}$"),)),
        ("-E", "[a-z]+ [0-9]{9}$"),
    ),
)


def write_log(path: Path, size: int) -> None:
    """A log of about this size, its last line the one that is looked for."""
    dice = random.Random(1)
    block = b"".join(
        b"2026-11-21 12:%02d:%02d,%03d [rank%d] INFO step %d loss %.4f lr 2.9e-5 tok/s %d\n"
        % (n // 60 % 60, n % 60, dice.randrange(1000), n % 64, n, 3 * dice.random(), n * 7)
        + b"grad_norm %.3f\n" % dice.random()
        for n in range(20_000)
    )
    with path.open("wb") as log:
        for _ in range(max(1, size // len(block))):
            log.write(block)
        log.write(_LAST)


def measure(repeats: int) -> Report:
    """Wall seconds until all of the file has been searched, for each way of asking."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder).absolute() / "log"
        write_log(path, _MIB << 20)
        contestants: dict[str, Callable[[], float]] = {}
        for case in _CASES:
            contestants[f"rankdeck {case.name}"] = lambda case=case: _ours(path, case.query)
            contestants[f"rankdeck {case.name}, backward"] = lambda case=case: _ours(
                path, case.query, backward=True
            )
            for locale in ("C", "C.UTF-8"):
                contestants[f"grep {locale} {case.name}"] = lambda case=case, locale=locale: _grep(
                    path, case.grep, locale
                )
        for name, filters, arguments in _FILTERS:
            contestants[f"rankdeck {name}"] = lambda filters=filters: _filtered(path, filters)
            contestants[f"grep C {name}"] = lambda arguments=arguments: _grep(path, arguments, "C")
        samples = interleave(contestants, repeats)
        found = [_first_hit(path) for _ in range(repeats)]
    goals = [
        Goal(
            f"literal over {_MIB} MiB to the last hit",
            statistics.median(samples["rankdeck literal"]),
            max(0.05, _MIB / 1024),
            "s",
        ),
        Goal("first hit of a dense expression", statistics.median(found), 0.05, "s"),
    ]
    for case in _CASES:
        for locale in ("C", "C.UTF-8"):
            ours, theirs = f"rankdeck {case.name}", f"grep {locale} {case.name}"
            goals.append(Goal(f"{case.name} / grep {locale}", ratio(samples, ours, theirs), 2.0))
    for name, _, _ in _FILTERS:
        goals.append(
            Goal(f"{name} / grep", ratio(samples, f"rankdeck {name}", f"grep C {name}"), 4.0)
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Report("search of a log", samples, "s", goals, (f"largest resident set: {memory} MiB",))


def _ours(path: Path, query: Expression, *, backward: bool = False) -> float:
    source = FileSource(path)
    start = time.perf_counter()
    for _ in source.search(query, 0, source.size, backward=backward):
        pass
    elapsed = time.perf_counter() - start
    source.close()
    return elapsed


def _filtered(path: Path, filters: Filters) -> float:
    source = FilteredSource(FileSource(path), filters)
    start = time.perf_counter()
    position, more = 0, True
    while more:
        lines = source.after(position, 256)
        position, more = lines.looked_to, lines.more
    elapsed = time.perf_counter() - start
    source.close()
    return elapsed


def _first_hit(path: Path) -> float:
    source = FileSource(path)
    start = time.perf_counter()
    steps = source.search(expression(r"LOSS \d", ignore_case=True), 0, source.size)
    assert any(step.hits for step in steps)
    elapsed = time.perf_counter() - start
    source.close()
    return elapsed


def _grep(path: Path, arguments: tuple[str, ...], locale: str) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        ("grep", "-c", *arguments, str(path)),
        env={**os.environ, "LC_ALL": locale},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode > 1:
        raise RuntimeError(f"grep {arguments} exited with {done.returncode}")
    return time.perf_counter() - start
