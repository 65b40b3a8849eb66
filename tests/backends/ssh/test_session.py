"""Whole sessions without a network: what is placed, heard, carried, ended and cleaned up."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backends.ssh.link import LinkError, LinkFault
from rankdeck.agent_order import AgentCommandKind
from rankdeck.backend import AgentLiveness
from rankdeck.backend_reports import (
    Absent,
    ClockRead,
    LinkDown,
    LinkUp,
    NotPlaced,
    Placed,
    Swept,
    Told,
)
from rankdeck.errors import UserError
from rankdeck.run.node_state import NodePhase, RankState
from tests.backends.ssh.bench import Bench, digest, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.ssh.session import SshSession
    from rankdeck.run.node_state import NodeState

FOREVER = "echo began; sleep 600"


def running(state: NodeState) -> bool:
    """Whether the rank has said something."""
    return state.ranks[0].state is RankState.OUTPUT


def test_an_agent_runs_and_everything_comes_home(bench: Bench) -> None:
    (ref,) = bench.place(bench.order("echo hello; seq 1 20000; echo bye >&2"))
    state = bench.done()
    assert state.outcome is not None
    assert state.outcome.value == "succeeded"
    assert digest(bench.log()) == digest(bench.far_log().read_bytes())
    assert bench.log().startswith(b"hello\n1\n")
    assert bench.log().endswith(b"20000\nbye\n")
    assert bench.run.node("n1").attempt(0).final_state.exists()
    assert bench.run.node("n1").attempt(0).order.exists()
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)
    bench.session.release()
    assert not bench.far_dir().parent.exists()
    assert bench.left() == []


def test_a_failing_rank_is_told(bench: Bench) -> None:
    bench.place(bench.order("echo oh >&2; exit 7"))
    state = bench.done()
    assert state.ranks[0].state is RankState.FAILED
    assert state.ranks[0].exit_code == 7
    assert bench.log() == b"oh\n"


def test_stop_and_kill_reach_the_agent(bench: Bench) -> None:
    bench.place(
        bench.order("trap 'echo asked; exit 0' TERM; echo began; while :; do sleep 0.1; done")
    )
    bench.until_state(running)
    bench.send(AgentCommandKind.STOP, reason="enough")
    state = bench.done()
    assert state.stop is not None
    assert state.stop.reason == "enough"
    assert bench.log().endswith(b"asked\n")


def test_go_is_given_to_an_agent_that_waits(bench: Bench) -> None:
    bench.place(bench.order("echo $MASTER_ADDR $MASTER_PORT", wait_for_go=True))
    bench.until_state(lambda state: state.phase is NodePhase.READY)
    bench.send(AgentCommandKind.GO, master_addr="10.9.8.7", master_port=4711)
    bench.done()
    assert bench.log() == b"10.9.8.7 4711\n"


def test_a_second_attempt_uses_the_same_connection(bench: Bench) -> None:
    bench.place(bench.order("echo first; exit 1"))
    bench.done()
    bench.seen.clear()
    bench.place(bench.order("echo second", attempt=1))
    bench.until_state(lambda state: state.attempt == 1 and state.phase is NodePhase.DONE)
    assert bench.log(attempt=0) == b"first\n"
    assert bench.log(attempt=1) == b"second\n"
    assert len(bench.couriers()) == 1


def test_an_agent_is_never_started_twice(bench: Bench) -> None:
    order = bench.order("echo $$; sleep 600")
    (ref,) = bench.place(order)
    bench.until_state(running)
    bench.session.close()
    bench.open(taken_over=True)
    assert bench.place(order) == [ref]
    bench.until_state(running)
    until(lambda: bench.log())
    assert bench.log().count(b"\n") == 1
    bench.session.close()
    bench.open(taken_over=True)
    bench.session.place([order], find_only=True)
    assert bench.report(Placed).ref == ref


def test_nothing_is_started_when_an_agent_is_only_looked_for(bench: Bench) -> None:
    bench.session.place([bench.order("echo never")], find_only=True)
    assert bench.report(Absent).node == "n1"
    assert bench.left() == []


def test_a_broken_connection_is_told_and_mended_without_a_lost_line(bench: Bench) -> None:
    # it waits for the test twice, so that something is yet to come each time
    text = (
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $((i%30)) = 0 ] && sleep 0.02;"
        " [ $((i%1000)) = 0 ] && until [ -e go$i ]; do sleep 0.02; done; done"
    )
    bench.place(bench.order(text))
    for turn in range(3):
        until(lambda turn=turn: bench.log().count(b"\n") > 300 + 1000 * turn)
        bench.seen.clear()
        bench.transport.links[-1].close()
        assert bench.report(LinkDown).message
        bench.report(LinkUp)
        (bench.project / f"go{1000 * (turn + 1)}").touch()
    bench.done()
    assert digest(bench.log()) == digest(bench.far_log().read_bytes())
    assert bench.log().count(b"\n") == 3000


def test_a_killed_courier_is_replaced(bench: Bench) -> None:
    (ref,) = bench.place(bench.order(FOREVER))
    bench.until_state(running)
    bench.transport.gate.clear()
    bench.couriers()[-1].kill()
    down = bench.report(LinkDown)
    assert "signal" in down.message or "status -9" in down.message
    assert bench.session.liveness("n1", ref) is AgentLiveness.UNKNOWN
    bench.transport.gate.set()
    bench.report(LinkUp)
    assert bench.session.liveness("n1", ref) is AgentLiveness.ALIVE


def test_a_courier_that_hangs_is_noticed_and_replaced(bench: Bench) -> None:
    (ref,) = bench.place(bench.order(FOREVER))
    bench.until_state(running)
    hanging = bench.couriers()[-1]
    hanging.send_signal(signal.SIGSTOP)
    assert "nothing was heard" in bench.report(LinkDown).message
    bench.report(LinkUp)
    assert bench.session.liveness("n1", ref) is AgentLiveness.ALIVE
    hanging.send_signal(signal.SIGCONT)
    until(lambda: hanging.poll() is not None)


def test_the_agent_outlives_the_session_and_is_adopted(bench: Bench) -> None:
    order = bench.order("echo began; while [ ! -e go ]; do sleep 0.05; done; echo ended")
    (ref,) = bench.place(order)
    until(lambda: bench.log() == b"began\n")
    bench.session.close()
    (bench.project / "go").touch()
    until(lambda: bench.far_log().read_bytes().endswith(b"ended\n"))
    assert bench.log() == b"began\n"
    bench.open(taken_over=True)
    assert bench.session.liveness("n1", ref) is AgentLiveness.UNKNOWN
    bench.session.adopt(order, ref)
    bench.done()
    assert bench.log() == b"began\nended\n"
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)


def test_cleaners_of_tmp_are_kept_away_for_as_long_as_the_agent_lives(bench: Bench) -> None:
    bench.place(bench.order(FOREVER))
    bench.until_state(running)
    bench.session.close()
    (root,) = bench.far.glob("rankdeck-*")
    folder = os.open(root, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for pid in bench.left():
            os.kill(pid, signal.SIGKILL)
        # one that is ending still holds its lock when its environment is gone
        until(lambda: _locked(folder))
    finally:
        os.close(folder)


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_killed_agent_is_dead_once_everything_is_home_and_can_be_swept(bench: Bench) -> None:
    # the rank takes itself out of its agent's reach: only the sweep's search finds it
    (ref,) = bench.place(bench.order("echo began; sleep 600"))
    state = bench.until_state(running)
    pid = int(ref.split(":")[2])
    for victim in (pid, state.agent.pid):
        os.kill(victim, signal.SIGSTOP)
    for victim in (pid, state.agent.pid):
        os.kill(victim, signal.SIGKILL)
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)
    assert bench.left() != []
    bench.session.sweep("n1")
    assert bench.report(Swept).left == ()
    assert bench.left() == []


def test_what_outlives_its_agent_is_heard_until_it_is_swept(bench: Bench) -> None:
    text = "trap '' TERM; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"
    (ref,) = bench.place(bench.order(text))
    state = bench.until_state(running)
    for victim in (int(ref.split(":")[2]), state.agent.pid):
        os.kill(victim, signal.SIGSTOP)
    for victim in (int(ref.split(":")[2]), state.agent.pid):
        os.kill(victim, signal.SIGKILL)
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)
    size = bench.far_log().stat().st_size
    until(lambda: bench.far_log().stat().st_size > size + 100)
    bench.session.sweep("n1")
    assert bench.report(Swept).left == ()
    assert digest(bench.log()) == digest(bench.far_log().read_bytes())


def test_a_release_alone_ends_what_has_outlived_its_agent(bench: Bench) -> None:
    (ref,) = bench.place(bench.order(FOREVER))
    state = bench.until_state(running)
    for victim in (int(ref.split(":")[2]), state.agent.pid):
        os.kill(victim, signal.SIGSTOP)
    for victim in (int(ref.split(":")[2]), state.agent.pid):
        os.kill(victim, signal.SIGKILL)
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)
    bench.session.release()
    assert bench.left() == []
    assert not bench.far_dir().exists()


def test_a_login_shell_that_hangs_is_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.ssh.startup.LIMIT_SECONDS", 0.5)
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\nexec sleep 600\n")
    shell.chmod(0o755)
    bench.transport._environ["SHELL"] = str(shell)
    bench.session.place([bench.order("true")], find_only=False)
    report = bench.report(NotPlaced)
    assert report.category == "ssh-timeout"
    assert "the login shell did not begin" in report.message


def test_nothing_is_started_after_a_release(bench: Bench, tmp_path: Path) -> None:
    shell = tmp_path / "shell"
    shell.write_text(
        f'#!/bin/sh\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.02; done\nexec sh "$@"\n'
    )
    shell.chmod(0o755)
    bench.transport._environ["SHELL"] = str(shell)
    bench.session.place([bench.order("echo never; sleep 600")], find_only=False)
    until(lambda: bench.couriers())
    bench.session.withdraw()
    assert bench.report(Absent).node == "n1"
    (tmp_path / "go").touch()
    until(lambda: bench.session._hosts["n1"].reached)
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        assert not list(bench.far.glob("rankdeck-*/runs/*"))
    bench.session.release()
    assert bench.left() == []


def test_a_node_directory_that_is_gone_means_a_dead_agent(bench: Bench) -> None:
    order = bench.order(FOREVER)
    (ref,) = bench.place(order)
    state = bench.until_state(running)
    bench.session.close()
    for pid in bench.left():
        os.kill(pid, signal.SIGKILL)
    assert state.phase is NodePhase.RUNNING
    until(lambda: not bench.left())
    import shutil

    shutil.rmtree(bench.far_dir())
    bench.open(taken_over=True)
    bench.session.adopt(order, ref)
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)


def test_release_ends_what_still_lives(bench: Bench) -> None:
    bench.place(bench.order("echo began; sleep 600"))
    bench.until_state(running)
    bench.session.release()
    assert bench.left() == []
    assert not bench.far_dir().exists()
    assert bench.log() == b"began\n"
    assert all(courier.wait(60) == 0 for courier in bench.couriers())


def test_the_last_state_comes_after_everything_else(bench: Bench) -> None:
    bench.options["carry_rate"] = 0.5
    bench.open()
    bench.place(bench.order("seq 1 200000"))
    until(lambda: bench.far_dir().joinpath("attempt-0", "state.json").exists())
    size = bench.far_log().stat().st_size
    deadline = time.monotonic() + 90
    while True:
        state, there = bench.state(), len(bench.log())
        if state is not None and state.phase is NodePhase.DONE:
            break
        assert time.monotonic() < deadline
        bench.reports()
    assert there == size


def test_a_host_that_cannot_be_reached_is_told_at_once(bench: Bench) -> None:
    error = LinkError(LinkFault.REFUSED, "n1: connection refused", "is sshd running?")
    bench.transport.refuse["n1"] = error
    bench.session.place([bench.order("true")], find_only=False)
    report = bench.report(NotPlaced)
    assert (report.category, report.message, report.hint) == (
        "ssh-refused",
        "n1: connection refused",
        "is sshd running?",
    )
    assert bench.transport.attempts == 1


def test_a_busy_server_is_asked_again(bench: Bench) -> None:
    bench.transport.refuse["n1"] = LinkError(LinkFault.BUSY, "n1: too many connections")
    bench.session.place([bench.order("echo here")], find_only=False)
    until(lambda: bench.transport.attempts >= 2)
    bench.transport.refuse.clear()
    bench.report(Placed)
    bench.done()
    assert bench.log() == b"here\n"


def test_an_adopted_agent_on_a_lost_host_is_unknown(bench: Bench) -> None:
    order = bench.order(FOREVER)
    (ref,) = bench.place(order)
    bench.until_state(running)
    bench.session.close()
    bench.open(taken_over=True)
    bench.transport.refuse["n1"] = LinkError(LinkFault.TIMEOUT, "n1: connection timed out")
    bench.session.adopt(order, ref)
    assert bench.report(LinkDown).message == "n1: connection timed out"
    assert bench.session.liveness("n1", ref) is AgentLiveness.UNKNOWN
    with pytest.raises(UserError, match="cannot be reached now"):
        bench.send(AgentCommandKind.STOP)
    bench.transport.refuse.clear()
    bench.report(LinkUp)
    bench.send(AgentCommandKind.KILL)
    bench.done()


def test_what_is_withdrawn_is_answered(bench: Bench) -> None:
    bench.transport.refuse["n1"] = LinkError(LinkFault.BUSY, "n1: too many connections")
    bench.session.place([bench.order("echo never")], find_only=False)
    until(lambda: bench.transport.attempts >= 1)
    bench.session.withdraw()
    assert bench.report(Absent).node == "n1"
    bench.transport.refuse.clear()
    bench.session.release()
    assert bench.left() == []


def test_what_is_withdrawn_while_it_is_being_reached_is_never_started(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, begun = bench.session._hosts["n1"], threading.Event()
    begin = host._begin
    monkeypatch.setattr(host, "_begin", lambda conversation: (begin(conversation), begun.set()))
    bench.transport.gate.clear()
    bench.session.place([bench.order("echo never")], find_only=False)
    until(lambda: bench.transport.attempts >= 1)
    bench.session.withdraw()
    assert bench.report(Absent).node == "n1"
    bench.transport.gate.set()
    assert begun.wait(90.0)
    # by the time another agent has done its work there, that one would have begun
    bench.place(bench.order("echo now", attempt=1))
    bench.done()
    assert bench.far_log(attempt=1).read_bytes() == b"now\n"
    assert not bench.far_log(attempt=0).parent.exists()


def test_a_missing_interpreter_is_named(bench: Bench) -> None:
    order = bench.order("true", python="/nowhere/bin/python")
    bench.session.place([order], find_only=False)
    report = bench.report(NotPlaced)
    assert report.category == "no-python"
    assert "/nowhere/bin/python" in report.message


def test_secrets_are_on_no_command_line(bench: Bench) -> None:
    secret = "hunter2-hunter2"
    bench.place(bench.order("echo began; sleep 600", env={"TOKEN": secret}))
    bench.until_state(running)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            assert secret.encode() not in words
    for path in bench.far.rglob("*"):
        # a state that is being written may have got its name meanwhile
        with suppress(FileNotFoundError):
            assert path.lstat().st_mode & 0o077 == 0 or path.is_symlink(), path


def test_a_talkative_login_shell_is_no_trouble(bench: Bench, tmp_path: Path) -> None:
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\nseq 1 5000; echo \'{"have": true}\'\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    bench.transport._environ["SHELL"] = str(shell)
    bench.place(bench.order("echo fine"))
    bench.done()
    assert bench.log() == b"fine\n"


def test_a_login_shell_that_refuses_is_named(bench: Bench, tmp_path: Path) -> None:
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\necho This account is not available.\nexit 1\n")
    shell.chmod(0o755)
    bench.transport._environ["SHELL"] = str(shell)
    bench.session.place([bench.order("true")], find_only=False)
    report = bench.report(NotPlaced)
    assert report.category == "ssh-login"
    assert "This account is not available." in report.message


def test_a_node_without_python_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.ssh.bootstrap._USUAL", ("no-such-python",))
    bench.session.place([bench.order("true", python="/nowhere/python")], find_only=False)
    report = bench.report(NotPlaced)
    assert report.category == "no-python"
    assert report.message == "n1 has no Python 3.8 or newer"


def test_a_clock_is_told_before_anything_of_its_agent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("backends.ssh.host.time.time", lambda: real() - 300.0)
    bench.session.place([bench.order("true")], find_only=False)
    assert abs(bench.report(ClockRead).ahead - 300.0) < 60.0
    assert bench.report(Placed).node == "n1"


class TestNodeFolder:
    """The node's own folder is nobody else's, or is not used."""

    @pytest.fixture
    def root(self, bench: Bench) -> Path:
        """Where the node would keep everything."""
        from backends.ssh.options import ssh_options
        from backends.ssh.places import Places
        from rankdeck.nodes.node import Node

        return Path(Places(ssh_options(bench.options)).root(Node(name="n1")))

    def refused(self, bench: Bench) -> NotPlaced:
        bench.session.place([bench.order("true")], find_only=False)
        report = bench.report(NotPlaced)
        assert report.category == "node-dir"
        assert "--node-dir" in report.hint
        assert bench.left() == []
        return report

    def test_a_link_is_refused(self, bench: Bench, root: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        root.symlink_to(tmp_path / "elsewhere")
        assert "symbolic link" in self.refused(bench).message
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_somebody_elses_is_refused(self, bench: Bench, root: Path) -> None:
        root.mkdir()
        os.chown(root, 65534, 65534)
        assert "belongs to user" in self.refused(bench).message

    def test_a_parent_that_others_may_write_is_refused(self, bench: Bench, root: Path) -> None:
        root.parent.chmod(0o777)
        assert "others could replace" in self.refused(bench).message

    def test_one_that_others_may_read_is_closed(self, bench: Bench, root: Path) -> None:
        root.mkdir(mode=0o755)
        bench.place(bench.order("true"))
        bench.done()
        assert root.stat().st_mode & 0o777 == 0o700


class TestFullDisks:
    """On the node, and at home."""

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        """4 MiB of room."""
        import subprocess

        folder = tmp_path / "small"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a file system")
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)

    def fill(self, folder: Path) -> Path:
        filler = folder / "filler"
        with open(filler, "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"x" * 4096)
            except OSError:
                return filler

    def test_a_full_disk_on_the_node_is_named(self, bench: Bench, small_disk: Path) -> None:
        small_disk.chmod(0o700)
        self.fill(small_disk)
        bench.options["node_dir"] = str(small_disk)
        bench.open()
        bench.session.place([bench.order("true")], find_only=False)
        report = bench.report(NotPlaced)
        assert report.category == "disk-full"
        assert str(small_disk) in report.message

    def test_a_stop_gets_through_to_a_node_with_a_full_disk(
        self, bench: Bench, small_disk: Path
    ) -> None:
        small_disk.chmod(0o700)
        bench.options["node_dir"] = str(small_disk)
        bench.open()
        bench.place(bench.order("echo began; sleep 600", wait_for_go=True))
        bench.until_state(lambda state: state.phase is NodePhase.READY)
        self.fill(small_disk)
        bench.send(AgentCommandKind.STOP)
        until(lambda: not bench.left())

    def test_a_full_disk_at_home_loses_nothing(self, bench: Bench, small_disk: Path) -> None:
        bench.run = type(bench.run)(small_disk / "runs" / bench.id)
        bench.run.nodes.mkdir(parents=True, mode=0o700)
        bench.open()
        (ref,) = bench.place(bench.order("while [ ! -e go ]; do sleep 0.05; done; seq 1 100000"))
        bench.until_state(lambda state: state.phase is NodePhase.RUNNING)
        filler = self.fill(small_disk)
        (bench.project / "go").touch()
        told = until(lambda: [r for r in bench.reports() if isinstance(r, Told)])
        assert "no space left" in told[0].message
        assert bench.session.liveness("n1", ref) is not AgentLiveness.DEAD
        filler.unlink()
        bench.done()
        assert not any(isinstance(report, LinkDown) for report in bench.seen)
        assert digest(bench.log()) == digest(bench.far_log().read_bytes())
        assert bench.log().endswith(b"100000\n")


def test_two_that_start_the_same_agent_at_once_start_one(bench: Bench) -> None:
    order = bench.order("echo $$; exec sleep 600")
    first = bench.session
    second = bench.open(taken_over=True)
    for session in (first, second):
        session.place([order], find_only=False)

    def placed(session: SshSession) -> Placed:
        found: list[Placed] = []
        until(lambda: found.extend(r for r in session.reports() if isinstance(r, Placed)) or found)
        return found[0]

    assert placed(first).ref == placed(second).ref
    until(lambda: bench.far_log().exists() and bench.far_log().read_bytes())
    assert bench.far_log().read_bytes().count(b"\n") == 1
    assert len([pid for pid in bench.left() if _is_rank(pid)]) == 1
    first.close()


def _is_rank(pid: int) -> bool:
    with suppress(OSError):  # it has ended meanwhile
        return b"sleep 600" in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    return False
