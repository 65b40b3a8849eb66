"""NodeChoice: which nodes are chosen, as marks and as an expression that follow each other."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rankdeck.errors import InvalidJobError
from rankdeck.nodes.expressions import NodeExpression, Slots, express, selection_of, slots_of
from rankdeck.nodes.filter_text import parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.nodes.node import Node


class NodeChoice:
    """A choice among an inventory's nodes; all of them at first."""

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self._nodes = tuple(nodes)
        self._by_name = {node.name: node for node in nodes}
        self.selection: dict[str, Slots] = {node.name: () for node in nodes}
        self.expression: NodeExpression | None = NodeExpression()
        """None: nothing is chosen, which no expression says."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every node there is."""
        return tuple(self._by_name)

    @property
    def slot_count(self) -> int | None:
        """How many ranks the chosen nodes have room for; None: that is not known."""
        total = 0
        for name, slots in self.selection.items():
            there = slots or slots_of(self._by_name[name])
            if there is None:
                return None
            total += len(there)
        return total

    def take(self, names: Iterable[str]) -> None:
        """Choose these, too, with all their slots."""
        self._set({**self.selection, **{name: () for name in names if name in self._by_name}})

    def drop(self, names: Iterable[str]) -> None:
        """Choose these no more."""
        without = set(names)
        self._set({name: s for name, s in self.selection.items() if name not in without})

    def only(self, names: Iterable[str]) -> None:
        """Choose exactly these."""
        wanted = set(names)
        self._set({name: self.selection.get(name, ()) for name in self.names if name in wanted})

    def limit(self, names: Iterable[str], text: str) -> None:
        """Choose these with only some of their slots (`0-3,6`); no text: with all.

        Raises:
            ValueError: With a sentence.
        """
        changes: dict[str, Slots] = {}
        for name in names:
            slots = _read_slots(text)
            there = slots_of(self._by_name[name])
            missing = sorted(set(slots) - set(there)) if there is not None else []
            if missing:
                raise ValueError(f"{name} has no slot {missing[0]}: it has {len(there or ())}")
            changes[name] = () if there is not None and len(slots) == len(there) else slots
        self._set({**self.selection, **changes})

    def read(self, include: str, exclude: str) -> None:
        """Choose what an expression says; it stays as it is written until marks change.

        Raises:
            ValueError: With a sentence; nothing has changed.
        """
        try:
            chosen = selection_of(self._nodes, include, exclude)
        except InvalidJobError as error:
            raise ValueError("; ".join(_sentence(problem) for problem in error.problems)) from None
        self.selection = chosen
        self.expression = NodeExpression(include=include, exclude=exclude)

    def _set(self, selection: dict[str, Slots]) -> None:
        self.selection = {name: selection[name] for name in self._by_name if name in selection}
        self.expression = express(self._nodes, self.selection)


def _sentence(problem: object) -> str:
    text = str(problem)
    hint = getattr(problem, "hint", "")
    return f"{text} ({hint})" if hint else text


def _read_slots(text: str) -> Slots:
    if not text.strip():
        return ()
    try:
        (term,) = parse_filter(f"n:{text.strip()}").terms
    except ValueError as error:
        raise ValueError(f"slots: {error}".replace("n:", "")) from None
    return term.slots


def read_flags(text: str) -> tuple[str, str]:
    """`--include a,b`, `--exclude=a` or a bare `a,b` as include and exclude.

    Raises:
        ValueError: With a sentence.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be read: {str(error).lower()}") from None
    given = {"--include": "", "--exclude": ""}
    flag = "--include"
    for word in words:
        name, equals, value = word.partition("=")
        if name in given:
            flag = name
            given[flag] += value if equals else ""
        elif word.startswith("--"):
            raise ValueError(f"{word} is neither --include nor --exclude")
        else:
            given[flag] += word
    return given["--include"], given["--exclude"]
