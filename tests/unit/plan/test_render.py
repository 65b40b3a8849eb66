from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from rankdeck.job.spec import JobSpec, PassAs
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.render import command_scripts, render_plan, script_name

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.plan.records import LaunchPlan

HOSTILE = {
    "substitution": "$(touch marker) `touch marker` ${HOME}",
    "quotes": "it's \"quoted\" '' \"",
    "newlines": "one\ntwo\r\n\n",
    "spaces": "  a  b  ",
    "chinese": "中文 \U0001f600",
    "empty": "",
    "glob": "* ? [a] ~ !x",
    "dash": "--option",
    "control": "\x01\x1b[31m\x7f\t",
    "backslash": "\\n \\ \\\\",
    "bang": "a!b; rm -rf x & | > y",
}

REPORT = """\
import json, os, sys
environ = {os.fsdecode(name): os.fsdecode(value) for name, value in os.environb.items()}
name = os.path.join(os.environ["OUTPUT_DIR"], "rank-" + os.environ.get("RANK", "x"))
with open(name, "w", encoding="utf-8", errors="surrogateescape") as file:
    json.dump({"environ": environ, "argv": sys.argv[1:], "cwd": os.getcwd()}, file)
sys.exit(int(os.environ.get("fail_rank", "none") == os.environ.get("RANK")) * 3)
"""


def direct(folder: Path, **changes: Any) -> JobSpec:
    (folder / "report.py").write_text(REPORT)
    (folder / "out").mkdir(exist_ok=True)
    job = JobSpec(
        name="a", entry=str(folder / "report.py"), project=str(folder), launcher="direct",
        python=sys.executable, output_dir=str(folder / "out"),
    )  # fmt: skip
    return msgspec.structs.replace(job, **changes)


