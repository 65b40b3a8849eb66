from __future__ import annotations

import pytest

from rankdeck.launchers.shell_scan import unquoted_uses


def lines(text: str, *names: str) -> list[tuple[str, int]]:
    return [(use.name, use.line) for use in unquoted_uses(text, frozenset(names or ("x",)))]


@pytest.mark.parametrize(
    "text",
    [
        "echo $x", "echo ${x}", "a=1 echo $x", "python t.py --lr $x \\\n --y", "echo 'a' $x",
        'echo "a" $x', "echo \"a\"'b'$x", "echo a#$x", "for i in $x; do", "y=$x echo $x",
        'echo "it\'s" $x', "echo \\\" $x", "echo `cat $x`", "echo $(cat $x)", 'y="a" cmd $x',
    ],
)  # fmt: skip
def test_unquoted_uses_are_found(text: str) -> None:
    assert lines(text) == [("x", 1)]


@pytest.mark.parametrize(
    "text",
    [
        'echo "$x"', 'echo "${x}"', "echo '$x'", "# $x", "echo a # $x", "echo \\$x", "y=$x",
        "export y=${x}", "  y=$x/sub", "[[ $x == a ]]", "[[ -z ${x} ]] && true", 'echo "a\n$x"',
        "echo $xy", "echo '\n$x\n'", "",
    ],
)  # fmt: skip
def test_safe_uses_are_not(text: str) -> None:
    assert lines(text) == []


def test_the_first_use_of_each_name_is_told_with_its_line() -> None:
    text = '#!/bin/bash\necho "$a"\nrun $b $a\nrun $a\n'
    assert lines(text, "a", "b") == [("b", 3), ("a", 3)]
