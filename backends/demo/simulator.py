"""The process in which all nodes of one simulated attempt live: `python -m … RUN ATTEMPT`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from backends.demo.node import SimulatedNode
from backends.demo.story import Story
from rankdeck.agent_order import AgentOrder
from rankdeck.run.files import write_atomic
from rankdeck.run.layout import RunDir
from rankdeck.run.node_state import ProcessRef
from rankdeck.run.process import host_name, start_time
from rankdeck.run.stored import read_plan

SILENT = "demo-silent.json"
"""In the run directory: the nodes that cannot be heard."""
_TICK_SECONDS = 0.25


def main(path: str, attempt: int) -> None:
    """Simulate until every node is done."""
    run = RunDir(Path(path))
    orders = sorted(_orders(run, attempt), key=lambda order: order.node_rank)
    story = make_story(run, orders)
    agent = ProcessRef(pid=os.getpid(), starttime=start_time(os.getpid()) or 0, host=host_name())
    nodes = [SimulatedNode(run, order, story, agent) for order in orders]
    silent: list[str] = []
    while not all(node.done for node in nodes):
        began = time.time()
        for node in nodes:
            node.step(time.time())
        heard = [node.name for node in nodes if node.silent]
        if heard != silent:
            silent = heard
            write_atomic(run.path / SILENT, msgspec.json.encode(silent))
        time.sleep(max(0.02, _TICK_SECONDS - (time.time() - began)))


def make_story(run: RunDir, orders: list[AgentOrder]) -> Story:
    """The story that the run's plan asks for."""
    options = read_plan(run).backend_options
    return Story(
        world_size=orders[0].world_size,
        scenario=str(options.get("scenario", "healthy")),
        steps=int(options.get("steps", 200)),
        step_seconds=float(options.get("step_seconds", 1.0)),
        nproc=orders[0].nproc,
    )


def _orders(run: RunDir, attempt: int) -> list[AgentOrder]:
    decoder = msgspec.json.Decoder(AgentOrder)
    return [
        decoder.decode(run.node(folder.name).attempt(attempt).order.read_bytes())
        for folder in run.nodes.iterdir()
    ]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
