"""Run by itself: `relay VETH TAP SECONDS` is a wire of that length; `offload DEVICE 0|1`.

A kernel without netem cannot delay packets, so this passes every frame between a host's wire and
a tap on the bridge, first in first out. As on a wire, what does not fit is lost.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_IGNORE_OUTGOING, _PACKET_OUTGOING = 263, 23, 4
_SIOCETHTOOL = 0x8946
_TX_CHECKSUM, _TSO, _GSO = 0x17, 0x1F, 0x24
_BURST = 64


def relay(veth: str, tap_name: str, seconds: float) -> None:
    """Pass frames both ways, each `seconds` late, for ever."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", tap_name.encode(), _TAP_WITHOUT_HEADER)
    fcntl.ioctl(tap, _TUNSETIFF, request)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    wire.bind((veth, _ETH_P_ALL))
    wire.setblocking(False)
    with suppress(OSError):  # older kernels: told apart by the packet's type below
        wire.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    print("ready", flush=True)
    under_way: deque[tuple[float, Callable[[bytes], object], bytes]] = deque()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select([tap, wire.fileno()], [], [], wait)
        due = time.monotonic() + seconds
        with suppress(BlockingIOError):
            for _ in range(_BURST if tap in readable else 0):
                under_way.append((due, wire.send, os.read(tap, 65536)))
        with suppress(BlockingIOError):
            for _ in range(_BURST if wire.fileno() in readable else 0):
                frame, address = wire.recvfrom(65536)
                if address[2] != _PACKET_OUTGOING:
                    under_way.append((due, lambda data: os.write(tap, data), frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, send, frame = under_way.popleft()
            with suppress(OSError):
                send(frame)


def set_offload(device: str, wanted: int) -> None:
    """Have the device compute checksums and cut large packets, or the kernel before it."""
    with socket.socket() as control:
        for command in (_TX_CHECKSUM, _TSO, _GSO):
            value = array.array("B", struct.pack("II", command, wanted))
            request = struct.pack("16sP16x", device.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, _SIOCETHTOOL, request)


if __name__ == "__main__":
    if sys.argv[1] == "relay":
        relay(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        set_offload(sys.argv[2], int(sys.argv[3]))
