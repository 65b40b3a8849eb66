from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from rankdeck.run.layout import RunDir
from rankdeck.run.state import RunPhase
from rankdeck.run.view import RunReader
from tests.tui.fake_run import real_run, wait_for, write_run

if TYPE_CHECKING:
    from pathlib import Path

_LEAVE_SCREEN = b"\x1b[?1049l"
_MOUSE_OFF = b"\x1b[?1000l"
_SHOW_CURSOR = b"\x1b[?25h"


class Terminal:
    """The interface on a pseudo-terminal of its own."""

    def __init__(self, home: Path) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.modes = termios.tcgetattr(slave)
        environ = {**os.environ, "RANKDECK_HOME": str(home), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rankdeck.cli.entry"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
        self.slave = slave
        self.text = b""

    def read_until(self, marker: bytes, timeout: float = 20.0) -> None:
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{marker!r} never came; the screen was {self.text[-2000:]!r}"
            self.text += os.read(self.master, 65536)

    def drain(self) -> None:
        while select.select([self.master], [], [], 0.2)[0]:
            self.text += os.read(self.master, 65536)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        if self.master >= 0:
            os.close(self.master)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_and_gives_the_terminal_back(tmp_path: Path, number: signal.Signals) -> None:
    terminal = Terminal(tmp_path / "home")
    try:
        terminal.read_until(b"There are no runs yet")
        terminal.process.send_signal(number)
        terminal.drain()
        assert terminal.process.wait(10) == 128 + number
        terminal.drain()
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
            terminal.process.wait(10)
        finally:
            terminal.close()
        before = reader.snapshot().run.progress
        wait_for(lambda before=before: reader.snapshot().run.progress != before)
        assert reader.snapshot().run.state.value == "running"
    from rankdeck.run.control import RunCommand, RunCommandKind, send_command

    send_command(reader.dir, RunCommand(command=RunCommandKind.KILL))
    wait_for(lambda: reader.snapshot().run.state.final)


def test_without_colour_states_are_still_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    home = tmp_path / "home"
    write_run(home, "one", RunPhase.FAILED)
    terminal = Terminal(home)
    try:
        terminal.read_until("✖ failed".encode())
        terminal.drain()
        colours = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", terminal.text)
        assert colours
        assert all(red == green == blue for red, green, blue in colours)
    finally:
        terminal.close()
