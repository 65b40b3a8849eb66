"""Agent: the one loop that watches a started node until it has ended, and reports all along."""

from __future__ import annotations

import os
import time

from rankdeck.agent import reserve, verdict
from rankdeck.agent.exits import Exit, Exits
from rankdeck.agent.inbox import Inbox
from rankdeck.agent.node import LauncherProcess, Node
from rankdeck.agent.problem import ProblemError
from rankdeck.agent.processes import belonging, end_all, marks_of
from rankdeck.agent.report import Reporter
from rankdeck.agent.signals import Warned, send_to_ranks
from rankdeck.agent.stop import Stopper
from rankdeck.agent.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.external import External
    from rankdeck.agent.inbox import Command
    from rankdeck.agent.launch import Launch
    from rankdeck.agent.order import Order
    from rankdeck.agent.processes import Processes
    from rankdeck.agent.ranks import Rank
    from rankdeck.agent.signals import Signals

_TICK = 0.1
_FAST_TICK = 0.02
_STOP_TICK = 0.05
_WRITE_SOON = 0.1
_WRITE_LATER = 0.5
_HEARTBEAT = 2.0
_EVIDENCE = 0.5
# a launcher ends its other ranks by itself, and its report is evidence too
_LAUNCHER_EVIDENCE = 3.0
_LEFTOVER_GRACE = 2.0
_SAME_BREATH = 0.5


