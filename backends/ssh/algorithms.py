"""Lists of algorithms as ssh_config writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.ssh.patterns import matches_any

if TYPE_CHECKING:
    from collections.abc import Sequence


def split_list(text: str, defaults: Sequence[str], supported: Sequence[str]) -> tuple[str, ...]:
    """An algorithm list of ssh_config (`a,b`, `+a`, `-a*`, `^a`) over our own defaults.

    Algorithms that are not `supported` are left out: another implementation need not know them.
    """
    head, names = (text[0], text[1:]) if text[:1] in tuple("+-^") else ("", text)
    given = tuple(name for name in names.split(",") if name)
    if not text:
        chosen: tuple[str, ...] = tuple(defaults)
    elif head == "-":
        chosen = tuple(name for name in defaults if not matches_any(name, given))
    elif head == "+":
        chosen = (*defaults, *given)
    elif head == "^":
        chosen = (*given, *defaults)
    else:
        chosen = given
    return tuple(dict.fromkeys(name for name in chosen if name in supported))
