"""build_plan: a job and its nodes to a LaunchPlan.

Pure: the same job, nodes and identity give the same plan, byte for byte. Reads no file, no
environment and no clock.
"""

from __future__ import annotations

from itertools import accumulate, count
from typing import TYPE_CHECKING, TypeVar

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.spec import PassAs
from rankdeck.launchers.base import Launcher, NodeContext, load_launcher
from rankdeck.plan.records import LaunchPlan, NodePlan, RunIdentity
from rankdeck.plan.relocate import relocate_node
from rankdeck.project.secrets import secret_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node

_T = TypeVar("_T")
_DEVICES = "CUDA_VISIBLE_DEVICES"
_ALONE = "127.0.0.1"
_DEFAULT_PYTHON = "python3"


def build_plan(
    spec: JobSpec, nodes: Sequence[Node], identity: RunIdentity | None = None
) -> LaunchPlan:
    """What every node executes.

    Args:
        spec: A valid job.
        nodes: Where it runs, in rank order; the first is the master.
        identity: The run it is for; a dry run has none and gets placeholders.

    Raises:
        InvalidJobError: The nodes cannot hold the job.
        UserError: There is no such launcher.
    """
    identity, launcher = identity or RunIdentity(), load_launcher(spec.launcher)
    nprocs = _ranks_per_node(spec, nodes)
    world_size = sum(nprocs)
    master_addr = spec.master_addr or _address(nodes[0], alone=len(nodes) == 1)
    output_dir = spec.output_dir or f"{spec.project}/output/{identity.id}"
    plans = []
    for node_rank, node, nproc, first_rank in _places(nodes, nprocs):
        context = NodeContext(
            node_rank=node_rank,
            nnodes=len(nodes),
            nproc=nproc,
            first_rank=first_rank,
            world_size=world_size,
            master_addr=master_addr,
            master_port=spec.master_port or 0,
            run_id=identity.id,
            python=spec.python or _DEFAULT_PYTHON,
            nprocs=nprocs,
            devices=tuple(node.devices or ()),
        )
        plans.append(_node_plan(spec, launcher, node, context, output_dir))
    return LaunchPlan(
        run_id=identity.id,
        name=spec.name,
        backend=spec.backend,
        launcher=spec.launcher,
        spawn=launcher.spawn,
        world_size=world_size,
        nproc_per_node=nprocs[0],
        master_addr=master_addr,
        master_port=spec.master_port or 0,
        nodes=tuple(plans),
        output_dir=output_dir,
        grace=spec.grace,
        time_limit=spec.time_limit,
        max_restarts=spec.max_restarts,
        hooks=spec.hooks,
        setup=spec.setup or "",
        hyperparameters=_sorted(spec.hyperparameters),
        project=spec.project,
        entry=_entry_file(spec),
        requires_module=launcher.requires_module,
        redacted=secret_names(spec.hyperparameters, spec.env),
        exclude=spec.exclude or "",
        backend_options=_sorted(spec.backend_options),
    )


def contract_variables(spec: JobSpec, node: NodeContext, output_dir: str) -> dict[str, str]:
    """The project contract's variables on one node.

    No directory is ever empty: the contract's train.sh expands them unquoted.
    """
    script_dir = spec.entry.rpartition("/")[0] or spec.project
    variables = {
        "PROJECT_DIR": spec.project,
        "DATASET_DIR": spec.dataset_dir or f"{spec.project}/dataset",
        "MODEL_DIR": spec.model_dir or f"{spec.project}/model",
        "OUTPUT_DIR": output_dir,
        "SCRIPT_DIR": script_dir,
        "NNODES": str(node.nnodes),
        "NPROC_PER_NODE": str(node.nproc),
        "NODE_RANK": str(node.node_rank),
        "MASTER_ADDR": node.master_addr,
    }
    if node.master_port:
        variables["MASTER_PORT"] = str(node.master_port)
    return variables


def _node_plan(
    spec: JobSpec, launcher: Launcher, node: Node, context: NodeContext, output_dir: str
) -> NodePlan:
    command = launcher.command(spec, context)
    argv, env = command.argv, contract_variables(spec, context, output_dir)
    if spec.pass_as is not PassAs.ENV:
        for name, value in sorted(spec.hyperparameters.items()):
            argv += (f"--{name}", value)
    if node.devices:
        env[_DEVICES] = ",".join(map(str, node.devices))
    if spec.pass_as is not PassAs.ARGS:
        env.update(spec.hyperparameters)
    env.update(spec.env)
    env.update(command.env)
    plan = NodePlan(
        name=node.name,
        address=node.address or node.name,
        node_rank=context.node_rank,
        nproc=context.nproc,
        first_rank=context.first_rank,
        argv=argv,
        env=_sorted(env),
        cwd=spec.project,
        python=context.python,
        entry=_entry_file(spec),
        output_dir=output_dir,
        user=node.user,
        port=node.port,
        placeholder=node.placeholder,
    )
    return relocate_node(plan, spec.project, node.project) if node.project else plan


def _entry_file(spec: JobSpec) -> str | None:
    return spec.entry if "/" in spec.entry else None


def _places(nodes: Sequence[Node], nprocs: Sequence[int]) -> Iterator[tuple[int, Node, int, int]]:
    """Every node with its rank, how many ranks it has, and the first of these."""
    return zip(count(), nodes, nprocs, accumulate(nprocs, initial=0), strict=False)


def _ranks_per_node(spec: JobSpec, nodes: Sequence[Node]) -> tuple[int, ...]:
    problems: list[Problem] = []
    if not nodes:
        raise InvalidJobError((Problem("there is no node to run on", field="nnodes"),))
    if spec.nnodes is not None and spec.nnodes > len(nodes):
        message = f"{spec.nnodes} nodes are wanted, but there are only {len(nodes)}"
        problems.append(Problem(message, key="nnodes", field="nnodes"))
    counts = []
    for node in nodes:
        try:
            counts.append(ranks_on(node, spec.nproc_per_node))
        except ValueError as error:
            message = f"{error} (node {node.name})"
            problems.append(Problem(message, key="nproc_per_node", field="nproc_per_node"))
    if problems:
        raise InvalidJobError(tuple(problems))
    return tuple(counts)


def ranks_on(node: Node, wanted: int | str) -> int:
    """How many ranks a node gets.

    `gpu` is one per GPU, `cpu` one per CPU, `auto` one per GPU, or per CPU where there is none.
    Where the inventory knows slots but no hardware, each of these is one per slot.

    Raises:
        ValueError: With the reason, when the node cannot hold that.
    """
    if isinstance(wanted, int):
        count = wanted
    elif node.slots is not None and not (node.gpus or node.cpus):
        return node.slots
    elif wanted == "gpu" and not node.gpus:
        raise ValueError("is gpu, but no GPU was found")
    else:
        count = node.cpus if wanted == "cpu" else node.gpus or node.cpus
        if not count:
            raise ValueError(f"is {wanted}, but the number of CPUs is not known: give a number")
    if node.slots is not None and count > node.slots:
        if not isinstance(wanted, int):
            return node.slots
        raise ValueError(f"is {count}, but only {node.slots} slots are allowed")
    return count


def _address(node: Node, *, alone: bool) -> str:
    return _ALONE if alone else node.address or node.name


def _sorted(mapping: dict[str, _T]) -> dict[str, _T]:
    return dict(sorted(mapping.items()))
