"""The user's clipboard, wherever the terminal is: by OSC 52, tmux, GNU screen; else a file.

No terminal says whether it took a text, so the user is told which ways were used.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from rankdeck.command_log import executed
from rankdeck.logs.sanitise import clean
from rankdeck.run.layout import rankdeck_home
from rankdeck.text import size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from textual.app import App

LIMIT = 74_994
"""Bytes after encoding; terminals drop longer sequences without a word."""
_SCREEN_CHUNK = 250
_TMUX_SECONDS = 2.0


def encoded_size(text: str) -> int:
    """Bytes of the text as OSC 52 sends it."""
    return (len(text.encode("utf-8", "replace")) + 2) // 3 * 4


def osc52(text: str, environ: Mapping[str, str]) -> str:
    """The sequence that asks a terminal to take the text, through GNU screen if we are in it."""
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    sequence = f"\x1b]52;c;{encoded}\a"
    if not environ.get("STY") or environ.get("TMUX"):
        return sequence
    # screen passes a DCS string on, but only a short one
    pieces = range(0, len(sequence), _SCREEN_CHUNK)
    return "".join(f"\x1bP{sequence[at : at + _SCREEN_CHUNK]}\x1b\\" for at in pieces)


def copy(
    app: App[Any],
    text: str,
    what: str,
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Copy text, and say how; what may take time is done on a thread.

    Args:
        app: The app whose terminal it is.
        text: What to copy.
        what: How to speak of it: `3 lines`.
        home: The state directory, for texts that are too large; None: the usual one.
        environ: What tells of tmux and screen; None: this process's.
    """
    # what is pasted into a shell must not act there by itself
    text = "\n".join(map(clean, text.split("\n")))
    env = os.environ if environ is None else environ
    folder = (home or rankdeck_home()) / "copied"
    tell = _teller(app)
    if encoded_size(text) > LIMIT:
        _on_thread(lambda: _to_file(folder, text, what, tell))
        return
    app._clipboard = text
    driver = app._driver
    if driver is not None:
        driver.write(osc52(text, env))
    if env.get("TMUX"):
        _on_thread(lambda: _to_tmux(text, what, tell))
    elif env.get("STY"):
        tell(f"{what}: copied through screen (OSC 52)", False)
    else:
        tell(f"{what}: copied (OSC 52; the terminal must allow it)", False)


def _teller(app: App[Any]) -> Callable[[str, bool], object]:
    def tell(text: str, bad: bool) -> None:
        app.notify(text, severity="error" if bad else "information", timeout=4, markup=False)

    return lambda text, bad: app.call_later(tell, text, bad)


def _on_thread(act: Callable[[], object]) -> None:
    threading.Thread(target=act, name="clipboard", daemon=True).start()


def _to_tmux(text: str, what: str, tell: Callable[[str, bool], object]) -> None:
    for command in (["tmux", "load-buffer", "-w", "-"], ["tmux", "load-buffer", "-"]):
        try:
            subprocess.run(
                command,
                input=text.encode("utf-8", "replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_TMUX_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        executed(command, why=f"copy {what}", exit_code=0)
        how = "tmux's buffer and the terminal" if "-w" in command else "tmux's buffer"
        tell(f"{what}: copied to {how}", False)
        return
    tell(f"{what}: copied (OSC 52); tmux did not take it", False)


def _to_file(folder: Path, text: str, what: str, tell: Callable[[str, bool], object]) -> None:
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{time.monotonic_ns() % 1000:03d}.txt"
    path = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            data = text.encode("utf-8", "replace")
            out.write(data)
    except OSError as error:
        tell(f"{what}: too large to copy, and not written: {error.strerror or error}", True)
        return
    tell(f"{what}: too large for a clipboard ({size(len(data))}), written to {path}", False)
