"""Bytes to the terminal while one rank is watched, beside the same screen repainted by Textual.

And what the screen of a run that has ended costs: bytes, and CPU time of the whole process.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from benchmarks.harness import Goal, Report, ratio, tree_usage
from benchmarks.projects import environment

_SECONDS = 6.0
_IDLE_SECONDS = 20.0
"""CPU time is counted in hundredths of a second."""
_PROGRAM = """
import time
step = 0
while True:
    step += 1
    print(f"12:01:{step // 10 % 60:02} [rank0] step {step}/100000 loss {2 / step + 1:.4f} "
          f"lr 3.0e-05 tok/s {11200 + step * 37 % 911}", flush=True)
    time.sleep(0.1)
"""
_DECK = """
import sys
from pathlib import Path
from rankdeck.run.layout import rankdeck_home
if sys.argv[2] == "textual":
    from textual.app import App
    from tui.terminal.output import CellOutput
    CellOutput._display = App._display
from tui.app import run_deck
run_deck(rankdeck_home(), sys.argv[1])
"""


def measure(repeats: int) -> Report:
    """A rank prints ten lines a second; the terminal has 120 columns and 40 rows."""
    samples: dict[str, list[float]] = {"rankdeck": [], "Textual's own repaint": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        env = environment(root / "state", TERM="xterm-256color", COLORTERM="truecolor")
        env.pop("NO_COLOR", None)
        env["SSH_CONNECTION"] = "192.0.2.1 50000 192.0.2.2 22"
        (root / "job.py").write_text(_PROGRAM)
        (root / "deck.py").write_text(_DECK)
        _rankdeck(env, "run", "-d", "--launcher", "direct", str(root / "job.py"))
        try:
            for _ in range(repeats):
                for name, how in (("rankdeck", "cells"), ("Textual's own repaint", "textual")):
                    argv = [sys.executable, str(root / "deck.py"), _run_id(env), how]
                    samples[name].append(_cost(argv, env, _SECONDS)[0] / 1024)
        finally:
            _rankdeck(env, "kill", "last")
            _rankdeck(env, "wait", "last")
        argv = [sys.executable, str(root / "deck.py"), _run_id(env), "cells"]
        idle_bytes, idle_cpu = _cost(argv, env, _IDLE_SECONDS)
    goals = (
        Goal("KiB/s / 25 KiB/s", max(samples["rankdeck"]) / 25, 1.0),
        Goal("against Textual's own", ratio(samples, "rankdeck", "Textual's own repaint"), 0.5),
        Goal("bytes/s on a run that has ended", idle_bytes, 0.0),
        Goal("CPU on a run that has ended", 100 * idle_cpu, 1.0, "% of a core"),
    )
    return Report("bytes to the terminal", samples, "KiB/s", goals)


def _rankdeck(env: dict[str, str], *args: str) -> None:
    argv = [sys.executable, "-m", "rankdeck.cli.entry", *args]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode and args[0] != "wait":
        raise RuntimeError(done.stderr)


def _run_id(env: dict[str, str]) -> str:
    runs = sorted((Path(env["RANKDECK_HOME"]) / "runs").iterdir())
    return runs[-1].name


def _cost(argv: list[str], env: dict[str, str], seconds: float) -> tuple[float, float]:
    """Bytes and CPU seconds a second while the log is shown."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        _take(master, 3.0)
        os.write(master, b"2")
        _take(master, 2.0)
        before = tree_usage(pid)[0]
        taken = _take(master, seconds)
        return taken / seconds, (tree_usage(pid)[0] - before) / seconds
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)


def _take(master: int, seconds: float) -> int:
    taken, deadline = 0, time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            taken += len(os.read(master, 65536))
    return taken
