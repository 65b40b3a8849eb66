from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rankdeck.errors import UserError
from rankdeck.job.spec import JobSpec
from rankdeck.nodes.listing import ListedNode, list_nodes

if TYPE_CHECKING:
    from pathlib import Path

SINFO = """#!/bin/sh
printf '%s\\n' 'n1|p|idle|8|1|gpu:2|(null)|none' 'n2|p|down*|8|1|(null)|(null)|no power'
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sinfo").write_text(SINFO)
    (folder / "sinfo").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"}


def listed(
    folder: Path, environ: dict[str, str], *, any_backend: bool = False, **changes: Any
) -> tuple[ListedNode, ...]:
    spec = msgspec.structs.replace(JobSpec(name="nodes", entry="", project=str(folder)), **changes)
    return list_nodes(spec, environ, any_backend=any_backend)


def names(nodes: tuple[ListedNode, ...]) -> list[str]:
    return [item.node.name for item in nodes]


def test_a_slurm_cluster_is_listed_with_its_states(tmp_path: Path, slurm: dict[str, str]) -> None:
    first, second = listed(tmp_path, slurm, backend="slurm")
    assert (first.node.name, first.node.gpus, first.state, first.usable) == ("n1", 2, "idle", True)
    assert (second.state, second.usable) == ("down, not responding: no power", False)
    assert names(listed(tmp_path, slurm, backend="slurm", exclude="n2")) == ["n1"]


def test_named_hosts_and_allocations_are_looked_up(tmp_path: Path, slurm: dict[str, str]) -> None:
    first, second = listed(tmp_path, slurm, backend="slurm", host=("x9", "n1"))
    assert (first.node.name, first.state, first.usable) == ("x9", "not known to Slurm", False)
    assert (second.node.cpus, second.node.origin, second.state) == (8, "--host", "idle")
    (only,) = listed(tmp_path, {**slurm, "SLURM_JOB_NODELIST": "n2"}, backend="slurm")
    assert (only.node.origin, only.state) == (
        "$SLURM_JOB_NODELIST", "down, not responding: no power",
    )  # fmt: skip


def test_without_a_backend_the_first_inventory_is_listed(
    tmp_path: Path, slurm: dict[str, str]
) -> None:
    assert names(listed(tmp_path, slurm, any_backend=True)) == ["n1", "n2"]
    (here,) = listed(tmp_path, {"PATH": "/nowhere"}, any_backend=True)
    assert here.node.cpus >= 1
    (tmp_path / "hostfile").write_text("h1\n")
    (found,) = listed(tmp_path, slurm, any_backend=True)
    assert (found.node.name, found.state, found.usable) == ("h1", "", None)


def test_a_slurm_that_gives_no_answer_is_no_reason_to_be_stuck(
    tmp_path: Path, slurm: dict[str, str]
) -> None:
    (tmp_path / "bin" / "sinfo").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(UserError, match="sinfo failed") as caught:
        listed(tmp_path, slurm, any_backend=True)
    assert caught.value.hint == "--backend local lists this machine"


@pytest.mark.parametrize("backend", ["ssh", "mpi"])
def test_backends_that_take_any_host_list_the_inventory(backend: str, tmp_path: Path) -> None:
    assert names(listed(tmp_path, {}, backend=backend, host=("b", "a"))) == ["b", "a"]
    with pytest.raises(UserError, match="no nodes are known"):
        listed(tmp_path, {}, backend=backend)


def test_another_backend_is_asked_itself(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no backend named 'cloud'"):
        listed(tmp_path, {}, backend="cloud")
