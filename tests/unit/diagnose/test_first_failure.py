"""The whole diagnosis, on what real ranks left behind (tests/data/diagnose) and on made-up ends."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from rankdeck.diagnose.first_failure import first_failure
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import (
    LauncherState,
    NodeOutcome,
    NodePhase,
    NodeProblem,
    NodeState,
    ProcessRef,
    RankRecord,
    RankState,
)
from rankdeck.run.state import Failure, RunNode, RunPhase, RunRank, RunState

DATA = Path(__file__).parents[2] / "data" / "diagnose"
CASES = sorted(path.name for path in DATA.iterdir())


class World:
    """A run of one node, built from what its ranks left behind."""

    def __init__(self, path: Path) -> None:
        self.dir = RunDir(path)
        self.attempt = self.dir.node("n0").attempt(0)
        self.attempt.path.mkdir(parents=True)
        self.ranks: list[RankRecord] = []
        self.problem: NodeProblem | None = None
        self.launcher: LauncherState | None = None

    def rank(
        self,
        state: str,
        ended: float | None = None,
        rungs: dict[str, float] | None = None,
        **more: Any,
    ) -> None:
        number = len(self.ranks)
        self.ranks.append(
            RankRecord(
                rank=number,
                local_rank=number,
                state=RankState(state),
                times={**(rungs or {}), **({} if ended is None else {state: ended})},
                **more,
            )
        )

    def log(self, rank: int, text: str | bytes) -> None:
        self.attempt.log(rank).write_bytes(text if isinstance(text, bytes) else text.encode())

    def diagnose(self) -> Failure | None:
        ranks = tuple(
            RunRank(
                rank=said.rank,
                node="n0",
                local_rank=said.local_rank,
                state=said.state,
                exit_code=said.exit_code,
                signal=said.signal,
                pid=4000 + said.rank,
                times=said.times,
            )
            for said in self.ranks
        )
        size = len(ranks)
        run = RunState(
            id=self.dir.id,
            name="run",
            state=RunPhase.STOPPING,
            backend="local",
            launcher="torchrun",
            created=0.0,
            nnodes=1,
            nproc_per_node=size,
            world_size=size,
            nodes=(RunNode(name="n0", node_rank=0, nproc=size, first_rank=0, state="done"),),
            ranks=ranks,
        )
        node = NodeState(
            version=1,
            run_id=self.dir.id,
            node="n0",
            attempt=0,
            phase=NodePhase.DONE,
            agent=ProcessRef(pid=1, starttime=1),
            python="python3",
            time=2000.0,
            seq=9,
            started=0.0,
            launcher=self.launcher,
            ranks=tuple(self.ranks),
            problem=self.problem,
            outcome=NodeOutcome.FAILED,
        )
        return first_failure(run, (node,), self.dir)

    def failure(self) -> Failure:
        found = self.diagnose()
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "run")


def real(world: World, case: str) -> World:
    for rank in json.loads((DATA / case / "case.json").read_text())["ranks"]:
        pairs = rank.pop("times", [])
        world.attempt.times(rank["rank"]).write_bytes(
            b"".join(struct.pack("<dQ", *pair) for pair in pairs)
        )
        rank.pop("rank")
        world.rank(**rank)
    for path in (DATA / case).glob("rank-*"):
        shutil.copy(path, world.attempt.path)
    return world


REAL: dict[str, tuple[int | None, str, str, str, tuple[int, ...]]] = {
    "torchrun-raise": (
        2,
        "exception",
        "certain",
        "rank 2 on n0 raised ValueError: the loss is not finite at step 3 (prog.py:5 in culprit)",
        (0, 1),
    ),
    "torchrun-exit3": (
        2,
        "exit-code",
        "certain",
        "rank 2 on n0 ended itself with exit code 3; no exception was recorded",
        (0, 1),
    ),
    "direct-exit3": (
        2,
        "exit-code",
        "certain",
        "rank 2 on n0 ended itself with exit code 3; no exception was recorded",
        (0, 1),
    ),
    "torchrun-kill": (
        2,
        "signal",
        "certain",
        "rank 2 on n0 was killed by SIGKILL, often the kernel's out-of-memory killer",
        (0, 1),
    ),
    "torchrun-segv": (
        2,
        "signal",
        "certain",
        "rank 2 on n0 crashed with SIGSEGV (an invalid memory access in native code) "
        "at prog.py:13 in culprit",
        (0, 1),
    ),
    "direct-abort": (
        2,
        "signal",
        "certain",
        "rank 2 on n0 aborted (SIGABRT): native code gave up at prog.py:15 in culprit",
        (0, 1),
    ),
    "torchrun-cleanup": (
        2,
        "unknown",
        "unknown",
        "rank 0 on n0 lost its connection to another rank; only rank 2 does not complain so, "
        "but it left no reason behind",
        (0, 1),
    ),
    "direct-cleanup": (
        2,
        "unknown",
        "unknown",
        "rank 0 on n0 lost its connection to another rank; only rank 2 does not complain so, "
        "but it left no reason behind",
        (0, 1),
    ),
    "torchrun-logcleanup": (
        2,
        "exception",
        "likely",
        "rank 2 on n0 raised ValueError: bad shard shard-0007.bin (prog.py:26 in culprit)",
        (0, 1),
    ),
    "direct-chained": (
        2,
        "exception",
        "certain",
        "rank 2 on n0 raised RuntimeError: the configuration has no lr (prog.py:36 in culprit)",
        (0, 1),
    ),
    "direct-silentexit": (
        0,
        "exit-code",
        "likely",
        "rank 0 on n0 ended itself with exit code 3; no exception was recorded",
        (1, 2, 3),
    ),
    # the culprit, rank 0, was ended before it could tell; what is said of rank 3 is not certain
    "torchrun-silentcleanup": (
        3,
        "signal",
        "likely",
        "rank 3 on n0 aborted (SIGABRT): native code gave up: Aborted",
        (0, 1, 2),
    ),
    "torchrun-hang-early": (
        2,
        "hang",
        "likely",
        "rank 2 on n0 kept the others waiting until they gave up: they complain of a timeout, "
        "it does not",
        (0, 1, 3),
    ),
    "torchrun-hang-loop": (
        2,
        "hang",
        "likely",
        "rank 2 on n0 kept the others waiting until they gave up: they complain of a timeout, "
        "it does not",
        (0, 1, 3),
    ),
    "torchrun-hang-import": (
        2,
        "hang",
        "certain",
        "rank 2 on n0 never joined the others, which waited for it in vain",
        (0, 1, 3),
    ),
    "torchrun-allraise": (
        1,
        "exception",
        "certain",
        "rank 1 on n0 raised FileNotFoundError: [Errno 2] No such file or directory: "
        "'/nonexistent/data.bin' (prog.py:47), and so did 2 other ranks",
        (),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_culprit_of_a_real_run_is_named(world: World, case: str) -> None:
    failure = real(world, case).failure()
    assert (
        failure.rank,
        failure.category,
        failure.certainty,
        failure.summary,
        failure.collateral_ranks,
    ) == REAL[case]
    assert failure.time is not None
    assert 1000.0 < failure.time < 1100.0


@pytest.mark.parametrize("case", CASES)
def test_without_error_records_nobody_is_wrongly_named_for_certain(world: World, case: str) -> None:
    real(world, case)
    for record in world.attempt.path.glob("*.error.json"):
        record.unlink()
    failure = world.failure()
    assert failure.certainty != "certain" or failure.rank == REAL[case][0]
    assert REAL[case][2] != "likely" or failure.certainty != "certain"


@pytest.mark.parametrize("case", CASES)
def test_without_logs_nobody_is_wrongly_named_for_certain(world: World, case: str) -> None:
    real(world, case)
    for log in world.attempt.path.glob("*.log"):
        log.unlink()
    failure = world.failure()
    assert failure.certainty != "certain" or failure.rank == REAL[case][0]
    assert REAL[case][2] != "likely" or failure.certainty != "certain"


def test_the_traceback_is_the_evidence(world: World) -> None:
    failure = real(world, "torchrun-raise").failure()
    assert failure.evidence[0] == "Traceback (most recent call last):"
    assert failure.evidence[-1] == "ValueError: the loss is not finite at step 3"
    assert failure.signature == "ValueError"


def test_without_a_traceback_the_last_lines_are(world: World) -> None:
    failure = real(world, "torchrun-exit3").failure()
    assert failure.evidence[-1] == "step 3 loss 3.700"
    assert "exits with 3" in failure.hint


def test_a_kill_says_where_to_look_and_claims_nothing(world: World) -> None:
    failure = real(world, "torchrun-kill").failure()
    assert "often" in failure.summary
    assert "dmesg" in failure.hint
    assert "4002" in failure.hint


def test_evidence_is_bounded(world: World) -> None:
    frames = "".join(f'  File "a.py", line {n}, in f\n    f()\n' for n in range(400))
    world.rank("failed", 5.0, exit_code=1)
    world.log(0, f"Traceback (most recent call last):\n{frames}ValueError: {'x' * 9000}\n")
    failure = world.failure()
    assert len(failure.evidence) == 40
    assert all(len(line) <= 500 for line in failure.evidence)
    assert failure.evidence[0].startswith("Traceback")
    assert failure.evidence[-1].startswith("ValueError")
    assert len(failure.summary) < 400


def test_only_the_end_of_a_huge_log_is_read(world: World) -> None:
    world.rank("failed", 5.0, exit_code=1)
    world.log(0, b"x" * 50_000_000 + b"\nTraceback (most recent call last):\n  f\nKeyError: 1\n")
    assert "raised KeyError: 1" in world.failure().summary


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"not json",
        b'{"message": 7}',
        b'{"message": {"message": "ValueError: x", "extraInfo": []}}',
        b"\xff" * 100,
        b"[" * 100_000,
    ],
)
def test_a_broken_error_record_is_as_good_as_none(world: World, record: bytes) -> None:
    world.rank("failed", 5.0, exit_code=1)
    world.attempt.error(0).write_bytes(record)
    world.log(0, "Traceback (most recent call last):\n  f\nKeyError: 1\n")
    assert "raised KeyError: 1" in world.failure().summary


def test_torchelastics_own_error_record_is_understood(world: World) -> None:
    world.rank("failed", 5.0, exit_code=1)
    stack = 'Traceback (most recent call last):\n  File "t.py", line 3, in f\nOSError: no\n'
    for told in (
        {
            "message": {
                "message": "OSError: no",
                "extraInfo": {"py_callstack": stack, "timestamp": "4"},
            }
        },
        {"message": {"message": "OSError: no", "extraInfo": {"py_callstack": "", "timestamp": 4}}},
        {"message": "OSError: no"},
    ):
        world.attempt.error(0).write_text(json.dumps(told))
        failure = world.failure()
        assert failure.summary.startswith("rank 0 on n0 raised OSError: no")
        assert failure.time == 5.0, "whole seconds are too coarse to order ranks"


def test_hostile_text_does_not_reach_the_summary(world: World) -> None:
    world.rank("failed", 5.0, exit_code=1)
    world.log(0, "Traceback (most recent call last):\n  f\nKeyError: \x1b]0;t\x07\x9b2J\u202ex\n")
    assert world.failure().summary == "rank 0 on n0 raised KeyError: x"


@pytest.mark.parametrize(
    ("code", "last", "told"),
    [
        (2, "train.py: error: unrecognized arguments: --lrr", "did not accept its arguments"),
        (127, "./run.sh: line 1: foo: not found", "a command was not found"),
        (126, "", "could not be executed"),
        (137, "Killed", "ended by SIGKILL"),
        (9, "", "exit code 9; no exception"),
    ],
)
def test_exit_codes_in_words(world: World, code: int, last: str, told: str) -> None:
    world.rank("failed", 5.0, exit_code=code)
    world.log(0, f"begin\n{last}\n")
    failure = world.failure()
    assert told in failure.summary
    assert (failure.category, failure.exit_code) == ("exit-code", code)
    assert failure.hint


@pytest.mark.parametrize("number", [4, 6, 7, 8, 11, 15, 24, 40])
def test_signals_in_words(world: World, number: int) -> None:
    world.rank("failed", 5.0, signal=number)
    failure = world.failure()
    assert "SIG" in failure.summary or "signal 40" in failure.summary
    assert (failure.category, failure.signal) == ("signal", number)
    assert failure.hint
    assert "{" not in failure.hint


def test_a_survived_traceback_does_not_explain_another_exit(world: World) -> None:
    world.rank("failed", 5.0, exit_code=3)
    world.log(0, "Traceback (most recent call last):\n  f\nKeyError: 1\n")
    failure = world.failure()
    assert failure.category == "exit-code"
    assert "KeyError: 1" in failure.evidence


def test_a_nodes_problem_before_any_rank_is_the_failure(world: World) -> None:
    world.rank("pending")
    world.problem = NodeProblem(
        category="port-in-use", message="port 29500 is taken by pid 7", hint="free it", time=3.0
    )
    world.dir.node("n0").launcher_log.write_text("one\nOSError: EADDRINUSE\n")
    failure = world.failure()
    assert (failure.rank, failure.node, failure.category) == (None, "n0", "port-in-use")
    assert failure.summary == "n0: port 29500 is taken by pid 7"
    assert (failure.hint, failure.certainty) == ("free it", "certain")
    assert failure.evidence == ("one", "OSError: EADDRINUSE")


def test_a_rank_that_failed_before_the_problem_is_the_failure(world: World) -> None:
    world.rank("failed", 2.0, exit_code=3)
    world.problem = NodeProblem(category="launcher", message="torchrun failed", time=3.0)
    assert world.failure().rank == 0


def test_a_full_disk_is_the_cause_even_if_a_rank_met_it_first(world: World) -> None:
    world.rank("failed", 2.0, exit_code=1)
    world.log(0, "Traceback (most recent call last):\n  f\nOSError: [Errno 28] No space left\n")
    world.problem = NodeProblem(category="disk-full", message="the disk is full", time=3.0)
    failure = world.failure()
    assert (failure.rank, failure.category) == (0, "disk-full")
    assert failure.evidence[-1].startswith("OSError: [Errno 28]")


def test_a_launcher_that_fails_after_its_ranks_ended_well(world: World) -> None:
    world.rank("exited", 5.0, exit_code=0)
    world.launcher = LauncherState(pid=7, started=1.0, ended=6.0, exit_code=9)
    world.dir.node("n0").launcher_log.write_text("train.sh: line 9: cp: cannot stat\n")
    failure = world.failure()
    assert (failure.rank, failure.category, failure.exit_code) == (None, "launcher", 9)
    assert "although all its ranks had ended well" in failure.summary
    assert failure.evidence == ("train.sh: line 9: cp: cannot stat",)


def test_a_rank_that_ended_well_too_early_is_named(world: World) -> None:
    real(world, "direct-cleanup")
    world.ranks[2] = RankRecord(
        rank=2, local_rank=2, state=RankState.EXITED, exit_code=0, times={"exited": 1001.0}
    )
    failure = world.failure()
    assert (failure.rank, failure.category, failure.certainty) == (2, "exited-early", "likely")


def test_last_words_without_a_traceback_may_be_a_complaint_too(world: World) -> None:
    for number in (0, 1):
        world.rank("failed", 5.0 + number, signal=6)
        world.log(
            number,
            f"[rank{number}]:[E ProcessGroupNCCL.cpp:607] Watchdog caught collective "
            "operation timeout: WorkNCCL(SeqNum=1580, OpType=ALLREDUCE)\n",
        )
    world.rank("killed", 8.0, signal=15)
    failure = world.failure()
    assert (failure.rank, failure.category, failure.certainty) == (2, "hang", "likely")
    assert failure.summary == (
        "rank 2 on n0 did not report ALLREDUCE 1580, which the others waited for"
    )
    assert "rank 0 on n0 was the first to give up waiting" in failure.facts


def test_a_lost_rank(world: World) -> None:
    world.rank("lost", 5.0)
    world.rank("killed", 6.0, signal=9)
    failure = world.failure()
    assert (failure.rank, failure.category, failure.certainty) == (0, "lost", "likely")
    assert failure.collateral_ranks == (1,)


def test_where_nothing_failed_there_is_no_failure(world: World) -> None:
    world.rank("exited", 5.0, exit_code=0)
    assert world.diagnose() is None
