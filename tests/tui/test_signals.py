from __future__ import annotations

import os
import signal
import termios
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.view import RunReader
from tests.tui.fake_run import real_run, wait_for
from tests.tui.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

_LEAVE_SCREEN = b"\x1b[?1049l"
_MOUSE_OFF = b"\x1b[?1000l"
_SHOW_CURSOR = b"\x1b[?25h"
_ENTER_SCREEN = b"\x1b[?1049h"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_and_gives_the_terminal_back(tmp_path: Path, number: signal.Signals) -> None:
    terminal = Terminal(tmp_path / "home")
    try:
        terminal.read_until(b"There are no runs yet")
        terminal.process.send_signal(number)
        assert terminal.ended() == 128 + number
        for restored in (_LEAVE_SCREEN, _MOUSE_OFF, _SHOW_CURSOR):
            assert restored in terminal.text
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        assert b"Traceback" not in terminal.text
    finally:
        terminal.close()


def test_closed_terminal_and_kill_leave_the_run_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run_id = real_run(home, tmp_path / "job", steps=10_000, pause=0.05)
    reader = RunReader(RunDir(home / "runs" / run_id))
    for end in ("kill", "hang up"):
        terminal = Terminal(home)
        try:
            terminal.read_until(b"job")
            if end == "kill":
                terminal.process.kill()
            else:
                os.close(terminal.slave)
                terminal.slave = os.open(os.devnull, os.O_RDONLY)
                os.close(terminal.master)
                terminal.master = -1
                terminal.process.send_signal(signal.SIGHUP)
            terminal.process.wait(90)
        finally:
            terminal.close()
        before = reader.snapshot().run.progress
        wait_for(lambda before=before: reader.snapshot().run.progress != before)
        assert reader.snapshot().run.state.value == "running"
    from rankdeck.run.control import RunCommand, RunCommandKind, send_command

    send_command(reader.dir, RunCommand(command=RunCommandKind.KILL))
    wait_for(lambda: reader.snapshot().run.state.final)


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    try:
        terminal.read_until(b"There are no runs yet")
        terminal.drain()
        terminal.text = b""
        terminal.write(b"\x1a")
        _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        terminal.drain()
        for restored in (_LEAVE_SCREEN, _MOUSE_OFF, _SHOW_CURSOR):
            assert restored in terminal.text
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        terminal.text = b""
        terminal.process.send_signal(signal.SIGCONT)
        terminal.read_until(_ENTER_SCREEN)
        terminal.read_until(b"There are no runs yet")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.ended() == 128 + signal.SIGTERM
        assert termios.tcgetattr(terminal.slave) == terminal.modes
    finally:
        terminal.close()


def test_the_mouse_can_be_turned_off(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / "config" / "config.yaml").write_text("mouse: false\n")
    terminal = Terminal(home)
    try:
        terminal.read_until(b"There are no runs yet")
        terminal.drain()
        assert b"\x1b[?1000h" not in terminal.text
        assert b"\x1b[?1003h" not in terminal.text
    finally:
        terminal.close()
