"""LocalBackend: this machine as the only node. Agents are referred to as `pid:starttime:host`."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from backends.local.options import OPTIONS
from rankdeck.backend import AgentLiveness, BackendOption, Capability
from rankdeck.backend_direct import DirectSession
from rankdeck.command_log import executed
from rankdeck.errors import ExitCode, UserError
from rankdeck.nodes.node import Node
from rankdeck.run.files import write_atomic
from rankdeck.run.process import host_name, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rankdeck.agent_order import AgentCommand, AgentOrder
    from rankdeck.ask import Ask
    from rankdeck.backend import Session, SessionContext
    from rankdeck.backend_reach import NodeAnswer
    from rankdeck.job.spec import JobSpec
    from rankdeck.run.layout import RunDir

_SWEEP_SECONDS = 20.0


class LocalBackend:
    """Runs on this machine."""

    name = "local"
    title = "This machine"
    capabilities: frozenset[Capability] = frozenset()
    options: tuple[BackendOption, ...] = OPTIONS

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """This machine.

        Raises:
            UserError: The job asks for several nodes.
        """
        if spec.nnodes is not None and spec.nnodes != 1:
            raise UserError(
                f"the local backend has one node, the job asks for {spec.nnodes}",
                "choose a backend with several nodes, or leave out --nnodes",
            )
        return (Node(name=host_name(), gpus=_gpu_count(), cpus=_cpu_count()),)

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        """There is nothing to ask about this machine."""
        return {}

    def open(self, context: SessionContext) -> Session:
        """A session that acts at once."""
        return DirectSession(self, context)

    def place(self, run: RunDir, order: AgentOrder, env: Mapping[str, str] | None) -> str:
        """Start the agent as a session of its own.

        Raises:
            UserError: The interpreter cannot be executed, or the run directory not be written.
        """
        paths = run.node(order.node)
        order_path = paths.attempt(order.attempt).order
        environ = dict(os.environ if env is None else env)
        environ["RANKDECK_RUN_ID"] = order.run_id
        environ["RANKDECK_NODE"] = order.node
        environ["RANKDECK_ATTEMPT"] = str(order.attempt)
        try:
            for folder in (run.nodes, paths.path, order_path.parent, paths.control):
                folder.mkdir(mode=0o700, exist_ok=True)
            _empty(paths.control)
            write_atomic(order_path, msgspec.json.encode(order))
            command = _agent(run, _program(order.python, environ), str(order_path))
        except OSError as error:
            raise UserError(
                f"{paths.path}: the agent cannot be prepared: {error.strerror}",
                exit_code=ExitCode.UNUSABLE,
            ) from error
        try:
            pid = _spawn(command, environ, str(paths.agent_log))
        except OSError as error:
            raise UserError(
                f"{order.python}: the interpreter cannot be started: {error.strerror}",
                "give another one with --python",
                exit_code=ExitCode.UNUSABLE,
            ) from error
        return f"{pid}:{start_time(pid) or 0}:{host_name()}"

    def recover(self, run: RunDir, order: AgentOrder) -> str | None:
        """Find the agent of `order` by its command line."""
        wanted = os.fsencode(run.node(order.node).attempt(order.attempt).order)
        found = [pid for pid in _own_pids() if wanted in _arguments(pid)]
        # the agent has a child with the same arguments; the outer one was started first
        for pid in sorted(found, key=lambda pid: (start_time(pid) or 0, pid)):
            started = start_time(pid)
            if started is not None:
                return f"{pid}:{started}:{host_name()}"
        return None

    def shell_command(self, run: RunDir, node: str) -> tuple[str, ...] | None:
        """The user's own shell, where the run is on this machine."""
        from rankdeck.run.stored import read_state

        refs = [known.agent for known in read_state(run).nodes if known.name == node]
        if not refs or any(ref is not None and _parse(ref)[2] != host_name() for ref in refs):
            return None
        return (os.environ.get("SHELL") or "/bin/sh",)

    def liveness(self, run: RunDir, node: str, ref: str) -> AgentLiveness:
        """Whether that very process is there; unknown on any other host."""
        pid, started, host = _parse(ref)
        if host != host_name():
            return AgentLiveness.UNKNOWN
        with suppress(ChildProcessError):
            # if it is our child it stays a zombie until somebody looks
            os.waitpid(pid, os.WNOHANG)
        return AgentLiveness.ALIVE if start_time(pid) == started else AgentLiveness.DEAD

    def send(self, run: RunDir, node: str, ref: str, command: AgentCommand) -> None:
        """Put a file into the agent's inbox.

        Raises:
            UserError: It cannot be written.
        """
        inbox = run.node(node).control
        name = f"{time.time_ns():020d}-{command.command.value}.json"
        try:
            inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(inbox / name, msgspec.json.encode(command))
        except OSError as error:
            raise UserError(
                f"{inbox}: the agent cannot be told to {command.command.value}: {error.strerror}",
                exit_code=ExitCode.UNUSABLE,
            ) from error

    def sweep(self, run: RunDir, node: str) -> tuple[int, ...]:
        """End everything that carries the run's id, by the agent's own sweep.

        Raises:
            UserError: The sweep itself failed.
        """
        import subprocess

        try:
            command = _agent(run, sys.executable, "--sweep", run.id, node)
            began = time.monotonic()
            done = subprocess.run(
                command, capture_output=True, timeout=_SWEEP_SECONDS, check=True, cwd="/"
            )
            seconds = time.monotonic() - began
            executed(
                command,
                why="end what the run has left behind",
                seconds=seconds,
                exit_code=done.returncode,
            )
            return tuple(msgspec.json.decode(done.stdout, type=list[int]))
        except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
            raise UserError(
                f"{node}: processes of {run.id} may be left: {error}",
                "look with: ps -ef; they carry RANKDECK_RUN_ID in their environment",
                exit_code=ExitCode.UNUSABLE,
            ) from error

    def run_on_nodes(
        self,
        spec: JobSpec,
        nodes: Sequence[Node],
        secrets: Mapping[str, str],
        command: str,
        data: bytes,
    ) -> Iterator[NodeAnswer]:
        """One command on this machine."""
        import subprocess

        from rankdeck.backend_reach import NodeAnswer

        for node in nodes:
            began = time.time()
            words = ["/bin/sh", "-c", command]
            done = subprocess.run(words, input=data, capture_output=True, cwd="/", check=False)
            executed(
                words,
                why="look at this machine",
                seconds=time.time() - began,
                exit_code=done.returncode,
            )
            yield NodeAnswer(
                node=node.name,
                began=began,
                ended=time.time(),
                output=done.stdout,
                error_text=done.stderr.decode(errors="replace"),
                status=done.returncode,
            )

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Whether the agents, or the run if it has none yet, belong to this host."""
        host = host_name()
        if refs:
            return all(_parse(ref)[2] == host for ref in refs)
        return run.node(host).path.exists() or _planned_for(run, host)


def _program(name: str, environ: Mapping[str, str]) -> str:
    """The program of that name on the PATH it will itself see."""
    if "/" in name:
        return name
    import shutil

    return shutil.which(name, path=environ.get("PATH")) or name


def _empty(inbox: Path) -> None:
    """Commands that the agent of an earlier attempt did not live to read are not for this one."""
    for entry in os.scandir(inbox):
        os.unlink(entry)


def _agent(run: RunDir, python: str, *arguments: str) -> list[str]:
    # clients load this module too, and place no agents
    from rankdeck.agent_bundle import agent_bundle, agent_command

    bundle = agent_bundle(run.path.parent.parent / "cache")
    return agent_command(python, bundle, *arguments)


def _planned_for(run: RunDir, host: str) -> bool:
    from rankdeck.run.stored import read_plan

    return any(node.name == host for node in read_plan(run).nodes)


def _spawn(argv: list[str], environ: dict[str, str], log: str) -> int:
    pid = os.posix_spawn(
        argv[0],
        argv,
        environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        # an ignored signal would stay ignored in the agent and in every rank
        setsigdef=[
            signal.SIGPIPE,
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGTERM,
            signal.SIGCHLD,
            signal.SIGXFSZ,
        ],
    )
    executed(argv, why="start the agent")
    return pid


def _parse(ref: str) -> tuple[int, int, str]:
    pid, started, host = ref.split(":", 2)
    return int(pid), int(started), host


def _own_pids() -> list[int]:
    uid, pids = os.geteuid(), []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                pids.append(int(name))
    return pids


def _arguments(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().split(b"\0")
    except OSError:
        return []


def _gpu_count() -> int:
    with suppress(OSError):
        return sum(
            name.startswith("nvidia") and name[len("nvidia") :].isdigit()
            for name in os.listdir("/dev")
        )
    return 0


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0))
