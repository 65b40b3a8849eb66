"""Stops: by command, by the time limit, by a failure; brought to every agent and seen through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.run import policy, strangers
from rankdeck.run.agents import Loss
from rankdeck.run.control import RunCommandKind, discard, read_inbox
from rankdeck.run.events import Event, EventKind
from rankdeck.run.policy import Stop
from rankdeck.run.state import Cause, RunPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.control import InboxItem
    from rankdeck.run.desk import Desk
    from rankdeck.run.losses import Losses
    from rankdeck.run.state import RunNode

_EVIDENCE_SECONDS = 0.5
"""From a failure to the stop of the other nodes: its traceback, and their errors, get written."""
_OWN_STOP_SECONDS = 3.0
"""By then an agent with a failed rank has begun to stop the others itself."""
_DESERTED_SECONDS = 3.0
"""By which a signal that was meant for all nodes has come to all."""
_MARGIN_SECONDS = 20.0
"""Beyond the grace; an agent that has not finished by then is ended with its ranks."""
_KILL_MARGIN_SECONDS = 8.0
"""The same when there is no grace."""


class Stopping:
    """The stop of the current attempt, if there is one."""

    def __init__(self, desk: Desk, losses: Losses) -> None:
        """Go on with the stop the journal tells of."""
        self._desk = desk
        self._losses = losses
        self.stop = policy.stop_of(desk.journal.history)
        """The stop that is going on."""
        self._since = desk.clock.steady()
        self._evidence_until = 0.0
        self._deserted_since: float | None = None
        self._answered = {e.file for e in desk.journal.history if e.file is not None}
        self._deadline = self._find_deadline(desk.plan, desk.journal.history)

    def forget(self) -> None:
        """A new attempt begins."""
        self.stop = None

    def start_clock(self) -> None:
        """Nodes were allocated; what a run waited in a queue is none of its time."""
        limit = self._desk.plan.time_limit
        if limit is not None and self._desk.state.started is None:
            self._deadline = self._desk.clock.steady() + limit

    def obey(self) -> None:
        """Carry out, or refuse, every command in the inbox."""
        for item in read_inbox(self._desk.run):
            if item.file not in self._answered:
                self._answered.add(item.file)
                self._carry_out(item)
            discard(self._desk.run, item.file)

    def refuse_all(self) -> None:
        """Answer every command in the inbox: the run has ended."""
        desk = self._desk
        for item in read_inbox(desk.run):
            if item.file not in self._answered:
                self._answered.add(item.file)
                reason = item.fault or f"the run has already ended: {desk.state.state.value}"
                desk.record(self._answer(item, "refused", reason))
            discard(desk.run, item.file)

    def check_time(self) -> None:
        """Begin the stop when the time limit strikes."""
        if self._deadline is None or self.stop is not None:
            return
        if self._desk.state.state is RunPhase.QUEUED:
            return
        if self._desk.clock.steady() >= self._deadline:
            reason = policy.time_limit_text(self._desk.plan.time_limit or 0.0)
            self._begin(Stop(cause=Cause.TIME_LIMIT, reason=reason))

    def check_trouble(self) -> None:
        """Begin the stop everywhere when something went wrong anywhere."""
        found = policy.trouble(self._desk.state, self._desk.said())
        if found is not None and self.stop is None:
            self._begin(Stop(cause=Cause.FAILURE, reason=found.reason))

    def check_deserted(self, explained: Callable[[], bool]) -> None:
        """Begin the stop everywhere when somebody else has ended the ranks of one node.

        Args:
            explained: Whether who carries the agents has said why, or had its time to.
        """
        desk = self._desk
        alone = self.stop is None and desk.ending is None
        reason = strangers.deserted(desk.state, desk.said()) if alone else None
        now = desk.clock.steady()
        if reason is None or self._deserted_since is None:
            self._deserted_since = None if reason is None else now
        elif (
            now - self._deserted_since >= _DESERTED_SECONDS
            and explained()
            and desk.ending is None  # not what was said just now
        ):
            self._begin(Stop(cause=Cause.FAILURE, reason=reason))

    def enforce(self) -> None:
        """Bring the stop to every agent that has not ended yet."""
        stop, desk = self.stop, self._desk
        if stop is None:
            return
        now = desk.clock.steady()
        grace = desk.plan.grace if stop.grace is None else stop.grace
        patience = _KILL_MARGIN_SECONDS if stop.kill else grace + _MARGIN_SECONDS
        spared = self._stopping_by_themselves(now - self._since)
        for node in desk.state.nodes:
            if node.state == "pending" or node.state in policy.OVER:
                continue
            if now - self._since > patience:
                self._losses.lose(node, Loss.STUCK)
            elif stop.kill:
                self._send(node, AgentCommandKind.KILL, 0.0)
            elif (
                now >= self._evidence_until
                and node.name not in spared
                and not desk.agents.stops_already(node, desk.state.attempt)
            ):
                self._send(node, AgentCommandKind.STOP, grace)

    def _carry_out(self, item: InboxItem) -> None:
        desk, command = self._desk, item.command
        if command is None:
            desk.record(self._answer(item, "refused", item.fault))
            return
        if command.command is RunCommandKind.SIGNAL:
            from rankdeck.run.signalling import send_signal
            from rankdeck.run.signals import signal_number

            sent = send_signal(desk, command)
            answer = self._answer(item, sent.outcome, sent.message)
            number = signal_number(command.signal)
            whom = {"signal": number, "ranks": sent.ranks, "by": command.by or None}
            desk.record(msgspec.structs.replace(answer, **whom) if sent.ranks else answer)
            return
        by = f"by {command.by}" if command.by else ""
        answer = self._answer(item, "accepted", by)
        kill = command.command is RunCommandKind.KILL
        if self.stop is not None:
            desk.record(answer)
            if kill:
                self.stop = replace(self.stop, grace=0.0, kill=True)
                self._since = desk.clock.steady()
            return
        reason = command.reason or ("killed by the user" if kill else "stopped by the user")
        grace = 0.0 if kill else command.grace
        self._begin(Stop(cause=Cause.USER, reason=reason, grace=grace, kill=kill), answer)

    def _answer(self, item: InboxItem, outcome: str, message: str) -> Event:
        return self._desk.fact(
            EventKind.COMMAND,
            command=item.command.command.value if item.command else None,
            outcome=outcome,
            message=message or None,
            file=item.file,
        )

    def _begin(self, stop: Stop, *after: Event) -> None:
        desk = self._desk
        stopping = desk.fact(
            EventKind.RUN_STATE,
            state=RunPhase.STOPPING.value,
            message=stop.reason,
            category=stop.cause.value,
            grace=stop.grace,
        )
        # the answer to the command comes last: without it the command is carried out again,
        # with it alone it would never be
        desk.record(stopping, *after)
        self.stop = stop
        self._since = desk.clock.steady()
        patience = _EVIDENCE_SECONDS if stop.cause is Cause.FAILURE else 0.0
        self._evidence_until = self._since + patience

    def _stopping_by_themselves(self, age: float) -> frozenset[str]:
        assert self.stop is not None
        if self.stop.cause is not Cause.FAILURE or age >= _OWN_STOP_SECONDS:
            return frozenset()
        found = policy.trouble(self._desk.state, self._desk.said())
        return found.nodes if found is not None else frozenset()

    def _send(self, node: RunNode, kind: AgentCommandKind, grace: float) -> None:
        assert self.stop is not None
        command = AgentCommand(command=kind, reason=self.stop.reason, grace=grace)
        self._desk.tell(node, command)

    def _find_deadline(self, plan: LaunchPlan, history: Sequence[Event]) -> float | None:
        if plan.time_limit is None:
            return None
        clock = self._desk.clock
        starts = (EventKind.NODES, EventKind.ATTEMPT)
        times = [next((e.t for e in history if e.kind is kind), None) for kind in starts]
        began = next((t for t in times if t is not None), clock.wall())
        return clock.steady() + plan.time_limit - max(0.0, clock.wall() - began)
