"""The session of a run on mpirun: real agents, and a stand-in for mpirun on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from rankdeck.agent_order import AgentCommand, AgentCommandKind
from rankdeck.backend import AgentLiveness
from rankdeck.backend_reports import Absent, Ended, NotPlaced, Placed, Swept
from rankdeck.run.node_state import NodeOutcome, NodePhase, RankState

if TYPE_CHECKING:
    import pytest

    from backends.mpi.session import MpiSession
    from tests.backends.mpi.conftest import Bench

_STOP = AgentCommand(command=AgentCommandKind.STOP, reason="enough")


def mpirun_pid(ref: str) -> int:
    return int(ref.partition(":")[0])


def until_stand_in(bench: Bench) -> list[bytes]:
    """The command line of the stand-in, once the shell before it has become it."""
    deadline = time.monotonic() + 90
    while True:
        for pid in bench.left():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
                if any(word.endswith(b"stand_in.py") for word in words):
                    return words
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.01)


def pass_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is put into the list passes for the session at once, as for one that was held up."""
    late: list[float] = []
    clock = SimpleNamespace(
        monotonic=lambda: time.monotonic() + sum(late), time=time.time, sleep=time.sleep
    )
    for module in ("session", "job"):
        monkeypatch.setattr(f"backends.mpi.{module}.time", clock)
    return late


def until_dead(bench: Bench, session: MpiSession, ref: str) -> None:
    """Wait until every agent has left."""
    bench.until(
        session,
        lambda: {session.liveness(name, ref) for name in bench.names} == {AgentLiveness.DEAD},
    )


def test_an_agent_on_every_node_from_the_first_order_to_the_last_word(bench: Bench) -> None:
    session = bench.session()
    ref = bench.placed(session)
    # a rank that is told to end before it has said anything says nothing
    log = bench.run.node("n2").attempt(0).log(1)
    bench.until(session, lambda: log.read_text() == "rank 1\n")
    assert sorted((type(report).__name__, report.node) for report in bench.told) == [
        ("Placed", "n1"),
        ("Placed", "n2"),
    ]
    assert session.liveness("n1", ref) is AgentLiveness.ALIVE
    for name in bench.names:
        session.send(name, ref, _STOP)
    until_dead(bench, session, ref)
    assert {state.outcome for state in bench.states()} == {NodeOutcome.STOPPED}
    session.release()
    assert bench.left() == []
    # mpirun has ended because they had: that is no news
    assert not [report for report in bench.told if isinstance(report, Ended)]


def test_agents_get_no_variables_of_mpirun_s_own(bench: Bench) -> None:
    bench.argv = ("sh", "-c", "echo ${OMPI_COMM_WORLD_RANK-none} ${OMPI_UNIVERSE_SIZE-none}")
    session = bench.session()
    ref = bench.placed(session)
    until_dead(bench, session, ref)
    assert bench.run.node("n1").attempt(0).log(0).read_text() == "none none\n"


def test_no_variable_of_the_job_is_in_a_command_line(bench: Bench) -> None:
    session = bench.session()
    bench.environ["TOKEN"] = "very-secret"
    bench.placed(session)
    words = b""
    for pid in bench.left():
        # an agent's helper may have ended meanwhile
        with suppress(OSError):
            words += Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"--pick" in words
    assert b"very-secret" not in words


def test_a_node_that_refuses_is_named_and_no_agent_starts_anywhere(bench: Bench) -> None:
    bench.names = ("n1", "bad2", "n3")
    session = bench.session()
    session.place(bench.orders(), find_only=False)
    bench.until(session, lambda: len(bench.told) == 3)
    first, *others = bench.told
    assert isinstance(first, NotPlaced)
    assert (first.node, first.category) == ("bad2", "ssh-refused")
    assert others == [Absent(node="n1"), Absent(node="n3")]
    assert bench.states() == []
    session.release()
    assert bench.left() == []


def test_without_mpirun(bench: Bench) -> None:
    bench.options = {"mpirun": "/no/such/mpirun"}
    session = bench.session()
    session.place(bench.orders(), find_only=False)
    first, second = session.reports()
    assert first == NotPlaced(
        node="n1",
        category="mpirun",
        message="/no/such/mpirun was not found",
        hint="install Open MPI, load its module, or name it with --mpirun",
    )
    assert second == Absent(node="n2")


def test_an_mpirun_that_starts_nothing_is_given_up_and_killed(bench: Bench) -> None:
    bench.options = {"start_timeout": 0.5}
    bench.environ["STAND_IN"] = "hang"
    session = bench.session()
    session.place(bench.orders(), find_only=False)
    bench.until(session, lambda: len(bench.told) == 2)
    assert {type(report) for report in bench.told} == {NotPlaced}
    assert "had not started the agent on n1 after 0.5 s" in str(bench.told[0])
    assert bench.left() == []


