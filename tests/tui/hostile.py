"""Texts that attack a terminal or a markup parser, widgets to show them in, and a checker of bytes.

Run as a program (`python hostile.py log|grid|leak FILE`) it is a small app on a real terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.app import App
from textual.strip import Strip
from textual.widget import Widget

from rankdeck.run.node_state import RankState
from rankdeck.run.view import RankView
from tui.widgets.log_pane import LogPane
from tui.widgets.rank_grid import RankGrid

if TYPE_CHECKING:
    from textual.app import ComposeResult

CORPUS: tuple[bytes, ...] = (
    b"[rank0]: Traceback (most recent call last):",
    b"[/rank3] closes what was never opened",
    b"[@click=app.bell]press me[/]",
    b"[bold red]not[/bold red] [link=file:///etc/passwd]markup[/link] \\[x] [",
    b"clear \x1b[2J\x1b[3J\x1b[H the screen",
    b"title \x1b]0;owned\x07 and \x1b]2;owned\x1b\\ set",
    b"clipboard \x1b]52;c;cm0gLXJmIH4=\x07 written",
    b"link \x1b]8;;http://example.invalid\x1b\\here\x1b]8;;\x1b\\",
    b"reset \x1bc and alternate \x1b[?1049l and mouse \x1b[?1003h screen",
    b"device \x1bP+q544e\x1b\\ \x1b[c \x1b[6n \x1b[>0q \x1b[?2026$p queries",
    b"one-byte \x9b2J \x9d52;c;cm0=\x9c \x90q\x9c controls",
    "C1 as UTF-8 \u009b2J \u009d52;c;cm0=\u009c \u0090q\u009c".encode(),
    b"private \x1b_Gf=100,a=T;AAAA\x1b\\ \x1b^pm\x1b\\ \x1bXsos\x1b\\",
    b"unfinished \x1b]52;c;never ends",
    b"unfinished \x1b[38;5;",
    b"only escape \x1b",
    b"bell \x07\x07 backspace \x08\x08\x08 tab\tform\x0cfeed vertical\x0btab \x00\x01\x0e\x0f nul",
    b"progress 10%\rprogress 50%\rprogress 99%",
    b"over\rwritten \x1b[1A\x1b[2K up",
    "bidi \u202egnp.exe\u202c \u2066isolate\u2069 \u200e\u200f\u061c".encode(),
    "hidden \u200b\u200c\u200d\u2060\ufeff \u00ad \U000e0041\U000e0042 text".encode(),
    "lines \u2028 and \u2029 and \u0085 inside".encode(),
    ("zalgo " + "h" + "\u0300\u0316\u0353" * 400 + "e").encode(),
    "emoji ❤️ ✌🏽 👩‍👩‍👧 🇨🇳 🚀 训练 データ 한국어 ㅤ end".encode(),
    b"not UTF-8 \xff\xfe\xc0\xaf\xed\xa0\x80 \xf0\x9f\x9a",
    b"colour \x1b[31mred\x1b[0m \x1b[38;2;1;2;3mtrue\x1b[48;5;250mback\x1b[m \x1b[8mhidden\x1b[5m",
    b"sub \x1b[4:3mcurly\x1b[58;2;1;2;3m \x1b[<5m \x1b[>4;2m \x1b[?25l",
    b"charset \x1b(0lqqk\x1b(B \x0e shift \x1b#8 \x1b7\x1b8 \x1bM\x1bD\x1bE",
    b"\x1b[" * 50 + b"many introducers",
    b"size \x1b[8;5;5t \x1b[4;10r scroll region \x1b[?7l",
)
"""One line each, as a rank may write it."""

END = b"end-of-the-corpus"
SIZE = (120, 40)


def write_corpus(path: Path) -> Path:
    """The corpus as a log."""
    path.write_bytes(b"\n".join((*CORPUS, END)) + b"\n")
    return path


def ranks(names: list[str], state: RankState = RankState.STEPPING) -> tuple[RankView, ...]:
    """One rank on each node."""
    return tuple(
        RankView(rank=index, node=name, local_rank=0, state=state, log=Path("/nonexistent"))
        for index, name in enumerate(names)
    )


class Leak(Widget):
    """What no widget may be: it gives a log to the terminal as it is."""

    def __init__(self, lines: list[bytes]) -> None:
        super().__init__()
        self._raw = [line.decode(errors="replace") for line in lines]

    def render_line(self, y: int) -> Strip:
        """One line of the log, unchanged."""
        return Strip([Segment(self._raw[y] if y < len(self._raw) else "")])


class Shows(App[None]):
    """Shows a file in one widget and ends when it has been drawn."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__()
        self.kind = kind
        self.path = path

    def compose(self) -> ComposeResult:
        """The widget in question."""
        lines = self.path.read_bytes().split(b"\n")[:-1]
        yield {"log": LogPane, "grid": RankGrid, "leak": lambda: Leak(lines)}[self.kind]()

    def on_mount(self) -> None:
        """Give it the file's text wherever it takes text."""
        lines = [line.decode(errors="replace") for line in self.path.read_bytes().split(b"\n")]
        if self.kind == "grid":
            self.query_one(RankGrid).show(ranks(lines[:-1]))
        elif self.kind == "log":
            pane = self.query_one(LogPane)
            pane.open(self.path, lines[4] + lines[6])
            pane.tick()
            self.set_interval(0.02, self._leave_when_read)
            return
        self.call_after_refresh(self.call_after_refresh, self.call_later, self.exit)

    def _leave_when_read(self) -> None:
        # the page is posted before the reader rests
        if self.query_one(LogPane).settled:
            self.call_after_refresh(self.call_after_refresh, self.call_later, self.exit)


def raw_output(kind: str, path: Path) -> bytes:
    """Every byte that the app gives to a real terminal while it shows this file."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.fspath(root)}
    process = subprocess.Popen(
        [sys.executable, __file__, kind, os.fspath(path)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    output = bytearray()
    try:
        while select.select([master], [], [], 60.0)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            output += data
    finally:
        os.close(master)
        process.kill()
        process.wait()
    return bytes(output)


_SEQUENCE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    rb"|\x1b[ -/]*[0-~]?"
    rb"|\xc2[\x80-\x9f]"
    rb"|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)
# colours, and the cursor's way over the screen, differ with what is shown
_USUAL = re.compile(rb"\x1b\[(?:[0-9;]*[mH]|[0-9]*[ABCDGKX])")


def controls(output: bytes) -> set[bytes]:
    """The control sequences in an app's output that do more than colour and place text."""
    return {found for found in _SEQUENCE.findall(output) if not _USUAL.fullmatch(found)}


if __name__ == "__main__":
    Shows(sys.argv[1], Path(sys.argv[2])).run()
