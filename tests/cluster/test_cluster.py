"""The test bed itself: each of its commands has the effect that the other tests rely on."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.testbed import hosts
from tests.cluster.testbed.bed import BROKEN
from tests.cluster.testbed.errors import BedError
from tests.e2e.conftest import until

if TYPE_CHECKING:
    import subprocess

    from tests.cluster.cluster import Cluster

HERE = Path(__file__).parent


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], 90)
    assert readable, "no line within 90 s"
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def ssh_error(cluster: Cluster, host: str, seconds: int = 60) -> str:
    """What ssh says of a host that lets nobody in; `seconds` are spent on one that is silent."""
    done = cluster.login("ssh", "-o", f"ConnectTimeout={seconds}", host, "true")
    assert done.returncode == 255, (host, done.stderr)
    return done.stderr


def assert_silent(cluster: Cluster, host: str) -> None:
    """The host answers nothing."""
    error = ssh_error(cluster, host, seconds=2)
    assert "timed out" in error or "No route" in error


def assert_ahead(cluster: Cluster, host: str, seconds: float, program: str = "date +%s.%N") -> None:
    """The host's clock is that far from this machine's, however long it takes to ask."""
    before = time.time()
    there = float(cluster.ssh(host, program))
    assert before - 0.1 < there - seconds < time.time() + 0.1, program


# hosts


def test_each_host_has_its_own_name_address_processes_and_temporary_files(
    cluster: Cluster,
) -> None:
    for host in cluster.hosts:
        command = "cat /etc/hostname; touch /tmp/$(hostname).own; cd /tmp; ls *.own"
        assert cluster.ssh(host, command).split() == [host, f"{host}.own"]
    cluster.ssh("node1", "sleep 60 </dev/null >/dev/null 2>&1 &")

    def asleep(host: str) -> str:
        return cluster.exec(host, "pgrep", "-c", "sleep", check=False).strip()

    until(lambda: asleep("node1") == "1")
    assert asleep("node2") == "0"


def test_hosts_share_the_checkout_the_python_the_home_and_the_shared_folder(
    cluster: Cluster,
) -> None:
    (cluster.shared / "seen").write_text("yes\n")
    cluster.ssh("node1", "echo there >~/file")
    command = f"cat {cluster.shared}/seen ~/file; {sys.executable} {HERE}/bed --help | head -1"
    assert cluster.ssh("node2", command).split()[:3] == ["yes", "there", "usage:"]


def test_nothing_leaves_the_login_node(cluster: Cluster) -> None:
    routes = cluster.login("ip", "route").stdout.splitlines()
    assert len(routes) == 1
    assert "default" not in routes[0]
    assert "Network is unreachable" in cluster.login("ssh", "-v", "192.0.2.1").stderr


def test_the_second_login_node_reaches_hosts_and_slurm_and_sees_the_same_files(
    cluster: Cluster,
) -> None:
    assert cluster.login("hostname", on="login2").stdout.strip() == "login2"
    assert cluster.login("ssh", "node1", "hostname", on="login2").stdout.strip() == "node1"
    assert cluster.login("srun", "-N1", "hostname", on="login2").stdout.strip() in cluster.hosts
    (cluster.shared / "run").write_text("the same")
    assert cluster.login("cat", "run", on="login2").stdout == "the same"
    assert cluster.login("ssh", "login2", "hostname").stdout.strip() == "login2"


def test_a_host_that_is_broken_is_broken_in_its_own_way(cluster: Cluster) -> None:
    expected = {
        "badkey": ("Permission denied (publickey)",),
        "sshdown": ("Connection refused",),
        "wronghk": ("REMOTE HOST IDENTIFICATION HAS CHANGED",),
        "stranger": ("No ED25519 host key is known for",),
        "tarpit": ("timed out during banner exchange",),
        "cutoff": ("Connection timed out", "No route to host"),
    }
    assert set(expected) == set(BROKEN)
    seconds = {host: 2 if host in ("tarpit", "cutoff") else 60 for host in expected}
    clients = {
        host: cluster.start("ssh", "-o", f"ConnectTimeout={seconds[host]}", host)
        for host in expected
    }
    for host, client in clients.items():
        _, error = client.communicate(timeout=90)
        assert client.returncode == 255
        assert any(message in error for message in expected[host]), (host, error)


def test_another_user_another_port_and_an_encrypted_key_are_accepted(cluster: Cluster) -> None:
    key = ["-i", str(cluster.bed.etc / "id_ed25519")]
    done = cluster.login("ssh", *key, "-p", "2222", "ada@node1", "id -un; pwd")
    assert done.stdout.split() == ["ada", str(cluster.bed.run / "home-ada")]
    private = cluster.bed.etc / "id_encrypted"
    assert cluster.login("ssh-keygen", "-y", "-P", "", "-f", private).returncode != 0
    phrase = "correct horse battery staple"
    assert cluster.login("ssh-keygen", "-y", "-P", phrase, "-f", private).returncode == 0


# the wire


def test_cut_loses_packets_without_telling_and_heal_lets_the_connection_go_on(
    cluster: Cluster,
) -> None:
    session = cluster.start("ssh", "node2", "cat")
    tell(session, "before")
    assert read_line(session) == "before"
    cluster.cut("node2")
    tell(session, "while cut off")
    assert_silent(cluster, "node2")
    assert session.poll() is None, "nobody has told the client"
    cluster.heal("node2")
    assert read_line(session) == "while cut off"


def test_drop_delay_and_rate_have_their_effect_and_end(cluster: Cluster) -> None:
    echo = "import socket,time\n"
    echo += "began=time.monotonic(); socket.create_connection(('node1',22)).recv(1)\n"
    echo += "print(time.monotonic()-began)"

    def round_trips() -> float:
        return float(cluster.login(sys.executable, "-c", echo).stdout)

    cluster.delay("node1", 150)
    assert round_trips() > 0.55, "two round trips of 300 ms"
    cluster.delay("node1", 0)
    cluster.rate("node1", 800)
    done = cluster.login("sh", "-c", "ssh node1 head -c 200000 /dev/zero | wc -c; date +%s%N")
    assert int(done.stdout.split()[0]) == 200000
    shaped = cluster.login("tc", "qdisc", "show", "dev", cluster.bed.veth(1)).stdout
    assert "rate 800Kbit" in shaped
    cluster.rate("node1", 0)

    def retransmitted() -> int:
        return int(cluster.exec("node1", "sh", "-c", _RETRANSMITTED))

    # logged in before packets are lost: a login may lose more of them than it has time for
    cluster.start("sh", "-c", "exec ssh node1 cat /dev/zero >/dev/null")
    until(lambda: cluster.exec("node1", "pgrep", "-x", "cat", check=False))
    before = retransmitted()
    cluster.drop("node1", 15)
    lost = cluster.exec("node1", "nft", "list", "table", "inet", "loss")
    assert "150 drop" in lost
    until(lambda: retransmitted() > before)
    cluster.drop("node1", 0)
    assert "loss" not in cluster.exec("node1", "nft", "list", "tables")
    assert cluster.state().host("node1").faults == {}


_RETRANSMITTED = "awk '/^Tcp: [0-9]/ {print $13}' /proc/net/snmp"


# whole hosts


def test_a_crash_ends_everything_silently_and_boot_starts_anew(cluster: Cluster) -> None:
    session = cluster.start("ssh", "node3", "touch /tmp/gone; echo up; cat")
    assert read_line(session) == "up"
    cluster.crash("node3")
    assert session.poll() is None, "a power cut closes no connection"
    with pytest.raises(BedError, match="node3 is not up"):
        cluster.exec("node3", "true")
    cluster.boot("node3")
    assert cluster.ssh("node3", "hostname; ls /tmp; cat /proc/uptime").split()[0] == "node3"
    assert "gone" not in cluster.ssh("node3", "ls /tmp")


def test_freeze_stops_every_process_and_thaw_lets_them_go_on(cluster: Cluster) -> None:
    session = cluster.start("ssh", "node4", "cat")
    tell(session, "one")
    assert read_line(session) == "one"
    cluster.freeze("node4")
    tell(session, "two")
    until(lambda: _states(cluster, "node4") == {"T"})
    cluster.thaw("node4")
    assert read_line(session) == "two"
    (number,) = map(int, cluster.exec("node4", "pgrep", "-x", "cat").split())
    cluster.freeze("node4", number)
    assert cluster.exec("node4", "ps", "-o", "stat=", "-p", str(number)).startswith("T")
    cluster.thaw("node4", number)
    cluster.kill("node4", number, signal.SIGTERM)
    assert session.wait(90) == 255, "ssh tells of a signal as of a lost connection"


def _states(cluster: Cluster, host: str) -> set[str]:
    living = hosts.processes(cluster.state(), host).values()
    stats = [Path(f"/proc/{process.pid}/stat").read_text() for process in living]
    return {stat.rsplit(")", 1)[1].split()[0] for stat in stats}


def test_processes_of_a_run_are_found_on_every_host(cluster: Cluster) -> None:
    run = f"20990101-{os.getpid()}"
    leave = f"RANKDECK_RUN_ID={run} sleep 300 </dev/null >/dev/null 2>&1 & echo $!"
    numbers = {host: [int(cluster.ssh(host, leave))] for host in ("node1", "node3")}
    here = cluster.start("sleep", "300", env={"RANKDECK_RUN_ID": run})
    expected = {**numbers, "login": [here.pid]}
    until(lambda: cluster.processes(run) == expected)
    assert cluster.processes_on("node2", run) == []
    with pytest.raises(pytest.fail.Exception, match=r"node1 \d+: sleep 300"):
        cluster.assert_nothing_left(run, seconds=0.1)
    here.kill()
    here.wait()
    for host, (number,) in numbers.items():
        cluster.kill(host, number)
    cluster.assert_nothing_left(run)


# daemons, keys


def test_a_stopped_sshd_refuses_and_keeps_its_sessions(cluster: Cluster) -> None:
    session = cluster.start("ssh", "node1", "cat")
    tell(session, "one")
    assert read_line(session) == "one"
    cluster.sshd("node1", "stop")
    assert "Connection refused" in ssh_error(cluster, "node1")
    tell(session, "two")
    assert read_line(session) == "two"
    cluster.sshd("node1", "start")
    assert cluster.ssh("node1", "hostname") == "node1\n"


def test_a_new_host_key_is_refused_until_it_is_the_known_one_again(cluster: Cluster) -> None:
    cluster.new_key("node2")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ssh_error(cluster, "node2")
    cluster.known_key("node2")
    assert cluster.ssh("node2", "hostname") == "node2\n"


def test_max_startups_drops_connections_that_are_not_logged_in(cluster: Cluster) -> None:
    cluster.max_startups("node1", 1)
    cluster.start("socat", "-u", "TCP:node1:22", "STDOUT")
    session = cluster.started[-1]
    assert read_line(session).startswith("SSH-2.0"), "it takes the only place and says nothing"
    error = ssh_error(cluster, "node1")
    assert "closed by remote host" in error or "reset by peer" in error
    cluster.max_startups("node1", 0)
    assert cluster.ssh("node1", "hostname") == "node1\n"


def test_slurm_runs_over_nodes_and_its_daemons_can_be_restarted(cluster: Cluster) -> None:
    done = cluster.login("srun", "-N4", "--gpus-per-node=2", "sh", "-c", _GPUS)
    assert sorted(done.stdout.split()) == [f"{host}:0,1" for host in cluster.hosts]
    job = cluster.login("sbatch", "--parsable", "-N1", "--wrap", "sleep 300").stdout.strip()
    until(lambda: cluster.login("squeue", "-h", "-o", "%t").stdout.strip() == "R")
    cluster.slurmctld("restart")
    until(lambda: cluster.login("squeue", "-h", "-o", "%i %t").stdout.strip() == f"{job} R")
    cluster.slurmd("node4", "restart")
    assert cluster.login("scancel", job).returncode == 0


_GPUS = "echo $(hostname):$CUDA_VISIBLE_DEVICES"


def test_mpirun_starts_on_every_node(cluster: Cluster) -> None:
    shell = f"-F {cluster.ssh_config}"
    done = cluster.login(
        *("mpirun", "--allow-run-as-root", "--mca", "plm", "rsh", "--mca", "plm_rsh_args", shell),
        *("--hostfile", cluster.bed.etc / "hostfile", "-N", "1", "--bind-to", "none", "hostname"),
    )
    assert sorted(done.stdout.split()) == list(cluster.hosts), done.stderr


# files and time


def test_a_filled_disk_takes_no_byte_and_a_freed_one_does(cluster: Cluster) -> None:
    cluster.ssh("node1", "echo here >/tmp/before")
    for path in ("/tmp", cluster.shared):
        cluster.fill("node1", path)
        done = cluster.login("ssh", "node1", f"printf x >{path}/more")
        assert "No space left on device" in done.stderr, "not even one byte"
        assert cluster.ssh("node2", f"echo more >{path}/other; cat {path}/other") == "more\n"
    assert cluster.ssh("node1", "cat /tmp/before") == "here\n"
    cluster.free("node1", "/tmp")
    cluster.ssh("node1", "head -c 1000000 /dev/zero >/tmp/more")
    cluster.free("node1", cluster.shared)
    assert cluster.ssh("node1", f"ls {cluster.shared}") == "other\n"
    cluster.fill("node1", leave=1 << 20)
    done = cluster.login("ssh", "node1", "head -c 900K /dev/zero >/tmp/a && cat /dev/zero >/tmp/b")
    assert "No space left on device" in done.stderr
    assert int(cluster.ssh("node1", "stat -c %s /tmp/a")) == 900 << 10


@pytest.mark.parametrize("offset", [60.0, -60.5])
def test_a_moved_clock_is_seen_by_new_programs_and_deadlines_still_hold(
    cluster: Cluster, offset: float
) -> None:
    cluster.clock("node1", offset)
    python = f"{sys.executable} -c 'import time; print(time.time())'"
    for program in ("date +%s.%N", python, "env -i date +%s.%N"):
        assert_ahead(cluster, "node1", offset, program)
    assert_ahead(cluster, "node2", 0.0)
    for waiting in (_SLEEP_UNTIL, _WAIT_UNTIL, "threading.Event().wait(0.4)", "time.sleep(0.4)"):
        program = f"{sys.executable} -c '{_MEASURED.format(waiting)}'"
        assert 0.3 < float(cluster.ssh("node1", program)) < 55.0, waiting
    for daemon in ("sshd", "munged", "slurmd"):
        maps = cluster.exec("node1", "sh", "-c", f"cat /proc/$(pgrep -o {daemon})/maps")
        assert "clock.so" in maps, daemon
    before = time.time()
    done = cluster.login("srun", "-w", "node1", "date", "+%s.%N")
    there = float(done.stdout) - offset
    assert before - 0.1 < there < time.time() + 0.1, "also under slurmd"
    cluster.clock("node1", 0)
    assert_ahead(cluster, "node1", 0.0)


_MEASURED = """
import ctypes, struct, threading, time
libc = ctypes.CDLL(None)
began, until = time.monotonic(), time.time() + 0.4
deadline = struct.pack("ll", int(until), int(until % 1 * 1e9))
{}
print(time.monotonic() - began)
"""
_SLEEP_UNTIL = "libc.clock_nanosleep(0, 1, deadline, None)"
_WAIT_UNTIL = "s = bytes(64); libc.sem_init(s, 0, 0); libc.sem_timedwait(s, deadline)"


def test_a_private_home_and_a_hidden_folder_are_not_shared(cluster: Cluster) -> None:
    (cluster.shared / "file").write_text("shared")
    cluster.private_home("node1")
    cluster.hide("node1", cluster.shared)
    assert cluster.ssh("node1", f"touch ~/mine; ls -A ~ {cluster.shared}").split() == [
        f"{cluster.bed.home}:",
        "mine",
        f"{cluster.shared}:",
    ]
    assert not (cluster.bed.home / "mine").exists()
    cluster.show("node1", cluster.shared)
    assert cluster.ssh("node1", f"cat {cluster.shared}/file") == "shared"


def test_a_host_without_python_has_none_at_all(cluster: Cluster) -> None:
    cluster.no_python("node1")
    for python in ("python3", sys.executable, os.path.realpath(sys.executable)):
        done = cluster.login("ssh", "node1", f"{python} -V")
        assert done.returncode == 127, (python, done.stdout, done.stderr)
    assert cluster.ssh("node1", "perl -e 'print 42'") == "42", "the rest is as it was"
    assert cluster.ssh("node2", f"{sys.executable} -V").startswith("Python 3")


def test_restore_undoes_everything_at_once(cluster: Cluster) -> None:
    cluster.cut("node1")
    cluster.no_python("node1")
    cluster.fill("node1")
    cluster.private_home("node1")
    cluster.hide("node1", cluster.shared)
    cluster.freeze("node1")
    cluster.clock("node2", 5)
    cluster.new_key("node2")
    cluster.max_startups("node2", 1)
    cluster.sshd("node2", "stop")
    cluster.slurmd("node2", "stop")
    cluster.crash("node3")
    cluster.slurmctld("stop")
    cluster.heal("cutoff")
    cluster.restore()
    assert_silent(cluster, "cutoff")
    for host in cluster.hosts:
        command = f'{sys.executable} -c \'open("/tmp/full", "w").write("x")\'; ls -A ~'
        assert cluster.ssh(host, command).split() == [".ssh"]
    assert_ahead(cluster, "node2", 0.0)
    assert all(not host.faults for host in cluster.state().hosts.values())
