"""Which files of a node directory are carried home, and how. Both sides ask here.

Names come from the node: whatever is not known here is not written at home.
"""

from __future__ import annotations

import re

APPEND = 1
"""It grows at its end."""
WHOLE = 2
"""It is written as one, and replaced as one."""

LARGEST_WHOLE = 64 << 20

_ATTEMPT = re.compile(r"attempt-\d{1,6}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+,=@-]*(\.[A-Za-z0-9_+,=@-]+)*\.([a-z]+)")
_KINDS = {
    "log": APPEND,
    "times": APPEND,
    "json": WHOLE,
    "stacks": WHOLE,
    "txt": WHOLE,
}
_NEVER = ("order.json",)


def is_attempt(name: str) -> bool:
    """Whether this is the name of an attempt's folder."""
    return _ATTEMPT.fullmatch(name) is not None


def carried(path: str) -> int:
    """APPEND, WHOLE, or 0: it stays. `path` is relative to the node directory."""
    folder, slash, name = path.rpartition("/")
    if slash and not is_attempt(folder):
        return 0
    if not slash and name == "state.json":
        return 0  # the state goes its own way
    match = _NAME.fullmatch(name)
    if match is None or len(name) > 200 or name in _NEVER:
        return 0
    return _KINDS.get(match.group(2), 0)
