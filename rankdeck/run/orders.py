"""From a plan to the order of one agent. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rankdeck.agent_order import AgentOrder

if TYPE_CHECKING:
    from rankdeck.plan.records import LaunchPlan, NodePlan
    from rankdeck.run.layout import RunDir


def _path_prefix(plan: LaunchPlan, node: NodePlan) -> str:
    # here the shell's own PATH holds; a node's knows nothing of where the job was described
    return "" if plan.backend == "local" else os.path.dirname(node.python)


def build_order(run: RunDir, plan: LaunchPlan, node: NodePlan, attempt: int) -> AgentOrder:
    """What the agent on `node` is to do in this attempt."""
    return AgentOrder(
        run_id=plan.run_id,
        node=node.name,
        node_dir=str(run.node(node.name).path),
        attempt=attempt,
        node_rank=node.node_rank,
        nnodes=len(plan.nodes),
        nproc=node.nproc,
        first_rank=node.first_rank,
        world_size=plan.world_size,
        spawn=plan.spawn.value,
        launcher=plan.launcher,
        argv=node.argv,
        env=node.env,
        cwd=node.cwd,
        python=node.python,
        requires_module=plan.requires_module,
        entry=node.entry or (plan.entry if plan.entry and "/" in plan.entry else None),
        output_dir=node.output_dir or plan.output_dir,
        master_addr=plan.master_addr,
        master_port=plan.master_port,
        wait_for_go=len(plan.nodes) > 1,
        grace=plan.grace,
        hooks=plan.hooks,
        setup=plan.setup,
        path_prefix=_path_prefix(plan, node),
    )
