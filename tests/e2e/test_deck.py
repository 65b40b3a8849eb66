"""The interface in a real terminal: from the form to the failure, by keyboard alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.full_screen import Screen
from tests.e2e.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import Cli

CTRL_L, ESC, ENTER = "\x0c", "\x1b", "\r"
PROGRAM = """
import os, sys, time
rank, steps = int(os.environ["RANK"]), int(os.environ.get("steps", "0"))
for step in range(1, steps + 1):
    print(f"[rank{rank}] step {step}/{steps} loss {3 / step:.3f}", flush=True)
    if step == int(os.environ["fatal"]) and rank == 1:
        raise ValueError("boom in [/rank1]")
    time.sleep(0.1)
"""
HYPERPARAMETERS = """{"HyperParameters": [
 {"name": "steps", "types": "int", "defaultValue": "5000", "description": "How many steps"},
 {"name": "fatal", "types": "int", "defaultValue": "6", "description": "Where rank 1 fails"}
]}"""
JOB = "entry: train.py\nlauncher: direct\nnproc_per_node: 2\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train.py").write_text(PROGRAM)
    (folder / "HyperParameters.json").write_text(HYPERPARAMETERS)
    (folder / "job.yaml").write_text(JOB)
    return folder


@pytest.fixture
def deck(cli: Cli, project: Path) -> Iterator[Callable[..., Screen]]:
    opened: list[Screen] = []

    def open_deck(*args: str, columns: int = 120, rows: int = 40) -> Screen:
        argv = ["env", "-C", str(project), *cli.argv, *args]
        screen = Screen(argv, cli.env, columns, rows)
        opened.append(screen)
        return screen

    yield open_deck
    for screen in opened:
        screen.close()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
def test_from_the_form_to_the_failure_and_back(
    deck: Callable[..., Screen], cli: Cli, size: tuple[int, int]
) -> None:
    screen = deck(columns=size[0], rows=size[1])
    screen.until("n new")
    screen.press("n")
    screen.until("ready", "ctrl+l")
    screen.press(CTRL_L)
    shown = screen.until("✖ failed", "boom in [/rank1]", "6 failure")
    assert "ValueError" in shown
    assert "rank 1" in shown
    screen.press(ENTER)
    screen.until("raise ValueError", "rank 1")
    screen.press("r")
    screen.until("run again", "f6 Preview")
    screen.press(ESC)
    screen.until("1 ranks", "raise ValueError")
    screen.press(ESC)
    screen.until("enter open", "✖ failed", "mnist")
    screen.press("q")
    assert screen.ended() == 0
    assert cli.show()["failure"]["rank"] == 1


def test_a_run_is_watched_stopped_and_survives_the_interface(
    deck: Callable[..., Screen], cli: Cli, project: Path
) -> None:
    cli.ok("run", "-d", project, "--set", "fatal=0")
    screen = deck("attach", "last")
    screen.until("● running", "step")
    screen.press("q")
    screen.until("Leave Rankdeck?", "goes on")
    screen.press("y")
    assert screen.ended() == 0
    assert cli.show()["state"] == "running"
    again = deck("attach", "last")
    again.until("● running", "step")
    again.press("s")
    again.until("Stop mnist?")
    again.press("y")
    again.until("■ stopped")
    until(lambda: cli.show()["state"] == "stopped")
    again.press(ESC)
    again.until("enter open", "stopped")


def test_a_read_only_interface_refuses_to_stop(
    deck: Callable[..., Screen], cli: Cli, project: Path
) -> None:
    cli.ok("run", "-d", project, "--set", "fatal=0")
    screen = deck("attach", "--read-only", "last")
    screen.until("● running", "read-only")
    screen.press("s")
    screen.until("--read-only")
    assert cli.show()["state"] == "running"
    cli.ok("kill", "last")


BROKEN = """
from tui.widgets.run_table import RunTable

def broken(self, y):
    raise RuntimeError("\\x1b]0;owned\\x07 a mistake of ours")

RunTable.render_line = broken
from rankdeck.cli.main import main
main([])
"""


def test_an_error_of_the_interface_itself_is_kept_and_told(cli: Cli, project: Path) -> None:
    argv = ["env", "-C", str(project), sys.executable, "-c", BROKEN]
    screen = Screen(argv, cli.env)
    try:
        assert screen.ended() == 70
    finally:
        screen.close()
    told = bytes(screen.raw).rpartition(b"\x1b[?1049l")[2]
    assert b"internal error: RuntimeError" in told
    assert b"Traceback" not in told
    assert b"\x1b]0;" not in told
    (kept,) = (cli.home / "crash").iterdir()
    assert "a mistake of ours" in kept.read_text()
    assert "Traceback" in kept.read_text()
