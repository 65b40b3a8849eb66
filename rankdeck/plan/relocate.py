"""A node's plan for a project that lies elsewhere there: every path of the project is exchanged.

Pure. A path is the project's when it is the project's directory or lies under it. Looked at are
whole words, the value of `--name=VALUE`, and each member of a colon-separated list of a variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rankdeck.plan.records import NodePlan


def relocate_node(plan: NodePlan, old: str, new: str) -> NodePlan:
    """The plan with the project at `new` instead of `old`; the interpreter may lie in it too."""
    return msgspec.structs.replace(
        plan,
        argv=tuple(_word(word, old, new) for word in plan.argv),
        env={name: _value(value, old, new) for name, value in plan.env.items()},
        cwd=relocate_path(plan.cwd, old, new),
        python=relocate_path(plan.python, old, new),
        entry=None if plan.entry is None else relocate_path(plan.entry, old, new),
        output_dir=relocate_path(plan.output_dir, old, new),
    )


def relocate_path(path: str, old: str, new: str) -> str:
    """The path's place when what is `old` here is `new` there; others stay as they are."""
    root = old.rstrip("/")
    if path == root or path.startswith(f"{root}/"):
        return new.rstrip("/") + path[len(root) :] or "/"
    return path


def _word(word: str, old: str, new: str) -> str:
    option, equals, value = word.partition("=")
    if equals and option.startswith("-"):
        return option + equals + relocate_path(value, old, new)
    return relocate_path(word, old, new)


def _value(value: str, old: str, new: str) -> str:
    return ":".join(relocate_path(part, old, new) for part in value.split(":"))
