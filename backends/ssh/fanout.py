"""One command on many hosts at once, for checks and sweeps; results as they come."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.ssh.link import Link, LinkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backends.ssh.link import Stream, Transport
    from rankdeck.nodes.node import Node

MOST_THREADS = 128
"""Hosts that are connected to at the same time: threads that wait cost next to nothing."""
_PIPE = 32768
"""Input up to this size fits into the window of any server: no thread of its own is needed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the command on one host."""

    node: Node
    output: bytes = b""
    error_text: str = ""
    status: int | None = None
    """Exit status; None: it is not known, or the command was not run."""
    seconds: float = 0.0
    """How long this host took, connecting included."""
    trouble: LinkError | None = None
    """Why the host could not be reached, or what broke."""

    @property
    def ok(self) -> bool:
        """The command ran and ended with 0."""
        return self.trouble is None and self.status == 0


class LinkPool:
    """Links that stay open between fan-outs, one per node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}

    def take(self, node: Node) -> Link | None:
        """The link to a node, out of the pool until it is given back; None if there is none.

        It may have broken while nobody used it.
        """
        with self._lock:
            return self._links.pop(node.name, None)

    def give_back(self, node: Node, link: Link) -> None:
        """Keep a link for the next time."""
        with self._lock:
            other = self._links.setdefault(node.name, link)
        if other is not link:
            link.close()

    def close(self) -> None:
        """Close every link."""
        with self._lock:
            links = tuple(self._links.values())
            self._links.clear()
        for link in links:
            link.close()


def fan_out(
    transport: Transport,
    nodes: Sequence[Node],
    command: str,
    input: bytes = b"",  # noqa: A002
    pool: LinkPool | None = None,
) -> Iterator[Result]:
    """Run a command on every node, with `input` on its standard input.

    Never raises for a host: each has one result, in the order in which they end. With a `pool`,
    links are taken from it and kept in it. Leaving the iteration early closes what is open.
    """
    work: queue.SimpleQueue[Node] = queue.SimpleQueue()
    for node in nodes:
        work.put(node)
    job = _Job(transport, command, input, pool)
    threads = [
        threading.Thread(target=job.serve, args=(work,), daemon=True)
        for _ in range(min(MOST_THREADS, len(nodes)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in nodes:
            yield job.results.get()
    finally:
        job.cancel()
        for thread in threads:
            thread.join()


class _Job:
    """One fan-out, as its threads see it."""

    def __init__(
        self, transport: Transport, command: str, data: bytes, pool: LinkPool | None
    ) -> None:
        self._transport = transport
        self._command = command
        self._data = data
        self._pool = pool
        self._lock = threading.Lock()
        self._open: set[Link] = set()
        self._cancelled = False
        self.results: queue.SimpleQueue[Result] = queue.SimpleQueue()

    def serve(self, work: queue.SimpleQueue[Node]) -> None:
        while not self._cancelled:
            try:
                node = work.get_nowait()
            except queue.Empty:
                return
            self.results.put(self._on(node))

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            links = tuple(self._open)
        for link in links:
            link.close()

    def _on(self, node: Node) -> Result:
        start = time.monotonic()
        link: Link | None = None
        try:
            link, stream = self._begin(node)
            output, errors, status = self._run(stream)
        except LinkError as error:
            return Result(node, seconds=time.monotonic() - start, trouble=error)
        else:
            if self._pool is not None:
                self._keep(node, link)
                link = None
            return Result(node, output, errors, status, time.monotonic() - start)
        finally:
            if link is not None:
                self._drop(link)

    def _begin(self, node: Node) -> tuple[Link, Stream]:
        kept = self._pool.take(node) if self._pool is not None else None
        if kept is not None:
            self._watch(kept)
            try:
                return kept, kept.exec(self._command)
            except LinkError:
                # it broke while it lay in the pool; nothing has run yet
                self._drop(kept)
        link = self._transport.connect(node)
        self._watch(link)
        try:
            return link, link.exec(self._command)
        except LinkError:
            self._drop(link)
            raise

    def _watch(self, link: Link) -> None:
        with self._lock:
            self._open.add(link)
            cancelled = self._cancelled
        if cancelled:
            link.close()

    def _keep(self, node: Node, link: Link) -> None:
        assert self._pool is not None
        with self._lock:
            self._open.discard(link)
        self._pool.give_back(node, link)

    def _drop(self, link: Link) -> None:
        with self._lock:
            self._open.discard(link)
        link.close()

    def _run(self, stream: Stream) -> tuple[bytes, str, int | None]:
        feeder = None
        try:
            if len(self._data) > _PIPE:
                feeder = threading.Thread(target=_feed, args=(stream, self._data), daemon=True)
                feeder.start()
            else:
                _feed(stream, self._data)
            chunks = []
            while chunk := stream.read():
                chunks.append(chunk)
            return b"".join(chunks), stream.error_text(), stream.exit_status()
        finally:
            stream.close()
            if feeder is not None:
                feeder.join()


def _feed(stream: Stream, data: bytes) -> None:
    try:
        if data:
            stream.write(data)
        stream.close_input()
    except LinkError:
        # a command need not read its input; if the connection broke, reading says so
        return
