"""Copying: which way a text takes to the user's clipboard, and that the user is told."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App

from tests.tui.pilot import until
from tui import clipboard
from tui.clipboard import LIMIT, copy, encoded_size, osc52

if TYPE_CHECKING:
    from pathlib import Path


class Told(App[None]):
    """Keeps what it was asked to tell and to write."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def notify(self, message: str, **_: Any) -> None:
        self.told.append(message)


def test_screen_passes_short_pieces_on() -> None:
    plain = osc52("训练" * 300, {})
    assert plain.startswith("\x1b]52;c;")
    assert base64.b64decode(plain[7:-1]).decode() == "训练" * 300
    through = osc52("训练" * 300, {"STY": "1.pts"})
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", through, re.DOTALL)
    assert "".join(pieces) == plain
    assert all(len(piece) <= 250 for piece in pieces)
    assert osc52("x", {"STY": "1", "TMUX": "1"}) == osc52("x", {})


def test_the_limit_is_that_of_the_encoded_text() -> None:
    assert encoded_size("x" * 3) == 4
    assert encoded_size("训") == 4
    assert encoded_size("x" * (LIMIT // 4 * 3)) <= LIMIT
    assert encoded_size("x" * (LIMIT // 4 * 3 + 1)) > LIMIT


async def test_a_short_text_goes_to_the_terminal(tmp_path: Path) -> None:
    app = Told()
    async with app.run_test() as pilot:
        copy(app, "words", "1 line", home=tmp_path, environ={})
        await until(pilot, lambda: bool(app.told))
    assert app.told == ["1 line: copied (OSC 52; the terminal must allow it)"]
    assert app.clipboard == "words"


async def test_a_long_text_goes_to_a_private_file(tmp_path: Path) -> None:
    app = Told()
    async with app.run_test() as pilot:
        copy(app, "训" * 50_000, "9 lines", home=tmp_path, environ={})
        await until(pilot, lambda: bool(app.told))
    (path,) = (tmp_path / "copied").iterdir()
    assert path.read_text() == "训" * 50_000
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in app.told[0]
    assert app.clipboard == ""


@pytest.mark.parametrize(
    ("fails", "said"), [(0, "and the terminal"), (1, "buffer"), (2, "did not")]
)
async def test_tmux_is_given_it_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int, said: str
) -> None:
    program = tmp_path / "tmux"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat > {tmp_path}/text\n'
        f"[ $(wc -l < {tmp_path}/calls) -gt {fails} ]\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    app = Told()
    async with app.run_test() as pilot:
        copy(app, "words", "1 line", home=tmp_path, environ={"TMUX": "x"})
        await until(pilot, lambda: bool(app.told))
    assert said in app.told[0]
    assert (tmp_path / "text").read_text() == "words"
    assert (tmp_path / "calls").read_text().startswith("load-buffer -w -\n")


async def test_tmux_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("tmux", options["timeout"])

    monkeypatch.setattr(clipboard.subprocess, "run", run)
    app = Told()
    async with app.run_test() as pilot:
        copy(app, "words", "1 line", home=tmp_path, environ={"TMUX": "x"})
        await until(pilot, lambda: bool(app.told))
    assert "tmux did not take it" in app.told[0]
