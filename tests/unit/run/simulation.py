"""A run without processes: simulated agents write real node files, time is turned by hand.

A crash may be set at any point where a supervisor touches the outside world; what it had written
until then stays, and the next conductor takes over from there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from rankdeck.agent_order import AgentCommandKind
from rankdeck.backend import AgentLiveness, SessionContext
from rankdeck.backend_direct import DirectSession
from rankdeck.errors import UserError
from rankdeck.plan.records import LaunchPlan, NodePlan, Spawn
from rankdeck.run.clock import Clock
from rankdeck.run.conductor import Conductor
from rankdeck.run.eventlog import read_events
from rankdeck.run.events import Event, EventKind
from rankdeck.run.fold import fold, initial_state
from rankdeck.run.journal import Journal
from rankdeck.run.node_state import (
    LauncherState,
    NodeOutcome,
    NodePhase,
    NodeProblem,
    NodeState,
    ProcessRef,
    RankRecord,
    RankState,
    StopRecord,
)
from rankdeck.run.stored import created_time, read_plan, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.backend import Session
    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunState

START = 1_795_000_000.0
TICK = 0.25


class Crash(BaseException):
    """The supervisor is killed here."""


class TurnedClock(Clock):
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = START

    def wall(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now - START + 1000.0


@dataclass
class Fate:
    """What is going to happen on one node in one attempt. Times count from the start of ranks."""

    ends: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Local rank to (time, exit code or minus signal); the others run until they are stopped."""
    ready_after: float = 0.2
    dies_at: float | None = None
    """The agent, with all it has started, is gone without a word."""
    dies_before_word: bool = False
    problem: tuple[str, str] | None = None
    deaf: bool = False
    """Ignores every command."""
    stop_takes: float = 0.3
    meets: bool = False
    """A launcher starts the ranks, once those of all nodes have met, as torchrun does."""


