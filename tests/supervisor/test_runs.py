from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.errors import ExitCode, UserError
from rankdeck.run.code_snapshot import CodeSnapshot
from rankdeck.run.events import EventKind
from rankdeck.run.launch import ensure_supervised
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import RankState
from rankdeck.run.progress import read_metrics
from rankdeck.run.state import RunPhase
from tests.supervisor.conftest import UNTIL_TOLD, fill, processes_of, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.supervisor.conftest import Deck

FOREVER = "echo up; exec sleep 300"


def test_a_run_that_succeeds(deck: Deck) -> None:
    run = deck.start('echo "hello from $RANK of $WORLD_SIZE"')
    end = deck.end(run)
    assert (end.state, end.exit_code, end.failure) == (RunPhase.SUCCEEDED, 0, None)
    assert deck.log(run, 1) == "hello from 1 of 2\n"
    events = deck.check_log(run)
    assert [event.kind for event in events[:4]] == [
        EventKind.CREATED,
        EventKind.SUPERVISOR,
        EventKind.ATTEMPT,
        EventKind.AGENT,
    ]
    assert run.supervisor_log.read_text() == ""
    assert processes_of(run.id) == []
    (summary,) = deck.store.list()
    assert summary.state is RunPhase.SUCCEEDED
    assert list(deck.store.index.read()) == [run.id]


def test_files_are_private_and_the_environment_is_forgotten(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "do-not-keep")
    run = deck.start("echo ${#API_TOKEN}")
    deck.end(run)
    assert deck.log(run, 0) == "11\n"
    for folder, _, names in os.walk(deck.store.home):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in names:
            path = os.path.join(folder, name)
            assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0, path
            if not name.endswith(".log"):
                with open(path, "rb") as stream:
                    assert b"do-not-keep" not in stream.read(), path
    assert not run.launch_env.exists()


def test_the_ranks_get_the_umask_of_the_submitting_shell(deck: Deck) -> None:
    old = os.umask(0o027)
    try:
        run = deck.start("umask")
    finally:
        os.umask(old)
    deck.end(run)
    assert deck.log(run, 0) == "0027\n"


def test_an_environment_that_is_not_text_arrives_byte_for_byte(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environb, b"ODD", b"\xff\xfe 'quoted' $(x)\n\xe8\xae\xad")
    run = deck.start('printf %s "$ODD"')
    deck.end(run)
    log = run.node(deck.state(run).nodes[0].name).attempt(0).log(0)
    assert log.read_bytes() == b"\xff\xfe 'quoted' $(x)\n\xe8\xae\xad"


