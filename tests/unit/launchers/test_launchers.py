from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from rankdeck.errors import Severity, UserError
from rankdeck.job.spec import JobSpec, PassAs
from rankdeck.launchers.base import Launcher, NodeContext, launcher_names, load_launcher
from rankdeck.nodes.node import Node
from rankdeck.plan.build import build_plan
from rankdeck.plan.records import RunIdentity, Spawn

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = NodeContext(
    node_rank=1, nnodes=2, nproc=4, first_rank=4, world_size=8, master_addr="n0", master_port=0,
    run_id="run-1", python="/env/bin/python",
)  # fmt: skip


def spec(entry: Path | str, **changes: object) -> JobSpec:
    made = JobSpec(name="a", entry=str(entry), project="/p", args=("--x", "a b"))
    return msgspec.structs.replace(made, **changes)


def said(launcher: str, job: JobSpec) -> list[str]:
    return [str(problem) for problem in load_launcher(launcher).check(job)]


def test_the_shipped_launchers_are_found_by_name() -> None:
    assert launcher_names()[:3] == ("torchrun", "script", "direct")
    for name in launcher_names()[:3]:
        launcher: Launcher = load_launcher(name)
        assert launcher.name == name
        assert launcher.title
    with pytest.raises(UserError, match="no launcher named 'mpi'"):
        load_launcher("mpi")


def test_torchrun_gets_our_order_and_our_id() -> None:
    launcher = load_launcher("torchrun")
    command = launcher.command(spec("/p/train.py"), CONTEXT)
    assert command.argv == (
        "/env/bin/python", "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node",
        "4", "--node-rank", "1", "--rdzv-backend", "static", "--rdzv-id", "run-1",
        "--master-addr", "n0", "/p/train.py", "--x", "a b",
    )  # fmt: skip
    assert command.env == {}
    assert launcher.requires_module == "torch.distributed.run"
    assert launcher.spawn is Spawn.LAUNCHER
    fixed = launcher.command(spec("/p/t.py"), msgspec.structs.replace(CONTEXT, master_port=29501))
    index = fixed.argv.index("--master-port")
    assert fixed.argv[index + 1] == "29501"


def test_torchrun_on_unequal_nodes_gets_each_nodes_own_count() -> None:
    nodes = (Node(name="a", slots=4), Node(name="b", slots=1), Node(name="c", slots=2))
    job = spec("/p/train.py", nproc_per_node="auto", master_port=29501, python="/bin/python3")
    plan = build_plan(job, nodes, RunIdentity(id="run-1"))
    assert plan.world_size == 7
    for rank, (node, first, count) in enumerate(zip(plan.nodes, (0, 4, 5), (4, 1, 2), strict=True)):
        assert (node.first_rank, node.nproc) == (first, count)
        assert node.argv[3:-3] == (
            "--nnodes", "3", "--nproc-per-node", str(count), "--node-rank", str(rank),
            "--rdzv-backend", "static", "--rdzv-id", "run-1", "--master-addr", "a",
            "--master-port", "29501",
        )  # fmt: skip


def test_a_script_gets_the_contract_of_its_node() -> None:
    job = spec("/p/train.sh", launcher="script", nproc_per_node="auto")
    nodes = (Node(name="a", address="10.0.0.1", slots=4), Node(name="b", slots=2))
    plan = build_plan(job, nodes, RunIdentity(id="run-1"))
    names = ("NNODES", "NODE_RANK", "NPROC_PER_NODE", "MASTER_ADDR")
    assert [tuple(node.env[name] for name in names) for node in plan.nodes] == [
        ("2", "0", "4", "10.0.0.1"), ("2", "1", "2", "10.0.0.1"),
    ]  # fmt: skip


