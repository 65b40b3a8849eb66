"""Giving the terminal to a pager or an editor."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from textual.app import App

from rankdeck.errors import UserError
from rankdeck.programs import editor, pager
from tui.outside import at_line, run_outside

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["vim"], ["vim", "+7", "/log"]),
        (["/usr/bin/nvim", "-R"], ["/usr/bin/nvim", "-R", "+7", "/log"]),
        (["nano"], ["nano", "+7", "/log"]),
        (["emacs", "-nw"], ["emacs", "-nw", "+7", "/log"]),
        (["less", "-R"], ["less", "-R", "+7", "/log"]),
        (["most"], ["most", "+7", "/log"]),
        (["hx"], ["hx", "/log:7"]),
        (["code"], ["code", "--wait", "--goto", "/log:7"]),
        (["code", "-w"], ["code", "-w", "--goto", "/log:7"]),
        (["my-own"], ["my-own", "/log"]),
    ],
)
def test_each_program_is_told_the_line_its_own_way(command: list[str], told: list[str]) -> None:
    assert at_line(command, "/log", 7) == told


def test_what_is_missing_is_told_with_what_to_do() -> None:
    path = {"PATH": "/usr/bin:/bin"}
    assert pager({**path, "PAGER": "cat -v"}) == ["cat", "-v"]
    assert editor({**path, "EDITOR": "false", "VISUAL": "cat"}) == ["cat"]
    for environ, said in (
        ({"PATH": "/nowhere"}, "not set"),
        ({**path, "PAGER": "no-such-pager"}, "no such program"),
        ({**path, "PAGER": "'open"}, "cannot be understood"),
    ):
        with pytest.raises(UserError, match=said) as raised:
            pager(environ)
        assert raised.value.hint
    with pytest.raises(UserError, match=r"\$EDITOR is not set"):
        editor({"PATH": "/nowhere"})


def test_where_no_editor_is_named_one_that_is_there_is_taken(tmp_path: Path) -> None:
    for name in ("vi", "nano"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert editor({"PATH": str(tmp_path)}) == [str(tmp_path / "nano")]
    assert editor({"PATH": str(tmp_path), "EDITOR": "vi -n"}) == ["vi", "-n"]


async def test_a_terminal_that_cannot_be_given_away_says_so() -> None:
    app: App[None] = App()
    async with app.run_test():
        with pytest.raises(UserError, match="cannot be given") as raised:
            run_outside(app, ["less", "a file"])
        assert "less 'a file'" in raised.value.hint


def test_an_interrupt_that_is_typed_is_the_other_programs(tmp_path: Path) -> None:
    """The terminal sends it to both: whoever leaves a pager's search must not lose the deck."""

    class Lending(App[None]):
        def suspend(self) -> AbstractContextManager[None]:  # type: ignore[override]
            return nullcontext()

    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        mine, said = signal.getsignal(signal.SIGINT), tmp_path / "said"
        script = 'kill -INT "$PPID"; echo on > "$0"; kill -INT "$$"; echo after >> "$0"'
        run_outside(Lending(), ["sh", "-c", script, str(said)])
        assert said.read_text() == "on\n", "the program itself is ended by it"
        assert not heard
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
