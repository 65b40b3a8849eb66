"""Conversation: one connection to one courier, from its first frame to its end.

Files and states go to the node's directory; everything else is told to the host that owns the
conversation. Runs in the host's thread; only `post`, `pulse` and `close` are for others.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from backends.ssh.carry import CarryError
from backends.ssh.link import LinkError, LinkFault
from rankdeck.agent import courier_frames as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backends.ssh.carry import NodeSink
    from backends.ssh.frames import CourierLine
    from backends.ssh.link import Link

_T = TypeVar("_T")

SILENT_SECONDS = 6.0
"""A courier says something every few seconds; after this time it cannot be heard."""
_PING_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_MOST_RESENDS = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Attached(msgspec.Struct, frozen=True):
    """The courier's answer to ATTACH."""

    attempt: int
    ref: str | None = None
    """`pid:starttime:boot` of the agent."""
    problem: tuple[str, str, str] | None = None


class _Commanded(msgspec.Struct, frozen=True):
    name: str
    error: str


class SweptAnswer(msgspec.Struct, frozen=True):
    """The courier's answer to SWEEP."""

    left: tuple[int, ...] = ()
    error: str = ""


class _Gone(msgspec.Struct, frozen=True):
    attempt: int


class _Left(msgspec.Struct, frozen=True):
    error: str = ""


class _Told(msgspec.Struct, frozen=True):
    message: str


class _Census(msgspec.Struct, frozen=True):
    sizes: dict[str, int]


class Wanted(msgspec.Struct, frozen=True):
    """The courier's answer to MANIFEST, and to the end of CONTENT."""

    say: str
    """`entries`, `send`, `busy`, `done` or `problem`."""
    wanted: tuple[int, ...] = ()
    """Numbers of the entries whose content is missing there."""
    hashes: dict[str, str] = {}
    """Content by entry number, where size and name fit but not the time."""
    problem: tuple[str, str, str] | None = None


class Owner(Protocol):
    """Who is told."""

    def attached(self, answer: Attached) -> None:
        """The courier looks after the agent, or says why not."""
        ...

    def commanded(self, name: str, error: str) -> None:
        """A command has been put into the agent's inbox, or cannot be."""
        ...

    def gone(self, attempt: int) -> None:
        """The agent's process is gone, and everything is here."""
        ...

    def swept(self, answer: SweptAnswer) -> None:
        """The sweep has ended."""
        ...

    def departed(self, error: str) -> None:
        """The courier has cleaned up, and ends."""
        ...

    def note(self, message: str) -> None:
        """Something worth a note."""
        ...

    def news(self) -> None:
        """A state with a change in it has been written."""
        ...