def test_a_run_inside_a_run_is_its_own(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKDECK_RUN_ID", "the-outer-run")
    run = deck.start(FOREVER)
    deck.wait_rank(run, "output")
    assert processes_of("the-outer-run") == [], "an end of the outer run would end this one"
    deck.command(run, "kill")
    deck.end(run)


def test_what_was_run_is_kept(deck: Deck) -> None:
    run = deck.start("true")
    deck.end(run)
    assert "rank.sh" in run.job.read_text()
    (script,) = run.commands.iterdir()
    assert "rank.sh" in script.read_text()
    wait_for(run.code.exists, "the code snapshot")
    snapshot = msgspec.json.decode((run.code / "snapshot.json").read_bytes(), type=CodeSnapshot)
    assert [file.path for file in snapshot.files] == ["rank.sh"]


def test_a_rank_that_fails_ends_the_run(deck: Deck) -> None:
    run = deck.start("[ $RANK = 1 ] && exit 3; exec sleep 300")
    end = deck.end(run)
    assert (end.state, end.exit_code) == (RunPhase.FAILED, 1)
    assert end.ranks[1].exit_code == 3
    assert end.ranks[0].state is RankState.KILLED
    assert end.failure is not None
    assert (end.failure.rank, end.failure.exit_code) == (1, 3)
    assert processes_of(run.id) == []
    deck.check_log(run)


def test_restarts_get_directories_of_their_own(deck: Deck, tmp_path: Path) -> None:
    mark = tmp_path / "tried"
    run = deck.start(
        f"echo attempt $RANKDECK_ATTEMPT; [ -e {mark} ] || {{ touch {mark}; exit 5; }}",
        nproc_per_node=1,
        max_restarts=2,
    )
    end = deck.end(run)
    assert (end.state, end.attempt, end.failure) == (RunPhase.SUCCEEDED, 1, None)
    assert deck.log(run, 0, attempt=0) == "attempt 0\n"
    assert deck.log(run, 0, attempt=1) == "attempt 1\n"
    node = run.node(end.nodes[0].name)
    assert node.attempt(0).final_state.exists()
    deck.check_log(run)


def test_the_time_limit(deck: Deck) -> None:
    run = deck.start(FOREVER, time_limit=1.5, max_restarts=3)
    end = deck.end(run)
    assert (end.state, end.exit_code, end.attempt) == (RunPhase.FAILED, 1, 0)
    assert end.reason == "the time limit of 1.5s was reached"
    assert processes_of(run.id) == []


@pytest.mark.parametrize("kind", ["stop", "kill"])
def test_stop_and_kill(deck: Deck, kind: str) -> None:
    run = deck.start("trap '' TERM; echo up; while :; do sleep 0.1; done", grace=0.5)
    for rank in (0, 1):
        deck.wait_rank(run, "output", rank)
    deck.command(run, kind, by="me@here")
    end = deck.end(run)
    assert (end.state, end.exit_code) == (RunPhase.STOPPED, 130)
    assert {rank.signal for rank in end.ranks} == {9}
    assert processes_of(run.id) == []
    answers = [event for event in deck.check_log(run) if event.kind is EventKind.COMMAND]
    assert [(a.command, a.outcome) for a in answers] == [(kind, "accepted")]


def test_a_stop_dropped_before_the_supervisor_is_there(deck: Deck) -> None:
    run = deck.start(FOREVER)
    deck.command(run, "stop")
    end = deck.end(run)
    assert end.state is RunPhase.STOPPED
    assert processes_of(run.id) == []


def test_a_command_after_the_end_gets_an_answer(deck: Deck) -> None:
    run = deck.start("true")
    ended = deck.end(run)
    deck.command(run, "stop")
    assert ensure_supervised(run)
    wait_for(lambda: not list(run.control.iterdir()), "the command's removal")
    answer = deck.check_log(run)[-1]
    assert (answer.kind, answer.outcome) == (EventKind.COMMAND, "refused")
    assert deck.end(run).state is ended.state
    assert not ensure_supervised(run), "nothing is left to do"


def test_an_interpreter_that_is_not_there(deck: Deck) -> None:
    run = deck.start("true", python="/no/such/python")
    end = deck.end(run)
    assert end.state is RunPhase.FAILED
    assert "/no/such/python" in end.reason
    assert end.failure is not None
    assert end.failure.hint


def test_progress_and_metrics(deck: Deck) -> None:
    run = deck.start(
        f'echo "step 1/3 loss 0.8 lr 0.1"; {UNTIL_TOLD}; echo "step 3/3 loss 0.6 lr 0.1"',
        nproc_per_node=1,
    )
    wait_for(lambda: run.metrics.exists() and read_metrics(run.metrics), "the first point")
    deck.tell()
    progress = deck.end(run).progress
    assert progress is not None
    assert (progress.step, progress.total_steps) == (3, 3)
    assert progress.metrics["loss"] == pytest.approx(0.6)
    points = read_metrics(run.metrics)
    assert [point.step for point in points] == [1, 3]
    assert progress.loss_curve[-1] == pytest.approx(0.6)


def test_several_nodes_start_together_and_fail_together(deck: Deck) -> None:
    run = deck.start(
        f'echo "$RANK $MASTER_PORT"; [ $RANK = 4 ] || exec sleep 300; {UNTIL_TOLD}; kill -SEGV $$',
        backend="many",
        nnodes=3,
    )
    for rank in range(6):
        deck.wait_rank(run, "output", rank)
    deck.tell()
    end = deck.end(run)
    assert end.state is RunPhase.FAILED
    assert (end.ranks[4].signal, end.ranks[4].state) == (11, RankState.FAILED)
    others = [rank.state for rank in end.ranks if rank.rank != 4]
    assert others == [RankState.KILLED] * 5
    assert end.failure is not None
    assert (end.failure.rank, end.failure.node) == (4, "node2")
    ports = {deck.log(run, rank).split()[1] for rank in range(6)}
    assert len(ports) == 1, "every node was told the port that the first one chose"
    assert processes_of(run.id) == []
    deck.check_log(run)


def test_nothing_in_the_current_directory_is_imported(
    deck: Deck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("contextlib", "copy", "msgspec", "typing", "rankdeck", "backends", "signal"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    run = deck.start("true")
    assert deck.end(run).state is RunPhase.SUCCEEDED
    assert not (tmp_path / "sprung").exists()


def test_a_job_that_cannot_be_placed_leaves_nothing(deck: Deck) -> None:
    with pytest.raises(UserError, match="one node, the job asks for 2"):
        deck.start("true", nnodes=2)
    assert list(deck.store.runs_dir.iterdir()) == []


def test_a_disk_that_is_full_at_once_leaves_nothing(deck: Deck, small_disk: Path) -> None:
    deck.store.home = small_disk
    deck.store.ensure()
    fill(small_disk)
    with pytest.raises(UserError, match="the run directory cannot be written: No space") as caught:
        deck.start("true")
    assert caught.value.exit_code is ExitCode.UNUSABLE
    assert list(deck.store.runs_dir.iterdir()) == []


def test_a_file_system_without_locks_is_told_before_anything_starts(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*arguments: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    with pytest.raises(UserError, match="file locks do not work here"):
        deck.start("true")
    assert list(deck.store.runs_dir.iterdir()) == []


def test_a_run_of_a_backend_that_is_gone_disturbs_nobody(deck: Deck) -> None:
    run = deck.start("true")
    deck.end(run)
    other = RunDir(run.path.with_name("20200101-000000-other-aaaa"))
    plan = run.plan.read_bytes().replace(b'"local"', b'"gone"')
    plan = plan.replace(run.id.encode(), other.id.encode())
    other.path.mkdir()
    other.plan.write_bytes(plan)
    assert [summary.backend for summary in deck.store.list()] == ["local", "gone"]
    assert not ensure_supervised(other)
    assert not ensure_supervised(RunDir(run.path.with_name("never-there")))


def test_no_supervisor_is_left_by_a_job_that_cannot_be_planned(deck: Deck) -> None:
    from rankdeck.run.spawn import start_waiting_supervisor

    waiting = start_waiting_supervisor()
    waiting.cancel()
    wait_for(lambda: os.waitpid(waiting.pid, os.WNOHANG)[0] == waiting.pid, "its end")
    assert deck.store.list() == ()


def test_a_supervisor_outlives_a_hangup(deck: Deck) -> None:
    run = deck.start(UNTIL_TOLD)
    deck.wait_rank(run, "spawned")
    pid = deck.supervisor(run)
    os.kill(pid, signal.SIGHUP)
    deck.tell()
    assert deck.end(run).state is RunPhase.SUCCEEDED
    supervisors = [e for e in deck.check_log(run) if e.kind is EventKind.SUPERVISOR]
    assert len(supervisors) == 1
