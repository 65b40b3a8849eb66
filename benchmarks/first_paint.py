"""From start to the first useful screen, in a real pty, beside a minimal Textual app."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from benchmarks.harness import MIB, Goal, Report, interleave, ratio
from benchmarks.history import make_history
from benchmarks.projects import environment, write_program

_PEER = """
from textual.app import App
from textual.widgets import DataTable, Footer, TabbedContent, TabPane

class Peer(App):
    def compose(self):
        with TabbedContent():
            with TabPane("runs"):
                yield DataTable()
        yield Footer()

    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("a", "b", "c", "d", "e", "f")
        for row in range(1000):
            table.add_row(f"useful-{row}", "x", "y", "z", "1", "2")

Peer().run()
"""


def measure(repeats: int) -> Report:
    """The peer shows a table of 1,000 rows; ours shows the runs list with 1,000 runs behind it."""
    memory: dict[str, list[float]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_history(root / "state", 1000)
        peer = str(write_program(root, "peer.py", _PEER))
        env = environment(root / "state", TERM="xterm-256color", COLORTERM="truecolor")
        env.pop("NO_COLOR")

        def ours() -> float:
            seen, resident = _paint([sys.executable, "-m", "rankdeck.cli.entry"], b"train", env)
            memory["ours"].append(resident)
            return seen

        def theirs() -> float:
            seen, resident = _paint([sys.executable, peer], b"useful-3", env)
            memory["peer"].append(resident)
            return seen

        samples = interleave({"rankdeck": ours, "minimal Textual app": theirs}, repeats)
    goals = (
        Goal(
            "first useful screen / minimal app",
            ratio(samples, "rankdeck", "minimal Textual app"),
            1.2,
        ),
        Goal("resident memory / minimal app", ratio(memory, "ours", "peer"), 1.3),
    )
    figures = {**samples, "rankdeck RSS (MiB)": memory["ours"], "peer RSS (MiB)": memory["peer"]}
    return Report("first paint of the interface", figures, "s", goals)


def _paint(argv: list[str], marker: bytes, env: dict[str, str]) -> tuple[float, float]:
    start = time.perf_counter()
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, text = 0.0, b""
    deadline = start + 30
    try:
        while time.perf_counter() < deadline:
            text += os.read(master, 65536)
            if marker in text:
                seen = time.perf_counter() - start
                break
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)
    if not seen:
        raise RuntimeError(f"{argv}: {marker!r} never appeared")
    return seen, resident
