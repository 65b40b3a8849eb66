"""Our connections at work, for the benchmarks to measure: `python -m benchmarks.ssh_client …`.

    sweep CONFIG PORT COMMAND HOST…   one fan-out, lines prefixed with the host
    single CONFIG REPEAT HOST         fresh connections, one after the other
    exec CONFIG REPEAT HOST           commands on one open connection
    open CONFIG REPEAT HOST…          sweeps over connections that are kept open
    bulk CONFIG MEBIBYTES HOST        one channel
    stream CONFIG COMMAND HOST…       read what all hosts print until they end
    idle CONFIG SECONDS HOST…         open connections that say nothing

All but `sweep` print JSON: lists of wall and CPU seconds of this process, imports left out.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING

from backends.ssh.fanout import LinkPool, fan_out
from backends.ssh.link import LinkOptions, make_transport
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.ssh.link import Link, Transport


def main() -> None:
    verb, config, *words = sys.argv[1:]
    transport = make_transport(LinkOptions(config_file=config), {})
    if verb == "sweep":
        _sweep(transport, *words)
    else:
        # a run's supervisor has them loaded long before
        import backends.ssh.handshake  # noqa: F401

        print(json.dumps(_VERBS[verb](transport, *words)))
    transport.close()


def _sweep(transport: Transport, port: str, command: str, *names: str) -> None:
    nodes = [Node(name=name, port=int(port)) for name in names]
    write = sys.stdout.buffer.write
    for result in fan_out(transport, nodes, command):
        if not result.ok:
            sys.exit(f"{result.node.name}: {result.trouble or result.error_text}")
        if result.output:
            prefix = result.node.name.encode() + b": "
            lines = result.output.removesuffix(b"\n").replace(b"\n", b"\n" + prefix)
            write(prefix + lines + b"\n")


def _timed(repeat: int, action: Callable[[], object]) -> dict[str, list[float]]:
    wall, cpu = [], []
    for _ in range(repeat):
        start, before = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - before)
    return {"wall": wall, "cpu": cpu}


def _drain(link: Link, command: str) -> int:
    stream = link.exec(command)
    size = 0
    while chunk := stream.read(1 << 16):
        size += len(chunk)
    if stream.exit_status() != 0:
        sys.exit(f"{link.host}: {stream.error_text()}")
    stream.close()
    return size


def _single(transport: Transport, repeat: str, name: str) -> dict[str, list[float]]:
    def once() -> None:
        link = transport.connect(Node(name=name))
        _drain(link, "true")
        link.close()

    once()
    return _timed(int(repeat), once)


def _exec(transport: Transport, repeat: str, name: str) -> dict[str, list[float]]:
    link = transport.connect(Node(name=name))
    _drain(link, "true")
    return _timed(int(repeat), lambda: _drain(link, "true"))


def _open(transport: Transport, repeat: str, *names: str) -> dict[str, list[float]]:
    pool = LinkPool()
    nodes = [Node(name=name) for name in names]

    def sweep() -> None:
        for result in fan_out(transport, nodes, "true", pool=pool):
            if not result.ok:
                sys.exit(f"{result.node.name}: {result.trouble}")

    sweep()
    return _timed(int(repeat), sweep)


def _bulk(transport: Transport, mebibytes: str, name: str) -> dict[str, list[float]]:
    link = transport.connect(Node(name=name))
    _drain(link, "true")
    command = f"head -c {int(mebibytes) << 20} /dev/zero"
    return _timed(1, lambda: _drain(link, command))


def _stream(transport: Transport, command: str, *names: str) -> dict[str, list[float]]:
    links = [transport.connect(Node(name=name)) for name in names]

    def follow() -> None:
        threads = [threading.Thread(target=_drain, args=(link, command)) for link in links]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _timed(1, follow)


def _idle(transport: Transport, seconds: str, *names: str) -> dict[str, list[float]]:
    pool = LinkPool()
    for result in fan_out(transport, [Node(name=name) for name in names], "true", pool=pool):
        if not result.ok:
            sys.exit(f"{result.node.name}: {result.trouble}")
    time.sleep(1)
    return _timed(1, lambda: time.sleep(float(seconds)))


_VERBS: dict[str, Callable[..., dict[str, list[float]]]] = {
    "single": _single,
    "exec": _exec,
    "open": _open,
    "bulk": _bulk,
    "stream": _stream,
    "idle": _idle,
}

if __name__ == "__main__":
    main()
