"""Finds where a shell script uses a variable outside quotes. A reader's aid, not a shell parser.

Heredocs and command substitutions inside quotes are read as quoted text, so a use may be missed;
what is reported is outside quotes as far as the line-by-line quoting tells.
"""

from __future__ import annotations

import re

import msgspec

_TOKEN = re.compile(
    r"""\\.                                     # an escaped character
      | '[^']*'                                 # single quotes
      | "                                       # a double quote opens or closes
      | (?<![^\s;&|(])\#[^\n]*                  # a comment
      | \$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)   # a use
      | ^[ \t]*(?:export[ \t]+|local[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=(?=[^\s"']*$)  # NAME=$OTHER
      | \[\[ | \]\]
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


class UnquotedUse(msgspec.Struct, frozen=True):
    """One place where a variable's value meets word splitting."""

    name: str
    line: int


def unquoted_uses(text: str, names: frozenset[str]) -> tuple[UnquotedUse, ...]:
    """The first unquoted use of each of `names`, in the order of the text.

    Assignments (`A=$B`) and `[[ ... ]]` do not split words and are not reported.
    """
    first: dict[str, UnquotedUse] = {}
    quoted = in_test = False
    skip_until = -1
    for match in _TOKEN.finditer(text):
        token = match.group()
        name = match.group("name")
        if name is not None:
            safe = quoted or in_test or match.start() < skip_until
            if not safe and name in names and name not in first:
                first[name] = UnquotedUse(name, text.count("\n", 0, match.start()) + 1)
        elif token == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif token in ("[[", "]]"):
            in_test = token == "[["
        elif token.endswith("="):
            end = text.find("\n", match.end())
            skip_until = len(text) if end < 0 else end
    return tuple(first.values())
