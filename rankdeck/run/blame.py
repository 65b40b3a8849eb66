"""Which nodes a run's failure is blamed on, and the same job without them. Pure.

A program's own exception is no node's fault: it would be raised elsewhere, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.nodes.filter_text import parse_filter
from rankdeck.run.signals import signal_name
from rankdeck.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rankdeck.run.state import Failure, RunState

_PROGRAMS = frozenset({"exception", "exit-code", "exited-early"})
"""Failures that a program brings about wherever it runs."""
_EVERYWHERE = frozenset(
    {"time-limit", "not-begun", "cancelled", "requeued", "signalled", "hang", "unknown"}
)
_NODES_SIGNALS = frozenset({"SIGKILL", "SIGBUS"})
"""What a node ends ranks with when its memory is used up, or broken."""
_HARDWARE = re.compile(
    r"uncorrectable|\bECC\b|\bXid\b|NVLink|no CUDA-capable device|CUDA driver|"
    r"fallen off the bus|unspecified launch failure|hardware error|"
    r"No space left on device|Input/output error|Stale file handle",
    re.IGNORECASE,
)
"""What a rank says in its last lines when its node is to blame."""


class Blame(msgspec.Struct, frozen=True):
    """A node, and what it is blamed for."""

    node: str
    why: str


def blamed(run: RunState) -> tuple[Blame, ...]:
    """The nodes to blame, in the order of their ranks; none where nothing points at one."""
    failure = run.failure
    found: dict[str, str] = {}
    if failure is not None and failure.node and _is_nodes_fault(failure):
        found[failure.node] = shown(failure.summary)
    for node in run.nodes:
        if node.problem is not None:
            found.setdefault(node.name, shown(node.problem))
        elif node.state == "lost":
            found.setdefault(node.name, "it was lost")
        elif node.silent_since is not None and run.state.final:
            found.setdefault(node.name, "it could not be heard at the end")
    return tuple(Blame(node.name, found[node.name]) for node in run.nodes if node.name in found)


def _is_nodes_fault(failure: Failure) -> bool:
    if failure.category in _EVERYWHERE:
        return False
    if failure.category == "signal" and failure.signal is not None:
        return signal_name(failure.signal) in _NODES_SIGNALS
    if failure.category in _PROGRAMS:
        return any(_HARDWARE.search(text) for text in (failure.summary, *failure.evidence))
    return True


class Selection(msgspec.Struct, frozen=True):
    """What a job says about its nodes."""

    include: str = ""
    exclude: str = ""


def without(
    given: Selection,
    nodes: Collection[str],
    groups: Callable[[str], tuple[str, ...]] | None = None,
) -> Selection:
    """The same selection without these nodes.

    Only one of `include` and `exclude` may be given, so nodes leave an include, and join an
    exclude.

    Raises:
        InvalidJobError: What is given cannot be read, or nothing would be left of it.
    """
    bad = tuple(dict.fromkeys(nodes))
    if not bad:
        return given
    field = "include" if given.include else "exclude"
    text = given.include or given.exclude
    try:
        parsed = (parse_filter(text, groups) if groups else parse_filter(text)) if text else None
    except ValueError as error:
        raise InvalidJobError((Problem(str(error), key=f"--{field}", field=field),)) from None
    joint = "," if parsed is None or parsed.ordered else "@"
    terms = []
    for term in parsed.terms if parsed else ():
        slots = f":{','.join(map(str, term.slots))}" if term.slots else ""
        if term.group and not set(term.hosts) & set(bad):
            # of a group, hosts that are not in the inventory are passed over; of names, not
            terms.append(f"{term.group}{slots}")
            continue
        terms += [f"{_word(host)}{slots}" for host in term.hosts if host not in bad]
    if field == "exclude":
        # the new ones first: a number behind a slot list would be taken for a slot
        return Selection(exclude=joint.join((*map(_word, bad), *terms)))
    if not terms:
        told = f"names only nodes that are to blame: {', '.join(bad)}"
        raise InvalidJobError((Problem(told, key="--include", field="include"),))
    return Selection(include=joint.join(terms))


def _word(host: str) -> str:
    return f"[{host}]" if ":" in host else host
