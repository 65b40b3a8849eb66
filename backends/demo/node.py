"""SimulatedNode: writes what an agent and its ranks would write, and heeds what it is told."""

from __future__ import annotations

import json
import math
import os
import struct
from typing import TYPE_CHECKING

import msgspec

from backends.demo.gpus import simulated_gpus
from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.run.files import write_atomic
from rankdeck.run.node_state import (
    NodeLoad,
    NodeNetwork,
    NodeOutcome,
    NodePhase,
    NodeState,
    ProcessRef,
    RankError,
    RankRecord,
    RankState,
    StopRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.demo.story import Story
    from rankdeck.agent_order import AgentOrder
    from rankdeck.run.layout import RunDir

_COMMANDS = msgspec.json.Decoder(AgentCommand)
_BEAT_SECONDS = 1.5
_GIB = 1 << 30


class SimulatedNode:
    """One node of one attempt."""

    def __init__(self, run: RunDir, order: AgentOrder, story: Story, agent: ProcessRef) -> None:
        """Prepared; `step` makes it go on."""
        self._paths = run.node(order.node)
        self._attempt = self._paths.attempt(order.attempt)
        self._order = order
        self._story = story
        self._agent = agent
        self._seq = 0
        self._phase = NodePhase.READY if order.wait_for_go else NodePhase.RUNNING
        self._began: float | None = None
        self._made: float | None = None
        self._written = 0.0
        self._master = ("", 0)
        self._stop: StopRecord | None = None
        self._ranks = {
            rank: RankRecord(
                rank=rank, local_rank=rank - order.first_rank, gpu=rank - order.first_rank
            )
            for rank in range(order.first_rank, order.first_rank + order.nproc)
        }
        self.silent = False
        """Whether it can no longer be heard."""

    @property
    def name(self) -> str:
        """The node's name."""
        return self._order.node

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do."""
        return self.silent or self._phase is NodePhase.DONE

    def step(self, now: float) -> None:
        """Go on to this moment."""
        first = self._made is None
        if first:
            self._made = now
        if self.done:
            return
        changed = first
        for command in self._commands():
            changed |= self._heed(command, now)
        if self._phase is NodePhase.RUNNING:
            if self._began is None:
                self._began = now
            changed |= self._advance(now, now - self._began)
        if changed or now - self._written >= _BEAT_SECONDS:
            self._write(now)

    # -- what it is told --------------------------------------------------------------------

    def _commands(self) -> Iterator[AgentCommand]:
        try:
            names = sorted(os.listdir(self._paths.control))
        except OSError:
            return
        for name in names:
            path = self._paths.control / name
            if name.endswith(".json") and not name.startswith("."):
                command = _COMMANDS.decode(path.read_bytes())
                path.unlink()
                yield command

    def _heed(self, command: AgentCommand, now: float) -> bool:
        if command.command is AgentCommandKind.GO and self._phase is NodePhase.READY:
            self._phase = NodePhase.RUNNING
            self._master = (command.master_addr or "", command.master_port or 0)
            return True
        if command.command in (AgentCommandKind.STOP, AgentCommandKind.KILL):
            number = 9 if command.command is AgentCommandKind.KILL else 15
            self._stop = StopRecord(reason=command.reason, requested=now, term=now, verified=now)
            self._end_others(now, number)
            self._phase = NodePhase.DONE
            return True
        return False

    # -- what its ranks do ------------------------------------------------------------------

    def _advance(self, now: float, seconds: float) -> bool:
        changed = False
        for rank, record in self._ranks.items():
            if record.state.final:
                continue
            new = self._advance_rank(record, now, seconds)
            if new is not record:
                self._ranks[rank] = new
                changed = True
        first = next(iter(self._ranks.values()))
        if self._story.loses_node(self._order.first_rank, first.step or 0):
            self.silent = True
            return False
        if any(record.state is RankState.FAILED for record in self._ranks.values()):
            self._end_others(now, 15)
            self._phase = NodePhase.DONE
            return True
        if all(record.state.final for record in self._ranks.values()):
            self._phase = NodePhase.DONE
            return True
        return changed

    def _advance_rank(self, record: RankRecord, now: float, seconds: float) -> RankRecord:
        story, rank = self._story, record.rank
        rungs = (
            (RankState.SPAWNED, story.spawned(rank)),
            (RankState.RENDEZVOUS, story.joined(rank)),
            (RankState.OUTPUT, story.first_line(rank)),
        )
        for state, when in rungs:
            if seconds >= when and state.value not in record.times:
                record = _reach(record, state, now)
                if state is RankState.SPAWNED:
                    record = msgspec.structs.replace(record, pid=100_000 + rank, starttime=1)
                if state is RankState.OUTPUT:
                    record = self._print(record, story.greeting(rank), now)
        if RankState.OUTPUT.value not in record.times:
            return record
        step = story.step_at(rank, seconds)
        if step > (record.step or 0):
            record = self._train(record, step, now)
        if story.fails(rank, step):
            return self._die(record, now)
        if step >= story.steps:
            record = msgspec.structs.replace(
                _reach(record, RankState.EXITED, now), exit_code=0, exit_source="kernel"
            )
        return record

    def _train(self, record: RankRecord, step: int, now: float) -> RankRecord:
        story, lines = self._story, []
        metrics: dict[str, float] = {}
        for done in range((record.step or 0) + 1, step + 1):
            metrics = story.metrics(record.rank, done)
            lines.append(story.line(record.rank, done, metrics))
        if RankState.STEPPING.value not in record.times:
            record = _reach(record, RankState.STEPPING, now)
        busy = 97.0 + 2 * math.sin(now + record.rank)
        return msgspec.structs.replace(
            self._print(record, "".join(lines), now),
            step=step,
            total_steps=story.steps,
            metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
            cpu_percent=busy,
            rss_bytes=6 * _GIB,
            threads=24,
        )

    def _die(self, record: RankRecord, now: float) -> RankRecord:
        text, kind, message = self._story.last_words(record.rank)
        record = _reach(self._print(record, text, now), RankState.FAILED, now)
        if not kind:
            return msgspec.structs.replace(record, signal=11, exit_source="kernel")
        extra = {"py_callstack": text, "timestamp": int(now), "time": now}
        error = {"message": {"message": f"{kind}: {message}", "extraInfo": extra}}
        write_atomic(self._attempt.error(record.rank), json.dumps(error).encode())
        return msgspec.structs.replace(
            record,
            exit_code=1,
            exit_source="kernel",
            error=RankError(type=kind, message=message, time=now),
        )

    def _end_others(self, now: float, number: int) -> None:
        for rank, record in self._ranks.items():
            if not record.state.final:
                self._ranks[rank] = msgspec.structs.replace(
                    _reach(record, RankState.KILLED, now), signal=number, exit_source="kernel"
                )

    def _print(self, record: RankRecord, text: str, now: float) -> RankRecord:
        data = text.encode()
        with open(self._attempt.log(record.rank), "ab") as log:
            log.write(data)
        size = record.log_bytes + len(data)
        with open(self._attempt.times(record.rank), "ab") as times:
            times.write(struct.pack("<dQ", now, size))
        last = text.rstrip("\n").rpartition("\n")[2]
        return msgspec.structs.replace(record, log_bytes=size, last_output=now, last_line=last)

    # -- what it tells ----------------------------------------------------------------------

    def _write(self, now: float) -> None:
        self._written = now
        self._seq += 1
        state = self._state(now)
        write_atomic(self._paths.state, msgspec.json.encode(state))
        if state.phase is NodePhase.DONE:
            write_atomic(self._attempt.final_state, msgspec.json.encode(state))

    def _state(self, now: float) -> NodeState:
        done = self._phase is NodePhase.DONE
        return NodeState(
            version=1,
            run_id=self._order.run_id,
            node=self._order.node,
            attempt=self._order.attempt,
            phase=self._phase,
            agent=self._agent,
            python="simulated",
            time=now,
            seq=self._seq,
            started=self._made or now,
            ended=now if done else None,
            master_addr=self._master[0],
            master_port=self._master[1],
            network=self._network(),
            ranks=tuple(self._ranks.values()),
            load=self._load(now),
            disk_free=900 * _GIB,
            stop=self._stop,
            outcome=self._outcome() if done else None,
        )

    def _network(self) -> NodeNetwork:
        address = self._order.node_rank
        mine = f"10.77.{address // 250}.{address % 250 + 1}"
        return NodeNetwork(
            hostname=self._order.node,
            own=(mine,),
            addresses=(mine,),
            subnets=("10.77.0.0/16",),
            master=("10.77.0.1",),
        )

    def _load(self, now: float) -> NodeLoad:
        busy = 31 + 6 * math.sin(now / 7 + self._order.node_rank)
        return NodeLoad(
            time=now,
            cpus=96,
            cpu_percent=busy,
            load1=busy,
            mem_total=1024 * _GIB,
            mem_used=int((410 + busy) * _GIB),
            gpus=simulated_gpus(self._story, self._ranks.values(), now),
        )

    def _outcome(self) -> NodeOutcome:
        states = {record.state for record in self._ranks.values()}
        if RankState.FAILED in states:
            return NodeOutcome.FAILED
        return NodeOutcome.STOPPED if self._stop is not None else NodeOutcome.SUCCEEDED


def _reach(record: RankRecord, state: RankState, now: float) -> RankRecord:
    return msgspec.structs.replace(record, state=state, times={**record.times, state.value: now})
