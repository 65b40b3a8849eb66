"""The rendezvous port: choosing a free one, testing a given one, naming who has it."""

from __future__ import annotations

import _socket
import os

from rankdeck.agent.problem import ProblemError

# below the ephemeral range, so that no outgoing connection can take it in between
_FIRST, _COUNT = 20000, 10000
_LISTENING = b"0A"


def choose_port() -> int:
    """A port nobody uses on any address of this host.

    Raises:
        ProblemError: None of a hundred tries was free.
    """
    for _ in range(100):
        port = _FIRST + int.from_bytes(os.urandom(4), "big") % _COUNT
        if port_is_free(port):
            return port
    raise ProblemError("port-in-use", f"no free port between {_FIRST} and {_FIRST + _COUNT - 1}")


def port_is_free(port: int) -> bool:
    """Whether a server could listen on that port of every address, IPv4 and IPv6."""
    for family, address in ((_socket.AF_INET, "0.0.0.0"), (_socket.AF_INET6, "::")):
        try:
            probe = _socket.socket(family, _socket.SOCK_STREAM)
        except OSError:
            continue  # a host without IPv6
        try:
            # as torch's store does: connections in TIME_WAIT are no hindrance, listeners are
            probe.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            if family == _socket.AF_INET6:
                probe.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if family == _socket.AF_INET6 and error.errno == 99:
                continue  # EADDRNOTAVAIL: IPv6 is compiled in but switched off
            return False
        finally:
            probe.close()
    return True


def check_port(port: int) -> None:
    """Make sure a port the user fixed can be used.

    Raises:
        ProblemError: It is taken, or may not be used; names the owner when that can be known.
    """
    if port_is_free(port):
        return
    owner = port_owner(port)
    if owner is None and port < 1024 and os.geteuid() != 0:
        raise ProblemError("port-in-use", f"port {port} is reserved for root", "use one above 1024")
    raise ProblemError(
        "port-in-use",
        f"master port {port} is already in use" + (f" by {owner}" if owner else ""),
        "leave --master-port out to get a free one, or give another",
    )


def port_owner(port: int) -> str | None:
    """Who listens on a port: `pid 12 (command)` when it may be seen, else `user name`."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for local, state, uid, inode in _sockets(table):
            if state == _LISTENING and local == port:
                return _owner(uid, inode)
    return None


def _sockets(table: str) -> list[tuple[int, bytes, int, bytes]]:
    try:
        with open(table, "rb") as file:
            rows = file.read().splitlines()[1:]
    except OSError:
        return []
    fields = (row.split() for row in rows)
    return [(int(f[1].rsplit(b":")[-1], 16), f[3], int(f[7]), f[9]) for f in fields if len(f) > 9]


def _owner(uid: int, inode: bytes) -> str:
    pid = _socket_holder(inode)
    if pid is not None:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read(200).replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            words = ""
        return f"pid {pid} ({words})" if words else f"pid {pid}"
    try:
        import pwd

        return f"user {pwd.getpwuid(uid).pw_name}"
    except (ImportError, KeyError):
        return f"user {uid}"


def _socket_holder(inode: bytes) -> int | None:
    wanted = f"socket:[{inode.decode()}]"
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            for fd in os.listdir(f"/proc/{entry}/fd"):
                if os.readlink(f"/proc/{entry}/fd/{fd}") == wanted:
                    return int(entry)
        except OSError:
            continue
    return None