def test_a_script_is_run_by_bash_with_the_interpreters_folder_first_on_the_path() -> None:
    command = load_launcher("script").command(spec("/p/train.sh"), CONTEXT)
    assert command.argv[:2] == ("bash", "-c")
    assert command.argv[3:] == ("/env/bin", "/p/train.sh", "--x", "a b")
    assert command.env == {"PET_RDZV_ID": "run-1"}
    bare = msgspec.structs.replace(CONTEXT, python="python3")
    assert load_launcher("script").command(spec("/p/train.sh"), bare).argv == (
        "bash", "/p/train.sh", "--x", "a b",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "program"),
    [
        ("/p/a.py", ("/env/bin/python", "-u", "/p/a.py")),
        ("/p/a.sh", ("bash", "/p/a.sh")),
        ("/p/tool", ("/p/tool",)),
        ("hostname", ("hostname",)),
        ("python", ("/env/bin/python",)),
    ],
)
def test_direct_runs_any_program(entry: str, program: tuple[str, ...]) -> None:
    launcher = load_launcher("direct")
    assert launcher.command(spec(entry), CONTEXT).argv == (*program, "--x", "a b")
    assert launcher.spawn is Spawn.RANKS


@pytest.mark.parametrize("launcher", ["torchrun", "script", "direct"])
def test_the_entry_must_be_a_file(launcher: str, tmp_path: Path) -> None:
    assert "does not exist" in said(launcher, spec(tmp_path / "gone.sh"))[0]
    assert "is a directory" in said(launcher, spec(tmp_path))[0]
    os.mkfifo(tmp_path / "pipe.py")
    assert "is not a regular file" in said(launcher, spec(tmp_path / "pipe.py"))[0]


@pytest.mark.parametrize("launcher", ["script", "direct"])
def test_carriage_returns_are_told_with_their_first_line(launcher: str, tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_bytes(b"#!/bin/bash\necho one\r\necho two\r\n")
    (text,) = said(launcher, spec(path))
    assert text == f"{path}:2: has Windows line ends (CRLF), which bash cannot run"
    path.write_bytes(b"echo one\n")
    assert said(launcher, spec(path)) == []


def test_a_program_must_be_executable_but_python_files_and_scripts_need_not(
    tmp_path: Path,
) -> None:
    for name in ("a.py", "a.sh", "tool"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    assert said("direct", spec(tmp_path / "a.py")) == []
    assert said("direct", spec(tmp_path / "a.sh")) == []
    assert said("script", spec(tmp_path / "a.sh")) == []
    (text,) = said("direct", spec(tmp_path / "tool"))
    assert text == f"entry: {tmp_path / 'tool'} is not executable"
    (tmp_path / "tool").chmod(0o755)
    assert said("direct", spec(tmp_path / "tool")) == []


def test_a_program_whose_interpreter_line_ends_in_crlf_is_told(tmp_path: Path) -> None:
    tool = tmp_path / "my tool"
    tool.write_bytes(b"#!/usr/bin/env python3\r\nprint(1)\r\n")
    tool.chmod(0o755)
    (problem,) = load_launcher("direct").check(spec(tool))
    assert (problem.file, problem.line) == (str(tool), 1)
    assert problem.hint.endswith(f"'{tool}'")
    tool.write_bytes(b"#!/usr/bin/env python3\nprint(1)\r\n")
    assert said("direct", spec(tool)) == []


def test_an_entry_for_another_launcher_is_told(tmp_path: Path) -> None:
    for name in ("a.py", "a.sh"):
        (tmp_path / name).write_text("")
    assert "is a shell script" in said("torchrun", spec(tmp_path / "a.sh"))[0]
    assert "is a Python file" in said("script", spec(tmp_path / "a.py"))[0]


def test_values_that_a_script_would_split_are_warnings_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text('#!/bin/bash\npython t.py --prompt $prompt --lr $lr "$note"\ncd $PROJECT_DIR\n')
    job = spec(
        path, project="/my project", hyperparameters={"prompt": "a b", "lr": "0.1", "note": "* *"}
    )
    problems = load_launcher("script").check(job)
    assert {problem.severity for problem in problems} == {Severity.WARNING}
    assert [(problem.line, problem.field) for problem in problems] == [
        (2, "hyperparameters.prompt"), (3, "project"),
    ]  # fmt: skip
    as_args = msgspec.structs.replace(job, project="/p", pass_as=PassAs.ARGS)
    assert said("script", as_args) == []


def test_a_project_path_with_a_space_is_fine_where_the_script_quotes_it(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text('cd "$PROJECT_DIR"\n')
    assert said("script", spec(path, project="/my project")) == []
