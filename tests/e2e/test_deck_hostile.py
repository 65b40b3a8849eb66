"""Whatever others have written, no screen gives the terminal anything but text: raw bytes, a pty.

The same keys are pressed in a home full of attacks and in a harmless one; the attacks must bring no
control sequence that the harmless home does not bring. The control shows that one would be seen.
"""

from __future__ import annotations

import base64
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.full_screen import Screen
from tests.e2e.hostile_home import make_home
from tests.tui.hostile import CORPUS, controls

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = Path(__file__).with_name("hostile_home.py")
ESC, ENTER, F1, F3, F6 = "\x1b", "\r", "\x1bOP", "\x1bOR", "\x1b[17~"
CTRL_P = "\x10"
RUNS = ("j", "i", "y", "Y", " ", "j", " ", "c", ESC, "d", "n", "s", ESC, "K", ESC, ":", ESC, CTRL_P)
RUNS += ("o", ESC, "?", "/", "e", ESC, ESC, "/", "evil", ENTER, ESC)
RUN = ("1", "v", "v", "v", "/", "0", ENTER, "2", "m", "x", "X", "x", "m", "t", "w", "w", "#", "e")
RUN += ("E", "/", "clip", ENTER, "n", "&", "title", ENTER, "&", ENTER, "g", "V", "j", "y", ESC, "G")
RUN += ("|", "|", "z", "3", ENTER, "A", ESC, ESC, "4", ENTER, "4", "z", "z", "5", "t", "/", "c")
RUN += (ENTER, ENTER, "6", "y", ENTER, "S", ESC, "s", "?", ESC)
PLACES = (":templates\r", "j", "y", "/", "m", ENTER, ESC, ESC, ":workspaces\r", "j", ESC)
PLACES += (":commands\r", "j", ENTER, ESC, "y", "/", "ssh", ENTER, ESC, ESC, ":nodes\r", "j", ENTER)
PLACES += (ESC, "t", ESC, ESC, ":settings\r", "j", "j", ESC)
FORM = ("n", F3, "\t", "\t", F6, "j", "/", "p", ENTER, "y", F1, ESC, ESC, ESC)
TOURS = {"runs": RUNS, "run": RUN, "places": PLACES, "form": FORM}
# what our own repainting uses besides colours and the cursor's way
_OURS = re.compile(rb"\x1b\[[0-9]+;[0-9]+r|\x1b\[r|\x1bD")


def tour(root: Path, texts: Sequence[str], raw: bytes, keys: Sequence[str], *extra: str) -> bytes:
    """Every byte that the terminal gets while these keys are pressed, one by one."""
    run = make_home(root, texts, raw)
    env = {
        **os.environ,
        "RANKDECK_HOME": str(root / "state"),
        "RANKDECK_CONFIG": str(root / "config"),
        "TERM": "xterm-256color",
        "PAGER": "true",
        "EDITOR": "true",
    }
    env.pop("TMUX", None)
    at_run, rest = run if keys is RUN else "", root / "rest"
    argv = ["env", "-C", str(root / "project"), sys.executable, str(PROGRAM)]
    screen = Screen([*argv, str(root / "state"), at_run, str(rest), *extra], env, 110, 36)
    try:
        # until there is a first picture of all cells, keys would only be echoed
        rested = until_rest(screen, rest, -1, 90)
        assert len(screen.raw) >= 4000, screen.raw
        for key in keys:
            screen.press(key)
            # one that comes while another program has the terminal goes to that
            rested = until_rest(screen, rest, rested, 3)
        screen.settle(1.0)
        assert screen.alive, screen.until()
        return bytes(screen.raw)
    finally:
        screen.close()


def until_rest(screen: Screen, rest: Path, before: int, seconds: float) -> int:
    """Read until more keys than before have been dealt with, all of them; how many."""
    deadline = time.monotonic() + seconds
    while (count := int(rest.read_text() or before) if rest.exists() else before) <= before:
        if time.monotonic() > deadline:
            assert before >= 0, screen.raw
            break
        screen.settle(0.03)
    screen.settle(0.05)
    return count


def is_copy(found: bytes) -> bool:
    """Whether it puts text into the clipboard, as `y` does, and nothing but text."""
    match = re.fullmatch(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", found)
    if match is None:
        return False
    text = base64.b64decode(match[1]).decode()
    return all(char.isprintable() or char in "\n\t" for char in text)


@pytest.mark.parametrize("name", TOURS)
def test_no_screen_passes_a_control_sequence_on(tmp_path: Path, name: str) -> None:
    texts = [line.decode(errors="replace") for line in CORPUS]
    harmless = tour(tmp_path / "a", ["harmless", "text"], b"harmless", TOURS[name])
    hostile = tour(tmp_path / "b", texts, b"\n".join(CORPUS), TOURS[name])
    assert len(hostile) > 5000
    new = controls(hostile) - controls(harmless)
    assert not {found for found in new if not _OURS.fullmatch(found) and not is_copy(found)}
    # the attacks were on the screen, as text
    assert b"[/rank3]" in hostile or b"owned" in hostile


@pytest.mark.parametrize("name", ["runs", "run"])
def test_a_leak_would_be_noticed(tmp_path: Path, name: str) -> None:
    texts = [line.decode(errors="replace") for line in CORPUS]
    harmless = tour(tmp_path / "a", ["harmless", "text"], b"harmless", TOURS[name][:4])
    leaking = tour(tmp_path / "b", texts, b"\n".join(CORPUS), TOURS[name][:4], "leak")
    assert controls(leaking) - controls(harmless)
