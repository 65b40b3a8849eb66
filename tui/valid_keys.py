"""Which rows of the key table are valid now, found at the widgets themselves. Knows no screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.screen import ModalScreen, Screen

from tui.keys import Key, key_of
from tui.keys.naming import shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.dom import DOMNode

_ARROWS = ("up", "down")
"""A field of one line does with these what its own rows say."""


@dataclass(frozen=True, slots=True)
class ValidKey:
    """A row, and the node that carries it out."""

    row: Key
    owner: DOMNode
    shown: str
    """The key as it is pressed now; empty: it has none while a field is typed into."""
    enabled: bool = True

    @property
    def pane(self) -> bool:
        """Whether it belongs to a widget of the screen."""
        return not isinstance(self.owner, Screen) and self.owner.parent is not None


def valid_keys(screen: Screen[Any]) -> tuple[ValidKey, ...]:
    """What the keys do now: those of the focused widget first, then the screen's, then all others'.

    A key that a row nearer to the focus has taken is left out.
    """
    typing = _types(screen.focused)
    found: list[ValidKey] = []
    taken: set[str] = set()
    for node in _chain(screen):
        fresh: set[str] = set()
        for row in _rows(node):
            keys = row.keys.split(",")
            free = [key for key in keys if key not in taken]
            fresh.update(keys)
            allowed = node.check_action(*_parsed(row.action))
            if not free or allowed is False:
                continue
            sure = not typing or row.priority
            own = _ARROWS if node is screen.focused else ()
            usable = [key for key in free if sure or key in own or not _typed(key)]
            shown = row.shown.split()[0] if usable == keys else ""
            if not shown and usable:
                shown = shown_key(usable[0])
            refused = row.writes and bool(getattr(screen.app, "read_only", False))
            found.append(ValidKey(row, node, shown, allowed is True and not refused))
        taken |= fresh
    return tuple(found)


def all_keys_on(screen: Screen[Any]) -> tuple[ValidKey, ...]:
    """As `valid_keys`, and those of every other widget on the screen that can be seen."""
    found = list(valid_keys(screen))
    known = {valid.row.id for valid in found}
    for widget in screen.query("*"):
        if not (widget.can_focus and widget.display and widget.region):
            continue
        for row in _rows(widget):
            if row.id not in known and widget.check_action(*_parsed(row.action)):
                known.add(row.id)
                found.append(ValidKey(row, widget, row.shown.split()[0]))
    return tuple(found)


def refused_row(node: DOMNode, action: str) -> Key | None:
    """The row by which a node is asked for this action, if it changes something."""
    return next((row for row in _rows(node) if row.writes and row.action == action), None)


def _chain(screen: Screen[Any]) -> Iterator[DOMNode]:
    node: DOMNode = screen.focused or screen
    for ancestor in node.ancestors_with_self:
        yield ancestor
        if isinstance(ancestor, ModalScreen):
            return


def _rows(node: DOMNode) -> Iterator[Key]:
    ids = dict.fromkeys(binding.id for _, binding in node._bindings if binding.id)
    for key_id in ids:
        row = key_of(key_id)
        if row is not None:
            yield row


def _parsed(action: str) -> tuple[str, tuple[object, ...]]:
    from textual.actions import parse

    _, name, parameters = parse(action)
    return name, parameters


def _types(widget: DOMNode | None) -> bool:
    # by name: importing a text area costs more than all the rest of this module
    return any(kind.__name__ in ("Input", "TextArea") for kind in type(widget).__mro__)


def _typed(key: str) -> bool:
    """Whether a field takes the key for itself."""
    return len(shown_key(key)) == 1 or key in ("space", "home", "end", "left", "right")
