"""What mpirun and its ssh say when something is wrong, as it was recorded, and what it means."""

from __future__ import annotations

import pytest

from backends.mpi.messages import Cause, end_cause, named, ssh_cause, start_cause

_BAR = "-" * 74
_ORTE = f"""{_BAR}
ORTE was unable to reliably start one or more daemons.
This usually is caused by:

* not finding the required libraries and/or binaries on
  one or more nodes. Please check your PATH and LD_LIBRARY_PATH
{_BAR}
"""
_NO_EXECUTABLE = f"""{_BAR}
mpirun was unable to launch the specified application as it could not access
or execute an executable:

Executable: /no/such/python
Node: node1

while attempting to start process rank 0.
{_BAR}
2 total processes failed to start
"""
_NO_EXECUTABLE_HYDRA = (
    "[proxy:1@node2] HYDU_create_process (/mpich/src/pm/hydra/lib/utils/launch.c:73): execvp"
    " error on file /no/python (No such file or directory)\n"
)
_SLOTS = f"""[login:03558] plm:rsh: Warning: setpgid(3879,3879) failed in parent with errno=1
{_BAR}
Your job has requested more processes than the ppr for
this topology can support:

  App: hostname
  Number of procs:  4
{_BAR}
"""
_ROOT = f"""{_BAR}
mpirun has detected an attempt to run as root.

Running as root is *strongly* discouraged …
{_BAR}
"""
_LOST = f"""{_BAR}
ORTE has lost communication with a remote daemon.

  HNP daemon   : [[23194,0],0] on node login
  Remote daemon: [[23194,0],2] on node node2

This is usually due to either a failure of the TCP network
{_BAR}
"""
_SIGNALLED = f"""{_BAR}
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
{_BAR}
{_BAR}
mpirun noticed that process rank 1 with PID 283 on node node2 exited on signal 9 (Killed).
{_BAR}
"""


@pytest.mark.parametrize(
    ("said", "category", "words"),
    [
        (
            "ssh: connect to host n port 2222: Connection refused\n",
            "ssh-refused",
            "n refuses connections on port 2222",
        ),
        ("ssh: connect to host n port 22: No route to host\n", "ssh-no-route", "n cannot be"),
        ("Connection timed out during banner exchange\n", "ssh-timeout", "n does not answer"),
        ("u@n: Permission denied (publickey).\n", "ssh-auth", "n refuses the keys of u"),
        (
            "ssh: Could not resolve hostname n: Name or service not known\n",
            "ssh-unknown-host",
            "the name 'n' does not resolve",
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nSHA256:PM1w.\n"
            "Offending ED25519 key in /h/known_hosts:7\nHost key verification failed.\n",
            "ssh-host-key-changed",
            "the host key of n has changed",
        ),
        (
            "bash: line 1: orted: command not found\n",
            "no-mpi",
            "n has no MPI where mpirun looks for it: bash: line 1: orted: command not found",
        ),
        ("sh: /m/bin/hydra_pmi_proxy: not found\n", "no-mpi", "n has no MPI"),
    ],
)
def test_why_ssh_could_not_reach_a_node(said: str, category: str, words: str) -> None:
    cause = ssh_cause("n", "n", said)
    assert (cause.category, cause.node) == (category, "n")
    assert words in cause.message


@pytest.mark.parametrize(
    ("said", "status", "category", "node", "message"),
    [
        (
            _NO_EXECUTABLE,
            132,
            "no-python",
            "node1",
            "/no/such/python cannot be run on node1",
        ),
        (
            _NO_EXECUTABLE_HYDRA,
            255,
            "no-python",
            "node2",
            "/no/python cannot be run on node2 (No such file or directory)",
        ),
        (
            _SLOTS,
            1,
            "mpirun",
            None,
            "mpirun may not use these nodes: Your job has requested more processes than the ppr"
            " for this topology can support:",
        ),
        (_ROOT, 1, "mpirun", None, "mpirun refuses to run as root"),
        (_LOST, 205, "node-failure", "node2", "mpirun has lost node2"),
        (
            "mpirun: Error: unknown option \"--foo\"\nType 'mpirun --help' for usage.\n",
            1,
            "mpirun",
            None,
            "mpirun ended with exit code 1 before it had started the agents: mpirun: Error:"
            ' unknown option "--foo"',
        ),
        (
            "",
            -9,
            "mpirun",
            None,
            "mpirun was killed by SIGKILL before it had started the agents",
        ),
        (
            _ORTE,
            255,
            "mpirun",
            None,
            "mpirun ended with exit code 255 before it had started the agents: ORTE was unable to"
            " reliably start one or more daemons. This usually is caused by:",
        ),
    ],
)
def test_why_nothing_was_started(
    said: str, status: int, category: str, node: str | None, message: str
) -> None:
    cause = start_cause(said, status)
    assert (cause.category, cause.node, cause.message) == (category, node, message)


@pytest.mark.parametrize(
    ("said", "status", "category", "node", "message"),
    [
        (_LOST, 205, "node-failure", "node2", "mpirun has lost node2"),
        (
            _SIGNALLED,
            137,
            "mpirun",
            "node2",
            "what mpirun had started on node2 was ended by SIGKILL, so it ended all the rest",
        ),
        (
            "whatever it had said before",
            -9,
            "mpirun",
            None,
            "mpirun (pid 7 on here) was killed by SIGKILL while the run was going on",
        ),
        ("", None, "mpirun", None, "mpirun (pid 7 on here) ended while the run was going on"),
        (
            "something odd\n\nmore",
            1,
            "mpirun",
            None,
            "mpirun (pid 7 on here) ended with exit code 1 while the run was going on:"
            " something odd",
        ),
    ],
)
def test_why_it_ended_too_early(
    said: str, status: int | None, category: str, node: str | None, message: str
) -> None:
    cause = end_cause(said, status, "pid 7 on here")
    assert (cause.category, cause.node, cause.message) == (category, node, message)


@pytest.mark.parametrize(
    ("node", "found"),
    [("gpu1", "gpu1"), ("10.0.0.2", "gpu2"), ("gpu2.cluster", "gpu2"), ("login", None)],
)
def test_a_node_is_called_as_in_the_plan(node: str, found: str | None) -> None:
    cause = Cause(category="c", message="m", node=node)
    assert named(cause, {"gpu1": "10.0.0.1", "gpu2": "10.0.0.2"}).node == found
