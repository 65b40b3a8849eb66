"""The openssh transport: the system's ssh program, one process per command.

It honours everything in the user's SSH configuration and is slower. ssh says little about what
went wrong, and 255 may be its own exit status or the command's: a few words of shell at the other
end mark where the command begins and ends. The command itself goes through standard input, so
that no process list shows it.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from backends.ssh.config import Resolver
from backends.ssh.link import LinkError, LinkFault
from backends.ssh.openssh_faults import fault_from
from backends.ssh.openssh_process import Session
from backends.ssh.retry import with_retries
from rankdeck.command_log import executed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.ssh.host_config import HostConfig
    from backends.ssh.link import LinkOptions
    from rankdeck.nodes.node import Node

# no quote, newline or history character in it: it must pass through any login shell
_BOOTSTRAP = (
    'exec /bin/sh -c \'m=MARK; printf "%s" "$m in $SSH_CONNECTION;" >&2;'
    ' b=$(printf "\\n_"); b=${b%_}; c=;'
    ' IFS= read -r n || exit 0; while [ "$n" -gt 0 ]; do IFS= read -r l || exit 0;'
    ' c="$c$l$b"; n=$((n-1)); done; "${SHELL:-/bin/sh}" -c "$c"; s=$?;'
    ' printf "%s" "$m out $s." >&2; exit $s\''
)


class OpensshTransport:
    """See `Transport`."""

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._resolver = Resolver(options)
        self._closing = threading.Event()

    def connect(self, node: Node) -> OpensshLink:
        """See `Transport.connect`. The first command uses the connection that this makes."""
        config = self._resolver.resolve(node)
        link = OpensshLink(node, config, self._options, self._closing)
        link.prepare()
        return link

    def close(self) -> None:
        """See `Transport.close`."""
        self._closing.set()


class OpensshLink:
    """See `Link`."""

    def __init__(
        self, node: Node, config: HostConfig, options: LinkOptions, closing: threading.Event
    ) -> None:
        self.host = node.name
        self.peer_address = ""
        self._node = node
        self._config = config
        self._options = options
        self._closing = closing
        self._lock = threading.Lock()
        self._ready: Session | None = None
        self._sessions: list[Session] = []
        self._closed = False

    def prepare(self) -> None:
        """Log in and wait there for a command.

        Raises:
            LinkError: As `Transport.connect`.
        """
        session = with_retries(self._open, self._config, self._closing)
        with self._lock:
            self._ready = session
            self._sessions = [one for one in self._sessions if one.running]
            self._sessions.append(session)
            closed = self._closed
        if not _proxied(self._config):
            self.peer_address = session.peer_address
        if closed:
            self.close()

    def exec(self, command: str) -> Session:
        """See `Link.exec`."""
        with self._lock:
            session, self._ready = self._ready, None
        if session is None or not session.running:
            self.prepare()
            with self._lock:
                session, self._ready = self._ready, None
        if session is None:
            raise LinkError(LinkFault.LOST, f"the connection to {self.host} was closed")
        session.begin(command)
        executed([command], why="over the connection", host=self.host)
        return session

    def _open(self, deadline: float) -> Session:
        mark = f"rankdeck-{os.urandom(8).hex()}"
        argv = (
            *arguments(self._node, self._config, self._options),
            _BOOTSTRAP.replace("MARK", mark),
        )
        try:
            session = Session(self.host, argv, mark)
        except OSError as error:
            raise LinkError(
                LinkFault.CONFIG,
                f"the program ssh cannot be started: {error.strerror}",
                "install the OpenSSH client, or choose the paramiko transport",
            ) from error
        if session.wait_until_in(max(0.1, deadline - time.monotonic())):
            return session
        timed_out = not session.silent
        session.close()
        raise fault_from(session.login_text(), self._config, timed_out=timed_out)

    def close(self) -> None:
        """See `Link.close`."""
        with self._lock:
            self._closed = True
            sessions, self._sessions, self._ready = self._sessions, [], None
        for session in sessions:
            session.close()


def _proxied(config: HostConfig) -> bool:
    return bool(config.jumps or config.proxy_command)


def arguments(node: Node, config: HostConfig, options: LinkOptions) -> tuple[str, ...]:
    """The command line of ssh up to the remote command."""
    alive = round(config.server_alive_interval or options.keepalive)
    settings = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        # a connection that is shared already is used, but ours ends with us
        "ControlMaster": "no",
        "ControlPersist": "no",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "LogLevel": "INFO",
        "ConnectTimeout": str(max(1, round(config.connect_timeout))),
        "ServerAliveInterval": str(alive),
        "ServerAliveCountMax": "2",
    }
    argv = ["ssh", "-T"]
    if options.config_file:
        argv += ["-F", options.config_file]
    for name, value in settings.items():
        argv += ["-o", f"{name}={value}"]
    if node.user:
        argv += ["-l", node.user]
    if node.port:
        argv += ["-p", str(node.port)]
    return (*argv, "--", node.address or node.name)


def make(options: LinkOptions, secrets: Mapping[str, str]) -> OpensshTransport:
    """See `make_transport`. ssh cannot be handed passphrases: locked keys belong into an agent."""
    return OpensshTransport(options)
