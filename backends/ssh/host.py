"""Host: one node of a run: its connection, made again when it breaks, and what is wanted of it.

Its thread connects, serves the conversation and reconnects; what the session's calls never waits.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.bootstrap import NodeError
from backends.ssh.carry import NodeSink
from backends.ssh.conversation import SILENT_SECONDS, Conversation
from backends.ssh.errand import Errand, Mode, category_of, pause_after
from backends.ssh.leftovers import LeftBehind
from backends.ssh.link import LinkError
from backends.ssh.startup import Startup
from rankdeck.agent import courier_frames as wire
from rankdeck.backend import AgentLiveness
from rankdeck.backend_reports import (
    Absent,
    ClockRead,
    LinkDown,
    LinkUp,
    NotPlaced,
    Placed,
    Swept,
    Told,
)
from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from backends.ssh.bootstrap import Hello
    from backends.ssh.conversation import Attached, SweptAnswer
    from backends.ssh.host_context import HostContext
    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend_reports import Report
    from rankdeck.nodes.node import Node
    from rankdeck.run.layout import NodeDir


class Host:
    """See the module."""

    def __init__(self, node: Node, paths: NodeDir, context: HostContext) -> None:
        self.name = node.name
        self._node = node
        self._context = context
        self._sink = NodeSink(paths)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._errand: Errand | None = None
        self._conversation: Conversation | None = None
        self._startup: Startup | None = None
        self._attached = self._gone = False
        self._down = ""
        """What LinkDown was told for; empty: the node can be heard."""
        self._pending: dict[str, bytes] = {}
        """Commands that the courier has not confirmed, by name."""
        self._sweeping = False
        self._copied = context.copy is None
        self._leaving = self._closing = False
        self._told_clock = False
        self.left = False
        """There is nothing of the run there any more."""

    # What is wanted: called by the session's thread

    def place(self, order: AgentOrder, *, find_only: bool) -> None:
        """Start an agent for this order, or find it."""
        try:
            self._sink.prepare(order)
        except OSError as error:
            message = f"{error.filename}: {error.strerror}"
            self._context.tell(NotPlaced(node=self.name, category="run-dir", message=message))
            return
        mode = Mode.FIND if find_only else Mode.START
        self._want(Errand(order, mode, time.monotonic()))

    def adopt(self, order: AgentOrder, ref: str) -> None:
        """Look after an agent that was placed before."""
        self._want(Errand(order, Mode.WATCH, time.monotonic(), ref))

    def withdraw(self) -> None:
        """Start nothing any more."""
        with self._changed:
            errand = self._errand
            if errand is None or not errand.open:
                return
            if errand.sent or self._context.taken_over:
                errand.mode = Mode.FIND
                return
            errand.open = False
        # no trouble of this node: another one's must stay the first that is told
        self._context.tell(Absent(node=self.name))

    def liveness(self, ref: str) -> AgentLiveness:
        """Whether that agent is there, as far as is known."""
        with self._changed:
            errand, conversation = self._errand, self._conversation
            if errand is None or errand.ref != ref:
                return AgentLiveness.UNKNOWN
            if self._gone:
                return AgentLiveness.DEAD
            heard = self._attached and conversation is not None and conversation.fresh
            return AgentLiveness.ALIVE if heard else AgentLiveness.UNKNOWN

    def send(self, command: AgentCommand) -> None:
        """Put a command on its way.

        Raises:
            UserError: The node cannot be reached now.
        """
        name = f"{time.time_ns():020d}-{command.command.value}.json"
        text = msgspec.json.encode(command).decode()
        kind = command.command.value
        frame = wire.message(wire.COMMAND, name=name, text=text, command=kind)
        with self._changed:
            conversation = self._conversation
            if not self._attached or conversation is None or not conversation.fresh:
                message = f"{self.name} cannot be told to {kind}: it cannot be reached now"
                raise UserError(message, exit_code=ExitCode.UNUSABLE)
            self._pending[name] = frame
            conversation.post(frame)
        self._context.pulse()

    def sweep(self) -> None:
        """End every process of the run there."""
        with self._changed:
            errand, conversation = self._errand, self._conversation
            if conversation is not None and errand is not None:
                self._sweeping = True
                conversation.post(self._about(wire.SWEEP, errand))
        if not self._sweeping:
            self._context.tell(Swept(node=self.name, error=f"{self.name} cannot be reached"))
        self._context.pulse()

    def check(self, now: float) -> None:
        """Notice a connection that is dead though nobody has said so."""
        conversation, startup = self._conversation, self._startup
        if conversation is not None and not conversation.fresh:
            conversation.close(f"{self.name}: nothing was heard for {SILENT_SECONDS:.0f} s")
        elif startup is not None:
            startup.check(now)

    def pulse(self, now: float) -> None:
        """Send what waits to be sent. Called by the session's pulse."""
        conversation = self._conversation
        if conversation is not None:
            conversation.pulse(now)

    def leave(self) -> None:
        """The run has ended: bring home what is left, remove everything there."""
        with self._changed:
            self._leaving = True
            errand = self._errand
            if errand is None or not errand.touches_node:
                self.left = True
            elif self._conversation is not None:
                self._conversation.post(self._about(wire.LEAVE, errand))
            self._changed.notify_all()
        self._context.pulse()

    @property
    def left_behind(self) -> LeftBehind | None:
        """What may still be there; None: nothing is."""
        errand = self._errand
        if self.left or errand is None:
            return None
        return LeftBehind(errand.order, errand.ref or f"ssh:{self.name}:0:0:")

    @property
    def reached(self) -> bool:
        """Whether there is a courier now."""
        return self._conversation is not None

    def close(self) -> None:
        """Let go of the node; its agent lives on."""
        with self._changed:
            self._closing = True
            conversation, startup = self._conversation, self._startup
            self._changed.notify_all()
        if conversation is not None:
            conversation.close(f"{self.name}: closed")
        elif startup is not None:
            startup.close()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _want(self, errand: Errand) -> None:
        with self._changed:
            first = self._errand is None
            self._errand = errand
            self._gone = self._attached = False
            self._pending.clear()
            # whoever found the project there does not copy it again
            self._copied |= first and errand.mode is not Mode.START
            if self._conversation is not None and self._copied:
                self._conversation.post(self._attach(errand))
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=f"ssh-{self.name}", daemon=True
                )
                self._thread.start()
        self._context.pulse()

    def _attach(self, errand: Errand) -> bytes:
        errand.sent |= errand.mode is Mode.START
        return wire.message(
            wire.ATTACH,
            run=errand.order.run_id,
            node=errand.order.node,
            attempt=errand.order.attempt,
            mode=(Mode.WATCH if errand.ref else errand.mode).value,
            order=msgspec.to_builtins(errand.order),
            offsets=self._sink.offsets(),
        )

    def _about(self, kind: int, errand: Errand) -> bytes:
        return wire.message(kind, run=errand.order.run_id, node=errand.order.node)

    # The thread

    def _run(self) -> None:
        failures = 0
        while self._wait_for_work():
            try:
                conversation = self._connect()
                self._begin(conversation)
                conversation.serve()
            except (LinkError, NodeError) as error:
                trouble: UserError = error
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                trouble = NodeError("ssh-internal", f"{self.name}: {error!r}")
            failures = 1 if self._attached else failures + 1
            self._broke(trouble)
            with self._changed:
                if not (self._closing or self.left):
                    self._changed.wait(pause_after(trouble, failures, random.random()))

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._closing or self.left):
                errand = self._errand
                if errand is not None and (errand.open or errand.touches_node):
                    return True
                self._changed.wait()
            return False

    def _connect(self) -> Conversation:
        context, errand = self._context, self._errand
        python = errand.order.python if errand is not None else ""
        with context.slots:
            link = context.transport().connect(self._node)
            self._startup = Startup(self.name, link)
            asked = time.time()
            try:
                root = context.root(self._node)
                line, hello = self._startup.run(python, root, context.bundle())
            finally:
                self._startup = None
        self._compare_clocks(hello, asked)
        return Conversation(link, line, self._sink, self)

    def _begin(self, conversation: Conversation) -> None:
        self._sink.begin()
        with self._changed:
            self._conversation = conversation
            if self._closing:
                conversation.close(f"{self.name}: closed")
            errand = self._errand
        conversation.send(self._context.pace)
        copy = self._context.copy
        if copy is not None and not self._copied and errand is not None and not errand.ref:
            copy.send(conversation, self.name)
        with self._changed:
            self._copied = True
            errand, frames = self._errand, b""
            if errand is not None and (errand.open or errand.touches_node):
                frames = self._attach(errand)
                if self._leaving:
                    frames += self._about(wire.LEAVE, errand)
        conversation.send(frames)

    def _broke(self, error: UserError) -> None:
        """The connection is no more, or could not be made."""
        fault = category_of(error)
        placed: NotPlaced | None = None
        down = False
        with self._changed:
            conversation, self._conversation = self._conversation, None
            self._attached = False
            sweeping, self._sweeping = self._sweeping, False
            errand = self._errand
            quiet = self._closing or self.left
            if errand is not None and errand.open and not quiet:
                patience, maybe = self._context.patience, self._context.taken_over
                now = time.monotonic()
                if not errand.worth_waiting(error, now, patience=patience, maybe_there=maybe):
                    errand.open = False
                    placed = NotPlaced(
                        node=self.name, category=fault, message=error.message, hint=error.hint
                    )
            elif errand is not None and errand.ref and not self._gone and not quiet:
                down, self._down = self._down != fault, fault
        if conversation is not None:
            conversation.close()
        if placed is not None:
            self._context.tell(placed)
        if down:
            self._context.tell(LinkDown(node=self.name, message=error.message))
        if sweeping:
            self._context.tell(Swept(node=self.name, error=error.message))

    def _compare_clocks(self, hello: Hello, asked: float) -> None:
        # at once: what a run of a second writes down must have the right times too
        if not self._told_clock:
            self._told_clock = True
            ahead = hello.time - time.time()
            # one that agrees would seem behind by all that the hello took to get here
            if ahead > 0 or hello.time < asked:
                self._context.tell(ClockRead(node=self.name, ahead=ahead))

    # What the courier tells: called by the conversation

    def attached(self, answer: Attached) -> None:
        """See `Owner`."""
        report: Report | None = None
        up = False
        with self._changed:
            errand, conversation = self._errand, self._conversation
            if errand is None or conversation is None or answer.attempt != errand.order.attempt:
                return
            waiting, errand.open = errand.open, False
            if answer.problem is not None:
                category, message, hint = answer.problem
                report = NotPlaced(node=self.name, category=category, message=message, hint=hint)
            elif answer.ref is None:
                report = Absent(node=self.name)
            else:
                errand.ref = errand.ref or f"ssh:{self._node.address or self.name}:{answer.ref}"
                report = Placed(node=self.name, ref=errand.ref)
                self._attached = True
                for frame in self._pending.values():
                    conversation.post(frame)
            up, self._down = bool(self._down), ""
        if up:
            self._context.tell(LinkUp(node=self.name))
        if waiting:
            self._context.tell(report)
        self._context.wake()
        self._context.pulse()

    def commanded(self, name: str, error: str) -> None:
        """See `Owner`."""
        with self._changed:
            self._pending.pop(name, None)
        if error:
            self.note(f"{self.name}: a command could not be given to the agent: {error}")

    def gone(self, attempt: int) -> None:
        """See `Owner`."""
        with self._changed:
            if self._errand is not None and self._errand.order.attempt == attempt:
                self._gone = True
        self._context.wake()

    def swept(self, answer: SweptAnswer) -> None:
        """See `Owner`."""
        with self._changed:
            self._sweeping = False
        self._context.tell(Swept(node=self.name, left=answer.left, error=answer.error))

    def departed(self, error: str) -> None:
        """See `Owner`."""
        if error:
            self.note(f"{self.name}: {error}")
        with self._changed:
            self.left = True
            self._changed.notify_all()
        self._context.wake()

    def note(self, message: str) -> None:
        """See `Owner`."""
        self._context.tell(Told(node=self.name, message=message))

    def news(self) -> None:
        """See `Owner`."""
        self._context.wake()
