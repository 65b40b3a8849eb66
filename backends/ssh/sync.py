"""ProjectCopy: the project on every node, by sending what is different there.

The project is looked at once for all nodes. An unchanged copy costs one small exchange.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
import zlib
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.bootstrap import NodeError
from backends.ssh.places import project_folder
from backends.ssh.project_files import Entry, project_entries
from rankdeck.agent import courier_frames as wire
from rankdeck.agent.courier_sync import BLOCK_HEAD, BLOCK_LAST, BLOCK_SKIP, BLOCK_TOUCH
from rankdeck.backend_reports import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backends.ssh.conversation import Conversation, Wanted
    from rankdeck.backend_reports import Report

_BLOCK = 1 << 20
_CACHED = 64 << 20
"""Deflated blocks up to this sum are kept for the other nodes."""
_GATHERED = 256 * 1024
_BUSY_SECONDS = 0.5
_BUSY_LIMIT = 600.0
_PROGRESS_SECONDS = 5.0


class _Project(msgspec.Struct, frozen=True):
    """The project as it was found."""

    entries: tuple[Entry, ...]
    digest: str
    packed: str


class ProjectCopy:
    """Used by the threads of all hosts."""

    def __init__(
        self, project: str, leave_out: Sequence[str], tell: Callable[[Report], None]
    ) -> None:
        """`leave_out`: absolute paths inside the project that stay here."""
        self._root = project
        self._leave_out = leave_out
        self._name = project_folder(project)
        self._tell = tell
        self._lock = threading.Lock()
        self._project: _Project | None = None
        self._blocks: dict[int, tuple[bytes, ...]] = {}
        self._cached = 0
        self._hashes: dict[int, str] = {}

    def send(self, conversation: Conversation, node: str) -> None:
        """Make the node's copy the same as the project.

        Raises:
            NodeError: The node cannot take it.
            LinkError: The connection broke.
        """
        with conversation.occupied():
            project = self._look()
        began = time.monotonic()
        say = self._ask(conversation, node, project, entries=False)
        if say.say == "entries":
            say = self._ask(conversation, node, project, entries=True)
        if say.say == "send":
            with conversation.occupied():
                touched = self._same_content(project, say.hashes)
                wanted = sorted({*say.wanted, *(set(map(int, say.hashes)) - touched)})
                sent = self._send(conversation, node, project, wanted, touched)
            say = _checked(node, conversation.wanted())
            seconds = time.monotonic() - began
            self._note(
                f"the project is on {node}: {len(wanted)} of {_files(project)} files sent, "
                f"{_megabytes(sent)} in {seconds:.1f} s",
                node,
            )
        if say.say != "done":
            raise NodeError("sync", f"{node}: the project could not be copied ({say.say})")

    def _ask(
        self, conversation: Conversation, node: str, project: _Project, *, entries: bool
    ) -> Wanted:
        fields = {"name": self._name, "digest": project.digest}
        if entries:
            fields["entries"] = project.packed
        deadline = time.monotonic() + _BUSY_LIMIT
        while True:
            conversation.send(wire.message(wire.MANIFEST, **fields))
            say = _checked(node, conversation.wanted())
            if say.say != "busy":
                return say
            if time.monotonic() > deadline:
                raise NodeError("sync", f"{node}: another run has been copying for too long")
            time.sleep(_BUSY_SECONDS)

    def _look(self) -> _Project:
        with self._lock:
            if self._project is None:
                entries, unreadable = project_entries(self._root, self._leave_out)
                for why in unreadable:
                    self._note(f"not copied to the nodes: {why}")
                # names are bytes: those that are no text travel as surrogates, as JSON may
                text = json.dumps([entry.record() for entry in entries]).encode()
                self._project = _Project(
                    tuple(entries),
                    hashlib.sha256(text).hexdigest(),
                    base64.b64encode(zlib.compress(text, 6)).decode(),
                )
            return self._project

    def _same_content(self, project: _Project, hashes: dict[str, str]) -> set[int]:
        return {
            int(number)
            for number, there in hashes.items()
            if self._hash(project, int(number)) == there
        }

    def _hash(self, project: _Project, number: int) -> str:
        if number not in self._hashes:
            digest = hashlib.sha256()
            try:
                with open(self._path(project.entries[number]), "rb") as file:
                    while data := file.read(_BLOCK):
                        digest.update(data)
            except OSError:
                return ""
            self._hashes[number] = digest.hexdigest()
        return self._hashes[number]

    def _send(
        self,
        conversation: Conversation,
        node: str,
        project: _Project,
        wanted: Sequence[int],
        touched: set[int],
    ) -> int:
        sent, waiting, told = 0, bytearray(), time.monotonic()
        for number in sorted(touched):
            waiting += wire.frame(wire.CONTENT, BLOCK_HEAD.pack(number, BLOCK_TOUCH))
        for at, number in enumerate(wanted):
            for block in self._blocks_of(project, number):
                waiting += wire.frame(wire.CONTENT, block)
                if len(waiting) >= _GATHERED:
                    conversation.send(bytes(waiting))
                    sent += len(waiting)
                    waiting.clear()
            if (now := time.monotonic()) - told > _PROGRESS_SECONDS:
                told = now
                self._note(f"copying the project to {node}: {at} of {len(wanted)} files", node)
        waiting += wire.frame(wire.CONTENT)
        conversation.send(bytes(waiting))
        return sent + len(waiting)

    def _blocks_of(self, project: _Project, number: int) -> Iterator[bytes]:
        kept = self._blocks.get(number)
        if kept is not None:
            yield from kept
            return
        made: list[bytes] | None = []
        for block in self._read_blocks(project.entries[number], number):
            yield block
            if made is not None:
                made.append(block)
                if sum(map(len, made)) + self._cached > _CACHED:
                    made = None
        if made is not None:
            with self._lock:
                if number not in self._blocks:
                    self._blocks[number] = tuple(made)
                    self._cached += sum(map(len, made))

    def _read_blocks(self, entry: Entry, number: int) -> Iterator[bytes]:
        try:
            with open(os.open(self._path(entry), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                data = file.read(_BLOCK)
                while True:
                    following = file.read(_BLOCK) if len(data) == _BLOCK else b""
                    flags = 0 if following else BLOCK_LAST
                    yield BLOCK_HEAD.pack(number, flags) + zlib.compress(data, 1)
                    if not following:
                        return
                    data = following
        except OSError:
            # gone, or changed into something else, since it was listed
            yield BLOCK_HEAD.pack(number, BLOCK_SKIP)

    def _path(self, entry: Entry) -> str:
        return f"{self._root}/{entry.path}"

    def _note(self, message: str, node: str | None = None) -> None:
        self._tell(Told(node=node, message=message))


def _checked(node: str, answer: Wanted) -> Wanted:
    if answer.problem is not None:
        category, message, hint = answer.problem
        raise NodeError(category, f"{node}: {message}", hint)
    return answer


def _files(project: _Project) -> int:
    return sum(entry.kind == "f" for entry in project.entries)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
