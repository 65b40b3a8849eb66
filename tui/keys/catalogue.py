"""The whole table, put together from its modules, and what is made from it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from tui.keys.record import Key, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.binding import Binding

_MODULES: dict[Scope, str] = {
    Scope.EVERYWHERE: "app",
    Scope.RUNS: "runs",
    Scope.TABLE: "table",
    Scope.FORM: "form",
    Scope.PLAN: "form",
    Scope.RUN: "run",
    Scope.RANKS: "ranks",
    Scope.LOG: "log",
    Scope.LOG_PROMPT: "log",
    Scope.CURVES: "curves",
    Scope.NODE_LOAD: "run",
    Scope.EVENTS: "run",
    Scope.FAILURE: "run",
    Scope.SIGNAL: "run",
    Scope.NODES: "nodes",
    Scope.TEMPLATES: "library",
    Scope.WORKSPACES: "library",
    Scope.SETTINGS: "settings",
    Scope.COMMANDS: "settings",
    Scope.TEXT: "app",
    Scope.CONFIRM: "app",
    Scope.SECRET: "app",
    Scope.PROMPT: "app",
    Scope.MENU: "app",
    Scope.HELP: "app",
}
"""Which module of this package has the keys of a scope; a screen imports only its own."""


_ON_SCREEN: dict[Scope, tuple[Scope, ...]] = {
    Scope.RUNS: (Scope.TABLE, Scope.TEXT),
    Scope.FORM: (Scope.PLAN,),
    Scope.RUN: (
        *(Scope.RANKS, Scope.LOG, Scope.CURVES, Scope.TEXT),
        *(Scope.NODE_LOAD, Scope.EVENTS, Scope.FAILURE),
    ),
    Scope.NODES: (Scope.TABLE,),
    Scope.TEMPLATES: (Scope.TABLE,),
    Scope.WORKSPACES: (Scope.TABLE,),
    Scope.SETTINGS: (Scope.TABLE,),
    Scope.COMMANDS: (Scope.TABLE,),
}
"""Which panes a screen has: their keys are valid together with its own."""

_own: dict[str, str] = {}


def use_keymap(keys: Mapping[str, str]) -> None:
    """Give rows other keys, by id; classes that are there keep theirs (`live.change_keys`)."""
    _own.clear()
    _own.update(keys)
    _of.cache_clear()
    _by_id.cache_clear()


@cache
def _of(scope: Scope) -> tuple[Key, ...]:
    return tuple(_owned(key) for key in _builtin(scope))


@cache
def _by_id(scope: Scope) -> dict[str, Key]:
    # the first of an id, as in the table
    return {key.id: key for key in reversed(_of(scope))}


def _builtin(scope: Scope) -> tuple[Key, ...]:
    table: tuple[Key, ...] = import_module(f"tui.keys.{_MODULES[scope]}").KEYS
    return tuple(key for key in table if key.scope is scope)


def _owned(key: Key) -> Key:
    if key.id not in _own:
        return key
    from tui.keys.naming import shown_keys

    return replace(key, keys=_own[key.id], shown=shown_keys(_own[key.id]))


def key_of(key_id: str) -> Key | None:
    """The row of that id."""
    name = key_id.partition(".")[0].upper()
    if name not in Scope.__members__:
        return None
    return _by_id(Scope[name]).get(key_id)


def shown_key_of(key_id: str) -> str:
    """The first key of that row, as it is written for people."""
    row = key_of(key_id)
    return row.shown.split()[0] if row is not None else ""


def together(one: Scope, other: Scope) -> bool:
    """Whether keys of both scopes can be valid at the same time."""
    if one is other:
        return True
    if Scope.EVERYWHERE in (one, other):
        alone = (
            *(Scope.CONFIRM, Scope.SECRET, Scope.PROMPT, Scope.LOG_PROMPT),
            *(Scope.MENU, Scope.HELP),
        )
        return one not in alone and other not in alone
    return other in _ON_SCREEN.get(one, ()) or one in _ON_SCREEN.get(other, ())


def keys_of(*scopes: Scope) -> tuple[Key, ...]:
    """The keys of these scopes, scope by scope, in the table's order."""
    return tuple(key for scope in scopes for key in _of(scope))


def all_keys() -> tuple[Key, ...]:
    """The whole table."""
    return keys_of(*Scope)


def builtin_keys() -> tuple[Key, ...]:
    """The whole table as it is without a keymap."""
    return tuple(key for scope in Scope for key in _builtin(scope))


def bindings(scope: Scope) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """The scope's keys as Textual takes them."""
    from textual.binding import Binding

    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.bar,
            key_display=key.shown,
            priority=key.priority,
            tooltip=key.help,
            id=key.id,
        )
        for key in keys_of(scope)
    ]


def _code(shown: str) -> str:
    return " ".join(f"`{word}`" for word in shown.split())


def markdown() -> str:
    """The table as a page of documentation."""
    lines = ["# Keys", "", "Made by `python docs/make_keys.py` from `tui/keys/`."]
    for scope in Scope:
        of_scope = keys_of(scope)
        if of_scope:
            lines += ["", f"## {scope.value}", "", "| Key | |", "|--|--|"]
            lines += [f"| {_code(key.shown)} | {key.help} |" for key in of_scope]
    return "\n".join(lines) + "\n"
