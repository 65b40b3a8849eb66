"""AgentClient: one connection to an ssh-agent, shared by every thread that connects to a host.

Nothing secret comes from an agent: it lists public keys and signs.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass

_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_SIGN_REQUEST = 13
_SIGN_RESPONSE = 14
_TIMEOUT = 30.0
"""An agent may ask the user to confirm a signature."""
_FRESH = 10.0
_LARGEST_ANSWER = 1 << 20


class AgentError(Exception):
    """The agent cannot be reached or refuses."""


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """A key that the agent holds."""

    kind: str
    blob: bytes
    comment: str


class AgentClient:
    """Talks to the agent behind one socket; connects when needed, and again if that broke."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._identities: tuple[AgentIdentity, ...] = ()
        self._listed = float("-inf")

    def identities(self) -> tuple[AgentIdentity, ...]:
        """The keys it holds, at most a few seconds old.

        Raises:
            AgentError: It cannot be asked.
        """
        with self._lock:
            if time.monotonic() - self._listed > _FRESH:
                answer = self._ask(bytes([_REQUEST_IDENTITIES]), _IDENTITIES_ANSWER)
                self._identities = _parse_identities(answer)
                self._listed = time.monotonic()
            return self._identities

    def sign(self, blob: bytes, data: bytes, flags: int) -> bytes:
        """The agent's signature over `data` with the key `blob`.

        Raises:
            AgentError: It cannot be asked, or refuses.
        """
        request = bytes([_SIGN_REQUEST]) + string(blob) + string(data) + struct.pack(">I", flags)
        with self._lock:
            signature, _ = take_string(self._ask(request, _SIGN_RESPONSE))
        return signature

    def close(self) -> None:
        """Let go of the agent; the next request connects again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, request: bytes, wanted: int) -> bytes:
        try:
            reused = self._connection is not None
            try:
                answer = self._exchange(request)
            except OSError:
                self._drop()
                if not reused:
                    raise
                answer = self._exchange(request)
        except OSError as error:
            self._drop()
            raise AgentError(f"the ssh-agent at {self._path} does not answer: {error}") from error
        if answer[:1] != bytes([wanted]):
            raise AgentError(f"the ssh-agent at {self._path} refused")
        return answer[1:]

    def _exchange(self, request: bytes) -> bytes:
        if self._connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(_TIMEOUT)
                connection.connect(self._path)
            except OSError:
                connection.close()
                raise
            self._connection = connection
        self._connection.sendall(string(request))
        (length,) = struct.unpack(">I", self._receive(4))
        if length > _LARGEST_ANSWER:
            raise OSError(f"an answer of {length} bytes")
        return self._receive(length)

    def _receive(self, size: int) -> bytes:
        assert self._connection is not None
        received = b""
        while len(received) < size:
            chunk = self._connection.recv(size - len(received))
            if not chunk:
                raise OSError("it closed the connection")
            received += chunk
        return received


def string(data: bytes) -> bytes:
    """Bytes as the SSH protocols write them: their length first."""
    return struct.pack(">I", len(data)) + data


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """The first such bytes, and what follows them.

    Raises:
        AgentError: The data ends too early.
    """
    if len(data) < 4:
        raise AgentError("an answer of the ssh-agent is cut short")
    end = 4 + int(struct.unpack_from(">I", data)[0])
    if len(data) < end:
        raise AgentError("an answer of the ssh-agent is cut short")
    return data[4:end], data[end:]


def _parse_identities(answer: bytes) -> tuple[AgentIdentity, ...]:
    if len(answer) < 4:
        raise AgentError("an answer of the ssh-agent is cut short")
    (count,) = struct.unpack_from(">I", answer)
    rest, found = answer[4:], []
    for _ in range(count):
        blob, rest = take_string(rest)
        comment, rest = take_string(rest)
        kind, _ = take_string(blob)
        found.append(AgentIdentity(kind.decode(), blob, comment.decode(errors="replace")))
    return tuple(found)
