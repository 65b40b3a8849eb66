from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.errors import ExitCode, InvalidJobError, UserError
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.inventory import find_nodes, select_nodes
from rankdeck.nodes.node import Node
from tests.unit.nodes.conformance import case_id, cases

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "hostfile").write_text("h1 slots=4\nh2 slots=4\nh3 slots=2\n")
    return tmp_path


def spec(project: Path, **changes: Any) -> JobSpec:
    job = JobSpec(name="a", entry="", project=str(project))
    return msgspec.structs.replace(job, **changes)


def found(job: JobSpec, **environ: str) -> list[tuple[str, str]]:
    return [(node.name, node.origin) for node in find_nodes(job, environ)]


def test_hosts_of_the_option_come_in_the_order_given(project: Path) -> None:
    nodes = find_nodes(spec(project, host=("b", "alice@a[2,1]:2222")), {})
    assert nodes == (
        Node(name="b", origin="--host"),
        Node(name="a2", user="alice", port=2222, origin="--host"),
        Node(name="a1", user="alice", port=2222, origin="--host"),
    )


def test_the_sources_and_which_of_them_wins(project: Path, tmp_path: Path) -> None:
    own, other = f"{project}/hostfile", tmp_path / "other"
    other.write_text("o1\n")
    pbs = tmp_path / "pbs"
    pbs.write_text("p2\np1\np2\n\n")
    slurm = {"SLURM_JOB_NODELIST": "s[2-3]"}
    batch = {"PBS_NODEFILE": str(pbs)}
    assert found(spec(project)) == [("h1", f"{own}:1"), ("h2", f"{own}:2"), ("h3", f"{own}:3")]
    assert found(spec(project), **batch) == [("p2", "$PBS_NODEFILE"), ("p1", "$PBS_NODEFILE")]
    in_slurm = [("s2", "$SLURM_JOB_NODELIST"), ("s3", "$SLURM_JOB_NODELIST")]
    assert found(spec(project), **batch, **slurm) == in_slurm
    assert found(spec(project, hostfile=str(other)), **slurm) == [("o1", f"{other}:1")]
    assert found(spec(project, host=("x",)), **slurm) == [("x", "--host")]


def test_without_any_source_the_ways_to_name_nodes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no nodes are known to run on") as caught:
        find_nodes(spec(tmp_path), {"SLURM_JOB_NODELIST": " "})
    assert "--hostfile FILE" in caught.value.hint
    assert caught.value.exit_code is ExitCode.UNUSABLE


def test_two_lists_at_once_are_refused(project: Path) -> None:
    with pytest.raises(InvalidJobError, match="cannot be used together with --hostfile"):
        find_nodes(spec(project, host=("a",), hostfile="/h"), {})


def test_every_wrong_host_of_the_option_is_told(project: Path) -> None:
    with pytest.raises(InvalidJobError) as caught:
        find_nodes(spec(project, host=("a", "a", "-x", "b:4", "n[1-")), {})
    texts = [problem.message for problem in caught.value.problems]
    assert texts[0] == "names host a twice"
    assert [text.split()[0] for text in texts[1:]] == ["'-x'", "'b:4'", "'n[1-'"]
    assert {problem.field for problem in caught.value.problems} == {"host"}


def test_a_broken_hostfile_of_the_project_is_told_with_its_line(project: Path) -> None:
    (project / "hostfile").write_text("a\nb slots=x\n")
    with pytest.raises(InvalidJobError, match=rf"^{project}/hostfile:2: slots must be"):
        find_nodes(spec(project), {})


def test_filters_and_the_number_of_nodes_are_applied_in_that_order(project: Path) -> None:
    chosen = find_nodes(spec(project, include="h3,h1:0,1,h2", nnodes=2), {})
    assert [(node.name, node.slots, node.devices) for node in chosen] == [
        ("h3", 2, ()), ("h1", 2, (0, 1)),
    ]  # fmt: skip
    with pytest.raises(InvalidJobError) as caught:
        find_nodes(spec(project, exclude="h2", nnodes=3), {})
    assert str(caught.value) == ("--nnodes: 3 nodes are wanted, but there are only 2 of 3: h1, h3")
    with pytest.raises(InvalidJobError, match=r"--include: host 'h9' is not in .*/hostfile"):
        find_nodes(spec(project, include="h9"), {})


@pytest.mark.parametrize("case", cases("node_counts"), ids=case_id)
def test_a_number_of_nodes_takes_the_first_ones(case: Any) -> None:
    wanted = case["input"]["num_nodes"]
    nodes = tuple(Node(name=name) for name in case["input"]["hosts"])
    job = JobSpec(name="a", entry="", project="/p", nnodes=wanted if wanted > 0 else None)
    if wanted > len(nodes):
        # the peer starts with fewer nodes than were asked for
        with pytest.raises(InvalidJobError, match="5 nodes are wanted, but there are only 2"):
            select_nodes(job, nodes)
    else:
        assert [node.name for node in select_nodes(job, nodes)] == list(case["expect"]["ok"])


def test_an_allocations_nodes_have_their_cpus_and_gpus_but_no_limit_of_tasks(
    tmp_path: Path,
) -> None:
    environ = {
        "SLURM_JOB_NODELIST": "n[2-3],m1",
        "SLURM_JOB_CPUS_PER_NODE": "8(x2),4",
        "SLURM_GPUS_PER_NODE": "a100:2",
        "SLURM_TASKS_PER_NODE": "1(x3)",
    }
    nodes = find_nodes(spec(tmp_path), environ)
    assert [(n.name, n.cpus, n.gpus, n.slots) for n in nodes] == [
        ("n2", 8, 2, None), ("n3", 8, 2, None), ("m1", 4, 2, None),
    ]  # fmt: skip
    environ |= {"SLURM_JOB_CPUS_PER_NODE": "8", "SLURM_GPUS_PER_NODE": "x"}
    assert {(n.cpus, n.gpus) for n in find_nodes(spec(tmp_path), environ)} == {(0, 0)}


def test_slots_of_a_pbs_file_are_counted(tmp_path: Path) -> None:
    (tmp_path / "nodes").write_text("b\nb\na\nb\n")
    nodes = find_nodes(spec(tmp_path), {"PBS_NODEFILE": str(tmp_path / "nodes")})
    assert [(node.name, node.slots) for node in nodes] == [("b", 3), ("a", 1)]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SLURM_JOB_NODELIST": "n[3-1]"}, r"\$SLURM_JOB_NODELIST: 'n\[3-1\]' has a range"),
        ({"SLURM_JOB_NODELIST": "n[1,1]"}, "names a host twice"),
        ({"PBS_NODEFILE": "/no/such/file"}, r"/no/such/file \(\$PBS_NODEFILE\) cannot be read"),
        ({"PBS_NODEFILE": "{empty}"}, "names no host"),
        ({"PBS_NODEFILE": "{wrong}"}, "wrong:2: '-x' is not a host name"),
        ({"PBS_NODEFILE": "{latin}"}, "is not valid UTF-8"),
    ],
)
def test_an_allocation_that_cannot_be_read_is_told(
    environ: dict[str, str], said: str, tmp_path: Path
) -> None:
    files = {"empty": b"\n", "wrong": b"a\n-x\n", "latin": b"caf\xe9\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = {name: str(tmp_path / name) for name in files}
    with pytest.raises(UserError, match=said) as caught:
        find_nodes(spec(tmp_path), {key: text.format(**paths) for key, text in environ.items()})
    assert caught.value.exit_code is ExitCode.UNUSABLE