class SimulatedAgent:
    """One agent: its file is real, its ranks are only records."""

    def __init__(self, order: AgentOrder, fate: Fate, now: float, world: World) -> None:
        self.order, self.fate, self.placed, self.world = order, fate, now, world
        self.pid = 100 + len(world.agents)
        self.commands: list[AgentCommand] = []
        self.started: float | None = None
        self.alive = True
        self.ended: float | None = None
        self.stop: StopRecord | None = None
        self.killed_at: float | None = None
        self.seq = 0
        self.clock_ahead = 0.0
        self.muted = False
        """What it writes does not arrive."""
        self.ranks = {
            local: RankRecord(rank=order.first_rank + local, local_rank=local)
            for local in range(order.nproc)
        }

    @property
    def ref(self) -> str:
        return f"sim:{self.pid}"

    def tick(self, now: float) -> None:
        if not self.alive:
            return
        if self.ended is not None:
            self.alive = now < self.ended + 0.3
            return
        if self.fate.dies_before_word:
            self.alive = now < self.placed + 0.2
            return
        if now < self.placed + self.fate.ready_after:
            return
        if self.fate.problem is not None:
            self._finish(now)
            return
        if self.started is None:
            go = any(c.command is AgentCommandKind.GO for c in self.commands)
            if go or not self.order.wait_for_go:
                self.started = now
            elif self._asked_to_stop():
                self._finish(now)
                return
        if self.started is not None:
            self._advance(now)
        if self.alive and self.ended is None:
            self._write(now)

    def ended_by_signal(self, now: float) -> None:
        """Somebody sends it SIGTERM."""
        self.stop = StopRecord(reason="SIGTERM", requested=now, term=now)

    def _advance(self, now: float) -> None:
        assert self.started is not None
        if self.fate.dies_at is not None and now >= self.started + self.fate.dies_at:
            self.alive = False
            return
        met = self._met()
        for local, record in self.ranks.items():
            if met is not None:
                self.ranks[local] = self._rank_at(local, record, now, met)
        failed = [r for r in self.ranks.values() if r.state is RankState.FAILED]
        if failed and self.stop is None:
            first = min(r.times["failed"] for r in failed)
            self.stop = StopRecord(reason="a rank failed", requested=first + 0.5)
        if self._asked_to_stop() and self.stop is None:
            self.stop = StopRecord(reason="asked", requested=now)
        if self.stop is not None and now >= self.stop.requested + self.fate.stop_takes:
            when = self.stop.requested + self.fate.stop_takes
            for local, record in self.ranks.items():
                if not record.state.final:
                    self.ranks[local] = msgspec.structs.replace(
                        record,
                        state=RankState.KILLED,
                        signal=15,
                        times={**record.times, "killed": when},
                    )
        if all(record.state.final for record in self.ranks.values()):
            self._finish(max(max(r.times.values()) for r in self.ranks.values()))

    def _met(self) -> float | None:
        """When the ranks began; None: their launcher still waits for those of other nodes."""
        if not self.fate.meets:
            return self.started
        attempt = [a for a in self.world.agents if a.order.attempt == self.order.attempt]
        starts = [agent.started for agent in attempt if agent.started is not None]
        return max(starts) if len(starts) == len(self.world.plan.nodes) else None

    def _rank_at(self, local: int, record: RankRecord, now: float, met: float) -> RankRecord:
        if record.state.final:
            return record
        times, state = dict(record.times), record.state
        for rung, after in ((RankState.SPAWNED, 0.1), (RankState.OUTPUT, 0.4 + local * 0.01)):
            if now >= met + after and rung.value not in times:
                times[rung.value], state = met + after, rung
        end = self.fate.ends.get(local)
        changes: dict[str, object] = {}
        if end is not None and now >= met + end[0]:
            state = RankState.EXITED if end[1] == 0 else RankState.FAILED
            times[state.value] = met + end[0]
            changes["exit_code" if end[1] >= 0 else "signal"] = abs(end[1])
        return msgspec.structs.replace(
            record, state=state, times=times, pid=7000 + record.rank, **changes
        )

    def _asked_to_stop(self) -> bool:
        kinds = {command.command for command in self.commands}
        return not self.fate.deaf and bool(kinds & {AgentCommandKind.STOP, AgentCommandKind.KILL})

    def _finish(self, when: float) -> None:
        self.ended = when
        self._write(when, NodePhase.DONE)

    def _by_own_clock(self, record: RankRecord) -> RankRecord:
        times = {name: when + self.clock_ahead for name, when in record.times.items()}
        return msgspec.structs.replace(record, times=times)

    def _launcher(self) -> LauncherState | None:
        if not self.fate.meets or self.started is None:
            return None
        return LauncherState(pid=self.pid + 1000, started=self.started + self.clock_ahead)

    def _outcome(self) -> NodeOutcome:
        if self.fate.problem or any(r.state is RankState.FAILED for r in self.ranks.values()):
            return NodeOutcome.FAILED
        exited = all(r.state is RankState.EXITED for r in self.ranks.values())
        return NodeOutcome.SUCCEEDED if exited else NodeOutcome.STOPPED

    def _write(self, now: float, phase: NodePhase | None = None) -> None:
        self.seq += 1
        if phase is None:
            waiting = NodePhase.READY if self.order.wait_for_go else NodePhase.PREPARING
            phase = NodePhase.STOPPING if self.stop else NodePhase.RUNNING
            phase = waiting if self.started is None else phase
        problem = None
        if self.fate.problem is not None:
            problem = NodeProblem(
                category=self.fate.problem[0], message=self.fate.problem[1], time=now
            )
        state = NodeState(
            version=1,
            run_id=self.order.run_id,
            node=self.order.node,
            attempt=self.order.attempt,
            phase=phase,
            agent=ProcessRef(pid=self.pid, starttime=1, host="sim"),
            python="simulated",
            time=now + self.clock_ahead,
            seq=self.seq,
            started=self.placed + self.clock_ahead,
            ended=None if self.ended is None else self.ended + self.clock_ahead,
            master_port=23456 if self.order.node_rank == 0 else 0,
            ranks=tuple(self._by_own_clock(rank) for rank in self.ranks.values()),
            problem=problem,
            launcher=self._launcher(),
            stop=self.stop,
            outcome=self._outcome() if phase is NodePhase.DONE else None,
        )
        if state.stop is not None:
            stop = msgspec.structs.replace(
                state.stop, requested=state.stop.requested + self.clock_ahead
            )
            state = msgspec.structs.replace(state, stop=stop)
        if self.muted:
            return
        path = f"{self.order.node_dir}/state.json"
        with open(path + ".tmp", "wb") as stream:
            stream.write(msgspec.json.encode(state))
        os.rename(path + ".tmp", path)