def run_script(plan: LaunchPlan, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    script = folder / "node.sh"
    script.write_bytes(command_scripts(plan)["node-0.sh"].encode())
    return subprocess.run(
        ["bash", str(script)],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def report(folder: Path, rank: int | str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "out" / f"rank-{rank}").read_text())
    return document


def test_a_script_gives_every_rank_the_same_bytes_as_the_plan(tmp_path: Path) -> None:
    folder = tmp_path / "it's a $(project)"
    folder.mkdir()
    job = direct(
        folder, hyperparameters=HOSTILE, pass_as=PassAs.BOTH, nproc_per_node=2,
        args=tuple(HOSTILE.values()), env={f"E_{name}": value for name, value in HOSTILE.items()},
    )  # fmt: skip
    plan = build_plan(job, (Node(name="here"),))
    done = run_script(plan, tmp_path)
    assert done.returncode == 0, done.stderr
    (node,) = plan.nodes
    for rank in (0, 1):
        seen = report(folder, rank)
        assert {name: seen["environ"][name] for name in node.env} == node.env
        assert tuple(seen["argv"]) == node.argv[3:]
        assert seen["cwd"] == str(folder)
        assert seen["environ"]["LOCAL_RANK"] == str(rank)
        assert seen["environ"]["WORLD_SIZE"] == "2"
    assert not list(tmp_path.rglob("marker"))


def test_a_script_chooses_a_port_or_takes_the_callers(tmp_path: Path) -> None:
    plan = build_plan(direct(tmp_path), (Node(name="here"),))
    assert run_script(plan, tmp_path).returncode == 0
    assert report(tmp_path, 0)["environ"]["MASTER_PORT"] == "29500"
    assert run_script(plan, tmp_path, MASTER_PORT="1234").returncode == 0
    assert report(tmp_path, 0)["environ"]["MASTER_PORT"] == "1234"
    fixed = build_plan(direct(tmp_path, master_port=777), (Node(name="here"),))
    assert run_script(fixed, tmp_path, MASTER_PORT="1234").returncode == 0
    assert report(tmp_path, 0)["environ"]["MASTER_PORT"] == "777"


def test_a_failing_rank_fails_the_script(tmp_path: Path) -> None:
    job = direct(tmp_path, nproc_per_node=2, env={"fail_rank": "1"})
    assert run_script(build_plan(job, (Node(name="here"),)), tmp_path).returncode == 3


def test_a_script_of_a_launcher_becomes_the_launcher(tmp_path: Path) -> None:
    job = direct(tmp_path, launcher="script", entry=str(tmp_path / "train.sh"))
    (tmp_path / "train.sh").write_text('python3 "$PROJECT_DIR/report.py" "$1"\n')
    job = msgspec.structs.replace(job, args=("a b",))
    done = run_script(build_plan(job, (Node(name="here"),)), tmp_path)
    assert done.returncode == 0, done.stderr
    seen = report(tmp_path, "x")
    assert seen["argv"] == ["a b"]
    assert seen["environ"]["PATH"].startswith(os.path.dirname(sys.executable) + ":")


def secret_job(folder: Path) -> JobSpec:
    return direct(
        folder,
        env={"HF_TOKEN": "hf_hidden_env", "SAFE": "shown"},
        hyperparameters={"api_key": "hidden-value", "lr": "0.1"},
        pass_as=PassAs.BOTH,
        args=("--wandb-key", "hidden-arg", "--db-password=hidden-too", "hf_" + "h" * 30,
              "--max-tokens", "512", "--key-size", "64"),
    )  # fmt: skip


def test_secrets_are_in_no_preview_and_no_script(tmp_path: Path) -> None:
    plan = build_plan(secret_job(tmp_path), (Node(name="here"),))
    for text in (render_plan(plan), *command_scripts(plan).values()):
        assert "hidden" not in text.replace("<hidden>", "")
        assert "hhhhhh" not in text
        assert "shown" in text
        assert "--max-tokens 512 --key-size 64" in text


def test_a_script_wants_its_secrets_and_passes_them_on(tmp_path: Path) -> None:
    plan = build_plan(secret_job(tmp_path), (Node(name="here"),))
    refused = run_script(plan, tmp_path)
    assert refused.returncode != 0
    assert "HF_TOKEN" in refused.stderr
    index = plan.nodes[0].argv.index("hf_" + "h" * 30)
    secrets = {
        "HF_TOKEN": "t1 $x", "api_key": "t2", "WANDB_KEY": "t3", "DB_PASSWORD": "t 4",
        f"ARGUMENT_{index}": "t5",
    }  # fmt: skip
    done = run_script(plan, tmp_path, **secrets)
    assert done.returncode == 0, done.stderr
    seen = report(tmp_path, 0)
    assert seen["environ"]["HF_TOKEN"] == "t1 $x"
    assert seen["argv"][:4] == ["--wandb-key", "t3", "--db-password=t 4", "t5"]
    assert seen["argv"][-4:] == ["--api_key", "t2", "--lr", "0.1"]


def test_the_preview_shows_what_is_executed() -> None:
    job = JobSpec(
        name="demo", entry="/p/train.py", project="/p", python="/env/bin/python",
        nproc_per_node=2, time_limit=5400.0, hyperparameters={"note": "a b"},
    )  # fmt: skip
    text = render_plan(build_plan(job, (Node(name="n0", address="10.0.0.1"), Node(name="n1"))))
    assert text.splitlines() == [
        "run:        demo",
        "backend:    local",
        "launcher:   torchrun",
        "ranks:      4 on 2 nodes",
        "master:     10.0.0.1, a free port, chosen at start",
        "output:     /p/output/<run-id>",
        "time limit: 1h30m",
        "restarts:   0",
        "grace:      10s",
        *[
            line
            for rank, name in enumerate(("n0, reached as 10.0.0.1", "n1"))
            for line in (
                "",
                f"node {rank}: {name} (ranks {2 * rank}-{2 * rank + 1})",
                "  cwd   /p",
                "  env   DATASET_DIR=/p/dataset",
                "  env   MASTER_ADDR=10.0.0.1",
                "  env   MODEL_DIR=/p/model",
                "  env   NNODES=2",
                f"  env   NODE_RANK={rank}",
                "  env   NPROC_PER_NODE=2",
                "  env   OUTPUT_DIR='/p/output/<run-id>'",
                "  env   PROJECT_DIR=/p",
                "  env   SCRIPT_DIR=/p",
                "  env   note='a b'",
                "  env   MASTER_PORT=<chosen at start>",
                "  run   /env/bin/python -m torch.distributed.run --nnodes 2 --nproc-per-node 2"
                f" --node-rank {rank} --rdzv-backend static --rdzv-id '<run-id>'"
                " --master-addr 10.0.0.1 /p/train.py",
            )
        ],
    ]


def test_the_preview_shows_how_a_node_is_reached_where_its_name_does_not_say_it() -> None:
    nodes = (
        Node(name="a"), Node(name="b", user="bob"), Node(name="c", port=2222),
        Node(name="d", address="10.0.0.4", user="dan", port=22), Node(name="fe80::1", port=22),
        Node(name="fe80::2"),
    )  # fmt: skip
    text = render_plan(build_plan(JobSpec(name="a", entry="/p/t.py", project="/p"), nodes))
    shown = [line for line in text.splitlines() if line.startswith("node ")]
    assert shown == [
        "node 0: a (rank 0)",
        "node 1: b, reached as bob@b (rank 1)",
        "node 2: c, reached as c, port 2222 (rank 2)",
        "node 3: d, reached as dan@10.0.0.4, port 22 (rank 3)",
        "node 4: fe80::1, reached as fe80::1, port 22 (rank 4)",
        "node 5: fe80::2 (rank 5)",
    ]


def test_the_preview_of_a_plan_without_nodes_yet_says_who_chooses_them() -> None:
    nodes = [Node(name=f"slurm-{n}", address=f"slurm-{n}", placeholder=True) for n in (0, 1)]
    text = render_plan(build_plan(JobSpec(name="a", entry="/p/t.py", project="/p"), nodes))
    assert "nodes:      the scheduler chooses 2 nodes when it starts the job" in text
    assert "master:     the first node that the scheduler chooses, a free port" in text
    assert "node 1: slurm-1, to be chosen by the scheduler (rank 1)" in text


def test_the_preview_cannot_steer_a_terminal() -> None:
    evil = "\x1b]0;x\x07\x1b[2J\u202e\x9b31m"
    job = JobSpec(
        name="a", entry="/p/t.py", project="/p", env={"A": evil}, args=(evil,), launcher="direct"
    )
    text = render_plan(build_plan(job, (Node(name="h" + evil),)))
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "\\x1b[2J" in text


def test_every_node_has_its_script() -> None:
    job = JobSpec(name="a", entry="/p/t.py", project="/p")
    plan = build_plan(job, (Node(name="../../etc"), Node(name="b")))
    assert sorted(command_scripts(plan)) == ["node-0.sh", "node-1.sh"]
    assert [script_name(node) for node in plan.nodes] == ["node-0.sh", "node-1.sh"]


def test_nodes_that_a_scheduler_will_choose_are_said_to_be_open() -> None:
    job = JobSpec(name="a", entry="/p/train.py", project="/p", nproc_per_node=2)
    nodes = tuple(Node(name=f"node-{i}", placeholder=True) for i in range(2))
    text = render_plan(build_plan(job, nodes))
    assert "nodes:      the scheduler chooses 2 nodes when it starts the job" in text
    assert "master:     the first node that the scheduler chooses, a free port" in text
    assert "node 1: node-1, to be chosen by the scheduler (ranks 2-3)" in text
