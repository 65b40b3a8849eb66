"""Other keys for screens and widgets that are there already: classes, and what was made of them.

Textual's own keymap would let a key that is displaced die silently; see `tui.keys.keymap`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.dom import DOMNode

from tui.keys.catalogue import key_of, use_keymap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from textual.app import App


def change_keys(app: App[Any], keys: Mapping[str, str]) -> None:
    """Give rows other keys, by id, at once and everywhere; all others get their built-in ones.

    Args:
        app: The app whose screens follow.
        keys: A checked keymap.
    """
    use_keymap(keys)
    kinds = list(dict.fromkeys(_kinds(DOMNode)))
    for kind in kinds:
        if own := kind.__dict__.get("BINDINGS"):
            kind.BINDINGS = [_as_now(binding) for binding in own]
    for kind in kinds:
        kind._merged_bindings = kind._merge_bindings()
    for node in _living(app):
        if node._merged_bindings is not None:
            node._bindings = node._merged_bindings.copy()
    for screen in app.screen_stack:
        screen.refresh_bindings()


def _kinds(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


def _living(app: App[Any]) -> Iterator[DOMNode]:
    yield app
    for screen in app.screen_stack:
        yield screen
        yield from screen.query("*")


def _as_now(binding: Any) -> Any:
    row = key_of(binding.id) if isinstance(binding, Binding) and binding.id else None
    if row is None:
        return binding
    return replace(binding, key=row.keys, key_display=row.shown)