class Agent:
    """One node's part of one attempt, from the checks to the last word."""

    def __init__(self, order: Order, launch: Launch, signals: Signals, guardian_fd: int) -> None:
        self._order = order
        self._launch = launch
        self._exits = Exits(signals, guardian_fd)
        self._reporter = Reporter(order.node_dir)
        self._inbox = Inbox(f"{order.node_dir}/control", shared=order.shared_dir)
        self._commands: list[Command] = []
        self._marks = marks_of(order.run_id, order.node)
        self._guardian = os.getppid()
        self.node = Node(order)
        self._stopper = Stopper(self.node, self._find)
        self._warned = Warned()
        self._watch: Watch | None = None
        self._external: External | None = None
        self._written_at = 0.0
        self._written_phase = ""
        self._ended = False
        self._urgent = False
        self._durable = False
        self._changed = False

    def run(self, problem: ProblemError | None) -> None:
        """Look after what was started (or was not: `problem`) until all of it has ended."""
        if problem is not None:
            self.node.problem = problem
            self._check_leftovers(*self._clocks())
        elif self._order.wait_for_go:
            self._wait_for_go()
        else:
            self._began()
        while not self._over():
            self._turn()
        self._finish()

    def give_up(self, error: Exception) -> None:
        """A fault of the agent itself: end everything at once, and say so."""
        self.node.problem = ProblemError(
            "agent", f"the agent itself failed: {error!r}", f"see {self._order.node_dir}/agent.log"
        )
        now, tick = self._clocks()
        self._stopper.begin("the agent failed", now, tick, grace=0.0)
        end_all(self._find)
        self._finish()

    # Before the start

    def _wait_for_go(self) -> None:
        node = self.node
        node.master_port = self._launch.master_port
        network = self._launch.network
        while node.phase in ("preparing", "ready"):
            now, tick = self._clocks()
            if node.phase == "preparing" and (network is None or network.over):
                node.network = network.record() if network else None
                node.module = self._launch.module
                node.phase = "ready"
            self._write_if_due(tick)
            self._exits.wait(_FAST_TICK)
            self._read_inbox(now, tick)
            if self._stopper.begun:
                self._stopper.turn(now, tick)
                return
            self._notice_requests(now, tick)

    def _go(self, command: Command) -> None:
        order = self._order
        address = command.master_addr or order.master_addr
        port = command.master_port or self._launch.master_port
        try:
            self._launch.start(address, port)
        except ProblemError as problem:
            self.node.problem = problem
            self.node.phase = "running"
            self._check_leftovers(*self._clocks())
            return
        self._began()

    def _began(self) -> None:
        node, launch = self.node, self._launch
        tick = time.monotonic()
        node.phase = "running"
        node.master_addr, node.master_port = launch.master_addr, launch.master_port
        if launch.launcher_pid is not None:
            node.launcher = LauncherProcess(launch.launcher_pid, launch.started)
        if self._order.external and not launch.interrupted:
            from rankdeck.agent.external import External

            self._external, node.awaiting = External(self._order, tick), True
        self._watch = Watch(node, self._exits, self._reporter)
        for rank in node.ranks:
            if rank.rank in launch.rank_pids:
                self._watch.spawned(rank, launch.rank_pids[rank.rank], launch.started)
        self._write(tick)

    # The loop

    def _clocks(self) -> tuple[float, float]:
        return time.time(), time.monotonic()

    def _over(self) -> bool:
        return self._stopper.finished if self._stopper.begun else self._ended

    def _turn(self) -> None:
        watch = self._watch
        hurried = watch is not None and watch.hurried
        pause = _STOP_TICK if self._stopper.begun else _FAST_TICK if hurried else _TICK
        # before the ends: what had ended when a command came did not end because of it
        self._commands += self._inbox.take()
        ended = self._exits.wait(0.0 if self._commands else pause)
        self._heed_a_stop_for_all(ended)
        now, tick = self._clocks()
        if watch is not None:
            self._urgent |= watch.look_for_ranks(now, tick)
        self._take_exits(ended, now, tick)
        self._look_at_external(now, tick)
        if watch is not None:
            rung, changed = watch.look(now, tick)
            self._urgent |= rung
            self._changed |= changed
        self._obey(now, tick)
        self._warned.hand_on(self.node)
        self._notice_requests(now, tick)
        self._notice_disk(now, tick)
        if not self.node.alive and not self._stopper.begun:
            self._check_leftovers(now, tick)
        self._stopper.turn(now, tick)
        if self._stopper.begun and self.node.phase == "running":
            self.node.phase = "stopping"
        self._write_if_due(tick)

    def _heed_a_stop_for_all(self, ended: dict[int, Exit | None]) -> None:
        """A scheduler tells every process to end, this one too: those that obey did not fail."""
        deadline = time.monotonic() + _SAME_BREATH
        told = False
        while not self._stopper.begun and any(
            how and verdict.ended_by_term(how) for how in ended.values()
        ):
            told = True
            left = deadline - time.monotonic()
            if self._exits.stop_asked or left <= 0:
                break
            ended.update(self._exits.wait(left))
        # mpirun tells the agent through its inbox, and ends the ranks if that takes it too long
        if self._exits.stop_asked or told:
            now, tick = self._clocks()
            self._read_inbox(now, tick)
            self._notice_requests(now, tick)
            self._stopper.turn(now, tick)

    def _take_exits(self, ended: dict[int, Exit | None], now: float, tick: float) -> None:
        # what failed by itself first: what was told to end, ended because of it
        order = sorted(
            ended.items(), key=lambda item: item[1] is None or verdict.ended_by_request(item[1])
        )
        by_pid = {rank.pid: rank for rank in self.node.ranks if rank.running}
        for pid, how in order:
            if pid in by_pid:
                self._rank_ended(by_pid[pid], how, now, tick)
        launcher = self.node.launcher
        if launcher is not None and launcher.ended is None and launcher.pid in ended:
            launcher.exit, launcher.ended = ended[launcher.pid], now
            self._launcher_ended(launcher, now, tick)

    def _rank_ended(self, rank: Rank, how: Exit | None, now: float, tick: float) -> None:
        self._urgent = self._durable = True
        rank.gone = True
        rank.exit = how
        if how is None or (rank.restarts_left > 0 and not how.clean and self.node.launcher_runs):
            return  # its launcher knows more: it may start it again
        self._conclude(rank, how, now, tick)

    def _conclude(self, rank: Rank, how: Exit, now: float, tick: float) -> None:
        torn_down = self.node.launcher is not None and (
            bool(self.node.failed_ranks)
            or (verdict.ended_by_request(how) and verdict.launcher_was_told(self._launch.tail()))
        )
        if self._watch is not None:
            self._watch.last_words(rank, now, tick)
        rank.end(verdict.final_state(how, self._stopper.signalled, torn_down), how, now)
        if rank.state != "failed":
            return
        self._notice_disk(now, tick, failed=rank)
        if self._order.fail_fast:
            evidence = _LAUNCHER_EVIDENCE if self.node.launcher_runs else _EVIDENCE
            self._stop(f"rank {rank.rank} failed", now, tick, evidence=evidence)

    def _look_at_external(self, now: float, tick: float) -> None:
        node, external = self.node, self._external
        if external is None:
            return
        if self._stopper.signalled:
            self._launch.call_off()
        for rank, how in external.settled(node.ranks, tick):
            self._urgent = self._durable = True
            if how is not None:
                self._conclude(rank, how, now, tick)
            else:
                rank.end("killed" if self._stopper.signalled else "lost", None, now)
        coming = [rank.rank for rank in node.ranks if rank.pid is None]
        if coming and tick > external.deadline and not self._stopper.begun:
            node.problem = ProblemError(
                "spawn", f"ranks {coming} on {self._order.node} have not been started by mpirun"
            )
            self._stop("ranks are missing", now, tick)
        unsettled = any(rank.gone and not rank.final for rank in node.ranks)
        node.awaiting = unsettled or (bool(coming) and not self._stopper.begun)

    def _launcher_ended(self, launcher: LauncherProcess, now: float, tick: float) -> None:
        self._urgent = True
        self._settle_unseen_ends(launcher, now, tick)
        running = [rank for rank in self.node.ranks if rank.running]
        how = launcher.exit
        blameless = how is not None and how.clean and not running
        if how is not None and not blameless and not self._stopper.begun:
            if not self.node.failed_ranks:
                seen = any(rank.pid is not None for rank in self.node.ranks)
                self.node.problem = self.node.problem or verdict.launcher_problem(
                    self._launcher_name(), how, self._launch.tail(), seen
                )
            self._stop(f"the launcher ended {_how(how)}", now, tick)

    def _settle_unseen_ends(self, launcher: LauncherProcess, now: float, tick: float) -> None:
        reported = verdict.reported_exits(self._launch.tail())
        settled: list[tuple[Rank, Exit]] = []
        for rank in self.node.ranks:
            if rank.final or rank.running:
                continue
            if rank.pid is None:
                if self._watch is None or not self._watch.find_traces(rank):
                    continue  # it was never started
                rank.pid = reported[rank.rank][0] if rank.rank in reported else None
                rank.gone = True
            how = rank.exit
            if how is None and rank.rank in reported:
                how = reported[rank.rank][1]
            if how is None and launcher.exit is not None and launcher.exit.clean:
                how = Exit(0, None, False, "launcher")
            if how is None:
                rank.end("lost", None, now)
            else:
                settled.append((rank, how))
        for rank, how in sorted(settled, key=lambda item: verdict.ended_by_request(item[1])):
            self._conclude(rank, how, now, tick)

    def _launcher_name(self) -> str:
        order = self._order
        if order.launcher == "script" and order.entry is not None:
            return os.path.basename(order.entry)
        return order.launcher

    def _read_inbox(self, now: float, tick: float) -> None:
        self._commands += self._inbox.take()
        self._obey(now, tick)

    def _obey(self, now: float, tick: float) -> None:
        commands, self._commands = self._commands, []
        for command in commands:
            if command.kind == "go":
                if self.node.phase == "ready":
                    self._go(command)
            elif command.kind == "signal":
                send_to_ranks(self.node, command.signal, command.ranks)
            elif command.kind == "warn":
                self._warned.begin(command.signal)
            elif command.kind in ("stop", "kill"):
                grace = self._order.grace if command.grace is None else command.grace
                grace = 0.0 if command.kind == "kill" else grace
                self._stop(command.reason or command.kind, now, tick, grace=grace, asked=True)

    def _notice_requests(self, now: float, tick: float) -> None:
        if self._exits.stop_asked:
            self._exits.stop_asked = False
            self._stop("SIGTERM", now, tick, asked=True)
        if self._exits.guardian_gone:
            self._exits.guardian_gone = False
            self.node.problem = self.node.problem or ProblemError(
                "agent", "the agent's guardian was killed, so everything was ended"
            )
            self._stop("the guardian was killed", now, tick, grace=0.0)

    def _notice_disk(self, now: float, tick: float, failed: Rank | None = None) -> None:
        watch = self._watch
        if self.node.problem is not None or watch is None:
            return
        if self._reporter.disk_full or watch.disk_is_full(failed):
            self.node.problem = watch.disk_problem()
            self._urgent = True
            self._stop("the disk is full", now, tick)

    def _stop(
        self,
        reason: str,
        now: float,
        tick: float,
        *,
        grace: float | None = None,
        evidence: float = 0.0,
        asked: bool = False,
    ) -> None:
        grace = self._order.grace if grace is None else grace
        if not evidence:
            self._launch.call_off()
        self._stopper.begin(reason, now, tick, grace=grace, evidence=evidence, asked=asked)
        self._urgent = True

    def _check_leftovers(self, now: float, tick: float) -> None:
        left = self._find()
        if left:
            self._stop(f"{len(left)} processes outlived the run", now, tick, grace=_LEFTOVER_GRACE)
        else:
            self._ended = True

    def _find(self) -> Processes:
        helpers = self._watch.helpers if self._watch is not None else ()
        return belonging(os.getpid(), self._marks, (self._guardian, *helpers))

    # Reporting

    def _write_if_due(self, tick: float) -> None:
        since = tick - self._written_at
        if self.node.phase != self._written_phase or (
            since >= _HEARTBEAT
            or (self._urgent and since >= _WRITE_SOON)
            or (self._changed and since >= _WRITE_LATER)
        ):
            self._write(tick)

    def _write(self, tick: float) -> None:
        durable = self._durable or self.node.phase != self._written_phase
        self._reporter.write(self.node.document(), durable)
        self._written_at, self._written_phase = tick, self.node.phase
        self._urgent = self._durable = self._changed = False

    def _finish(self) -> None:
        node = self.node
        now, tick = self._clocks()
        self._launch.call_off()
        reserve.release(self._order.node_dir)
        if self._watch is not None:
            self._watch.last_look(now, tick)
            self._watch.close()
        for rank in node.ranks:
            if rank.pid is not None and not rank.final:
                rank.end("lost", rank.exit, now)
        node.outcome = verdict.outcome(node, self._stopper.asked)
        node.phase = "done"
        node.ended = now
        document = node.document()
        # the copy first: whoever reads `done` may begin the next attempt
        self._reporter.write(document, path=f"{self._order.attempt_dir}/state.json")
        self._reporter.write(document, durable=True)


def _how(how: Exit) -> str:
    return f"by signal {how.signal}" if how.signal is not None else f"with exit code {how.code}"
