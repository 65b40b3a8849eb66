"""Every key, once, as data: bindings, key bar, help screen, keymap and docs/keys.md come from it.

One module a group of scopes; each has `KEYS`, in the order in which they are shown.
"""

from tui.keys.catalogue import (
    all_keys,
    bindings,
    key_of,
    keys_of,
    markdown,
    shown_key_of,
    use_keymap,
)
from tui.keys.record import Key, Scope

__all__ = [
    "Key",
    "Scope",
    "all_keys",
    "bindings",
    "key_of",
    "keys_of",
    "markdown",
    "shown_key_of",
    "use_keymap",
]
