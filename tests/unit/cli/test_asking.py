"""Questions on a real terminal, and where there is none."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

ASK = """
import sys
from rankdeck.cli.asking import terminal_ask
ask = terminal_ask()
{before}
print("\\nANSWER", repr({call}), flush=True)
"""
CONFIRM = 'ask.confirm("Trust \\x1b[2Jnode1?", "its key is\\nSHA256:\\x1b]0;owned\\x07abc")'
SECRET = 'ask.secret("passphrase of \\x1b[2Jid_rsa")'


class Talk:
    """A program on a terminal of its own."""

    def __init__(self, call: str, before: str = "") -> None:
        code = ASK.format(call=call, before=before)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", code])
        self.seen = b""

    def until(self, text: bytes) -> None:
        deadline = time.monotonic() + 90
        while text not in self.seen:
            assert select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                pytest.fail(f"it ended with {self.seen!r}")

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def answer(self) -> str:
        self.until(b"ANSWER ")
        while not self.seen.endswith(b"\n"):
            self.seen += os.read(self.master, 65536)
        os.close(self.master)
        os.waitpid(self.pid, 0)
        return self.seen.decode().rsplit("ANSWER ", 1)[1].strip()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"yes\n", "True"),
        (b"Y\n", "True"),
        (b"no\n", "False"),
        (b"\x03", "False"),
        (b"\x04", "False"),
    ],
)
def test_a_question_is_answered_by_yes_or_no(typed: bytes, expected: str) -> None:
    talk = Talk(CONFIRM)
    talk.until(b"[yes/no] ")
    talk.type(typed)
    assert talk.answer() == expected


def test_a_question_is_asked_again_until_the_answer_is_clear() -> None:
    talk = Talk(CONFIRM)
    talk.until(b"[yes/no] ")
    talk.type(b"maybe\n")
    talk.until(b"Please type yes or no.")
    talk.type(b"yes\n")
    assert talk.answer() == "True"


def test_foreign_text_does_not_steer_the_terminal() -> None:
    talk = Talk(CONFIRM)
    talk.until(b"[yes/no] ")
    assert b"Trust node1?" in talk.seen
    assert b"SHA256:abc" in talk.seen
    assert b"\x1b" not in talk.seen
    talk.type(b"no\n")
    talk.answer()
    talk = Talk(SECRET)
    talk.until(b"passphrase of id_rsa: ")
    talk.type(b"\n")
    assert talk.answer() == "None"


def test_what_was_typed_before_is_no_answer() -> None:
    wait = 'print("READY", flush=True); import select; select.select([0], [], [])'
    talk = Talk(CONFIRM, before=wait)
    talk.until(b"READY")
    talk.type(b"yes\n")
    talk.until(b"[yes/no] ")
    talk.type(b"no\n")
    assert talk.answer() == "False"


def test_a_passphrase_is_never_shown() -> None:
    talk = Talk(SECRET)
    talk.until(b"id_rsa: ")
    talk.type(b"hunter2 ")
    talk.type("ü\n".encode())
    assert talk.answer() == "'hunter2 ü'"
    assert talk.seen.count(b"hunter2") == 1, "only where the program itself prints it"


@pytest.mark.parametrize("typed", [b"\n", b"\x03", b"\x04"])
def test_no_passphrase_is_none_and_the_terminal_shows_again(typed: bytes) -> None:
    before = "import termios, os; fd = os.open('/dev/tty', os.O_RDWR)"
    talk = Talk(f"({SECRET}, bool(termios.tcgetattr(fd)[3] & termios.ECHO))", before=before)
    talk.until(b"id_rsa: ")
    talk.type(typed)
    assert talk.answer() == "(None, True)"


@pytest.mark.parametrize("call", [CONFIRM, SECRET])
def test_without_a_terminal_nobody_is_asked(call: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(call=call, before="")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert "ANSWER" not in done.stdout
    assert "UserError" in done.stderr


def test_a_process_in_the_background_asks_nobody() -> None:
    """Reading there would stop it for good."""
    before = """
import os, sys
if os.fork():
    os.wait()
    sys.exit()
os.setpgid(0, 0)
"""
    talk = Talk("(type(ask).__name__, type(terminal_ask()).__name__)", before=before)
    assert talk.answer() == "('TerminalAsk', 'Nobody')"
