"""Globs: texts in which `*` stands for anything and `?` for one character. Pure."""

from __future__ import annotations

import re
from fnmatch import translate


def compile_glob(glob: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The expression whose `match` tells whether all of a text fits; brackets mean themselves.

    What stands behind a `*` is taken where it comes first, and nowhere else is tried, so that many
    of them cost no more than many looks at the text.
    """
    # `translate` writes it so since Python 3.9; names of nodes have brackets
    return re.compile(translate(glob.replace("[", "[[]")), re.IGNORECASE if ignore_case else 0)
