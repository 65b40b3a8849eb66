"""accelerate and deepspeed: their command lines, and the options a job gives a launcher.

The launchers' own Python is replaced by one that tells what it was given; what the real ones make
of it is tested in tests/supervisor/test_launchers.py.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.errors import InvalidJobError
from rankdeck.job.spec import JobSpec
from rankdeck.launchers.base import NodeCommand, NodeContext, launcher_names, load_launcher
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity, Spawn

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = NodeContext(
    node_rank=1, nnodes=2, nproc=2, first_rank=2, world_size=4, master_addr="n0", master_port=0,
    run_id="run-1", python=sys.executable, nprocs=(2, 2),
)  # fmt: skip
ALONE = msgspec.structs.replace(
    CONTEXT, node_rank=0, nnodes=1, nproc=1, first_rank=0, world_size=1, nprocs=(1,)
)
STANDIN = "import json, os, sys\nprint(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
TORCH = """
class cuda:
    def is_available():
        import os
        return "GPU" in os.environ
"""


def job(launcher: str, *options: str, **changes: object) -> JobSpec:
    made = JobSpec(
        name="a", entry="/p/train.py", project="/p", args=("--x", "a b"), launcher=launcher,
        launcher_args=options,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def command(spec: JobSpec, node: NodeContext = CONTEXT) -> NodeCommand:
    return load_launcher(spec.launcher).command(spec, node)


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """Packages that stand in for the real ones."""
    for name in ("accelerate/commands", "deepspeed/launcher"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name.partition("/")[0] / "__init__.py").touch()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "torch.py").write_text(TORCH)
    (tmp_path / "accelerate" / "commands" / "config.py").write_text(
        "import os\ndefault_config_file = os.environ.get('DEFAULT_CONFIG', '')\n"
    )
    launch = STANDIN.replace("print", "def main(): print")
    (tmp_path / "accelerate" / "commands" / "launch.py").write_text(launch)
    (tmp_path / "deepspeed" / "launcher" / "launch.py").write_text(STANDIN)
    return tmp_path


def executed(command: NodeCommand, lib: Path, **env: str) -> tuple[list[str], dict[str, str]]:
    """What the launcher's own program would be given: arguments and environment."""
    own = {"PATH": os.environ["PATH"], "HOME": str(lib), "PYTHONPATH": str(lib), **command.env}
    done = subprocess.run(
        command.argv, env={**own, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5", **env}, cwd=lib,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    argv, environ = json.loads(done.stdout)
    return argv, environ


def test_they_are_launchers_of_their_own() -> None:
    for name in ("accelerate", "deepspeed"):
        assert name in launcher_names()
        launcher = load_launcher(name)
        assert (launcher.spawn, launcher.requires_module) == (Spawn.LAUNCHER, name)


def test_accelerate_starts_every_rank_also_where_it_sees_no_gpu(lib: Path) -> None:
    argv, env = executed(command(job("accelerate", "--mixed_precision", "bf16")), lib)
    assert argv == [
        "--main_process_ip", "10.0.0.1", "--main_process_port", "5", "--multi_gpu",
        "--mixed_precision", "bf16", "--num_processes=4", "--num_machines=2",
        "--machine_rank=1", "--rdzv_backend=static", "--deepspeed_multinode_launcher=standard",
        "/p/train.py", "--x", "a b",
    ]  # fmt: skip
    assert env["ACCELERATE_USE_CPU"] == "true"
    assert (env["PYTHON_EXEC"], env["PET_RDZV_ID"]) == (sys.executable, "run-1")
    argv, env = executed(command(job("accelerate")), lib, GPU="1", PET_LOG_DIR="/logs")
    assert argv[4:7] == ["--log_dir", "/logs", "--multi_gpu"]
    assert "ACCELERATE_USE_CPU" not in env


def test_accelerate_is_told_that_ranks_use_cpus(lib: Path) -> None:
    argv, env = executed(command(job("accelerate", "--cpu")), lib, GPU="1")
    assert ("--cpu" in argv, "--multi_gpu" in argv) == (False, True)
    assert env["ACCELERATE_USE_CPU"] == "true"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("distributed_type: FSDP\n", False), ('{"distributed_type": "DEEPSPEED"}', False),
        ("distributed_type: 'NO'\n", True), ("distributed_type: NO\n", True),
        ("distributed_type: MULTI_CPU\nuse_cpu: true\n", True), ("", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["my.yaml", "default_config.yaml"])
def test_what_accelerates_configuration_says_holds(
    lib: Path, config: str, told: bool, place: str
) -> None:
    path = lib / place
    path.write_text(config)
    options = ("--config_file", "my.yaml") if place == "my.yaml" else ()
    default = {"DEFAULT_CONFIG": str(lib / "default_config.yaml")}
    argv, env = executed(command(job("accelerate", *options)), lib, GPU="1", **default)
    assert ("--multi_gpu" in argv) == told
    assert ("ACCELERATE_USE_CPU" in env) == ("use_cpu" in config)


def test_a_kind_that_the_job_names_is_not_overruled(lib: Path) -> None:
    argv, _ = executed(command(job("accelerate", "--use_fsdp")), lib)
    assert "--multi_gpu" not in argv


def test_a_single_rank_of_accelerate_is_started_through_our_program(lib: Path) -> None:
    argv, _ = executed(command(job("accelerate"), ALONE), lib)
    assert "--multi_gpu" not in argv
    program = argv[argv.index("--no_python") + 1 :]
    done = subprocess.run(
        program, env={"PYTHON_EXEC": "/bin/echo", "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "-u /p/train.py --x a b\n"


def test_accelerate_needs_equal_nodes() -> None:
    nodes = (Node(name="a", slots=4), Node(name="b", slots=2))
    with pytest.raises(InvalidJobError, match="accelerate needs the same number of ranks"):
        build_plan(job("accelerate", nproc_per_node="auto"), nodes, RunIdentity(id="run-1"))


def _world(argv: list[str]) -> dict[str, list[int]]:
    (text,) = (word.partition("=")[2] for word in argv if word.startswith("--world_info="))
    found: dict[str, list[int]] = json.loads(base64.urlsafe_b64decode(text))
    return found


def test_deepspeed_gets_what_its_own_runner_gives_a_node(lib: Path) -> None:
    argv, env = executed(command(job("deepspeed", "--log_level", "error")), lib)
    assert argv[:4] == ["--master_addr=10.0.0.1", "--master_port=5", "--log_level", "error"]
    assert _world(argv) == {"node-0": [0, 1], "node-1": [0, 1]}
    assert argv[5:8] == ["--node_rank=1", "--no_local_rank", "--no_python"]
    assert argv[-3:] == ["/p/train.py", "--x", "a b"]
    assert env["PYTHONPATH"] == f"{lib}:{lib}"
    _, env = executed(command(job("deepspeed"), ALONE), lib)
    assert env["PYTHONPATH"] == str(lib)


@pytest.mark.parametrize("silent", [False, True])
def test_a_rank_of_deepspeed_gets_its_number_and_the_devices_of_the_node(
    lib: Path, silent: bool
) -> None:
    options = ("--no_local_rank",) if silent else ()
    argv, env = executed(command(job("deepspeed", *options)), lib, CUDA_VISIBLE_DEVICES="4, 6")
    (lib / "interpreter").write_text(
        '#!/bin/sh\necho "$CUDA_VISIBLE_DEVICES $RANKDECK_DEVICES" "$@"\n'
    )
    (lib / "interpreter").chmod(0o755)
    # as DeepSpeed sets them for its ranks
    env = {**env, "PYTHON_EXEC": str(lib / "interpreter"), "CUDA_VISIBLE_DEVICES": "0,1"}
    done = subprocess.run(
        argv[argv.index("--no_python") + 1 :], env={**env, "LOCAL_RANK": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    number = "" if silent else " --local_rank=1"
    assert done.stdout == f"4,6  -u /p/train.py{number} --x a b\n"


def test_slots_and_unequal_nodes_are_in_deepspeeds_world() -> None:
    spec = job("deepspeed", nproc_per_node="auto")
    nodes = (Node(name="a", slots=2, devices=(3, 5)), Node(name="b", slots=1))
    first, second = build_plan(spec, nodes, RunIdentity(id="run-1")).nodes
    assert _world(list(first.argv)) == {"node-0": [3, 5], "node-1": [0]}
    assert _world(list(second.argv)) == {"node-0": [0, 1], "node-1": [0]}
    assert first.env["CUDA_VISIBLE_DEVICES"] == "3,5"


@pytest.mark.parametrize("launcher", ["accelerate", "deepspeed", "msrun"])
def test_variables_of_the_job_are_left_as_they_are(lib: Path, launcher: str) -> None:
    names = (
        "config",
        "rank",
        "count",
        "name",
        "python",
        "nodes",
        "folder",
        "real",
        "first",
        "logs",
    )
    (lib / "msrun").write_text(f"#!{sys.executable}\n{STANDIN}")
    (lib / "msrun").chmod(0o755)
    values = {name: f"my {name}" for name in names}
    path = f"{lib}:{os.environ['PATH']}"
    shim = lib / "shim"
    _, env = executed(command(job(launcher)), lib, **values, PATH=path, PYTHON_EXEC=str(shim))
    assert {name: env[name] for name in names} == values


OWNED = {
    "torchrun": ["--nnodes=2", "--nproc-per-node", "--rdzv_endpoint", "-t", "-r3", "-m", "--no-py"],
    "accelerate": ["--num_processes", "--machine_rank=0", "--main-process-port", "--num_m", "-m"],
    "deepspeed": ["--master_port", "--world_info=x", "--enable_each_rank_log", "--no_python"],
    "msrun": ["--worker_num=2", "--join=False", "--log_dir"],
}


@pytest.mark.parametrize("launcher", OWNED)
def test_options_that_rankdeck_sets_are_refused(launcher: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    for option in OWNED[launcher]:
        spec = job(launcher, option, "2", entry=str(tmp_path / "a.py"))
        (problem,) = load_launcher(launcher).check(spec)
        assert problem.message == f"{option.partition('=')[0]} cannot be used"
        assert (problem.field, bool(problem.hint)) == ("launcher_args", True)
    spec = job(launcher, "train.py", entry=str(tmp_path / "a.py"))
    assert "'train.py' is no option" in str(load_launcher(launcher).check(spec)[0])


def test_other_options_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    entry = str(tmp_path / "a.py")
    options = {
        "torchrun": ("--max-restarts", "2"), "accelerate": ("--mixed_precision", "no"),
        "deepspeed": ("--bind_cores_to_rank",), "msrun": ("--bind_core=True",),
    }  # fmt: skip
    for launcher, words in options.items():
        spec = job(launcher, *words, entry=entry)
        assert load_launcher(launcher).check(spec) == ()
        argv = command(spec).argv
        assert argv.index(words[0]) < argv.index(entry)


@pytest.mark.parametrize("launcher", ["script", "direct"])
def test_launchers_without_options_say_so(launcher: str, tmp_path: Path) -> None:
    (tmp_path / "a.sh").touch()
    spec = job(launcher, "--x", entry=str(tmp_path / "a.sh"))
    assert f"the launcher {launcher} has no options" in str(load_launcher(launcher).check(spec)[0])


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    entry = str(tmp_path / "a.py")
    spec = job("accelerate", "--config_file=my.yaml", entry=entry, project=str(tmp_path))
    (problem,) = load_launcher("accelerate").check(spec)
    assert problem.message == "--config_file my.yaml: there is no such file"
    (tmp_path / "my.yaml").touch()
    assert load_launcher("accelerate").check(spec) == ()
