"""From a choice of nodes to the `--include` or `--exclude` that says it.

The inverse of `rankdeck.nodes.filters`: what is written here is read there as exactly that choice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError
from rankdeck.nodes.filters import filter_nodes
from rankdeck.nodes.names import fold_names
from rankdeck.nodes.ranges import split_outside_brackets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.nodes.node import Node

_FOLDABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

Slots = tuple[int, ...]
"""Numbers of a node's slots; none: all it has."""


class NodeExpression(msgspec.Struct, frozen=True, kw_only=True):
    """A choice of nodes as a job says it; both empty: every node."""

    include: str = ""
    exclude: str = ""

    @property
    def flags(self) -> str:
        """As it stands on a command line; quoted where a shell would read it otherwise."""
        import shlex

        if self.include:
            return f"--include {shlex.quote(self.include)}"
        return f"--exclude {shlex.quote(self.exclude)}" if self.exclude else ""


def selection_of(nodes: Sequence[Node], include: str, exclude: str) -> dict[str, Slots]:
    """The nodes that an expression leaves, with their slots where it names any, in rank order.

    Raises:
        InvalidJobError: It has mistakes, or leaves none.
    """
    before = {node.name: node.devices for node in nodes}
    left = filter_nodes(nodes, include or None, exclude or None)
    return {node.name: () if node.devices == before[node.name] else node.devices for node in left}


def express(nodes: Sequence[Node], selection: Mapping[str, Slots]) -> NodeExpression | None:
    """The shortest expression for a choice that keeps the inventory's order.

    Args:
        nodes: The inventory.
        selection: Chosen nodes and, where not all of them, their slots.

    Returns:
        None where nothing is chosen: no expression says that.
    """
    chosen = {node.name: selection[node.name] for node in nodes if node.name in selection}
    if not chosen:
        return None
    if len(chosen) == len(nodes) and not any(chosen.values()):
        return NodeExpression()
    # what is left out says more where both are as long: a node that comes later is in
    candidates = [
        *(NodeExpression(exclude=text) for text in _exclusions(nodes, chosen)),
        *(NodeExpression(include=text) for text in _inclusions(chosen)),
    ]
    # reading one back costs more than writing it: the first that fits ends the search
    candidates.sort(key=lambda found: len(found.include or found.exclude))
    return next((found for found in candidates if _means(nodes, found, chosen)), None)


def _means(nodes: Sequence[Node], found: NodeExpression, chosen: Mapping[str, Slots]) -> bool:
    try:
        read = selection_of(nodes, found.include, found.exclude)
    except InvalidJobError:
        return False
    return list(read.items()) == list(chosen.items())


def _inclusions(chosen: Mapping[str, Slots]) -> list[str]:
    folded = _folded_terms(chosen)
    plain = [_term(name, slots) for name, slots in chosen.items()]
    return [",".join(folded), "@".join(folded), ",".join(plain), "@".join(plain)]


def _exclusions(nodes: Sequence[Node], chosen: Mapping[str, Slots]) -> list[str]:
    without: dict[str, Slots] = {}
    for node in nodes:
        if node.name not in chosen:
            without[node.name] = ()
        elif kept := chosen[node.name]:
            there = slots_of(node)
            if there is None:
                return []
            without[node.name] = tuple(slot for slot in there if slot not in kept)
    folded = _folded_terms(without)
    plain = [_term(name, slots) for name, slots in without.items()]
    return [",".join(folded), "@".join(folded), "@".join(plain)]


def slots_of(node: Node) -> Slots | None:
    """The numbers of a node's slots; None where the inventory does not say how many it has."""
    if node.devices:
        return node.devices
    count = node.slots if node.slots is not None else node.gpus or None
    return None if count is None else tuple(range(count))


def _folded_terms(chosen: Mapping[str, Slots]) -> list[str]:
    """Terms with ranges, those with slots last: a number behind them could be taken for one."""
    by_slots: dict[Slots, list[str]] = {}
    for name, slots in chosen.items():
        by_slots.setdefault(slots, []).append(name)
    terms: list[str] = []
    for slots, names in sorted(by_slots.items(), key=lambda item: bool(item[0])):
        terms += [_term(part, slots) for part in _fold(names)]
    return terms


def _fold(names: list[str]) -> list[str]:
    # imported late: it costs more than all the rest of a small choice
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    plain = [name for name in names if _FOLDABLE.fullmatch(name)]
    others = [name for name in names if not _FOLDABLE.fullmatch(name)]
    if len(plain) < 2:
        return names
    try:
        # sorted by name: whether that is the inventory's order, is checked by reading it back
        parts = split_outside_brackets(str(NodeSet(fold_names(plain))), ",")
    except NodeSetException:
        return names
    return [*parts, *others]


def _term(name: str, slots: Slots) -> str:
    if not slots:
        return name
    # the colons of an address are its own
    host = f"[{name}]" if ":" in name else name
    return f"{host}:{_slot_list(slots)}"


def _slot_list(slots: Slots) -> str:
    parts: list[list[int]] = []
    for slot in slots:
        if parts and slot == parts[-1][-1] + 1:
            parts[-1].append(slot)
        else:
            parts.append([slot])
    texts = []
    for part in parts:
        if len(part) > 2:
            texts.append(f"{part[0]}-{part[-1]}")
        else:
            texts += map(str, part)
    return ",".join(texts)
