"""Watch: what is looked at while ranks run: new ranks, logs, rendezvous, load, free disk."""

from __future__ import annotations

import glob
import os

from rankdeck.agent import environment
from rankdeck.agent.checks import disk_full
from rankdeck.agent.collect import Collector, own_logs
from rankdeck.agent.errors import adopt_error, read_error
from rankdeck.agent.gpu_feed import GpuFeed, wanted_source
from rankdeck.agent.kernel import read_stat
from rankdeck.agent.load import Load, find_source
from rankdeck.agent.logwatch import LogWatch
from rankdeck.agent.notes import note
from rankdeck.agent.rendezvous import connected
from rankdeck.agent.reserve import is_full
from rankdeck.agent.spawned import SpawnFile, discover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.exits import Exits
    from rankdeck.agent.node import Node
    from rankdeck.agent.problem import ProblemError
    from rankdeck.agent.ranks import Rank
    from rankdeck.agent.report import Reporter

_LOG_GAP = 0.1
_LOAD_AFTER, _LOAD_GAP = 1.0, 2.0
_DISCOVER_AFTER, _DISCOVER_FIRST_GAP, _DISCOVER_LAST_GAP = 1.0, 0.5, 5.0
_RENDEZVOUS_GAPS = ((10.0, 0.25), (60.0, 1.0))
_RENDEZVOUS_LATE_GAP = 10.0
# twice what a supervisor on the same file system gives up for its own last words: that the disk
# is full must still be seen then
_ROOM_NEEDED = 512 * 1024
_NO_SPACE = b"No space left on device"


