"""Nodes whose launchers come in different versions: they may fail or hang in odd ways. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 3


def versions_note(modules: Mapping[str, str]) -> str:
    """What is told of nodes that differ, as a sentence; empty where all that told are alike.

    Args:
        modules: `torch 2.9.0` by node name, in rank order; empty: it is not known.
    """
    nodes: dict[str, list[str]] = {}
    for node, module in modules.items():
        if " " in module:
            nodes.setdefault(module, []).append(node)
    if len(nodes) < 2:
        return ""
    parts = [f"{module} on {_names(names)}" for module, names in nodes.items()]
    return f"the nodes are not alike: {'; '.join(parts)}"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
