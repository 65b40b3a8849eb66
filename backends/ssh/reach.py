"""One command on every host, outside of any run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backends.ssh.fanout import fan_out
from backends.ssh.link import LinkError, make_transport
from rankdeck.backend_reach import NodeAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backends.ssh.fanout import Result
    from backends.ssh.link import LinkOptions
    from rankdeck.nodes.node import Node


def run_on_hosts(
    options: LinkOptions,
    secrets: Mapping[str, str],
    nodes: Sequence[Node],
    command: str,
    data: bytes,
) -> Iterator[NodeAnswer]:
    """See `rankdeck.backend_reach`."""
    began = time.time()
    try:
        transport = make_transport(options, secrets)
    except LinkError as error:
        for node in nodes:
            yield _unreached(node.name, error, began)
        return
    try:
        for result in fan_out(transport, nodes, command, data):
            yield _answer(result)
    finally:
        transport.close()


def _answer(result: Result) -> NodeAnswer:
    ended = time.time()
    if result.trouble is not None:
        return _unreached(result.node.name, result.trouble, ended - result.seconds)
    return NodeAnswer(
        node=result.node.name,
        began=ended - result.seconds,
        ended=ended,
        output=result.output,
        error_text=result.error_text,
        status=result.status,
    )


def _unreached(node: str, error: LinkError, began: float) -> NodeAnswer:
    return NodeAnswer(
        node=node,
        began=began,
        ended=time.time(),
        category=error.fault.value,
        trouble=error.message,
        hint=error.hint,
    )