MADE: list[World] = []
"""Worlds whose log is still open."""


class World:
    """A run directory, its nodes, and supervisors that come and go."""

    def __init__(
        self,
        run: RunDir,
        fates: Mapping[tuple[str, int], Fate],
        *,
        ranks_per_node: int = 2,
        max_restarts: int = 0,
        time_limit: float | None = None,
        commands: Mapping[float, Callable[[RunDir], None]] | None = None,
    ) -> None:
        self.run, self.fates = run, fates
        self.clock = TurnedClock()
        self.backend = SimulatedBackend(self)
        self.commands = dict(commands or {})
        names = sorted({name for name, _ in fates})
        self.plan = make_plan(
            run, names, ranks_per_node, max_restarts=max_restarts, time_limit=time_limit
        )
        run.path.mkdir(parents=True)
        run.control.mkdir()
        run.plan.write_bytes(msgspec.json.encode(self.plan))
        os.utime(run.plan, (START, START))
        self.points = 0
        self.crash_at: int | None = None
        self.crashes = 0
        self.agents: list[SimulatedAgent] = []
        self.conductor = self.supervise()
        MADE.append(self)

    def supervise(self) -> Conductor:
        """A new supervisor takes the run over."""
        self.plan = read_plan(self.run)
        self.journal = Journal(self.run, self.plan)
        log = self.journal._log
        log.append = self._crashing(log.append)  # type: ignore[method-assign]
        context = SessionContext(
            run=self.run,
            plan=self.plan,
            environ={},
            secrets={},
            taken_over=any(e.kind is EventKind.ATTEMPT for e in self.journal.history),
            wake=lambda: None,
        )
        session = self.session_of(context)
        return Conductor(self.run, self.plan, session, self.journal, self.clock)

    def session_of(self, context: SessionContext) -> Session:
        """What a supervisor of this world works through."""
        return DirectSession(self.backend, context)

    def run_to_end(self, *, seconds: float = 120.0) -> RunState:
        """Turn the clock until the run has ended."""
        while not self.journal.state.state.final:
            assert self.clock.now < START + seconds, f"no end: {self.journal.state}"
            self.advance()
        return self.journal.state

    def advance(self, seconds: float = TICK) -> None:
        """One turn of the clock: commands, agents, then the supervisor."""
        self.clock.now += seconds
        for when in sorted(self.commands):
            if self.clock.now >= START + when:
                self.commands.pop(when)(self.run)
        for agent in self.agents:
            agent.tick(self.clock.now)
        try:
            self.conductor.step()
            self.journal.publish()
        except Crash:
            self.crashes += 1
            self.journal.close()
            self.clock.now += 0.05
            self.conductor = self.supervise()

    def point(self) -> None:
        """A place where the supervisor may be killed."""
        self.points += 1
        if self.points == self.crash_at:
            raise Crash

    def agent_on(self, node: str, attempt: int = 0) -> SimulatedAgent:
        return next(a for a in self.agents if a.order.node == node and a.order.attempt == attempt)

    def check_log(self) -> list[Event]:
        """The log has no gap, and state and snapshot are its fold."""
        events = read_events(self.run)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        folded = fold(initial_state(self.plan, created_time(self.run)), events)
        assert self.journal.state == folded
        assert read_state(self.run) == folded
        return events

    def _crashing(self, append: Callable[..., None]) -> Callable[..., None]:
        def torn_append(events: list[Event], *, sync: bool = False) -> None:
            self.point()
            self.points += 1
            if self.points == self.crash_at:
                # the kernel may have taken any part of the write
                data = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
                with open(self.run.events, "ab") as stream:
                    stream.write(data[: len(data) * 2 // 3])
                raise Crash
            append(events, sync=sync)
            self.point()

        return torn_append


class SimulatedBackend:
    """Places simulated agents; killing the supervisor at any line of it is possible."""

    name = "simulated"
    title = "Simulated"
    capabilities = frozenset()
    options = ()

    def __init__(self, world: World) -> None:
        self._world = world
        self.swept: list[str] = []
        self.fail_to_place: set[str] = set()

    def nodes(self, spec: object) -> tuple[object, ...]:
        return ()

    def place(self, run: RunDir, order: AgentOrder, env: Mapping[str, str] | None) -> str:
        self._world.point()
        if order.node in self.fail_to_place:
            raise UserError(f"{order.node}: no route to host", "look at the network")
        os.makedirs(order.node_dir, exist_ok=True)
        assert self.recover(run, order) is None, "a second agent for the same order"
        fate = self._world.fates[order.node, order.attempt]
        agents = self._world.agents
        agents.append(SimulatedAgent(order, fate, self._world.clock.now, self._world))
        self._world.point()
        return agents[-1].ref

    def recover(self, run: RunDir, order: AgentOrder) -> str | None:
        for agent in self._world.agents:
            if (agent.order.node, agent.order.attempt) == (order.node, order.attempt):
                return agent.ref
        return None

    def liveness(self, run: RunDir, node: str, ref: str) -> AgentLiveness:
        agent = next(a for a in self._world.agents if a.ref == ref)
        return AgentLiveness.ALIVE if agent.alive else AgentLiveness.DEAD

    def send(self, run: RunDir, node: str, ref: str, command: AgentCommand) -> None:
        self._world.point()
        next(a for a in self._world.agents if a.ref == ref).commands.append(command)
        self._world.point()

    def sweep(self, run: RunDir, node: str) -> tuple[int, ...]:
        self._world.point()
        self.swept.append(node)
        for agent in self._world.agents:
            if agent.order.node == node:
                agent.alive = False
        self._world.point()
        return ()

    def reachable_from_here(self, run: RunDir, refs: object) -> bool:
        return True


def make_plan(
    run: RunDir,
    names: list[str],
    ranks_per_node: int,
    *,
    max_restarts: int = 0,
    time_limit: float | None = None,
) -> LaunchPlan:
    """A plan over these nodes."""
    return LaunchPlan(
        run_id=run.id,
        name="sim",
        backend="simulated",
        launcher="direct",
        spawn=Spawn.RANKS,
        world_size=len(names) * ranks_per_node,
        nproc_per_node=ranks_per_node,
        master_addr=names[0],
        master_port=0,
        nodes=tuple(
            NodePlan(
                name=name,
                address=name,
                node_rank=index,
                nproc=ranks_per_node,
                first_rank=index * ranks_per_node,
                argv=("train",),
                env={},
                cwd="/",
                python="python3",
            )
            for index, name in enumerate(names)
        ),
        output_dir="/tmp/out",
        grace=5.0,
        time_limit=time_limit,
        max_restarts=max_restarts,
        hooks=False,
        hyperparameters={},
        project="/",
    )


def substance(events: list[Event]) -> list[tuple[object, ...]]:
    """What events tell, without who wrote them down and when; in a stable order."""
    told = [
        (
            event.kind.value,
            event.attempt,
            event.node or "",
            -1 if event.rank is None else event.rank,
            event.state or "",
            event.exit_code,
            event.signal,
            event.category or "",
            event.outcome or "",
            event.command or "",
        )
        for event in events
        if event.kind not in (EventKind.SUPERVISOR, EventKind.NOTE)
    ]
    return sorted(told, key=repr)
