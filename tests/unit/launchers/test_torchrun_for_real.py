"""What the plan says, executed by the torchrun that is installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.job.spec import JobSpec
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

ENTRY = """\
import json, os, sys
names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "prompt",
         "WHERE")
facts = {name: os.environ.get(name, "") for name in names}
with open(os.path.join(os.environ["OUTPUT_DIR"], os.environ["RANK"]), "w") as file:
    json.dump({**facts, "args": sys.argv[1:]}, file)
"""
TRAIN_SH = """\
exec torchrun --nnodes=$NNODES --nproc-per-node=$NPROC_PER_NODE --node-rank=$NODE_RANK \\
  --master-addr=$MASTER_ADDR "$PROJECT_DIR/train.py" "$prompt"
"""
PROMPT = "$(id) 'a' \"b\"\n中 *"


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("launcher", ["torchrun", "script"])
def test_a_late_port_keeps_static_rendezvous_and_our_run_id(tmp_path: Path, launcher: str) -> None:
    (tmp_path / "train.py").write_text(ENTRY)
    (tmp_path / "train.sh").write_text(TRAIN_SH)
    entry = tmp_path / ("train.py" if launcher == "torchrun" else "train.sh")
    spec = JobSpec(
        name="a", entry=str(entry), project=str(tmp_path), launcher=launcher, nproc_per_node=2,
        python=sys.executable, output_dir=str(tmp_path), hyperparameters={"prompt": PROMPT},
        args=(PROMPT,) if launcher == "torchrun" else (),
    )  # fmt: skip
    plan = build_plan(spec, (Node(name="here"),), RunIdentity(id="the-run", dir="/d"))
    port = free_port()
    node = plan.nodes[0]
    late = {"MASTER_PORT": port, "PET_MASTER_PORT": port, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        node.argv, env={**os.environ, **node.env, **late}, cwd=node.cwd,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for rank in ("0", "1"):
        assert json.loads((tmp_path / rank).read_text()) == {
            "RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "TORCHELASTIC_RUN_ID": "the-run", "prompt": PROMPT, "args": [PROMPT], "WHERE": "",
        }  # fmt: skip


def test_unequal_nodes_become_one_world_in_our_order(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ENTRY)
    spec = JobSpec(
        name="a", entry=str(tmp_path / "train.py"), project=str(tmp_path), nproc_per_node="auto",
        python=sys.executable, output_dir=str(tmp_path), hyperparameters={"prompt": ""},
        master_addr="127.0.0.1",
    )  # fmt: skip
    nodes = (Node(name="b", slots=1), Node(name="a", slots=2))
    plan = build_plan(spec, nodes, RunIdentity(id="the-run", dir="/d"))
    port = free_port()
    late = {"MASTER_PORT": port, "PET_MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    launchers = [
        subprocess.Popen(
            node.argv, env={**os.environ, **node.env, **late, "WHERE": node.name}, cwd=node.cwd,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for node in plan.nodes
    ]  # fmt: skip
    try:
        outputs = [launcher.communicate(timeout=120)[0] for launcher in launchers]
    finally:
        for launcher in launchers:
            launcher.kill()
    assert [launcher.returncode for launcher in launchers] == [0, 0], outputs
    for node in plan.nodes:
        for rank in range(node.first_rank, node.first_rank + node.nproc):
            facts = json.loads((tmp_path / str(rank)).read_text())
            assert (facts["RANK"], facts["WORLD_SIZE"], facts["WHERE"]) == (
                str(rank), "3", node.name,
            )  # fmt: skip
            assert facts["TORCHELASTIC_RUN_ID"] == "the-run"
