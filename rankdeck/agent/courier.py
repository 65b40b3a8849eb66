"""The courier: one process per connection, between the agent's folder and home.

Frames on standard input and output. It owns nothing: when the connection breaks it ends, and the
agent goes on; the next courier continues where home says that it has got to.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

from rankdeck.agent import courier_frames as wire
from rankdeck.agent import kernel
from rankdeck.agent.courier_outbox import Outbox
from rankdeck.agent.courier_stage import StageError, private_dir
from rankdeck.agent.courier_start import boot_id, find_agent, start_agent, take_over
from rankdeck.agent.courier_watch import Flow, Pace, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rankdeck.agent.courier_start import AgentProcess
    from rankdeck.agent.courier_sweep import Sweeper
    from rankdeck.agent.courier_sync import Receiver

_TICK = 0.1
_HOME_SILENT = 30.0
"""Home pings every few seconds: after this time the connection is dead, though it looks alive."""
_OUTBOX_ROOM = 512 * 1024
_READ = 256 * 1024
_LAST_WORDS = 5.0


def main(arguments: list[str]) -> int:
    """`--courier ROOT`: serve on standard input and output, without a first stage."""
    if len(arguments) != 1:
        sys.exit("usage: agent.pyz --courier ROOT")
    return serve(private_dir(arguments[0]), sys.path[0])


def serve(root: str, bundle: str) -> int:
    """Be the courier until the connection ends; the exit code."""
    kernel.set_name("rankdeck-courier")
    os.chdir("/")
    try:
        Courier(root, bundle).run()
    except (BrokenPipeError, ConnectionResetError):
        return 0
    except wire.FrameError as error:
        sys.stderr.write(f"courier: {error}\n")
        return 1
    return 0


class Courier:
    """The one loop."""

    def __init__(self, root: str, bundle: str, source: int = 0, sink: int = 1) -> None:
        self._root = root
        self._bundle = bundle
        self._source = source
        self._sink = sink
        self._out = Outbox(sink)
        self._decoder = wire.Decoder()
        self._pace = Pace()
        self._flow = Flow(self._pace, time.monotonic())
        self._watch: Watch | None = None
        self._sweeper: Sweeper | None = None
        self._receiver: Receiver | None = None
        self._pidfd: int | None = None
        self._heard = time.monotonic()
        self._leaving: tuple[str, str] | None = None
        """The run and node whose folder is to be removed, once home has everything."""
        self._swept = False
        """The sweeper has ended; what the swept had written is on its way home."""
        self._swept_to_leave = False
        self._over = False

    def run(self) -> None:
        """Serve until home leaves, or is silent for too long.

        Raises:
            OSError: The connection broke.
            FrameError: Home does not speak this protocol.
        """
        os.set_blocking(self._source, False)
        os.set_blocking(self._sink, False)
        self._out.put(_hello())
        due = 0.0
        while not self._over:
            self._wait(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            due = self._turn(now)
            self._out.flush(now)
            if now - self._heard > _HOME_SILENT:
                return
        deadline = time.monotonic() + _LAST_WORDS
        while self._out.size and time.monotonic() < deadline:
            select.select([], [self._sink], [], 0.5)
            self._out.flush(time.monotonic())

    def _wait(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        if self._sink != self._source:
            # even without POLLOUT it shows that nobody reads any more
            poll.register(self._sink, select.POLLOUT if self._out.size else 0)
        sweeping = self._sweeper.fd if self._sweeper and not self._swept else None
        for fd in (self._pidfd, sweeping):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        for fd, events in poll.poll(min(seconds, 1.0) * 1000):
            if fd == self._source:
                self._read()
            elif fd == self._sink and events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                self._over = True
            elif fd == self._pidfd:
                self._unwatch_process()
                if self._watch is not None:
                    self._watch.hurry()

    def _read(self) -> None:
        try:
            data = os.read(self._source, _READ)
        except BlockingIOError:
            return
        if not data:
            self._over = True
            return
        self._heard = time.monotonic()
        for kind, payload in self._decoder.feed(data):
            self._take(kind, payload)

    def _turn(self, now: float) -> float:
        due = now + _TICK
        if self._watch is not None:
            due = self._watch.turn(now, _OUTBOX_ROOM - self._out.size)
        if self._receiver is not None and self._receiver.working:
            self._answer_sync(self._receiver.turn())
            due = now
        if self._sweeper is not None and not self._swept and self._sweeper.ended():
            self._swept = True
            if self._watch is not None:
                self._watch.look_again()
        elif self._sweeper is not None and self._swept:
            self._answer_sweep(self._sweeper)
        if self._leaving is not None:
            self._leave(*self._leaving)
        if now - self._out.used >= self._pace.idle and not self._out.size:
            self._out.put(wire.frame(wire.ALIVE))
        return max(due, now + 0.005)

    # What home says

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == wire.ACK:
            self._flow.acked(wire.COUNT.unpack(payload)[0], time.monotonic())
        elif kind == wire.CONTENT:
            if self._receiver is not None:
                self._answer_sync(self._receiver.content(payload))
        elif kind != wire.PING:
            try:
                self._obey(kind, json.loads(payload))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise wire.FrameError(f"a message of kind {kind} is broken: {error!r}") from error

    def _obey(self, kind: int, fields: dict[str, Any]) -> None:
        if kind == wire.PACE:
            self._pace.set(fields)
        elif kind == wire.ATTACH:
            self._attach(fields)
        elif kind == wire.COMMAND:
            self._command(fields)
        elif kind == wire.VERDICT:
            if self._watch is not None:
                self._watch.verdict(fields["resend"])
        elif kind == wire.SWEEP:
            self._begin_sweep(fields["run"], fields["node"])
        elif kind == wire.LEAVE:
            self._node_dir(fields)
            self._leaving = (fields["run"], fields["node"])
        elif kind == wire.MANIFEST:
            from rankdeck.agent.courier_sync import Receiver

            if self._receiver is None:
                self._receiver = Receiver(self._root)
            self._answer_sync(self._receiver.manifest(fields))
        else:
            raise wire.FrameError(f"an unknown kind of message: {kind}")

    def _answer_sync(self, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            self._out.put(wire.message(wire.WANTED, **answer))

    def _node_dir(self, fields: dict[str, Any]) -> str:
        for name in (fields["run"], fields["node"]):
            if "/" in name or name in ("", ".", "..") or "\0" in name:
                raise wire.FrameError(f"{name!r} is no name")
        return f"{self._root}/runs/{fields['run']}/{fields['node']}"

    def _attach(self, fields: dict[str, Any]) -> None:
        node_dir, attempt, mode = self._node_dir(fields), fields["attempt"], fields["mode"]
        try:
            if mode == "start":
                private_dir(f"{self._root}/runs")
                private_dir(os.path.dirname(node_dir))
                private_dir(node_dir)
            if os.path.isdir(node_dir):
                take_over(node_dir)
            agent = find_agent(f"{node_dir}/attempt-{attempt}")
            if agent is None and mode == "start":
                order = {**fields["order"], "node_dir": node_dir}
                agent = start_agent(node_dir, order, self._bundle)
        except StageError as error:
            problem = error.fields
            self._out.put(wire.message(wire.ATTACHED, attempt=attempt, ref=None, problem=problem))
            return
        self._follow(node_dir, attempt, agent, fields["offsets"])
        ref = agent.ref if agent is not None else None
        self._out.put(wire.message(wire.ATTACHED, attempt=attempt, ref=ref, problem=None))
        if agent is None and mode == "watch":
            self._out.put(wire.message(wire.GONE, attempt=attempt))

    def _follow(
        self, node_dir: str, attempt: int, agent: AgentProcess | None, offsets: dict[str, int]
    ) -> None:
        self._unwatch_process()
        self._watch = None
        if agent is None:
            return
        if agent.alive:
            self._pidfd = kernel.open_pidfd(agent.pid)
        self._watch = Watch(node_dir, attempt, agent, self._out.put, self._flow, self._pace)
        self._watch.begin(offsets)

    def _unwatch_process(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _command(self, fields: dict[str, Any]) -> None:
        from rankdeck.agent.courier_inbox import deliver

        watch = self._watch
        error = "there is no agent" if watch is None else deliver(watch, fields)
        self._out.put(wire.message(wire.COMMANDED, name=fields["name"], error=error))

    # Sweeping and leaving

    def _begin_sweep(self, run: str, node: str) -> None:
        from rankdeck.agent.courier_sweep import Sweeper

        if self._sweeper is None:
            self._sweeper = Sweeper(self._bundle, run, node)

    def _answer_sweep(self, sweeper: Sweeper) -> None:
        if self._watch is not None and not self._watch.at_rest:
            return
        self._sweeper, self._swept = None, False
        if self._leaving is None:
            self._out.put(wire.message(wire.SWEPT, left=sweeper.left, error=sweeper.error))
        else:
            self._swept_to_leave = True

    def _leave(self, run: str, node: str) -> None:
        from rankdeck.agent.courier_sweep import remove_run

        watch = self._watch
        if self._sweeper is not None:
            return
        if watch is not None:
            if not self._swept_to_leave and (watch.agent.alive or not watch.orderly):
                self._begin_sweep(run, node)
                return
            if not watch.home:
                return
        self._leaving, self._watch, self._over = None, None, True
        self._out.put(
            wire.message(wire.LEFT, error=remove_run(self._root, self._bundle, run, node))
        )


def _hello() -> bytes:
    return wire.message(
        wire.HELLO,
        version=wire.VERSION,
        pid=os.getpid(),
        host=os.uname().nodename,
        boot=boot_id(),
        python=".".join(map(str, sys.version_info[:3])),
        time=time.time(),
    )
