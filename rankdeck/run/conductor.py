"""One run, conducted: each `step` looks, records what is new, decides and acts.

Every decision is an event before it is an action, and every action may be repeated: a conductor
may be killed between any two lines, and another one goes on from the log.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.backend import AgentLiveness
from rankdeck.errors import UserError
from rankdeck.run import policy
from rankdeck.run.agents import Agents
from rankdeck.run.control import RunCommandKind, discard, read_inbox
from rankdeck.run.events import Event, EventKind
from rankdeck.run.node_state import NodePhase, RankState
from rankdeck.run.observe import news
from rankdeck.run.orders import build_order
from rankdeck.run.policy import Cause, Stop
from rankdeck.run.state import RunPhase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.backend import Backend
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.control import InboxItem
    from rankdeck.run.journal import Journal
    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunNode, RunState

_EVIDENCE_SECONDS = 0.5
"""From a failure to the stop of the other nodes: their errors, and its traceback, get written."""
_OWN_STOP_SECONDS = 3.0
"""By then an agent with a failed rank has begun to stop the others itself."""
_STOP_MARGIN = 20.0
"""Seconds beyond the grace after which an agent that does not finish is ended with its ranks."""
_READY_SECONDS = 120.0
_WAITING_SECONDS = 5.0
_LEAVING_SECONDS = 5.0
_HURRY_SECONDS = 15.0


class Conductor:
    """Carries one run from its plan to its end."""

    def __init__(
        self,
        run: RunDir,
        plan: LaunchPlan,
        backend: Backend,
        journal: Journal,
        environ: Mapping[str, str] | None,
    ) -> None:
        """Take the run up where the journal says it is. `environ` is what agents start with."""
        self._run = run
        self._plan = plan
        self._backend = backend
        self._journal = journal
        self._environ = environ
        self._agents = Agents(run, plan, backend)
        self._planned = {node.name: node for node in plan.nodes}
        self._answered = {event.file for event in journal.history if event.file is not None}
        self._stop = policy.stop_of(journal.history)
        self._deadline = _deadline(plan, journal.history)
        # a stop or an attempt taken over from a dead supervisor has waited long enough
        self._stop_since = time.monotonic() if self._stop else 0.0
        self._evidence_until = 0.0
        self._attempt_since = time.monotonic()
        self._over_since: float | None = None
        self._told_waiting = False
        self._recovering = any(e.kind is EventKind.ATTEMPT for e in journal.history)
        for node in journal.state.nodes:
            self._agents.begin(node.name, node.agent)

    @property
    def state(self) -> RunState:
        """The run as it is now."""
        return self._journal.state

    def step(self) -> None:
        """Do whatever is to be done now; quick, and safe to repeat."""
        if self.state.state.final:
            return
        if self.state.state is RunPhase.PLANNED:
            self._begin_attempt(0, "")
        if self._recovering:
            self._recover()
        self._place()
        changed = self._agents.look(self.state.attempt)
        if changed:
            self._record_news()
        self._obey()
        self._check_time()
        self._check_agents()
        self._check_trouble()
        self._go()
        self._enforce()
        self._conclude()

    def interval(self) -> float:
        """Seconds until the next step is wanted."""
        young = time.monotonic() - self._attempt_since < _HURRY_SECONDS
        hurry = (
            (young and self.state.state is RunPhase.STARTING)
            or self._agents.dying()
            or self._over_since is not None
        )
        return policy.poll_interval(len(self._planned), hurry=hurry)

    def said(self) -> dict[str, NodeState]:
        """The last word of each agent of the current attempt."""
        return self._agents.said(self.state.attempt)

    def child_ended(self) -> None:
        """A child process has ended; perhaps an agent."""
        self._agents.hurry()

    def refuse_all(self) -> None:
        """Answer every waiting command: the run has ended."""
        for item in read_inbox(self._run):
            if item.file not in self._answered:
                reason = item.fault or f"the run has already ended: {self.state.state.value}"
                self._record(self._answer(item, "refused", reason))
            discard(self._run, item.file)

    # -- recording -------------------------------------------------------------------------------

    def _record(self, *facts: Event) -> None:
        self._journal.record(facts)

    def _event(self, kind: EventKind, **fields: object) -> Event:
        fields.setdefault("t", time.time())
        fields.setdefault("attempt", self.state.attempt)
        return Event(seq=0, kind=kind, **fields)  # type: ignore[arg-type]

    def _record_news(self) -> None:
        facts = news(self.state, self.said())
        spawned = [
            fact.t
            for fact in facts
            if fact.kind is EventKind.RANK and fact.state == RankState.SPAWNED.value
        ]
        if spawned and self.state.state is RunPhase.STARTING:
            running = self._event(EventKind.RUN_STATE, state=RunPhase.RUNNING.value, t=min(spawned))
            facts = sorted((*facts, running), key=lambda fact: fact.t)
        self._journal.record(facts)

    # -- beginning -------------------------------------------------------------------------------

    def _begin_attempt(self, number: int, why: str) -> None:
        message = why and f"attempt {number + 1} of {self._plan.max_restarts + 1}: {why}"
        self._record(
            self._event(EventKind.ATTEMPT, attempt=number, message=message or None),
            self._event(
                EventKind.RUN_STATE,
                attempt=number,
                state=RunPhase.STARTING.value,
                message=message or None,
            ),
        )
        self._stop = None
        self._over_since = None
        self._attempt_since = time.monotonic()
        self._told_waiting = False
        for node in self.state.nodes:
            self._agents.begin(node.name, None)

    def _recover(self) -> None:
        """Find agents whose placing the dead supervisor could not write down any more."""
        self._recovering = False
        for node in self.state.nodes:
            if node.state == "pending":
                order = build_order(
                    self._run, self._plan, self._planned[node.name], self.state.attempt
                )
                ref = self._backend.recover(self._run, order)
                if ref is not None:
                    self._placed(node, ref)

    def _place(self) -> None:
        if self._stop is not None:
            return
        for node in self.state.nodes:
            if node.state != "pending" or node.problem is not None:
                continue
            order = build_order(self._run, self._plan, self._planned[node.name], self.state.attempt)
            try:
                ref = self._backend.place(self._run, order, self._environ)
            except UserError as error:
                self._record(self._problem(node, "spawn", error.message, error.hint))
                return
            self._placed(node, ref)

    def _placed(self, node: RunNode, ref: str) -> None:
        self._agents.begin(node.name, ref)
        self._record(self._event(EventKind.AGENT, node=node.name, state="placed", agent=ref))

    def _go(self) -> None:
        """Tell prepared agents to start, once all of them are prepared."""
        if len(self._planned) == 1 or self._stop is not None:
            return
        if not self._told_waiting:
            self._tell_waiting()
        said = self.said()
        ready = [n for n in self.state.nodes if n.state == "ready"]
        begun = any(node.state == "running" for node in self.state.nodes)
        if not ready or not (begun or policy.all_ready(self.state)):
            return
        first = self.state.nodes[0].name
        port = self._plan.master_port or (said[first].master_port if first in said else 0)
        command = AgentCommand(
            command=AgentCommandKind.GO, master_addr=self._plan.master_addr, master_port=port
        )
        for node in ready:
            if said[node.name].phase is NodePhase.READY:
                self._send(node, command)

    def _tell_waiting(self) -> None:
        waited = time.monotonic() - self._attempt_since
        if waited < _WAITING_SECONDS:
            return
        self._told_waiting = True
        if self.state.state is RunPhase.STARTING and (
            message := policy.waiting_for(self.state.nodes)
        ):
            self._record(
                self._event(EventKind.RUN_STATE, state=RunPhase.STARTING.value, message=message)
            )

    # -- watching --------------------------------------------------------------------------------

    def _obey(self) -> None:
        for item in read_inbox(self._run):
            if item.file not in self._answered:
                self._answered.add(item.file)
                self._carry_out(item)
            discard(self._run, item.file)

    def _carry_out(self, item: InboxItem) -> None:
        command = item.command
        if command is None:
            self._record(self._answer(item, "refused", item.fault))
            return
        kill = command.command is RunCommandKind.KILL
        if self._stop is not None and (self._stop.kill or not kill):
            self._record(self._answer(item, "refused", "the run is already being stopped"))
            return
        reason = command.reason or ("killed by the user" if kill else "stopped by the user")
        answer = self._answer(item, "accepted", f"by {command.by}" if command.by else "")
        if self._stop is None:
            self._begin_stop(
                Stop(cause=Cause.USER, reason=reason, grace=command.grace, kill=kill), answer
            )
        else:
            self._record(answer)
            self._stop = Stop(
                cause=self._stop.cause, reason=self._stop.reason, grace=0.0, kill=True
            )

    def _answer(self, item: InboxItem, outcome: str, message: str) -> Event:
        return self._event(
            EventKind.COMMAND,
            command=item.command.command.value if item.command else None,
            outcome=outcome,
            message=message or None,
            file=item.file,
            grace=item.command.grace if item.command else None,
        )

    def _begin_stop(self, stop: Stop, *before: Event) -> None:
        # the stop is written first: what comes with it (a kill) belongs to it
        stopping = self._event(
            EventKind.RUN_STATE,
            state=RunPhase.STOPPING.value,
            message=stop.reason,
            category=stop.cause.value,
            grace=stop.grace,
        )
        self._record(stopping, *before)
        self._stop = stop
        self._stop_since = time.monotonic()
        patience = _EVIDENCE_SECONDS if stop.cause is Cause.FAILURE else 0.0
        self._evidence_until = self._stop_since + patience

    def _check_time(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline or self._stop is not None:
            return
        reason = policy.time_limit_text(self._plan.time_limit or 0.0)
        self._begin_stop(Stop(cause=Cause.TIME_LIMIT, reason=reason))

    def _check_agents(self) -> None:
        for node in self.state.nodes:
            if node.state == "pending" or node.state in policy.OVER:
                continue
            how = self._agents.lost(node)
            if how is not None:
                self._lose(node, how)
            elif (silent := self._agents.newly_silent(node)) is not None:
                self._record(
                    self._event(
                        EventKind.NOTE,
                        node=node.name,
                        message=f"the agent on {node.name} has said nothing for {silent:.0f} s",
                    )
                )
        self._check_ready()

    def _check_ready(self) -> None:
        if self._stop is not None or self.state.state is not RunPhase.STARTING:
            return
        if time.monotonic() - self._attempt_since < _READY_SECONDS:
            return
        for node in self.state.nodes:
            if node.state == "placed" and node.problem is None:
                message = f"the agent on {node.name} was not ready after {_READY_SECONDS:.0f} s"
                self._record(self._problem(node, "agent", message, ""))

    def _lose(self, node: RunNode, how: str) -> None:
        """Record that the agent is gone, after making sure that it has left nothing behind."""
        self._agents.look(self.state.attempt)
        word = self.said().get(node.name)
        if word is not None:
            self._record_news()
            if word.phase is NodePhase.DONE:
                return
        leftovers = self._sweep(node) if how == "dead" else []
        if how == "unreachable":
            category, message = policy.UNREACHABLE, f"{node.name} cannot be reached any more"
        elif word is None:
            category = policy.AGENT_LOST
            message = f"the agent on {node.name} ended before it could start anything"
        else:
            category = policy.AGENT_LOST
            message = f"the agent on {node.name} was killed; what it had started has been ended"
        now = time.time()
        ranks = [
            self._event(
                EventKind.RANK, t=now, node=node.name, rank=rank.rank, state=RankState.LOST.value
            )
            for rank in self.state.ranks
            if rank.node == node.name and not rank.state.final
        ]
        self._record(
            self._event(EventKind.AGENT, t=now, node=node.name, state="lost"),
            self._problem(node, category, message, self._last_agent_line(node)),
            *ranks,
            *leftovers,
        )

    def _sweep(self, node: RunNode) -> list[Event]:
        try:
            left = self._backend.sweep(self._run, node.name)
        except UserError as error:
            return [self._event(EventKind.NOTE, node=node.name, message=str(error))]
        if not left:
            return []
        pids = ", ".join(str(pid) for pid in left)
        message = f"processes that could not be ended: {pids}"
        return [self._event(EventKind.NOTE, node=node.name, message=message)]

    def _last_agent_line(self, node: RunNode) -> str:
        try:
            with open(self._run.node(node.name).agent_log, "rb") as stream:
                lines = stream.read()[-4096:].decode(errors="replace").split("\n")
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"its last words: {last[:200]}" if last else ""

    def _problem(self, node: RunNode, category: str, message: str, hint: str) -> Event:
        return self._event(
            EventKind.PROBLEM,
            node=node.name,
            category=category,
            message=message,
            hint=hint or None,
        )

    def _check_trouble(self) -> None:
        if self._stop is not None or self._over():
            return
        found = policy.trouble(self.state, self.said())
        if found is not None:
            self._begin_stop(Stop(cause=Cause.FAILURE, reason=found.reason))

    # -- ending ----------------------------------------------------------------------------------

    def _enforce(self) -> None:
        """Bring the stop to every agent that has not ended yet."""
        if self._stop is None:
            return
        now = time.monotonic()
        stopping_for = now - self._stop_since
        grace = self._plan.grace if self._stop.grace is None else self._stop.grace
        failed_nodes: frozenset[str] = frozenset()
        if self._stop.cause is Cause.FAILURE and stopping_for < _OWN_STOP_SECONDS:
            found = policy.trouble(self.state, self.said())
            failed_nodes = found.nodes if found else frozenset()
        for node in self.state.nodes:
            if node.state == "pending" or node.state in policy.OVER:
                continue
            if stopping_for > grace + _STOP_MARGIN:
                self._lose(node, "dead")
            elif self._stop.kill:
                self._send(node, self._stop_command(AgentCommandKind.KILL, 0.0))
            elif (
                now >= self._evidence_until
                and node.name not in failed_nodes
                and not self._agents.stops_already(node, self.state.attempt)
            ):
                self._send(node, self._stop_command(AgentCommandKind.STOP, grace))

    def _stop_command(self, kind: AgentCommandKind, grace: float) -> AgentCommand:
        assert self._stop is not None
        return AgentCommand(command=kind, reason=self._stop.reason, grace=grace)

    def _send(self, node: RunNode, command: AgentCommand) -> None:
        try:
            self._agents.send_once(node, command)
        except UserError as error:
            if self._agents.newly_silent(node) is not None:
                self._record(self._event(EventKind.NOTE, node=node.name, message=str(error)))

    def _over(self) -> bool:
        unplaced = self._stop is not None or any(n.problem is not None for n in self.state.nodes)
        return policy.all_over(self.state, stopping=unplaced)

    def _conclude(self) -> None:
        """End the attempt, and with it perhaps the run, when every node's part is over."""
        if not self._over() or not self._all_left():
            return
        end = policy.verdict(self._plan, self.state, self.said(), self._stop)
        facts = []
        if end.phase in (RunPhase.FAILED, RunPhase.LOST):
            facts.append(self._failure_event(end.reason))
        if end.again:
            self._journal.record(facts)
            self._begin_attempt(self.state.attempt + 1, f"{end.reason}")
            return
        ended = [word.ended for word in self.said().values() if word.ended is not None]
        facts.append(
            self._event(
                EventKind.RUN_STATE,
                t=max(ended) if len(ended) == len(self._planned) else time.time(),
                state=end.phase.value,
                message=end.reason or None,
                exit_code=end.exit_code,
            )
        )
        self._journal.record(facts)

    def _all_left(self) -> bool:
        """Whether every agent process is gone too; one that stays is ended."""
        staying = [
            node
            for node in self.state.nodes
            if node.state == "done" and self._agents.alive(node) is AgentLiveness.ALIVE
        ]
        if not staying:
            return True
        now = time.monotonic()
        if self._over_since is None:
            self._over_since = now
        if now - self._over_since < _LEAVING_SECONDS:
            return False
        for node in staying:
            self._record(*self._sweep(node))
        return True

    def _failure_event(self, reason: str) -> Event:
        from rankdeck.run.failure import find_failure

        failure, note = find_failure(
            self.state, tuple(self.said().values()), self._run, self._stop, reason, time.time()
        )
        if note:
            self._record(self._event(EventKind.NOTE, message=note))
        return self._event(
            EventKind.FAILURE,
            node=failure.node,
            rank=failure.rank,
            category=failure.category,
            message=failure.summary,
            hint=failure.hint or None,
            exit_code=failure.exit_code,
            signal=failure.signal,
            failure=failure,
        )


def _deadline(plan: LaunchPlan, history: Sequence[Event]) -> float | None:
    """When the time limit strikes, by the monotonic clock: wall clocks jump."""
    if plan.time_limit is None:
        return None
    first = next((event.t for event in history if event.kind is EventKind.ATTEMPT), None)
    used = 0.0 if first is None else max(0.0, time.time() - first)
    return time.monotonic() + plan.time_limit - used
