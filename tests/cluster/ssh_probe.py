"""Run on the login node: connects as it is told on standard input, and answers in JSON lines.

`connect HOST`, `exec COMMAND` on the last link, `read` until something comes, `write TEXT`,
`crowd HOST COUNT` for that many links at the same time, `close`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from backends.ssh.link import Link, LinkError, LinkOptions, Stream, make_transport
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from backends.ssh.link import Transport


class Probe:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._link: Link | None = None
        self._stream: Stream | None = None

    def connect(self, host: str) -> str:
        self._link = self._transport.connect(Node(name=host))
        return self._link.peer_address

    def exec(self, command: str) -> None:
        assert self._link is not None
        self._stream = self._link.exec(command)

    def read(self, _: str) -> str:
        assert self._stream is not None
        return self._stream.read().decode()

    def write(self, text: str) -> None:
        assert self._stream is not None
        self._stream.write(text.encode() + b"\n")

    def close(self, _: str) -> None:
        if self._link is not None:
            self._link.close()

    def crowd(self, words: str) -> list[str]:
        host, count = words.split()
        ends: list[str] = []

        def one() -> None:
            try:
                self._transport.connect(Node(name=host)).close()
                ends.append("in")
            except LinkError as error:
                ends.append(error.fault.value)

        threads = [threading.Thread(target=one) for _ in range(int(count))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends


def main() -> None:
    kind, config, keepalive = sys.argv[1:]
    options = LinkOptions(transport=kind, config_file=config, keepalive=float(keepalive))
    probe = Probe(make_transport(options, {}))
    for line in sys.stdin:
        verb, _, rest = line.rstrip("\n").partition(" ")
        start = time.monotonic()
        answer: dict[str, Any] = {}
        try:
            answer["result"] = getattr(probe, verb)(rest)
        except LinkError as error:
            answer |= {"fault": error.fault.value, "message": error.message, "hint": error.hint}
        answer["seconds"] = time.monotonic() - start
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
