"""What users get wrong before anything starts: one clear sentence, no traceback, exit 2 or 3."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Cli

TRAIN = "import os\nprint('trained', os.environ.get('lr'))\n"


def project(folder: Path, hyperparameters: str | None = None) -> Path:
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    if hyperparameters is not None:
        (folder / "HyperParameters.json").write_text(hyperparameters)
    return folder


def refused(cli: Cli, *args: str | Path, code: int = 2, **env: str) -> str:
    done = cli("run", *args, **env)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(("rankdeck: ", "Usage: "))
    assert not list((cli.home / "runs").glob("2*"))
    return done.stderr


LR = '{"HyperParameters": [\n  {"name": "lr", "types": "float", "defaultValue": "0.1"}\n]}\n'


def test_missing_entry_is_named(cli: Cli, tmp_path: Path) -> None:
    assert "nothing.py" in refused(cli, tmp_path / "nothing.py")


def test_empty_project_says_what_was_looked_for(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    message = refused(cli, folder)
    assert "train.sh" in message
    assert "train.py" in message


def test_program_that_is_not_executable_is_named(cli: Cli, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho hi\n")
    message = refused(cli, "--launcher", "direct", tool)
    assert "executable" in message
    assert str(tool) in message


def test_carriage_returns_in_a_script_are_told_with_their_line(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.sh").write_bytes(b"#!/bin/bash\necho one\r\necho two\r\n")
    message = refused(cli, folder)
    assert "train.sh:2" in message
    assert "CRLF" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"HyperParameters": [\n  {"name": "lr", "types": "float",,}\n]}', "json:2"),
        ('{"HyperParameters": [\n  {"name": "lr",\n   "types": "flaot"}\n]}', "flaot"),
        ('{"HyperParameters": [\n\n  {"types": "float"}\n]}', "json:3"),
        ('{"HyperParameters": [\n  {"name": "PYTHONPATH", "types": "string"}]}', "PYTHONPATH"),
        (
            '{"HyperParameters": [\n  {"name": "lr", "types": "int", "defaultValue": "x"}]}',
            "json:2",
        ),
    ],
)
def test_broken_hyperparameter_file_names_line_and_key(
    cli: Cli, tmp_path: Path, text: str, expected: str
) -> None:
    message = refused(cli, project(tmp_path / "project", text))
    assert "HyperParameters.json" in message
    assert expected in message


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("rl=1", "lr"),
        ("lr=fast", "fast"),
        ("LD_PRELOAD=/tmp/x.so", "LD_PRELOAD"),
        ("BASH_ENV=/tmp/x", "BASH_ENV"),
        ("a%%b=1", "a%%b"),
    ],
)
def test_wrong_hyperparameter_is_refused(
    cli: Cli, tmp_path: Path, setting: str, expected: str
) -> None:
    message = refused(cli, "--set", setting, project(tmp_path / "project", LR))
    assert expected in message


def test_all_problems_are_told_at_once(cli: Cli, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", LR)
    message = refused(
        cli, folder, "--set", "lr=fast", "--nproc-per-node", "0", "--master-port", "99999"
    )
    assert "fast" in message
    assert "nproc" in message
    assert "99999" in message


def test_job_file_errors_carry_their_line(cli: Cli, tmp_path: Path) -> None:
    project(tmp_path / "project")
    job = tmp_path / "project" / "job.yaml"
    job.write_text("entry: train.py\nnproc_per_nod: 2\nmax_restarts: many\n")
    message = refused(cli, job)
    assert "job.yaml:2" in message
    assert "nproc_per_node" in message
    assert "job.yaml:3" in message


def test_output_directory_that_cannot_be_made(cli: Cli, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a directory")
    done = cli("run", "--output-dir", blocker / "out", project(tmp_path / "project"))
    assert done.returncode in {1, 2}
    assert str(blocker / "out") in done.stderr
    assert "Traceback" not in done.stderr


def test_interpreter_without_torch_is_named(cli: Cli, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    os.symlink(Path(sys.base_prefix) / "bin" / "python3", bare)
    folder = project(tmp_path / "project")
    done = cli("run", "--python", bare, folder)
    assert done.returncode in {1, 2, 3}
    assert str(bare) in done.stderr
    assert "torch" in done.stderr
    assert "Traceback" not in done.stderr


def test_port_in_use_is_told_with_its_owner(
    cli: Cli, program: Callable[..., Path], tmp_path: Path
) -> None:
    import socket

    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        path = program("print('ran')")
        done = cli("run", "--launcher", "direct", "--master-port", str(port), path)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert str(os.getpid()) in done.stderr


def test_unknown_command_and_run_have_their_codes(cli: Cli) -> None:
    assert cli("rnu").returncode == 2
    assert "run" in cli("rnu").stderr
    missing = cli("show", "nosuch")
    assert missing.returncode == 4
    assert "no runs" in missing.stderr
