"""The whole table, put together from its modules, and what is made from it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from tui.keys.record import Key, Scope

if TYPE_CHECKING:
    from textual.binding import Binding

_MODULES: dict[Scope, str] = {
    Scope.EVERYWHERE: "app",
    Scope.RUNS: "runs",
    Scope.TABLE: "table",
    Scope.FORM: "form",
    Scope.RUN: "run",
    Scope.RANKS: "ranks",
    Scope.LOG: "log",
    Scope.CURVES: "curves",
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


@cache
def _of(scope: Scope) -> tuple[Key, ...]:
    table: tuple[Key, ...] = import_module(f"tui.keys.{_MODULES[scope]}").KEYS
    return tuple(key for key in table if key.scope is scope)


def keys_of(*scopes: Scope) -> tuple[Key, ...]:
    """The keys of these scopes, scope by scope, in the table's order."""
    return tuple(key for scope in scopes for key in _of(scope))


def all_keys() -> tuple[Key, ...]:
    """The whole table."""
    return keys_of(*Scope)


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