class Watch:
    """The periodic looks, each at its own pace."""

    def __init__(self, node: Node, exits: Exits, reporter: Reporter) -> None:
        self._node = node
        self._exits = exits
        self._reporter = reporter
        self._order = node.order
        self._attempt_dir = node.order.attempt_dir
        self._ranks = {rank.rank: rank for rank in node.ranks}
        self._logs = {rank.rank: LogWatch(rank, self._attempt_dir) for rank in node.ranks}
        self._collectors: dict[int, Collector] = {}
        self._spawn_file: SpawnFile | None = None
        if not node.order.spawns_ranks:
            self._spawn_file = SpawnFile(f"{self._attempt_dir}/spawned")
        self._load: Load | None = None
        self._gpus: GpuFeed | None = None
        self._log_due = 0.0
        self._load_due: float | None = None
        self._discover_due: float | None = None
        self._discover_gap = _DISCOVER_FIRST_GAP
        self._rendezvous_due: float | None = None
        self._rendezvous_began = 0.0
        self._full_path: str | None = None

    @property
    def expecting(self) -> bool:
        """Whether ranks are still to be started."""
        coming = self._node.launcher_runs or self._node.awaiting
        return coming and any(rank.pid is None for rank in self._node.ranks)

    @property
    def hurried(self) -> bool:
        """Whether it is worth looking often: ranks may start, and end, at any moment."""
        return self.expecting and self._discover_gap < _DISCOVER_LAST_GAP

    @property
    def helpers(self) -> tuple[int, ...]:
        """Processes of the agent's own that are no part of the run."""
        return self._gpus.pids if self._gpus is not None else ()

    def close(self) -> None:
        """End what the agent has started for itself."""
        if self._gpus is not None:
            self._gpus.close()

    def spawned(self, rank: Rank, pid: int, now: float) -> None:
        """Take note of a rank's process, and watch it."""
        stat = read_stat(pid)
        rank.spawned(pid, stat.start if stat else None, now)
        self._rendezvous_due = None
        if not self._order.spawns_ranks and not self._exits.watch(pid):
            rank.gone = True

    def look_for_ranks(self, now: float, tick: float) -> bool:
        """Whether a launcher has started ranks since."""
        if self._spawn_file is None:
            return False
        found = self._spawn_file.read()
        new = [entry for entry in found if self._is_new(entry.rank, entry.pid)]
        if not new and self.expecting and self._discovery_is_due(tick):
            launcher = self._node.launcher
            found = discover(launcher.pid) if launcher else []
            new = [entry for entry in found if self._is_new(entry.rank, entry.pid)]
            for entry in new:
                pet_dir = environment.pet_log_dir(self._order)
                self._collect(entry.rank, own_logs(entry.pid, pet_dir))
        for entry in new:
            rank = self._ranks[entry.rank]
            rank.restarts_left = entry.restarts_left
            self.spawned(rank, entry.pid, now)
        return bool(new)

    def look(self, now: float, tick: float) -> tuple[bool, bool]:
        """Look at whatever is due: (a rung was reached, anything changed)."""
        rung = changed = False
        if tick >= self._log_due:
            self._log_due = tick + _LOG_GAP
            for rank in self._node.ranks:
                if rank.running:
                    before = rank.log_bytes
                    reached = self._look_at_log(rank, now, tick)
                    if reached:
                        rung, self._rendezvous_due = True, tick
                    changed |= rank.log_bytes != before
        rung |= self._look_at_rendezvous(now, tick)
        if self._load_due is None:
            # not while the ranks start: loading psutil would slow them down
            self._load_due = tick + _LOAD_AFTER
        if tick >= self._load_due:
            self._load_due = tick + _LOAD_GAP
            self._sample(now, tick)
            changed = True
        return rung, changed

    def find_traces(self, rank: Rank) -> bool:
        """Whether a launcher that has ended had started this rank, unseen; takes its output."""
        pattern = f"{glob.escape(environment.pet_log_dir(self._order))}/*/attempt_*/"
        places = sorted(glob.glob(f"{pattern}{rank.local_rank}"), key=os.path.getmtime)
        if not places:
            return False
        sources = [f"{places[-1]}/{name}.log" for name in ("stdout", "stderr")]
        self._collect(rank.rank, [path for path in sources if os.path.exists(path)])
        return True

    def last_words(self, rank: Rank, now: float, tick: float) -> None:
        """A rank has ended: the rest of its log, its error record."""
        self._look_at_log(rank, now, tick, last=True)
        path = f"{self._attempt_dir}/rank-{rank.rank}.error.json"
        try:
            adopt_error(environment.pet_log_dir(self._order), rank.local_rank, path)
        except OSError as error:
            self._note(error, path)
        rank.error = read_error(path)

    def last_look(self, now: float, tick: float) -> None:
        """Everything has ended: what was written after a rank's own end counts as well."""
        for rank in self._node.ranks:
            self._look_at_log(rank, now, tick, last=True)

    def disk_is_full(self, failed: Rank | None) -> bool:
        """Whether there is no room for logs and state; a failed rank may have said so itself."""
        if self._full_path is None and failed is not None:
            self._measure_disk()
            if _NO_SPACE in self._logs[failed.rank].tail():
                self._full_path = self._order.output_dir or self._order.node_dir
        return self._full_path is not None

    def disk_problem(self) -> ProblemError:
        """The problem that `disk_is_full` found."""
        return disk_full(self._full_path or self._order.node_dir)

    def _is_new(self, number: int, pid: int) -> bool:
        return number in self._ranks and self._ranks[number].pid != pid

    def _discovery_is_due(self, tick: float) -> bool:
        if self._discover_due is None:
            self._discover_due = tick + _DISCOVER_AFTER
        if tick < self._discover_due:
            return False
        # a script may never start ranks that could be found: look ever more seldom
        self._discover_due = tick + self._discover_gap
        self._discover_gap = min(self._discover_gap * 1.2, _DISCOVER_LAST_GAP)
        return True

    def _collect(self, number: int, sources: list[str]) -> None:
        if sources and number not in self._collectors:
            self._collectors[number] = Collector(sources, f"{self._attempt_dir}/rank-{number}.log")

    def _look_at_log(self, rank: Rank, now: float, tick: float, last: bool = False) -> bool:
        try:
            if rank.rank in self._collectors:
                self._collectors[rank.rank].turn(last)
            return self._logs[rank.rank].look(now, tick, last)
        except OSError as error:
            self._note(error, self._attempt_dir)
            return False

    def _look_at_rendezvous(self, now: float, tick: float) -> bool:
        if self._rendezvous_due is None:
            self._rendezvous_began, self._rendezvous_due = tick, tick
        if tick < self._rendezvous_due:
            return False
        age = tick - self._rendezvous_began
        gaps = (gap for limit, gap in _RENDEZVOUS_GAPS if age < limit)
        self._rendezvous_due = tick + next(gaps, _RENDEZVOUS_LATE_GAP)
        waiting = {
            rank.pid: rank
            for rank in self._node.ranks
            if rank.running and rank.pid is not None and "rendezvous" not in rank.times
        }
        met = connected([pid for pid in waiting if pid], self._node.master_port)
        for pid in met:
            waiting[pid].reach("rendezvous", now)
        return bool(met)

    def _sample(self, now: float, tick: float) -> None:
        if self._load is None or self._gpus is None:
            self._load = Load(find_source())
            self._gpus = GpuFeed(wanted_source())
        self._node.load = self._load.sample(self._node.ranks, now, tick)
        self._node.load["gpus"] = self._gpus.sample(self._node.ranks, now, tick)
        self._measure_disk()

    def _measure_disk(self) -> None:
        try:
            found = os.statvfs(self._order.node_dir)
        except OSError as error:
            self._note(error, self._order.node_dir)
            return
        blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
        self._node.disk_free = blocks * found.f_frsize
        if self._node.disk_free < _ROOM_NEEDED:
            self._full_path = self._order.node_dir

    def _note(self, error: OSError, path: str) -> None:
        if is_full(error):
            self._full_path = self._order.node_dir
        else:
            note(f"agent: {path}: {error}")
