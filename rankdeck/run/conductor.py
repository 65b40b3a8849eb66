"""One run, conducted: each `step` looks, records what is new, decides and acts.

Every decision is an event before it is an action, and every action may be repeated: a conductor
may be killed between any two lines, and another one goes on from the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.backend import AgentLiveness
from rankdeck.run import policy, strangers
from rankdeck.run.clock import Clock
from rankdeck.run.clocks import check_clocks
from rankdeck.run.desk import Desk
from rankdeck.run.events import EventKind
from rankdeck.run.fold import EXIT_CODES
from rankdeck.run.hearing import Hearing
from rankdeck.run.losses import Losses
from rankdeck.run.node_state import RankState
from rankdeck.run.observe import news
from rankdeck.run.placing import Placing
from rankdeck.run.state import Cause, Failure, RunPhase
from rankdeck.run.stopping import Stopping

if TYPE_CHECKING:
    from rankdeck.backend import Session
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.events import Event
    from rankdeck.run.journal import Journal
    from rankdeck.run.layout import RunDir
    from rankdeck.run.node_state import NodeState
    from rankdeck.run.state import RunState

_STALE_SECONDS = 300.0
"""A run that was never begun (its submission was interrupted) is not begun later than this."""
_LEAVING_SECONDS = 5.0
"""What an agent may take from `done` to its end."""
_HURRY_SECONDS = 15.0
"""How long the beginning of an attempt is watched closely."""
_INQUIRY_SECONDS = 12.0
"""What a scheduler may take to say why it ended the agents."""


class Conductor:
    """Carries one run from its plan to its end."""

    def __init__(
        self,
        run: RunDir,
        plan: LaunchPlan,
        session: Session,
        journal: Journal,
        clock: Clock | None = None,
    ) -> None:
        """Take the run up where the journal says it is."""
        self._desk = Desk(run, plan, session, journal, clock or Clock())
        self._placing = Placing(self._desk)
        self._losses = Losses(self._desk, self._record_news)
        self._stopping = Stopping(self._desk, self._losses)
        self._hearing = Hearing(self._desk, self._placing, self._losses, self._stopping)
        self._over_since: float | None = None

    @property
    def state(self) -> RunState:
        """The run as it is now."""
        return self._desk.state

    def step(self) -> None:
        """Do whatever is to be done now; quick, and safe to repeat."""
        desk, stopping = self._desk, self._stopping
        if self.state.state.final:
            return
        if self.state.state is RunPhase.PLANNED and not self._begin():
            return
        if stopping.stop is None:
            self._placing.place()
        else:
            self._placing.recover()
        self._hearing.listen()
        if desk.agents.look(self.state.attempt):
            check_clocks(desk)
            self._record_news()
            desk.keep_loads()
        stopping.obey()
        stopping.check_time()
        self._losses.check()
        if not self._over():
            self._placing.check_ready()
            stopping.check_trouble()
            stopping.check_deserted(lambda: self._hearing.inquire(_INQUIRY_SECONDS))
        if stopping.stop is None:
            self._placing.go()
        stopping.enforce()
        if self._over() and self._all_left() and self._explained():
            self._conclude()

    def interval(self) -> float:
        """Seconds until the next step is wanted."""
        starting = self.state.state is RunPhase.STARTING and self._placing.age < _HURRY_SECONDS
        hurry = starting or self._desk.agents.dying() or self._over_since is not None
        return policy.poll_interval(len(self._desk.plan.nodes), hurry=hurry)

    def said(self) -> dict[str, NodeState]:
        """The last word of each agent of the current attempt."""
        return self._desk.said()

    def note(self, message: str) -> None:
        """Record something worth telling."""
        self._desk.record(self._desk.note(message))

    def child_ended(self) -> None:
        """A child process has ended; perhaps an agent."""
        self._desk.agents.hurry()

    def release(self) -> None:
        """The run has ended: give back what the backend holds for it, and note what that told."""
        self._desk.session.release()
        self._hearing.listen()

    def refuse_all(self) -> None:
        """Answer every waiting command: the run has ended."""
        self._stopping.refuse_all()

    def _begin(self) -> bool:
        desk = self._desk
        age = desk.clock.wall() - self.state.created
        if age < _STALE_SECONDS:
            self._placing.begin_attempt(0, "")
            return True
        reason = "it was never begun: its submission was interrupted"
        failure = Failure(
            rank=None, node=None, category="not-begun", summary=reason, time=self.state.created
        )
        now = desk.clock.wall()
        desk.record(
            self._failure_event(failure, now), self._end_event(RunPhase.FAILED, reason, now)
        )
        return False

    def _record_news(self) -> None:
        desk = self._desk
        facts = news(self.state, desk.said())
        spawned = [
            rank.times[RankState.SPAWNED.value]
            for rank in self.state.ranks
            if RankState.SPAWNED.value in rank.times
        ]
        spawned += [
            fact.t
            for fact in facts
            if fact.kind is EventKind.RANK and fact.state == RankState.SPAWNED.value
        ]
        if spawned and self.state.state is RunPhase.STARTING:
            facts.append(
                desk.fact(EventKind.RUN_STATE, state=RunPhase.RUNNING.value, t=min(spawned))
            )
            facts.sort(key=lambda fact: fact.t)
        desk.record(*facts)

    def _over(self) -> bool:
        unplaced = self._stopping.stop is not None or any(
            node.problem is not None for node in self.state.nodes
        )
        if self._placing.open or self._losses.sweeping:
            return False
        return policy.all_over(self.state, stopping=unplaced)

    def _explained(self) -> bool:
        """Whether it is known, or cannot be, why agents ended that nobody here told to."""
        desk, stop = self._desk, self._stopping.stop
        said = desk.said()
        ours = stop is not None and not (
            stop.cause is Cause.FAILURE and strangers.came_first(self.state, said)
        )
        if ours or not strangers.signalled(self.state, said):
            return True
        return self._hearing.inquire(_INQUIRY_SECONDS)

    def _all_left(self) -> bool:
        """Whether every agent process is gone too; one that stays is ended."""
        desk = self._desk
        staying = [
            node
            for node in self.state.nodes
            if node.state == "done" and desk.agents.liveness(node) is AgentLiveness.ALIVE
        ]
        if not staying:
            return True
        now = desk.clock.steady()
        if self._over_since is None:
            self._over_since = now
        if now - self._over_since < _LEAVING_SECONDS:
            return False
        for node in staying:
            self._losses.sweep(node)
        self._hearing.listen()
        return not self._losses.sweeping

    def _conclude(self) -> None:
        """End the attempt, and with it perhaps the run."""
        desk, stop = self._desk, self._stopping.stop
        desk.keep_loads(last=True)
        end = policy.verdict(desk.plan, self.state, desk.said(), stop, desk.ending)
        ahead = {node.name: node.clock_ahead for node in self.state.nodes}
        ends = [
            word.ended - ahead[name] for name, word in desk.said().items() if word.ended is not None
        ]
        # taken over late, a run has still ended when its last agent was done
        when = max(ends) if len(ends) == len(self.state.nodes) else desk.clock.wall()
        facts: list[Event] = []
        bad = end.phase in (RunPhase.FAILED, RunPhase.LOST)
        # a supervisor killed in this very place may have written the failure already
        if bad and self.state.failure is None:
            from rankdeck.run.failure import find_failure

            failure, note = find_failure(desk, stop, end.reason)
            facts = [self._failure_event(failure, when)]
            if note:
                facts.append(desk.fact(EventKind.NOTE, t=when, message=note))
        if end.again:
            desk.record(*facts)
            self._over_since = None
            self._stopping.forget()
            self._hearing.forget()
            self._placing.begin_attempt(
                self.state.attempt + 1,
                policy.attempt_text(desk.plan, self.state, end),
                requeued=end.requeued,
            )
        else:
            desk.record(*facts, self._end_event(end.phase, end.reason, when))

    def _end_event(self, phase: RunPhase, reason: str, when: float) -> Event:
        return self._desk.fact(
            EventKind.RUN_STATE,
            t=when,
            state=phase.value,
            message=reason or None,
            exit_code=EXIT_CODES[phase],
        )

    def _failure_event(self, failure: Failure, when: float) -> Event:
        return self._desk.fact(
            EventKind.FAILURE,
            t=when,
            node=failure.node,
            rank=failure.rank,
            category=failure.category,
            message=failure.summary,
            hint=failure.hint or None,
            exit_code=failure.exit_code,
            signal=failure.signal,
            failure=failure,
        )
