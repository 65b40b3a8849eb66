"""`--include` and `--exclude` on an inventory's nodes. Pure, but for what groups stand for.

A slot list leaves the node only those slots: they become `Node.devices`, and `slots` their number.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.values import quoted
from rankdeck.nodes.filter_text import FilterTerm, parse_filter
from rankdeck.nodes.groups import resolve_group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.nodes.node import Node

_FEW = 8
"""So many hosts are listed for somebody who named one that is not there."""


def filter_nodes(
    nodes: Sequence[Node],
    include: str | None,
    exclude: str | None,
    groups: Callable[[str], tuple[str, ...]] = resolve_group,
) -> tuple[Node, ...]:
    """The nodes that are left, in rank order.

    Args:
        nodes: The inventory, in its order.
        include: Only these; their order counts where they are joined by commas.
        exclude: All but these.
        groups: What a group's name stands for.

    Raises:
        InvalidJobError: With every host, slot or option that is wrong.
    """
    if include and exclude:
        message = "cannot be used together with --include: give one of them"
        raise InvalidJobError((Problem(message, key="--exclude", field="exclude"),))
    if not include and not exclude:
        return tuple(nodes)
    chosen = _Filter(nodes, "include" if include else "exclude")
    left = chosen.apply(include or exclude or "", groups)
    if chosen.problems:
        raise InvalidJobError(tuple(chosen.problems))
    if not left:
        chosen.leaves_nothing()
        raise InvalidJobError(tuple(chosen.problems))
    return left


class _Filter:
    """One option at work; collects what is wrong with it."""

    def __init__(self, nodes: Sequence[Node], field: str) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.field = field
        self.problems: list[Problem] = []

    def refuse(self, message: str, hint: str = "") -> None:
        problem = Problem(message, key=f"--{self.field}", field=self.field, hint=hint)
        self.problems.append(problem)

    def apply(self, text: str, groups: Callable[[str], tuple[str, ...]]) -> tuple[Node, ...]:
        try:
            parsed = parse_filter(text, groups)
        except ValueError as error:
            self.refuse(str(error))
            return ()
        named = self._named(parsed.terms)
        if self.field == "exclude":
            without = {name: self._without(node, slots) for name, (node, slots) in named.items()}
            left = (without.get(name, node) for name, node in self.nodes.items())
            return tuple(node for node in left if node is not None)
        kept = {name: self._only(node, slots) for name, (node, slots) in named.items()}
        if parsed.ordered:
            return tuple(kept.values())
        return tuple(kept[name] for name in self.nodes if name in kept)

    def leaves_nothing(self) -> None:
        self.refuse(f"leaves none of the {len(self.nodes)} nodes in {self._source()}")

    def _source(self) -> str:
        places = (_without_line(node.origin) for node in self.nodes.values() if node.origin)
        return ", ".join(dict.fromkeys(places)) or "the list of nodes"

    def _named(self, terms: tuple[FilterTerm, ...]) -> dict[str, tuple[Node, tuple[int, ...]]]:
        named: dict[str, tuple[Node, tuple[int, ...]]] = {}
        for term in terms:
            if term.group and not any(host in self.nodes for host in term.hosts):
                self.refuse(f"no host of group {term.group} is in {self._source()}")
            for host in term.hosts:
                node = self.nodes.get(host)
                if node is None:
                    if not term.group:
                        self._unknown(host)
                elif host in named:
                    self.refuse(f"names host {_placed(node)} twice")
                elif self._has_slots(node, term.slots):
                    named[host] = (node, term.slots)
        return named

    def _unknown(self, host: str) -> None:
        if len(self.nodes) <= _FEW:
            hint = f"it has {', '.join(self.nodes)}"
        else:
            near = get_close_matches(host, list(self.nodes), 1)
            hint = f"did you mean {near[0]}?" if near else ""
        self.refuse(f"host {quoted(host)} is not in {self._source()}", hint)

    def _has_slots(self, node: Node, slots: tuple[int, ...]) -> bool:
        there = _slots_of(node)
        if there is None:
            return True
        missing = [slot for slot in slots if slot not in there]
        for slot in missing:
            self.refuse(f"host {_placed(node)} has no slot {slot}: it has {_listed(there)}")
        return not missing

    def _only(self, node: Node, slots: tuple[int, ...]) -> Node:
        if not slots:
            return node
        return msgspec.structs.replace(node, devices=slots, slots=len(slots))

    def _without(self, node: Node, slots: tuple[int, ...]) -> Node | None:
        if not slots:
            return None
        there = _slots_of(node)
        if there is None:
            self.refuse(
                f"cannot leave out slots of host {_placed(node)}: how many it has is not known",
                "write slots=N in the hostfile",
            )
            return None
        left = tuple(slot for slot in there if slot not in slots)
        return msgspec.structs.replace(node, devices=left, slots=len(left)) if left else None


def _slots_of(node: Node) -> tuple[int, ...] | None:
    """The numbers of a node's slots; None when the inventory does not say how many there are."""
    if node.devices:
        return node.devices
    count = node.slots if node.slots is not None else node.gpus or None
    return None if count is None else tuple(range(count))


def _placed(node: Node) -> str:
    return f"{node.name} ({node.origin})" if node.origin else node.name


def _listed(slots: tuple[int, ...]) -> str:
    if len(slots) == 1:
        return f"only slot {slots[0]}"
    if slots == tuple(range(slots[0], slots[-1] + 1)):
        return f"slots {slots[0]} to {slots[-1]}"
    return "slots " + ", ".join(map(str, slots))


def _without_line(origin: str) -> str:
    file, colon, line = origin.rpartition(":")
    return file if colon and line.isdigit() else origin
