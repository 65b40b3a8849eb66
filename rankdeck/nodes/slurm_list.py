"""Slurm's compressed lists: `$SLURM_JOB_NODELIST`, `$SLURM_TASKS_PER_NODE` and their kind.

Pure and without `scontrol`: a job's own environment can be read where no Slurm is installed.
"""

from __future__ import annotations

import re

from rankdeck.nodes.ranges import expand_hosts, split_outside_brackets

_COUNT = re.compile(r"([0-9]{1,9})(?:\(x([0-9]{1,6})\))?")


def expand_nodelist(text: str) -> tuple[str, ...]:
    """The names in Slurm's order, `node[01-02,7],gpu1` and the like; repeated names stay.

    Raises:
        ValueError: With the rest of a sentence that begins with the list.
    """
    if not text.strip():
        return ()
    hosts: list[str] = []
    for pattern in split_outside_brackets(text, ","):
        try:
            hosts += expand_hosts(pattern, _numbers)
        except ValueError as error:
            raise ValueError(f"{pattern!r} {error}") from None
    return tuple(hosts)


def expand_counts(text: str) -> tuple[int, ...]:
    """One number per node from `2(x2),1`: 2 2 1.

    Raises:
        ValueError: With the rest of a sentence that begins with the list.
    """
    counts: list[int] = []
    for part in text.split(","):
        match = _COUNT.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"has {part!r} where a number such as 2 or 2(x3) belongs")
        counts += [int(match[1])] * int(match[2] or 1)
    return tuple(counts)


def _numbers(group: str) -> tuple[str, ...]:
    found: list[str] = []
    for item in group.split(","):
        low, dash, high = item.partition("-")
        # Slurm pads to the width of the first number, however the last one is written
        last = int(high) if dash else int(low)
        found += [str(number).zfill(len(low)) for number in range(int(low), last + 1)]
    return tuple(found)
