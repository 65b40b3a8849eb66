"""Starting the launcher or the ranks: folders and logs first, then fork and exec."""

from __future__ import annotations

import os
import signal
import time

from rankdeck.agent import environment, reserve
from rankdeck.agent.checks import check_order, disk_full
from rankdeck.agent.notes import note
from rankdeck.agent.ports import check_port, choose_port
from rankdeck.agent.problem import ProblemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn

    from rankdeck.agent.network import Network
    from rankdeck.agent.order import Order

_TAIL = 64 * 1024
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
# Python ignores these, and ignored signals stay ignored across exec
_RESET_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGCHLD,
)


class Command:
    """One process to start, with everything decided."""

    def __init__(self, argv: list[str], environ: dict[str, str], log: str) -> None:
        self.argv = argv
        self.environ = environ
        self.log = log


class Launch:
    """What is started on this node: `prepare()`, then `start()` once."""

    def __init__(self, order: Order, umask: int, told: Callable[[], bool]) -> None:
        """Args: what to start, the umask of what is, whether to stop before that."""
        self._order = order
        self._umask = umask
        self._told = told
        self.master_addr = ""
        self.master_port = order.master_port
        self.launcher_pid: int | None = None
        self.rank_pids: dict[int, int] = {}
        """Of the ranks the agent itself started, by global rank."""
        self.started = 0.0
        self.launcher_log_start = 0
        self.network: Network | None = None
        self.module = ""
        """Being looked up; None when this is the only node."""
        self.interrupted = False
        """A stop came before everything was prepared: nothing may be started."""
        self._base: dict[str, str] = {}
        self._called_off = False

    @property
    def launcher_log(self) -> str:
        """The launcher's output; earlier attempts' is in front of it."""
        return f"{self._order.node_dir}/launcher.log"

    def tail(self) -> bytes:
        """What the launcher of this attempt has printed last."""
        try:
            with open(self.launcher_log, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self.launcher_log_start, size - _TAIL))
                return file.read()
        except OSError:
            return b""

    def prepare(self) -> None:
        """Run the setup, check the order, make its files, choose the port.

        Raises:
            ProblemError: This node cannot start.
        """
        order = self._order
        if order.wait_for_go:
            from rankdeck.agent.network import Network

            self.network = Network(order.master_addr)
        self._base = environment.base_environment(order)
        previous = os.umask(self._umask)  # what the user's own lines make is the user's own
        try:
            self.interrupted = bool(order.setup) and not self._set_up()
            if not self.interrupted:
                environ = environment.node_environment(order, self._base, order.master_addr, 0)
                self.module = check_order(order, environ)
        finally:
            os.umask(previous)
        if order.node_rank == 0 and not self.interrupted:
            if order.master_port:
                check_port(order.master_port)
            else:
                self.master_port = choose_port()
        try:
            self._make_files()
        except OSError as error:
            if reserve.is_full(error):
                raise disk_full(order.node_dir) from error
            raise ProblemError("agent", f"cannot write in {order.node_dir}: {error}") from error

    def start(self, master_addr: str, master_port: int) -> None:
        """Start the launcher, or the ranks.

        Raises:
            ProblemError: A program could not be executed.
        """
        order = self._order
        self.master_addr, self.master_port = master_addr, master_port
        environ = environment.node_environment(order, self._base, master_addr, master_port)
        if self.network is not None:
            for name, value in self.network.interface_variables(master_addr).items():
                environ.setdefault(name, value)
        if order.spawns_ranks:
            pids = self._spawn(
                [
                    Command(
                        order.argv,
                        environment.rank_environment(order, environ, local_rank),
                        f"{order.attempt_dir}/rank-{order.first_rank + local_rank}.log",
                    )
                    for local_rank in range(order.nproc)
                ]
            )
            self.rank_pids = dict(zip(order.ranks, pids))
        elif order.external:
            self._let_go(environ)
        else:
            self._write_shim(environ)
            environ = environment.launcher_environment(order, environ)
            argv = environment.launcher_argv(order, master_addr)
            (self.launcher_pid,) = self._spawn([Command(argv, environ, self.launcher_log)])

    def call_off(self) -> None:
        """Ranks that others start shall not start any more."""
        if self._order.external and not self._called_off:
            self._called_off = True
            try:
                self._let_go(None)
            except ProblemError as problem:
                note(f"agent: {problem.message}")

    def _let_go(self, environ: dict[str, str] | None) -> None:
        from rankdeck.agent.external import let_go

        self.started = time.time()
        try:
            let_go(self._order, environ)
        except OSError as error:
            if reserve.is_full(error):
                raise disk_full(self._order.node_dir) from error
            raise ProblemError("agent", f"the ranks cannot be told to start: {error}") from error

    def _set_up(self) -> bool:
        """Run the setup lines; False: a stop came in between."""
        from rankdeck.agent.setup import InterruptedSetupError, run_setup

        order = self._order
        try:
            self._base = run_setup(order, self._base, self.launcher_log, self._told)
        except InterruptedSetupError:
            return False
        except OSError as error:
            if reserve.is_full(error):
                raise disk_full(order.node_dir) from error
            raise ProblemError("agent", f"cannot write in {order.node_dir}: {error}") from error
        return True

    def _make_files(self) -> None:
        order = self._order
        os.makedirs(order.attempt_dir, exist_ok=True)
        os.makedirs(f"{order.node_dir}/control", exist_ok=True)
        launched = not (order.spawns_ranks or order.external)
        logs = [f"{order.attempt_dir}/rank-{rank}.log" for rank in order.ranks]
        if not order.spawns_ranks:
            logs.append(f"{order.attempt_dir}/spawned")
        if launched:
            logs.append(self.launcher_log)
            os.makedirs(environment.pet_log_dir(order), exist_ok=True)
        for path in logs:
            os.close(os.open(path, _LOG_FLAGS, 0o600))
        if launched:
            self.launcher_log_start = os.stat(self.launcher_log).st_size
        reserve.set_aside(order.node_dir)
        if order.hooks:
            _install_hooks(environment.hooks_dir(order))

    def _write_shim(self, environ: dict[str, str]) -> None:
        path = f"{self._order.attempt_dir}/shim"
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(environment.shim_text(self._order, environ))
        os.chmod(path, 0o700)

    def _spawn(self, commands: list[Command]) -> list[int]:
        report_read, report_write = os.pipe()  # close-on-exec: EOF means every exec succeeded
        pids = []
        self.started = time.time()
        for command in commands:
            pid = os.fork()
            if pid == 0:
                self._become(command, report_write)
            pids.append(pid)
        os.close(report_write)
        with os.fdopen(report_read, "rb") as reports:
            failure = reports.read()
        if failure:
            for pid in pids:
                # the others have begun already: a run of part of the ranks is none
                _kill_group(pid)
            raise ProblemError(
                "spawn",
                f"cannot start {commands[0].argv[0]} on {self._order.node}: "
                f"{failure.decode('utf-8', 'replace').splitlines()[0]}",
            )
        return pids

    def _become(self, command: Command, report: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)  # its other end is the agent's
            os.setsid()
            for number in _RESET_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.umask(self._umask)
            log = os.open(command.log, _LOG_FLAGS, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(self._order.cwd)
            command.environ["PWD"] = self._order.cwd
            if self._order.spawns_ranks:
                command.environ["RANKDECK_RANK_PID"] = str(os.getpid())
            os.execvpe(command.argv[0], command.argv, command.environ)
        except OSError as error:
            os.write(report, f"{error.strerror}\n".encode())
        except ValueError as error:  # a NUL or an empty argv
            os.write(report, f"{error}\n".encode())
        os._exit(127)


def _kill_group(pid: int) -> None:
    for target in (-pid, pid):
        try:
            os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _install_hooks(directory: str) -> None:
    from rankdeck.agent import hooks

    source = hooks.source()
    path = f"{directory}/sitecustomize.py"
    os.makedirs(directory, exist_ok=True)
    try:
        with open(path, "rb") as file:
            if file.read() == source:
                return
    except FileNotFoundError:
        pass
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(source)
    os.rename(temporary, path)
