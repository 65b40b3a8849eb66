"""How this node sees the network: its own addresses, and what names resolve to here.

Names are looked up by threads of their own: a name server that does not answer delays the node
by a few seconds at most, and never blocks its agent.
"""

from __future__ import annotations

import _socket
import ctypes
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOKUP_SECONDS = 3.0
IFNAME_VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "TP_SOCKET_IFNAME")

_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_FAMILIES = {_socket.AF_INET: (4, 4), _socket.AF_INET6: (8, 16)}
"""Where the address lies in a `sockaddr`, and how long it is."""


class Lookup:
    """One name being resolved."""

    def __init__(self, name: str) -> None:
        self._found: tuple[str, ...] = ()
        self._done = threading.Event()
        self._deadline = time.monotonic() + LOOKUP_SECONDS
        threading.Thread(target=self._resolve, args=(name,), daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether it is known, or has taken too long."""
        return self._done.is_set() or time.monotonic() > self._deadline

    def addresses(self) -> tuple[str, ...]:
        """What the name resolves to here; waits for it within bounds."""
        self._done.wait(max(0.0, self._deadline - time.monotonic()))
        return self._found

    def _resolve(self, name: str) -> None:
        try:
            infos = _socket.getaddrinfo(name, None, 0, _socket.SOCK_STREAM)
            # a v4 address that the hosts file gives as v6 (`::ffff:10.0.0.1`) is still that one
            found = [str(info[4][0]).partition("%")[0] for info in infos]
            self._found = tuple(dict.fromkeys(_unmapped(address) for address in found))
        except (OSError, UnicodeError):
            self._found = ()
        finally:
            self._done.set()


class Network:
    """This node's network, looked at once."""

    def __init__(self, master_addr: str) -> None:
        self._hostname = _socket.gethostname()
        self._master_addr = master_addr
        self._own = Lookup(self._hostname)
        self._master = Lookup(master_addr)
        self._interfaces = interfaces()

    @property
    def over(self) -> bool:
        """Whether everything is known that will be."""
        return self._own.over and self._master.over

    def record(self) -> dict[str, Any]:
        """The fields of `rankdeck.run.node_state.NodeNetwork`."""
        return {
            "hostname": self._hostname,
            "own": self._own.addresses(),
            "addresses": [interface.address for interface in self._interfaces],
            "subnets": [interface.subnet for interface in self._interfaces],
            "master": self._master.addresses(),
        }

    def interface_variables(self, master_addr: str) -> dict[str, str]:
        """What tells gloo and NCCL which interface to use, where the host name would mislead them.

        They take the address that the host's own name resolves to. On many systems that is
        127.0.1.1, which no other node can reach.
        """
        known = {interface.address for interface in self._interfaces}
        own = self._own.addresses()
        if own and known.issuperset(own):
            return {}
        name = self._interface_towards(master_addr)
        return dict.fromkeys(IFNAME_VARIABLES, name) if name else {}

    def _interface_towards(self, master_addr: str) -> str:
        same = master_addr == self._master_addr
        for address in (self._master if same else Lookup(master_addr)).addresses():
            source = source_address(address)
            for interface in self._interfaces:
                if interface.address == source:
                    return interface.name
        return ""


class Interface:
    """One address of one interface that is up."""

    def __init__(self, name: str, address: str, subnet: str) -> None:
        self.name = name
        self.address = address
        self.subnet = subnet


class _IfAddrs(ctypes.Structure):
    pass


_IfAddrs._fields_ = [
    ("next", ctypes.POINTER(_IfAddrs)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
    ("netmask", ctypes.c_void_p),
    ("broadcast", ctypes.c_void_p),
    ("data", ctypes.c_void_p),
]


def interfaces() -> list[Interface]:
    """The addresses other hosts may reach this one by: no loopback, nothing link-local."""
    libc = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_IfAddrs)()
    if libc.getifaddrs(ctypes.byref(first)) != 0:
        return []
    found = []
    try:
        entry = first
        while entry:
            interface = _interface(entry.contents)
            if interface is not None:
                found.append(interface)
            entry = entry.contents.next
    finally:
        libc.freeifaddrs(first)
    return found


def source_address(target: str) -> str:
    """The address this host would speak from to reach that one; empty: there is no way."""
    family = _socket.AF_INET6 if ":" in target else _socket.AF_INET
    try:
        probe = _socket.socket(family, _socket.SOCK_DGRAM)
    except OSError:
        return ""
    try:
        probe.connect((target, 9))  # sends nothing: the kernel only chooses a route
        return str(probe.getsockname()[0])
    except OSError:
        return ""
    finally:
        probe.close()


def _interface(entry: _IfAddrs) -> Interface | None:
    wanted = _IFF_UP | _IFF_RUNNING
    if entry.flags & _IFF_LOOPBACK or entry.flags & wanted != wanted or not entry.address:
        return None
    family = int.from_bytes(ctypes.string_at(entry.address, 2), sys.byteorder)
    if family not in _FAMILIES:
        return None
    offset, length = _FAMILIES[family]
    address = ctypes.string_at(entry.address + offset, length)
    if _is_local(address):
        return None
    mask = ctypes.string_at(entry.netmask + offset, length) if entry.netmask else b"\xff" * length
    prefix = sum(bin(byte).count("1") for byte in mask)
    network = bytes(byte & bits for byte, bits in zip(address, mask))
    return Interface(
        entry.name.decode("utf-8", "replace"),
        _socket.inet_ntop(family, address),
        f"{_socket.inet_ntop(family, network)}/{prefix}",
    )


def _is_local(address: bytes) -> bool:
    if len(address) == 4:
        return address[0] == 127 or address[:2] == b"\xa9\xfe"
    return address == b"\0" * 15 + b"\x01" or (address[0] == 0xFE and address[1] & 0xC0 == 0x80)


def _unmapped(address: str) -> str:
    return address[7:] if address.startswith("::ffff:") and "." in address else address
