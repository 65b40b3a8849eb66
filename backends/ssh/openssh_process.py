"""One ssh process and the command behind it, as a stream."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.ssh.link import LinkError, LinkFault
from backends.ssh.openssh_faults import lost_from
from rankdeck.command_log import executed

if TYPE_CHECKING:
    from collections.abc import Sequence

_ERROR_TEXT = 1 << 16
_END_WAIT = 5.0


class Session:
    """See `Stream`. Starts ssh at once; `begin` hands it the command."""

    def __init__(self, host: str, argv: Sequence[str], mark: str) -> None:
        self._host = host
        self._in = re.compile(re.escape(mark).encode() + rb" in ([^;]*);")
        self._out = re.compile(re.escape(mark).encode() + rb" out (\d+)\.")
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        executed(argv, why="connect", host=host)
        self._changed = threading.Condition()
        self._login = b""
        self._tail = b""
        self._is_in = False
        self.peer_address = ""
        """Address of the host as its sshd sees it."""
        self._silent = False
        """Standard error has ended."""
        self._status: int | None = None
        self._closed = False
        threading.Thread(target=self._listen, name=f"ssh {host}", daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether the ssh process lives."""
        return self._process.poll() is None

    @property
    def silent(self) -> bool:
        """Whether ssh has said its last word, and so has ended or will at once."""
        with self._changed:
            return self._silent

    def login_text(self) -> str:
        """What ssh said before the command line at the other end was reached."""
        with self._changed:
            self._changed.wait_for(lambda: self._silent or self._is_in, _END_WAIT)
            return self._login.decode(errors="replace")

    def wait_until_in(self, seconds: float) -> bool:
        """Whether the other end was reached; returns early when ssh has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_in or self._silent, seconds)
            return self._is_in

    def begin(self, command: str) -> None:
        """Run the command.

        Raises:
            LinkError: The connection broke.
        """
        lines = command.split("\n")
        self.write("".join(f"{line}\n" for line in (str(len(lines)), *lines)).encode())

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        assert self._process.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._process.stdin.write(view) or 0 :]
        except (OSError, ValueError) as error:
            raise self._ended() from error

    def close_input(self) -> None:
        """See `Stream.close_input`."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def read(self, size: int = 65536) -> bytes:
        """See `Stream.read`."""
        assert self._process.stdout is not None
        try:
            chunk: bytes = self._process.stdout.read(size)
        except (OSError, ValueError) as error:
            raise self._ended() from error
        if chunk:
            return chunk
        with self._changed:
            self._changed.wait_for(lambda: self._silent or self._status is not None, _END_WAIT)
            whole = self._status is not None
        if self._closed or not whole:
            raise self._ended()
        return b""

    def error_text(self) -> str:
        """See `Stream.error_text`."""
        with self._changed:
            return self._tail[-_ERROR_TEXT:].decode(errors="replace")

    def exit_status(self) -> int | None:
        """See `Stream.exit_status`."""
        with self._changed:
            self._changed.wait_for(lambda: self._silent or self._status is not None, _END_WAIT)
            return self._status

    def close(self) -> None:
        """See `Stream.close`."""
        self._closed = True
        self.close_input()
        # ssh leads a session of its own, with the user's ProxyCommand in it
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.running:
                break
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)

    def _ended(self) -> LinkError:
        if self._closed:
            return LinkError(LinkFault.LOST, f"the command on {self._host} was let go of")
        with self._changed:
            if self._status is not None:
                return LinkError(LinkFault.LOST, f"the command on {self._host} has ended")
            self._changed.wait_for(lambda: self._silent, _END_WAIT)
            said = self._tail.decode(errors="replace")
        return lost_from(said, self._host)

    def _listen(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        with suppress(OSError, ValueError):
            while chunk := pipe.read(65536):
                self._take(chunk)
        with self._changed:
            self._silent = True
            self._changed.notify_all()
        # nobody else may: a process that ended by itself must not stay as a zombie
        self._process.wait()

    def _take(self, chunk: bytes) -> None:
        with self._changed:
            if not self._is_in:
                self._login += chunk
                found = self._in.search(self._login)
                if not found:
                    self._login = self._login[-_ERROR_TEXT:]
                    return
                # $SSH_CONNECTION: their address and port as the host sees them, then its own
                words = found.group(1).decode(errors="replace").split()
                self.peer_address = words[2] if len(words) == 4 else ""
                self._is_in, chunk = True, self._login[found.end() :]
                self._login = self._login[: found.start()]
            self._tail += chunk
            ended = self._out.search(self._tail)
            if ended:
                self._status = int(ended.group(1))
                self._tail = self._tail[: ended.start()] + self._tail[ended.end() :]
            # the mark may come in two pieces: keep a little more than is shown
            self._tail = self._tail[-(_ERROR_TEXT + 64) :]
            self._changed.notify_all()
