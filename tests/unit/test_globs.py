from __future__ import annotations

import pytest

from backends.ssh.patterns import matches, matches_any
from rankdeck.globs import compile_glob


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("node*", "node01", True),
        ("node*", "my-node01", False),
        ("*01", "node01", True),
        ("node?1", "node01", True),
        ("node?1", "node1", False),
        ("[x]*", "[x]y", True),
        ("[x]*", "xy", False),
        ("a.c", "abc", False),
        ("a*c", "a\nb\nc", True),
        ("a", "a\n", False),
        ("NODE*", "node01", False),
    ],
)
def test_what_fits(glob: str, text: str, fits: bool) -> None:
    assert (compile_glob(glob).match(text) is not None) is fits
    # those of ssh_config are the same
    assert matches(text, glob) is fits
    assert compile_glob("NODE*", ignore_case=True).match("node01")


def test_many_stars_cost_no_more_than_many_looks() -> None:
    # an expression with `.*` for each star would not come back in a lifetime
    text, stars = "a" * 4000, "*a" * 40
    assert not compile_glob(stars + "*b").match(text)
    assert compile_glob(stars).match(text)
    assert not matches_any(text, ["*b", stars + "*b"])
    assert not matches_any(text, [stars, "!a*"])