def test_what_is_withdrawn_never_starts(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    bench.environ.update(STAND_IN="slow", STAND_IN_GATE=str(gate))
    session = bench.session()
    session.place(bench.orders(), find_only=False)
    session.withdraw()
    assert session.reports() == [Absent(node="n1"), Absent(node="n2")]
    assert bench.left() == []


def test_an_order_that_is_given_up_is_not_carried_out_by_a_late_mpirun(
    bench: Bench, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    bench.options = {"start_timeout": 0.2}
    bench.environ.update(STAND_IN="slow", STAND_IN_GATE=str(gate))
    session = bench.session()
    session.place(bench.orders(), find_only=False)
    # the same command once more, as a network that comes back late would run it
    words = until_stand_in(bench)
    bench.until(session, lambda: len(bench.told) == 2)
    gate.touch()
    subprocess.run(words, env=bench.environ, check=True, timeout=120)
    assert bench.states() == []


def test_a_second_supervisor_finds_what_the_first_one_started(bench: Bench) -> None:
    first = bench.session()
    ref = bench.placed(first)
    agents = {state.agent.pid for state in bench.states()}
    (bench.run.path / "mpi" / "mpirun-0.json").unlink()
    bench.told.clear()
    second = bench.session(taken_over=True)
    second.place(bench.orders(), find_only=False)
    bench.until(second, lambda: len(bench.told) == 2)
    assert sorted(bench.told, key=lambda report: report.node) == [
        Placed(node="n1", ref=ref),
        Placed(node="n2", ref=ref),
    ]
    assert {state.agent.pid for state in bench.states()} == agents


def test_agents_are_adopted_by_their_reference(bench: Bench) -> None:
    ref = bench.placed(bench.session())
    second = bench.session(taken_over=True)
    for order in bench.orders():
        second.adopt(order, ref)
    assert second.liveness("n2", ref) is AgentLiveness.ALIVE
    for name in bench.names:
        second.send(name, ref, _STOP)
    until_dead(bench, second, ref)


def test_nothing_is_started_again_after_an_mpirun_that_is_gone(bench: Bench) -> None:
    first = bench.session()
    ref = bench.placed(first)
    for name in bench.names:
        first.send(name, ref, _STOP)
    until_dead(bench, first, ref)
    before = bench.states()
    bench.told.clear()
    second = bench.session(taken_over=True)
    second.place(bench.orders(), find_only=False)
    bench.until(second, lambda: len(bench.told) == 2)
    assert {type(report) for report in bench.told} == {Placed}
    assert second.liveness("n1", ref) is AgentLiveness.DEAD
    assert bench.states() == before


def test_only_looking_starts_nothing(bench: Bench) -> None:
    session = bench.session(taken_over=True)
    session.place(bench.orders(), find_only=True)
    assert session.reports() == [Absent(node="n1"), Absent(node="n2")]
    assert bench.left() == []


def test_what_a_killed_supervisor_had_given_up_is_answered_to_the_next(
    bench: Bench, tmp_path: Path
) -> None:
    bench.environ.update(STAND_IN="slow", STAND_IN_GATE=str(tmp_path / "gate"))
    first = bench.session()
    first.place(bench.orders(), find_only=False)
    first.withdraw()
    second = bench.session(taken_over=True)
    second.place(bench.orders(), find_only=True)
    bench.until(second, lambda: len(bench.told) == 2)
    assert {report.node for report in bench.told} == {"n1", "n2"}
    assert not [report for report in bench.told if isinstance(report, Placed)]


def test_so_it_is_by_one_that_looks_late(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = pass_time(monkeypatch)
    bench.environ.update(STAND_IN="slow", STAND_IN_GATE=str(tmp_path / "gate"))
    first = bench.session()
    first.place(bench.orders(), find_only=False)
    first.withdraw()
    second = bench.session(taken_over=True)
    second.place(bench.orders(), find_only=True)
    bench.told += second.reports()
    late.append(60.0)
    bench.until(second, lambda: len(bench.told) == 2)
    assert not [report for report in bench.told if isinstance(report, Placed)]


def test_an_order_whose_taker_was_killed_at_once_is_answered_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.mpi.session._TAKEN_SECONDS", 0.2)
    session = bench.session(taken_over=True)
    attempt = bench.run.node("n2").attempt(0).path
    attempt.mkdir(parents=True)
    (attempt / "claim").touch()
    session.place(bench.orders(), find_only=True)
    bench.until(session, lambda: len(bench.told) == 2)
    assert [(type(report), report.node) for report in bench.told] == [
        (Absent, "n1"),
        (Placed, "n2"),
    ]


def test_another_attempt_has_an_empty_inbox_and_an_mpirun_of_its_own(bench: Bench) -> None:
    session = bench.session()
    first = bench.placed(session)
    for name in bench.names:
        session.send(name, first, _STOP)
    until_dead(bench, session, first)
    session.send("n1", first, _STOP)
    bench.told.clear()
    session.place(bench.orders(attempt=1), find_only=False)
    bench.until(session, lambda: len(bench.told) == 2)
    bench.until(session, lambda: bench.phases() == {NodePhase.READY})
    assert {state.attempt for state in bench.states()} == {1}
    (second,) = {report.ref for report in bench.told if isinstance(report, Placed)}
    assert second != first


def test_killed_mpirun_is_told_and_its_agents_end_their_ranks(bench: Bench) -> None:
    session = bench.session()
    ref = bench.placed(session)
    os.kill(mpirun_pid(ref), signal.SIGKILL)
    bench.until(session, lambda: any(isinstance(report, Ended) for report in bench.told))
    ended = next(report for report in bench.told if isinstance(report, Ended))
    assert ended.category == "mpirun"
    assert f"(pid {mpirun_pid(ref)} on " in ended.message
    assert "was killed by SIGKILL while the run was going on" in ended.message
    until_dead(bench, session, ref)
    stops = [state.stop.reason if state.stop else "" for state in bench.states()]
    assert stops == ["SIGTERM from mpirun"] * 2
    session.release()
    assert bench.left() == []


def test_an_agent_outlives_a_killed_leash_until_its_ranks_have_ended(bench: Bench) -> None:
    """mpirun kills what it has started one second after TERM; ranks may have a longer grace."""
    bench.argv = (
        "sh",
        "-c",
        "trap 'sleep 2; echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done",
    )
    bench.grace = 60.0
    session = bench.session()
    ref = bench.placed(session)
    logs = [bench.run.node(f"n{rank + 1}").attempt(0).log(rank) for rank in (0, 1)]
    bench.until(session, lambda: all(log.read_text() == "up\n" for log in logs))
    os.kill(mpirun_pid(ref), signal.SIGTERM)
    until_dead(bench, session, ref)
    assert bench.run.node("n1").attempt(0).log(0).read_text().endswith("saved\n")
    assert {state.outcome for state in bench.states()} == {NodeOutcome.STOPPED}


def test_asked_why_by_one_that_looks_late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    late = pass_time(monkeypatch)
    session = bench.session()
    ref = bench.placed(session)
    bench.told.clear()
    session.inquire()
    os.kill(mpirun_pid(ref), signal.SIGKILL)
    os.waitid(os.P_PID, mpirun_pid(ref), os.WEXITED | os.WNOWAIT)
    late.append(60.0)
    bench.until(session, lambda: bench.told)
    assert [getattr(report, "category", None) for report in bench.told] == ["mpirun"]


def test_asked_why_while_mpirun_has_yet_to_follow_its_agents(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = pass_time(monkeypatch)
    session = bench.session()
    ref = bench.placed(session)
    bench.told.clear()
    os.kill(mpirun_pid(ref), signal.SIGSTOP)
    for name in bench.names:
        session.send(name, ref, _STOP)
    until_dead(bench, session, ref)
    session.inquire()
    late.append(5.0)
    bench.told += session.reports()
    assert bench.told == []
    os.kill(mpirun_pid(ref), signal.SIGKILL)
    bench.until(session, lambda: bench.told)
    assert [getattr(report, "category", None) for report in bench.told] == ["mpirun"]


def test_asked_why_when_mpirun_knows_nothing(bench: Bench) -> None:
    session = bench.session()
    bench.placed(session)
    bench.told.clear()
    session.inquire()
    bench.until(session, lambda: bench.told)
    assert bench.told == [Ended()]


def test_a_sweep_ends_what_an_agent_has_left(bench: Bench) -> None:
    session = bench.session()
    ref = bench.placed(session)
    for state in bench.states():
        stat = Path(f"/proc/{state.agent.pid}/stat").read_text()
        guardian = int(stat.rpartition(")")[2].split()[1])
        # both at once, so that neither can clean up
        for pid in (guardian, state.agent.pid):
            os.kill(pid, signal.SIGSTOP)
        for pid in (guardian, state.agent.pid):
            os.kill(pid, signal.SIGKILL)
    bench.told.clear()
    for name in bench.names:
        session.sweep(name)
    bench.until(session, lambda: sum(isinstance(report, Swept) for report in bench.told) == 2)
    swept = [report for report in bench.told if isinstance(report, Swept)]
    assert [(report.left, report.error) for report in swept] == [((), "")] * 2
    until_dead(bench, session, ref)
    session.release()
    assert bench.left() == []


def test_a_sweep_of_a_node_that_refuses(bench: Bench) -> None:
    bench.names = ("n1", "bad2")
    session = bench.session()
    session.sweep("bad2")
    bench.until(session, lambda: bench.told)
    (swept,) = bench.told
    assert isinstance(swept, Swept)
    assert "bad2: processes of this run may be left" in swept.error


# One process a rank


def test_mpirun_starts_every_rank_itself(bench: Bench) -> None:
    bench.nproc, bench.options = 2, {"per_rank": True}
    up = bench.run.path.parent / "up"
    up.mkdir()
    # one that fails before its neighbour is there would keep that one from starting
    bench.argv = (
        "sh", "-c",
        "echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $NODE_RANK $MASTER_PORT"
        f" $OMPI_COMM_WORLD_RANK; : >{up}/$RANK; test $RANK = 3 || exec sleep 600;"
        f" until test -e {up}/0 -a -e {up}/1 -a -e {up}/2; do sleep 0.02; done; exit 5",
    )  # fmt: skip
    session = bench.session()
    ref = bench.placed(session)
    bench.until(
        session,
        lambda: any(rank.exit_code == 5 for state in bench.states() for rank in state.ranks),
    )
    session.send("n1", ref, _STOP)
    until_dead(bench, session, ref)
    first, second = bench.states()
    assert [rank.state for rank in first.ranks] == [RankState.KILLED] * 2
    failed = second.ranks[1]
    assert (failed.rank, failed.state, failed.exit_code) == (3, RankState.FAILED, 5)
    # the other one of its node was ended because of it, in order
    assert second.ranks[0].state is RankState.KILLED
    logs = [bench.run.node(f"n{rank // 2 + 1}").attempt(0).log(rank) for rank in range(4)]
    assert [log.read_text() for log in logs] == [
        "0 0 4 2 0 23456 0\n",
        "1 1 4 2 0 23456 1\n",
        "2 0 4 2 1 23456 2\n",
        "3 1 4 2 1 23456 3\n",
    ]
    session.release()
    assert bench.left() == []


def test_ranks_of_mpirun_do_not_start_when_a_stop_comes_first(bench: Bench) -> None:
    bench.nproc, bench.options = 2, {"per_rank": True}
    session = bench.session()
    session.place(bench.orders(), find_only=False)
    # an agent may be ready before the session has heard that it is placed
    bench.until(session, lambda: len(bench.told) >= len(bench.names))
    bench.until(session, lambda: bench.phases() == {NodePhase.READY})
    ref = next(report.ref for report in bench.told if isinstance(report, Placed))
    for name in bench.names:
        session.send(name, ref, _STOP)
    until_dead(bench, session, ref)
    ranks = [rank for state in bench.states() for rank in state.ranks]
    assert {rank.state for rank in ranks} == {RankState.PENDING}
    bench.until(session, lambda: bench.left() == [])


def test_ranks_of_an_mpirun_that_is_killed(bench: Bench) -> None:
    bench.nproc, bench.options = 2, {"per_rank": True}
    session = bench.session()
    ref = bench.placed(session)
    os.kill(mpirun_pid(ref), signal.SIGTERM)
    until_dead(bench, session, ref)
    ranks = [rank for state in bench.states() for rank in state.ranks]
    assert {rank.state for rank in ranks} == {RankState.KILLED}
    bench.until(session, lambda: bench.left() == [])


def test_ranks_that_mpirun_has_ended_before_their_agents_could(bench: Bench) -> None:
    bench.nproc, bench.options = 2, {"per_rank": True}
    session = bench.session()
    ref = bench.placed(session)
    agents = [state.agent.pid for state in bench.states()]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    os.kill(mpirun_pid(ref), signal.SIGTERM)
    pids = [rank.pid for state in bench.states() for rank in state.ranks]
    bench.until(session, lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    for pid in agents:
        os.kill(pid, signal.SIGCONT)
    until_dead(bench, session, ref)
    ranks = [rank for state in bench.states() for rank in state.ranks]
    # what had been asked for before they ended is heeded, if late
    assert {rank.state for rank in ranks} == {RankState.KILLED}
    assert {state.outcome for state in bench.states()} == {NodeOutcome.STOPPED}


def test_a_rank_whose_program_does_not_exist(bench: Bench) -> None:
    bench.names, bench.options, bench.argv = ("n1",), {"per_rank": True}, ("/no/such/program",)
    session = bench.session()
    ref = bench.placed(session)
    until_dead(bench, session, ref)
    (rank,) = bench.states()[0].ranks
    assert (rank.state, rank.exit_code) == (RankState.FAILED, 127)
    assert "cannot be started" in bench.run.node("n1").attempt(0).log(0).read_text()
