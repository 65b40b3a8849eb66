"""What a node did before a failure: facts for the failure card, from the history of its load.

Only where it bears on the failure: memory for what the kernel ends and for a node that is lost,
memory of GPUs where a GPU had no room. Says what was measured, never that it was the cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rankdeck.diagnose.hang_words import SCARCE, lapse
from rankdeck.run.load_history import read_loads
from rankdeck.text import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.run.layout import RunDir
    from rankdeck.run.load_history import LoadSample
    from rankdeck.run.state import Failure

RECENT = 256 * 1024
"""Bytes of a history's end in which the last minutes are."""
_BEFORE = 60.0
"""Seconds before a failure that are looked at."""
_AFTER = 15.0
"""A sample that ends so late may have begun before the failure."""
_RISE = 10.0
"""Percent points that are worth telling."""
_KILL = 9
_SHELL_KILL = 128 + _KILL
_GONE = frozenset({"lost", "agent-lost", "unreachable", "node-failure", "launcher-died"})


def with_load(failure: Failure, run_dir: RunDir, attempt: int) -> Failure:
    """The failure, with what its node did before, where that may explain it.

    Args:
        failure: What failed.
        run_dir: Where the histories are.
        attempt: The attempt that failed.

    Raises:
        OSError: The history is there but cannot be read.
    """
    if failure.node is None or failure.time is None:
        return failure
    of_gpu, of_memory = _about_gpus(failure), _about_memory(failure)
    if not of_gpu and not of_memory:
        return failure
    known = read_loads(run_dir.node(failure.node).load, last=RECENT)
    known = [s for s in known if s.attempt == attempt and s.t <= failure.time + _AFTER]
    # that a node is lost is known long after its last word
    end = known[-1].t if known and failure.category in _GONE else failure.time
    last = [sample for sample in known if sample.t >= end - _BEFORE]
    facts = gpu_facts(failure, last) if of_gpu else memory_facts(failure, known, last)
    return msgspec.structs.replace(failure, facts=(*failure.facts, *facts))


def _about_memory(failure: Failure) -> bool:
    if failure.signal == _KILL or failure.exit_code == _SHELL_KILL or failure.category in _GONE:
        return True
    return failure.signature == "MemoryError" or "allocate memory" in failure.summary


def _about_gpus(failure: Failure) -> bool:
    told = failure.summary.lower()
    return failure.signature == "OutOfMemoryError" or "cuda out of memory" in told


def memory_facts(
    failure: Failure, known: Sequence[LoadSample], last: Sequence[LoadSample]
) -> tuple[str, ...]:
    """How full the node's memory was, and what of it was the rank's. Pure.

    Args:
        failure: What failed.
        known: What the node did in the attempt.
        last: Of that, the last minute.
    """
    told = [(percent, one) for one in last if (percent := one.mem_percent) is not None]
    if not told:
        return ()
    most, fullest = max(told, key=_first)
    earlier = [(p, one) for one in known if (p := one.mem_percent) is not None]
    least, emptiest = min((pair for pair in earlier if pair[1].t <= fullest.t), key=_first)
    memory = f"memory of {failure.node}"
    amount = f"{size(fullest.mem_used)} of {size(fullest.mem_total)}"
    if most < SCARCE:
        fact = (
            f"{memory} was at {most:.0f} % at most ({amount}) in the minute before, as measured "
            "every two seconds; a container or Slurm may have allowed less"
        )
    elif least <= most - _RISE:
        passed = lapse(fullest.t - emptiest.t)
        fact = f"{memory} rose from {least:.0f} % to {most:.0f} % in {passed} before ({amount})"
    else:
        fact = f"{memory} was at {most:.0f} % before ({amount})"
    return (fact, *_rank_facts(failure, known, last))


def _first(pair: tuple[float, LoadSample]) -> float:
    return pair[0]


def _rank_facts(
    failure: Failure, known: Sequence[LoadSample], last: Sequence[LoadSample]
) -> tuple[str, ...]:
    """How much memory the rank held, against the others of its node."""
    held: dict[int, int] = {}
    for sample in last:
        for rank in sample.ranks:
            held[rank.rank] = max(rank.rss_bytes or 0, held.get(rank.rank, 0))
    mine = held.pop(failure.rank, 0) if failure.rank is not None else 0
    if not mine:
        return ()
    fact = f"rank {failure.rank} itself held up to {size(mine)}"
    least = min(
        rank.rss_bytes
        for sample in known
        for rank in sample.ranks
        if rank.rank == failure.rank and rank.rss_bytes
    )
    if mine - least > mine * _RISE / 100:
        fact += f", at first {size(least)}"
    if held:
        fact += f"; the others there up to {size(max(held.values()))}"
    return (fact,)


def gpu_facts(failure: Failure, samples: Sequence[LoadSample]) -> tuple[str, ...]:
    """How full the memory of the rank's GPU was, against the others of the node. Pure."""
    mine = {
        rank.gpu for sample in samples for rank in sample.ranks if rank.rank == failure.rank
    } - {None}
    full: dict[int, tuple[int, int]] = {}
    for sample in samples:
        for gpu in sample.gpus:
            if gpu.mem_used is not None and gpu.mem_total:
                full[gpu.index] = max((gpu.mem_used, gpu.mem_total), full.get(gpu.index, (0, 0)))
    if len(mine) != 1 or (index := next(iter(mine))) not in full or index is None:
        return ()
    used, total = full.pop(index)
    fact = (
        f"memory of GPU {index} of {failure.node} was at most at {100 * used / total:.0f} % "
        f"({size(used)} of {size(total)}) in the minute before"
    )
    if full:
        parts = [100 * used / total for used, total in full.values()]
        fact += f"; that of its other GPUs at {max(parts):.0f} %"
    return (fact,)
