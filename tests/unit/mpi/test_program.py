"""Which mpirun it is, and the command lines it gets."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from backends.mpi.options import MpiOptions, mpi_options
from backends.mpi.program import (
    Flavour,
    Group,
    MpiRun,
    command_line,
    find_mpirun,
    identify,
    ssh_script,
)
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_OLD = MpiRun("/m/mpirun", Flavour.OPEN_MPI, (4, 1))
_NEW = MpiRun("/m/mpirun", Flavour.OPEN_MPI, (5, 0))
_HYDRA = MpiRun("/m/mpiexec", Flavour.HYDRA, (4, 0))
_GROUP = Group(("a", "b"), 2, ("python3", "agent.pyz"))


@pytest.mark.parametrize(
    ("said", "flavour", "version"),
    [
        ("mpirun (Open MPI) 4.1.4\n\nReport bugs to …", Flavour.OPEN_MPI, (4, 1)),
        ("mpirun (Open MPI) 5.0.3\n", Flavour.OPEN_MPI, (5, 0)),
        (
            "HYDRA build details:\n    Version:                                 4.0.2\n",
            Flavour.HYDRA,
            (4, 0),
        ),
    ],
)
def test_it_says_who_it_is(said: str, flavour: Flavour, version: tuple[int, int]) -> None:
    assert identify("/m", said) == MpiRun("/m", flavour, version)


def test_an_unknown_one_is_refused_with_its_own_words() -> None:
    with pytest.raises(UserError, match=r"neither Open MPI's nor MPICH's: Other MPI 1\.0"):
        identify("/m/mpirun", "Other MPI 1.0\nmore")


def make_program(folder: Path, name: str, text: str) -> Path:
    """An executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_first_on_the_path_is_taken(tmp_path: Path) -> None:
    path = make_program(tmp_path, "mpiexec.hydra", "echo HYDRA build details: Version: 4.0.2")
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert find_mpirun("mpiexec.hydra", environ).program == str(path)
    assert find_mpirun(str(path), environ).flavour is Flavour.HYDRA


def test_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_mpirun("", {"PATH": str(tmp_path)})
    assert caught.value.message == "there is no mpirun on $PATH"
    with pytest.raises(UserError, match="/no/such was not found"):
        find_mpirun("/no/such", dict(os.environ))


def test_one_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "mpirun"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    with pytest.raises(UserError, match="cannot be run"):
        find_mpirun(str(path), dict(os.environ))


def test_open_mpi_is_never_left_to_bind_to_cores() -> None:
    line = command_line(_OLD, [_GROUP], MpiOptions(), root=False, ssh="/r/mpi/ssh")
    assert line == [
        "/m/mpirun", "--bind-to", "none",
        "--mca", "plm_rsh_agent", "sh /r/mpi/ssh", "--mca", "plm_rsh_no_tree_spawn", "1",
        "--host", "a:2,b:2", "-np", "4", "--map-by", "ppr:2:node", "python3", "agent.pyz",
    ]  # fmt: skip


def test_root_is_allowed_only_when_it_is_root() -> None:
    flag = "--allow-run-as-root"
    assert flag in command_line(_OLD, [_GROUP], MpiOptions(), root=True, ssh="s")
    assert flag not in command_line(_OLD, [_GROUP], MpiOptions(), root=False, ssh="s")
    assert flag not in command_line(_HYDRA, [_GROUP], MpiOptions(), root=True, ssh="s")


def test_open_mpi_5_has_other_names_for_it() -> None:
    line = command_line(_NEW, [_GROUP], MpiOptions(), root=False, ssh="s")
    assert line[line.index("--prtemca") :][:3] == ["--prtemca", "plm_ssh_agent", "sh s"]


def test_a_path_that_mpirun_would_split_is_not_handed_to_it() -> None:
    options = MpiOptions(ssh_config="/c")
    line = command_line(_OLD, [_GROUP], options, root=False, ssh="/my runs/ssh")
    assert "plm_rsh_agent" not in line
    assert line[line.index("plm_rsh_args") + 1] == "-F /c -x -o BatchMode=yes -o ConnectTimeout=8"


def test_hydra() -> None:
    line = command_line(_HYDRA, [_GROUP], MpiOptions(), root=True, ssh="/my runs/ssh")
    assert line == [
        "/m/mpiexec", "-launcher", "ssh", "-launcher-exec", "/my runs/ssh",
        "-hosts", "a:2,b:2", "-n", "4", "python3", "agent.pyz",
    ]  # fmt: skip


def test_nodes_with_other_commands_follow_behind_a_colon() -> None:
    other = Group(("c",), 1, ("/opt/python",))
    line = command_line(_OLD, [_GROUP, other], MpiOptions(), root=False, ssh="s")
    part = line[line.index(":") + 1 :]
    assert part == ["--host", "c:1", "-np", "1", "--map-by", "ppr:1:node", "/opt/python"]


def test_further_arguments_come_before_the_hosts_split_like_a_shell_does() -> None:
    options = mpi_options({"mpirun_arg": "--prefix '/opt/open mpi'\n-x LD_LIBRARY_PATH"})
    line = command_line(_OLD, [_GROUP], options, root=False, ssh="s")
    at = line.index("--host")
    assert line[at - 4 : at] == ["--prefix", "/opt/open mpi", "-x", "LD_LIBRARY_PATH"]


def test_the_ssh_script_keeps_what_a_failed_ssh_says(tmp_path: Path) -> None:
    make_program(tmp_path, "ssh", 'echo "called with $*" >&2\nexit 255')
    said = tmp_path / "it's said"
    said.mkdir()
    script = tmp_path / "script"
    script.write_text(ssh_script(MpiOptions(ssh_config="/c d"), str(said)))
    status = os.spawnve(
        os.P_WAIT,
        "/bin/sh",
        ["sh", str(script), "-x", "node7", "orted", "-x"],
        {"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert status == 255
    assert (said / "node7").read_text() == (
        "called with -F /c d -x -o BatchMode=yes -o ConnectTimeout=8 -x node7 orted -x\n"
    )


def test_the_ssh_script_keeps_nothing_of_one_that_worked(tmp_path: Path) -> None:
    make_program(tmp_path, "ssh", "echo some warning >&2")
    script = tmp_path / "script"
    script.write_text(ssh_script(MpiOptions(connect_timeout=0), str(tmp_path)))
    os.spawnve(
        os.P_WAIT, "/bin/sh", ["sh", str(script), "n"], {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("n")]


def test_options_of_the_wrong_type_are_an_error() -> None:
    with pytest.raises(UserError, match="the options of the MPI backend"):
        mpi_options({"start_timeout": "soon"})