class Conversation:
    """See the module."""

    def __init__(
        self,
        link: Link,
        line: CourierLine,
        sink: NodeSink,
        owner: Owner,
    ) -> None:
        self._link = link
        self._line = line
        self._sink = sink
        self._owner = owner
        self._lock = threading.Lock()
        self._posted: deque[bytes] = deque()
        self._closed = threading.Event()
        self._close_reason = ""
        self._pinged = time.monotonic()
        self._resends = 0
        self.heard = time.monotonic()
        self.stalled = False
        """The home disk takes nothing: the silence is ours."""
        self._occupied = False

    @property
    def fresh(self) -> bool:
        """Whether the courier has been heard lately."""
        ours = self.stalled or self._occupied
        return ours or time.monotonic() - self.heard < SILENT_SECONDS

    @contextmanager
    def occupied(self) -> Iterator[None]:
        """While this thread has something else to do than to listen."""
        self._occupied = True
        try:
            yield
        finally:
            self.heard = time.monotonic()
            self._occupied = False

    def post(self, data: bytes) -> None:
        """Send frames by the next pulse."""
        with self._lock:
            self._posted.append(data)

    def pulse(self, now: float) -> None:
        """Send what was posted; ping from time to time."""
        with self._lock:
            data = b"".join(self._posted)
            self._posted.clear()
        if not data and now - self._pinged < _PING_SECONDS:
            return
        self._pinged = now
        try:
            self._line.send(data or wire.frame(wire.PING))
        except LinkError as error:
            self.close(str(error))

    def send(self, data: bytes) -> None:
        """Send frames at once, from the host's thread.

        Raises:
            LinkError: The connection is gone.
        """
        self._line.send(data)
        self.heard = time.monotonic()

    def wanted(self) -> Wanted:
        """Wait for what the courier wants of the project.

        Raises:
            LinkError: The connection broke.
        """
        answer: Wanted | None = None
        while answer is None:
            for kind, payload in self._line.frames():
                if kind == wire.WANTED:
                    answer = msgspec.json.decode(payload, type=Wanted)
                else:
                    self._take(kind, payload)
            self.heard = time.monotonic()
        return answer

    def serve(self) -> None:
        """Take frames until the connection ends.

        Raises:
            LinkError: Always; says how it ended.
        """
        try:
            while True:
                for kind, payload in self._line.frames():
                    self._take(kind, payload)
                self.heard = time.monotonic()
        except CarryError as error:
            raise LinkError(LinkFault.LOST, str(error)) from error
        except msgspec.DecodeError as error:
            raise LinkError(LinkFault.LOST, f"a broken message: {error}") from error
        except LinkError as error:
            if self._close_reason:
                raise LinkError(LinkFault.LOST, self._close_reason) from error
            raise

    def close(self, reason: str = "") -> None:
        """End the connection; `serve` then ends, for this reason."""
        self._close_reason = self._close_reason or reason
        self._closed.set()
        # the link first: to end a stream properly, a link that is dead would have to be waited for
        self._link.close()
        self._line.close()

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == wire.CHUNK:
            if self._patiently(lambda: self._sink.chunk(payload)):
                self._line.send(wire.frame(wire.ACK, wire.COUNT.pack(self._sink.taken)))
        elif kind == wire.STATE:
            text = self._sink.state(payload)
            self._patiently(lambda: self._sink.write_state(text))
            if payload[0] & (wire.STATE_URGENT | wire.STATE_LAST):
                self._owner.news()
        elif kind == wire.NAME:
            self._patiently(lambda: self._sink.name(payload))
        elif kind == wire.CENSUS:
            sizes = msgspec.json.decode(payload, type=_Census).sizes
            resend = self._patiently(lambda: self._sink.missing(sizes))
            self._line.send(wire.message(wire.VERDICT, resend=self._bounded(resend)))
        elif kind != wire.ALIVE:
            self._tell(kind, payload)

    def _tell(self, kind: int, payload: bytes) -> None:
        owner = self._owner
        if kind == wire.ATTACHED:
            owner.attached(msgspec.json.decode(payload, type=Attached))
        elif kind == wire.COMMANDED:
            answer = msgspec.json.decode(payload, type=_Commanded)
            owner.commanded(answer.name, answer.error)
        elif kind == wire.GONE:
            owner.gone(msgspec.json.decode(payload, type=_Gone).attempt)
        elif kind == wire.SWEPT:
            owner.swept(msgspec.json.decode(payload, type=SweptAnswer))
        elif kind == wire.LEFT:
            owner.departed(msgspec.json.decode(payload, type=_Left).error)
        elif kind == wire.TOLD:
            owner.note(msgspec.json.decode(payload, type=_Told).message)

    def _bounded(self, resend: dict[str, int]) -> dict[str, int]:
        """A file that never comes out right must not keep the run from ending."""
        self._resends = self._resends + 1 if resend else 0
        if self._resends <= _MOST_RESENDS:
            return resend
        self._owner.note(f"these files keep changing and may be incomplete: {', '.join(resend)}")
        return {}

    def _patiently(self, write: Callable[[], _T]) -> _T:
        """Do it as soon as the home disk lets us. Nothing is lost: the node keeps what we lack."""
        while True:
            try:
                done = write()
            except OSError as error:
                if not self.stalled:
                    self.stalled = True
                    self._owner.note(_cannot_write(error))
                if self._closed.wait(_RETRY_SECONDS):
                    raise LinkError(LinkFault.LOST, self._close_reason or "closed") from error
            else:
                if self.stalled:
                    self.stalled = False
                    self.heard = time.monotonic()
                    self._owner.note("the run directory can be written again; nothing was lost")
                return done


def _cannot_write(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in _FULL:
        return (
            f"{where}no space left in the run directory; "
            "what the nodes write stays there until there is some"
        )
    return f"{where}{error.strerror}; what the nodes write stays there until it can be written"
