"""Host patterns (`node[01-16,20]-ib0`) to host names, in the order they are written. Pure.

ClusterShell reads the ranges; it is loaded only for a pattern that has one. A NodeSet itself
would sort the hosts, but an inventory's order is the order of the ranks.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_HOSTS = 65536
"""More than any cluster has: a range of that size is a slip of the finger."""

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_GROUP = re.compile(r"\[([^\[\]]*)\]")
_ITEM = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15})(?:/([1-9][0-9]{0,8}))?)?")


def check_host_name(name: str) -> None:
    """Refuse what is no host name, or what a program or a path could take for something else.

    Raises:
        ValueError: With the rest of a sentence.
    """
    if not _HOST.fullmatch(name):
        raise ValueError(
            "is not a host name: those have letters, digits, '.', '_' and '-', and do not begin"
            " with '.' or '-'"
        )


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """The parts of a list in which ranges may hold the separator too; each is stripped."""
    parts = [""]
    depth = 0
    for char in text:
        depth = max(0, depth + (char == "[") - (char == "]"))
        if char == separator and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def expand_hosts(
    pattern: str, numbers: Callable[[str], tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    """The hosts that a pattern names: `rack[1-2]n[3,1]` is rack1n3 rack1n1 rack2n3 rack2n1.

    Args:
        pattern: A host name with any number of bracketed lists in it.
        numbers: Reads what stands in one pair of brackets; ClusterShell's reading if not given.

    Raises:
        ValueError: With the rest of a sentence that begins with the pattern.
    """
    if "[" not in pattern and "]" not in pattern:
        check_host_name(pattern)
        return (pattern,)
    literals = _GROUP.split(pattern)
    if any("[" in part or "]" in part for part in literals[::2]):
        raise ValueError("has a bracket without its partner")
    sizes = [_size(group) for group in literals[1::2]]
    total = 1
    for size in sizes:
        total *= size
    if total > MAX_HOSTS:
        raise ValueError(f"stands for {total} hosts; at most {MAX_HOSTS} can be used")
    read = numbers or _numbers
    choices = [read(part) if index % 2 else (part,) for index, part in enumerate(literals)]
    hosts = tuple("".join(parts) for parts in product(*choices))
    check_host_name(hosts[0])
    return hosts


def _size(group: str) -> int:
    size = 0
    for item in group.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"has {item!r} where a number or a range such as 01-16 belongs")
        low, high, step = match.groups()
        if high is not None and int(high) < int(low):
            raise ValueError(f"has a range that goes backward: {item}")
        size += 1 if high is None else (int(high) - int(low)) // int(step or 1) + 1
    return size


def _numbers(group: str) -> tuple[str, ...]:
    # imported late: most hostfiles have no ranges
    from ClusterShell.RangeSet import RangeSet, RangeSetException

    try:
        return tuple(number for item in group.split(",") for number in RangeSet(item))
    except RangeSetException as error:
        raise ValueError(f"has a bad range: {error}") from None
